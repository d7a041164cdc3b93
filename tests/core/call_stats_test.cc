#include "pool/core/call_stats.h"

#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

constexpr int kNotFound = static_cast<int>(absl::StatusCode::kNotFound);

CallTotals Calls(uint64_t ok, uint64_t not_found) {
  CallTotals calls;
  calls.by_code[0] = ok;
  calls.by_code[kNotFound] = not_found;
  for (uint64_t i = 0; i < ok + not_found; ++i) calls.times.Add(absl::Milliseconds(2));
  return calls;
}

TEST(CallStatsTest, AnErrorIsEveryEndButOk) {
  const CallTotals calls = Calls(/*ok=*/90, /*not_found=*/10);
  EXPECT_EQ(calls.requests(), 100u);
  EXPECT_EQ(calls.errors(), 10u);
  EXPECT_EQ(calls.ErrorRate().value(), 0.10);
  EXPECT_EQ(calls.ErrorRate().whole, 100u) << "the rate comes with its count";
}

TEST(CallStatsTest, WithoutACallThereIsNoErrorRate) { EXPECT_EQ(CallTotals().ErrorRate().value(), std::nullopt); }

TEST(CallStatsTest, MethodsAddUpCodeByCodeAndBucketByBucket) {
  const CallTotals total = Total({{"/a.A/B", Calls(1, 2)}, {kOtherMethods, Calls(3, 4)}});
  EXPECT_EQ(total.by_code[0], 4u);
  EXPECT_EQ(total.by_code[kNotFound], 6u);
  EXPECT_EQ(total.times.count(), 10u);
  EXPECT_EQ(total.times.sum(), absl::Milliseconds(20));
}

TEST(CallStatsTest, TheOldestCallsAreKeptTheOldestFirst) {
  std::vector<CallInFlight> calls;
  for (const int age : {2, 9, 4}) calls.push_back({{}, "/a.A/B", absl::Seconds(age)});
  KeepOldest(2, &calls);
  ASSERT_THAT(calls, ::testing::SizeIs(2));
  EXPECT_EQ(calls[0].age, absl::Seconds(9));
  EXPECT_EQ(calls[1].age, absl::Seconds(4));
}

}  // namespace
}  // namespace chanpool
