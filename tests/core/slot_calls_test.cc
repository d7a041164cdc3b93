#include "pool/core/slot_calls.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace chanpool {
namespace {

TEST(SlotCallsTest, CountsEachOutcomeOnce) {
  SlotCalls calls;
  calls.Report(CallOutcome::kAnswered, absl::Milliseconds(3));
  calls.Report(CallOutcome::kAnswered, absl::Milliseconds(4));
  calls.Report(CallOutcome::kOverloaded, absl::Milliseconds(100));
  calls.Report(CallOutcome::kUnknown, absl::Milliseconds(100));
  calls.Report(CallOutcome::kFailed, absl::Milliseconds(100));
  calls.Report(CallOutcome::kUnavailable, absl::Milliseconds(100));
  const CallCounts counts = calls.Take();
  EXPECT_EQ(counts.answered, 2u);
  EXPECT_EQ(counts.latency_us, 7000u) << "of those answered only";
  EXPECT_EQ(counts.overloaded, 1u);
  EXPECT_EQ(counts.failed, 2u);
  EXPECT_EQ(counts.failed_in_row, 2u);
  EXPECT_TRUE(counts.penalised);
  EXPECT_EQ(counts.calls(), 5u);
}

TEST(SlotCallsTest, ATakeLeavesTheRowAndNothingElse) {
  SlotCalls calls;
  calls.Report(CallOutcome::kUnavailable, absl::ZeroDuration());
  calls.Take();
  const CallCounts after = calls.Take();
  EXPECT_EQ(after.calls(), 0u);
  EXPECT_FALSE(after.penalised);
  EXPECT_EQ(after.failed_in_row, 1u);
  calls.Report(CallOutcome::kAnswered, absl::ZeroDuration());
  EXPECT_EQ(calls.Take().failed_in_row, 0u);
}

TEST(SlotCallsTest, TheFirstRefusalSinceATakeIsTold) {
  SlotCalls calls;
  EXPECT_FALSE(calls.Report(CallOutcome::kFailed, absl::ZeroDuration()));
  EXPECT_TRUE(calls.Report(CallOutcome::kOverloaded, absl::ZeroDuration()));
  EXPECT_FALSE(calls.Report(CallOutcome::kUnavailable, absl::ZeroDuration()));
  calls.Take();
  EXPECT_TRUE(calls.Report(CallOutcome::kUnavailable, absl::ZeroDuration()));
}

TEST(SlotCallsTest, AnotherConnectionBeginsWithNothing) {
  SlotCalls calls;
  calls.Report(CallOutcome::kUnavailable, absl::ZeroDuration());
  calls.Reset();
  const CallCounts counts = calls.Take();
  EXPECT_EQ(counts.calls(), 0u);
  EXPECT_EQ(counts.failed_in_row, 0u);
}

TEST(SlotCallsTest, LatenciesThatNoClockMeasuresLeaveTheCountAlone) {
  SlotCalls calls;
  calls.Report(CallOutcome::kAnswered, absl::InfiniteDuration());
  calls.Report(CallOutcome::kAnswered, -absl::Seconds(1));
  const CallCounts counts = calls.Take();
  EXPECT_EQ(counts.answered, 2u);
  EXPECT_EQ(counts.latency_us, (uint64_t{1} << 24) - 1) << "17 s, and nothing";
}

TEST(SlotCallsTest, NothingIsLostBetweenThreadsAndTakes) {
  constexpr int kThreads = 4, kEach = 20'000;
  SlotCalls calls;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&calls] {
      for (int n = 0; n < kEach; ++n) {
        calls.Report(n % 2 == 0 ? CallOutcome::kAnswered : CallOutcome::kFailed, absl::Microseconds(5));
      }
    });
  }
  uint64_t answered = 0, failed = 0, latency_us = 0;
  const auto take = [&] {
    const CallCounts counts = calls.Take();
    answered += counts.answered;
    failed += counts.failed;
    latency_us += counts.latency_us;
  };
  for (int n = 0; n < 1000; ++n) take();
  for (std::thread& thread : threads) thread.join();
  take();
  EXPECT_EQ(answered, uint64_t{kThreads} * kEach / 2);
  EXPECT_EQ(failed, uint64_t{kThreads} * kEach / 2);
  EXPECT_EQ(latency_us, answered * 5);
}

}  // namespace
}  // namespace chanpool
