#include "pool/core/histogram.h"

#include <limits>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace chanpool {
namespace {

constexpr absl::Duration kHuge = absl::Nanoseconds(std::numeric_limits<int64_t>::max());

Histogram Of(const std::vector<absl::Duration>& values) {
  Histogram histogram;
  for (const absl::Duration value : values) histogram.Add(value);
  return histogram;
}

TEST(HistogramTest, AValueOnABoundIsBelowItAndOneAboveIsInTheNextBucket) {
  for (int i = 0; i < kHistogramBounds; ++i) {
    const absl::Duration bound = kHistogramBoundsOfTime[i];
    EXPECT_EQ(HistogramBucket(bound), i) << bound;
    EXPECT_EQ(HistogramBucket(bound + absl::Nanoseconds(1)), i + 1) << bound;
    EXPECT_GT(bound, i == 0 ? absl::ZeroDuration() : kHistogramBoundsOfTime[i - 1]);
  }
  EXPECT_EQ(kHistogramBoundsOfTime.front(), absl::Microseconds(10));
  EXPECT_EQ(kHistogramBoundsOfTime.back(), absl::Seconds(10));
}

TEST(HistogramTest, EachValueIsInTheFirstBucketWhoseBoundIsNotBelowIt) {
  std::vector<absl::Duration> values = {absl::InfiniteDuration(), -absl::InfiniteDuration(), kHuge};
  for (int bit = 0; bit < 63; ++bit) {
    for (const int64_t off : {-1, 0, 1}) values.push_back(absl::Nanoseconds((int64_t{1} << bit) + off));
  }
  for (const absl::Duration value : values) {
    int bucket = 0;
    while (bucket < kHistogramBounds && kHistogramBoundsOfTime[bucket] < value) ++bucket;
    EXPECT_EQ(HistogramBucket(value), bucket) << value;
  }
}

TEST(HistogramTest, TwoHistogramsAddUpToWhatOneWouldHaveCounted) {
  std::mt19937_64 random(7);
  std::vector<absl::Duration> first, second, all;
  for (int i = 0; i < 2000; ++i) {
    const absl::Duration value = absl::Nanoseconds(static_cast<int64_t>(random() >> (random() % 40 + 24)));
    (i % 3 == 0 ? first : second).push_back(value);
    all.push_back(value);
  }
  Histogram merged = Of(first);
  merged += Of(second);
  EXPECT_EQ(merged, Of(all));
  EXPECT_EQ(merged.count(), 2000u);
  EXPECT_EQ(merged.Since(Of(first)), Of(second));
  for (const double q : {0.0, 0.5, 0.9, 0.99, 1.0})
    EXPECT_EQ(merged.QuantileUpperBound(q), Of(all).QuantileUpperBound(q));
}

TEST(HistogramTest, AQuantileIsTheUpperBoundOfItsBucketAndNeverTooLow) {
  Histogram h;
  for (int i = 0; i < 99; ++i) h.Add(absl::Milliseconds(30));
  h.Add(absl::Seconds(3));
  EXPECT_EQ(h.QuantileUpperBound(0.5), absl::Milliseconds(50));
  EXPECT_EQ(h.QuantileUpperBound(0.99), absl::Milliseconds(50));
  EXPECT_EQ(h.QuantileUpperBound(0.991), absl::Seconds(5));
  EXPECT_EQ(h.QuantileUpperBound(0), absl::Milliseconds(50)) << "the least value's bucket";
  h.Add(absl::Seconds(11));
  EXPECT_EQ(h.QuantileUpperBound(1), absl::InfiniteDuration());
}

TEST(HistogramTest, WithoutAValueThereIsNoMeanAndNoQuantile) {
  EXPECT_EQ(Histogram().Mean(), std::nullopt);
  EXPECT_EQ(Histogram().QuantileUpperBound(0.5), std::nullopt);
}

TEST(HistogramTest, TheSumIsExactAndTheMeanComesFromIt) {
  const Histogram h = Of({absl::Nanoseconds(1), absl::Nanoseconds(2), absl::Seconds(3)});
  EXPECT_EQ(h.sum(), absl::Seconds(3) + absl::Nanoseconds(3));
  EXPECT_EQ(h.Mean(), absl::Seconds(1) + absl::Nanoseconds(1));
  EXPECT_EQ(Of({absl::Seconds(-5)}).sum(), absl::ZeroDuration());
}

TEST(HistogramTest, ASampleOfOneInNStandsForNTimesAsMany) {
  const Histogram h = Of({absl::Milliseconds(1), absl::Seconds(2)}).Times(64);
  EXPECT_EQ(h.count(), 128u);
  EXPECT_EQ(h.sum(), 64 * absl::Milliseconds(2001));
  EXPECT_EQ(h.QuantileUpperBound(0.5), absl::Milliseconds(1));
}

TEST(HistogramRecorderTest, LosesNothingThatManyThreadsRecord) {
  HistogramRecorder recorder;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&recorder, t] {
      for (int i = 0; i < 10'000; ++i) recorder.Record(absl::Microseconds(t));
    });
  }
  uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const uint64_t count = recorder.Read().count();
    EXPECT_GE(count, last) << "a count went down";
    last = count;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(recorder.Read().count(), 40'000u);
  EXPECT_EQ(recorder.Read().sum(), 10'000 * absl::Microseconds(0 + 1 + 2 + 3));
}

TEST(HistogramRecorderTest, TheSumGoesOnWhereAnIntegerWouldWrap) {
  HistogramRecorder recorder;
  for (int i = 0; i < 5; ++i) recorder.Record(kHuge);
  EXPECT_EQ(recorder.Read().sum(), 5 * kHuge);
  recorder.Record(absl::InfiniteDuration());
  EXPECT_EQ(recorder.Read().sum(), 6 * kHuge) << "as long as can be counted";
  EXPECT_EQ(recorder.Read().bucket(kHistogramBounds), 6u);
}

}  // namespace
}  // namespace chanpool
