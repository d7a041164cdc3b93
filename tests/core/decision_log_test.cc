#include "pool/core/decision_log.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/pool_state.h"

namespace chanpool {
namespace {

const absl::Time kBegin = absl::FromUnixSeconds(1'000'000);

// Four connections are wanted by 312 leases, and there may be only three.
Decision Full() {
  Decision d;
  d.kind = Decision::Kind::kNotOpened;
  d.limit = Limit::kMaxConnections;
  d.limit_value = 3;
  d.demand = 312;
  d.target = 80;
  d.wanted = 4;
  d.have = 3;
  return d;
}

TEST(DecisionLogTest, ADecisionTellsItsFormulaItsNumbersAndWhyNot) {
  EXPECT_EQ(Full().ToString(),
            "not opened (callers): wanted 4 = ceil(312 / 80), have 3: max_connections 3 is the limit");
  Decision failing = Full();
  failing.limit = Limit::kBackOff;
  failing.limit_value = 250;
  failing.extra = 1;
  failing.wanted = 5;
  EXPECT_EQ(
      failing.ToString(),
      "not opened (callers): wanted 5 = ceil(312 / 80) + 1 suspected, have 3: the target fails, the next dial is in "
      "250ms");
}

TEST(DecisionLogTest, WhatRepeatsIsOneEntryWithACountAndItsLatestNumbers) {
  DecisionLog log;
  Decision other = Full();
  other.wanted = 5;
  for (int i = 0; i < 100; ++i) {
    Decision again = Full();
    again.demand = 300 + i % 20;
    log.Note(again, kBegin + absl::Seconds(i));
    log.Note(other, kBegin + absl::Seconds(i));
  }
  const std::vector<Decision> all = log.All();
  ASSERT_EQ(all.size(), 2u) << "two that take turns are two entries";
  EXPECT_EQ(all[0].count, 100u);
  EXPECT_EQ(all[0].demand, 319);
  EXPECT_EQ(all[0].first, kBegin);
  EXPECT_EQ(all[0].last, kBegin + absl::Seconds(99));
}

TEST(DecisionLogTest, AfterAPauseTheSameDecisionIsANewOne) {
  DecisionLog log;
  log.Note(Full(), kBegin);
  log.Note(Full(), kBegin + DecisionLog::kPause);
  log.Note(Full(), kBegin + 2 * DecisionLog::kPause + absl::Nanoseconds(1));
  const std::vector<Decision> all = log.All();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].first, kBegin + 2 * DecisionLog::kPause + absl::Nanoseconds(1)) << "since when it holds now";
}

TEST(DecisionLogTest, TheOldestMakeRoomAboveTheMaximum) {
  DecisionLog log;
  for (int i = 0; i < 3 * DecisionLog::kMaxDecisions + 7; ++i) {
    Decision d = Full();
    d.wanted = i;
    log.Note(d, kBegin);
    ASSERT_LE(log.size(), DecisionLog::kMaxDecisions);
    const std::vector<Decision> all = log.All();
    ASSERT_EQ(all.back().wanted, i);
    ASSERT_EQ(all.front().wanted, i + 1 - log.size());
    ASSERT_EQ(all.back().sequence, static_cast<uint64_t>(i) + 1);
  }
  EXPECT_EQ(log.forgotten(), 2u * DecisionLog::kMaxDecisions + 7);
}

// --- What the state notes -----------------------------------------------------------------------------------------

std::vector<std::string> Texts(const PoolState& state) {
  std::vector<std::string> texts;
  for (const Decision& d : state.decisions().All()) texts.push_back(d.ToString());
  return texts;
}

PoolOptions Options(int min_connections, int max_connections) {
  PoolOptions options;
  options.min_connections = min_connections;
  options.max_connections = max_connections;
  options.max_idle = options.max_age = absl::InfiniteDuration();
  return options;
}

TEST(DecisionLogTest, GrowthIsNotedUpToTheLimitThatEndsIt) {
  PoolState state(Options(1, 3), 1);
  state.Start(kBegin);
  state.OnOpened(0, kBegin);
  state.OnDemand(100, kBegin);
  state.OnDemand(300, kBegin);
  state.OnDemand(310, kBegin);
  EXPECT_THAT(Texts(state),
              testing::ElementsAre("opened (min_connections): wanted 1, had 0",
                                   "opened (callers): wanted 2 = ceil(100 / 80), had 1",
                                   "opened (callers): wanted 4 = ceil(300 / 80), had 2",
                                   "not opened (callers): wanted 4 = ceil(310 / 80), have 3: max_connections 3 is the "
                                   "limit"));
}

