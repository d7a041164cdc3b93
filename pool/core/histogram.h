// How long things took: counts between fixed bounds, which add up exactly.
//
//   HistogramRecorder waits;                       // any thread: waits.Record(absl::Microseconds(12));
//   Histogram seen = waits.Read();                 // seen.count(), seen.sum(), seen.Mean()
//   std::optional<absl::Duration> p99 = seen.QuantileUpperBound(0.99);
//
// Every histogram has the same bounds, so any two add up, bucket by bucket, to what one would have counted. A quantile
// is known to a bucket only: what is told is the bucket's upper bound, so it is never too low.
#ifndef CHANPOOL_POOL_CORE_HISTOGRAM_H_
#define CHANPOOL_POOL_CORE_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace chanpool {

inline constexpr int kHistogramBounds = 18;
// One more: above the last bound.
inline constexpr int kHistogramBuckets = kHistogramBounds + 1;

// Rising. From what a place costs at once to what nobody waits for.
extern const std::array<absl::Duration, kHistogramBounds> kHistogramBoundsOfTime;

// The bucket of `value`, in whole nanoseconds: the first whose bound is not below it.
int HistogramBucket(absl::Duration value);

// A plain value.
class Histogram {
 public:
  // What is negative counts as zero: a clock that ran back has no other meaning here.
  void Add(absl::Duration value);

  // As if what `other` has counted had been counted here.
  Histogram& operator+=(const Histogram& other);
  // What has been counted since `earlier`, an earlier view of the same.
  Histogram Since(const Histogram& earlier) const;
  // What one in `weight` was sampled of: every count and the sum that many times.
  Histogram Times(uint64_t weight) const;

  // Of the values at or below kHistogramBoundsOfTime[bucket] and above the bound before; the last one has no bound.
  uint64_t bucket(int i) const { return buckets_[i]; }
  uint64_t count() const;
  absl::Duration sum() const { return sum_; }
  // Nothing when nothing was counted.
  std::optional<absl::Duration> Mean() const;
  // The least bound that at least `quantile` (0 to 1) of the values do not exceed; infinite where that is above the
  // last bound. Nothing when nothing was counted.
  std::optional<absl::Duration> QuantileUpperBound(double quantile) const;

  friend bool operator==(const Histogram& a, const Histogram& b) {
    return a.buckets_ == b.buckets_ && a.sum_ == b.sum_;
  }
  friend bool operator!=(const Histogram& a, const Histogram& b) { return !(a == b); }

 private:
  friend class HistogramRecorder;
  std::array<uint64_t, kHistogramBuckets> buckets_{};
  absl::Duration sum_;
};

// Where the values come in. Thread-safe: two relaxed additions a value, no lock. Never reset.
//
// Not striped: the fast path records one value in 64 or fewer, so the line that these counters share moves between
// cores that much less often than the slot's own.
class HistogramRecorder {
 public:
  // As if it had come `times` times.
  void Record(absl::Duration value, uint32_t times = 1);
  // Each number is one that was true; a value that is being recorded may be in the count and not yet in the sum.
  Histogram Read() const;

 private:
  std::array<std::atomic<uint64_t>, kHistogramBuckets> buckets_{};
  // Nanoseconds, modulo 2^64, and how often that has wrapped: 100,000 leases at a time, one in 64 timed, wrap it in 136
  // days.
  std::atomic<uint64_t> nanoseconds_{0};
  std::atomic<uint64_t> wraps_{0};
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_HISTOGRAM_H_
