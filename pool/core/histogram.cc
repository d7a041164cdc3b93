#include "pool/core/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace chanpool {
namespace {

int64_t Nanoseconds(absl::Duration value) {
  return std::clamp<int64_t>(absl::ToInt64Nanoseconds(value), 0, std::numeric_limits<int64_t>::max());
}

// An absl::Duration holds more nanoseconds than an integer does.
absl::Duration FromNanoseconds(uint64_t nanoseconds) {
  return absl::Seconds(nanoseconds / 1'000'000'000) + absl::Nanoseconds(nanoseconds % 1'000'000'000);
}

}  // namespace

const std::array<absl::Duration, kHistogramBounds> kHistogramBoundsOfTime = {
    absl::Microseconds(10),  absl::Microseconds(50),  absl::Microseconds(100),  absl::Microseconds(250),
    absl::Microseconds(500), absl::Milliseconds(1),   absl::Microseconds(2500), absl::Milliseconds(5),
    absl::Milliseconds(10),  absl::Milliseconds(25),  absl::Milliseconds(50),   absl::Milliseconds(100),
    absl::Milliseconds(250), absl::Milliseconds(500), absl::Seconds(1),         absl::Milliseconds(2500),
    absl::Seconds(5),        absl::Seconds(10),
};

int HistogramBucket(absl::Duration value) {
  const auto& bounds = kHistogramBoundsOfTime;
  return static_cast<int>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

void Histogram::Add(absl::Duration value) {
  ++buckets_[HistogramBucket(value)];
  sum_ += absl::Nanoseconds(Nanoseconds(value));
}

Histogram& Histogram::operator+=(const Histogram& other) {
  for (int i = 0; i < kHistogramBuckets; ++i) buckets_[i] += other.buckets_[i];
  sum_ += other.sum_;
  return *this;
}

Histogram Histogram::Since(const Histogram& earlier) const {
  Histogram since;
  for (int i = 0; i < kHistogramBuckets; ++i)
    since.buckets_[i] = buckets_[i] - std::min(buckets_[i], earlier.buckets_[i]);
  since.sum_ = std::max(absl::ZeroDuration(), sum_ - earlier.sum_);
  return since;
}

Histogram Histogram::Times(uint64_t weight) const {
  Histogram all;
  for (int i = 0; i < kHistogramBuckets; ++i) all.buckets_[i] = buckets_[i] * weight;
  all.sum_ = sum_ * static_cast<int64_t>(weight);
  return all;
}

uint64_t Histogram::count() const {
  uint64_t count = 0;
  for (const uint64_t n : buckets_) count += n;
  return count;
}

std::optional<absl::Duration> Histogram::Mean() const {
  const uint64_t n = count();
  if (n == 0) return std::nullopt;
  return sum_ / static_cast<int64_t>(n);
}

std::optional<absl::Duration> Histogram::QuantileUpperBound(double quantile) const {
  const uint64_t n = count();
  if (n == 0) return std::nullopt;
  const auto wanted = static_cast<uint64_t>(std::ceil(std::clamp(quantile, 0.0, 1.0) * static_cast<double>(n)));
  uint64_t below = 0;
  for (int i = 0; i < kHistogramBounds; ++i) {
    below += buckets_[i];
    if (below > 0 && below >= wanted) return kHistogramBoundsOfTime[i];
  }
  return absl::InfiniteDuration();
}

void HistogramRecorder::Record(absl::Duration value, uint32_t times) {
  buckets_[HistogramBucket(value)].fetch_add(times, std::memory_order_relaxed);
  const auto added = static_cast<uint64_t>(Nanoseconds(times == 1 ? value : value * times));
  const uint64_t before = nanoseconds_.fetch_add(added, std::memory_order_relaxed);
  if (before + added < before) wraps_.fetch_add(1, std::memory_order_relaxed);
}

Histogram HistogramRecorder::Read() const {
  Histogram read;
  for (int i = 0; i < kHistogramBuckets; ++i) read.buckets_[i] = buckets_[i].load(std::memory_order_relaxed);
  const absl::Duration wrap = FromNanoseconds(std::numeric_limits<uint64_t>::max()) + absl::Nanoseconds(1);
  read.sum_ = FromNanoseconds(nanoseconds_.load(std::memory_order_relaxed)) +
              wrap * static_cast<int64_t>(wraps_.load(std::memory_order_relaxed));
  return read;
}

}  // namespace chanpool