TEST(DecisionLogTest, GrowthAheadShowsItsRatio) {
  PoolOptions options = Options(0, 10);
  options.preconnect_ratio = 1.5;
  PoolState state(options, 1);
  state.Start(kBegin);
  state.OnDemand(100, kBegin);
  EXPECT_THAT(Texts(state), testing::ElementsAre("opened (callers): wanted 2 = ceil(100 x 1.5 / 80), had 0"));
}

TEST(DecisionLogTest, WhatTheLimitsOnDialsHoldBackIsOneEntryThatKeepsItsFormula) {
  PoolOptions options = Options(0, 10);
  options.max_connecting = 2;
  PoolState state(options, 1);
  state.Start(kBegin);
  state.OnDemand(400, kBegin);
  EXPECT_EQ(Texts(state).back(),
            "not opened (callers): wanted 5 = ceil(400 / 80), have 2: max_connecting 2 is the limit");
  state.OnOpened(0, kBegin);
  state.OnOpened(1, kBegin);
  const std::vector<std::string> texts = Texts(state);
  EXPECT_EQ(state.count(SlotState::kConnecting), 2);
  EXPECT_THAT(texts, testing::Contains("opened (callers): wanted 5 = ceil(400 / 80), had 2"));
  EXPECT_THAT(texts, testing::Contains("not opened (callers): wanted 5 = ceil(400 / 80), have 4: max_connecting 2 is "
                                       "the limit"));
  options.max_connecting = 10;
  options.max_connects_per_second = 1;
  PoolState slow(options, 1);
  slow.Start(kBegin);
  slow.OnDemand(400, kBegin);
  EXPECT_EQ(Texts(slow).back(),
            "not opened (callers): wanted 5 = ceil(400 / 80), have 1: max_connects_per_second, the next dial is in "
            "1000ms");
}

TEST(DecisionLogTest, WhatTheBackOffHoldsUpIsNoted) {
  PoolState state(Options(0, 3), 1);
  state.Start(kBegin);
  state.OnDemand(1, kBegin);
  state.OnFailed(0, absl::UnavailableError("refused"), kBegin);
  state.OnDemand(100, kBegin);
  const std::vector<Decision> all = state.decisions().All();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].kind, Decision::Kind::kBackedOff);
  EXPECT_EQ(all[2].kind, Decision::Kind::kNotOpened);
  EXPECT_EQ(all[2].limit, Limit::kBackOff);
  EXPECT_GT(all[2].limit_value, 50) << "milliseconds to the next dial";
}

TEST(DecisionLogTest, ReplacementsThatMaxSurgeDelaysAreNoted) {
  PoolState state(Options(2, 2), 1);
  state.Start(kBegin);
  state.OnOpened(0, kBegin);
  state.OnOpened(1, kBegin);
  state.Recycle(kBegin);
  const std::vector<std::string> texts = Texts(state);
  EXPECT_THAT(texts, testing::Contains("replaced (recycle): 2 due, 0 under way"));
  EXPECT_EQ(texts.back(), "not replaced (recycle): 2 due, 1 under way: max_surge 1 is the limit");
}

TEST(DecisionLogTest, AConnectionThatIsReplacedForItsAgeSaysSo) {
  PoolOptions options = Options(1, 1);
  options.max_age = absl::Hours(1);
  PoolState state(options, 1);
  state.Start(kBegin);
  state.OnOpened(0, kBegin);
  state.OnTick({{0, false, 0, false}}, 0, kBegin + absl::Hours(2));
  EXPECT_THAT(Texts(state), testing::Contains("replaced (max_age): 1 due, 0 under way"));
}

TEST(DecisionLogTest, WhatCallersForFreshConnectionsGetIsNotedAndWhyNoMore) {
  PoolState state(Options(0, 2), 1);
  state.Start(kBegin);
  state.OnFreshDemand(1, {}, kBegin);
  state.OnOpened(0, kBegin);
  const std::vector<SlotUse> used = {{1, true, 1, false}};
  state.OnFreshDemand(3, used, kBegin);
  EXPECT_THAT(Texts(state), testing::ElementsAre("opened (fresh): wanted 1, had 0", "opened (fresh): wanted 3, had 0",
                                                 "not opened (fresh): wanted 3, have 1: max_connections 2 is the limit",
                                                 "replaced (recycle): 1 due, 0 under way"));
}

TEST(DecisionLogTest, AShrinkIsNoted) {
  PoolState state(Options(0, 3), 1);
  state.Start(kBegin);
  state.EnsureConnections(3, kBegin);
  state.Reconfigure(Options(0, 1), {}, kBegin);
  EXPECT_EQ(Texts(state).back(), "shrunk (reconfigured): 2 above, 1 stay: max_connections 1 is the limit");
}

}  // namespace
}  // namespace chanpool
