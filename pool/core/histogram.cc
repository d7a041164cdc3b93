#include "pool/core/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace chanpool {
namespace {

constexpr int64_t kMicrosecond = 1'000, kMillisecond = 1'000'000, kSecond = 1'000'000'000;

// Each at least twice the one before.
constexpr std::array<int64_t, kHistogramBuckets> kBounds = {
    10 * kMicrosecond,
    50 * kMicrosecond,
    100 * kMicrosecond,
    250 * kMicrosecond,
    500 * kMicrosecond,
    1 * kMillisecond,
    2'500 * kMicrosecond,
    5 * kMillisecond,
    10 * kMillisecond,
    25 * kMillisecond,
    50 * kMillisecond,
    100 * kMillisecond,
    250 * kMillisecond,
    500 * kMillisecond,
    1 * kSecond,
    2'500 * kMillisecond,
    5 * kSecond,
    10 * kSecond,
    std::numeric_limits<int64_t>::max(),  // No bound.
};

// By the highest bit of a value that is not 0: the first bound that is not below that bit alone. So the value's bucket
// is that one or, since no second bound has the same highest bit, the next.
constexpr std::array<uint8_t, 63> FirstBounds() {
  std::array<uint8_t, 63> first{};
  for (int bit = 0; bit < 63; ++bit) {
    int bound = 0;
    while (kBounds[bound] < int64_t{1} << bit) ++bound;
    first[bit] = static_cast<uint8_t>(bound);
  }
  return first;
}
constexpr std::array<uint8_t, 63> kFirstBound = FirstBounds();

// A call that is alone finds the caches cold, and counts each of them: a search by halves would touch three lines more.
int BucketOf(int64_t nanoseconds) {
  if (nanoseconds <= 0) return 0;
  const int bound = kFirstBound[63 - __builtin_clzll(static_cast<uint64_t>(nanoseconds))];
  return bound + static_cast<int>(nanoseconds > kBounds[bound]);
}

constexpr std::array<absl::Duration, kHistogramBounds> BoundsOfTime() {
  std::array<absl::Duration, kHistogramBounds> bounds{};
  for (int i = 0; i < kHistogramBounds; ++i) bounds[i] = absl::Nanoseconds(kBounds[i]);
  return bounds;
}

int64_t Nanoseconds(absl::Duration value) {
  return std::clamp<int64_t>(absl::ToInt64Nanoseconds(value), 0, std::numeric_limits<int64_t>::max());
}

// An absl::Duration holds more nanoseconds than an integer does.
absl::Duration FromNanoseconds(uint64_t nanoseconds) {
  return absl::Seconds(nanoseconds / 1'000'000'000) + absl::Nanoseconds(nanoseconds % 1'000'000'000);
}

}  // namespace

constexpr std::array<absl::Duration, kHistogramBounds> kHistogramBoundsOfTime = BoundsOfTime();

int HistogramBucket(absl::Duration value) { return BucketOf(Nanoseconds(value)); }

void Histogram::Add(absl::Duration value) {
  const int64_t nanoseconds = Nanoseconds(value);
  ++buckets_[BucketOf(nanoseconds)];
  sum_ += absl::Nanoseconds(nanoseconds);
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
  const int64_t nanoseconds = Nanoseconds(value);
  buckets_[BucketOf(nanoseconds)].fetch_add(times, std::memory_order_relaxed);
  const auto added = static_cast<uint64_t>(times == 1 ? nanoseconds : Nanoseconds(value * times));
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
