#include "pool/core/explain.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

PoolOptions FourOfHundred() {
  PoolOptions options;
  options.max_connections = 4;
  options.max_waiters = 100;
  return options;
}

// All of FourOfHundred(): 400 leases, 12 waiting.
PoolStats Full() {
  PoolStats s;
  s.connections = s.connections_open = 4;
  s.capacity = s.leases = 400;
  s.waiters = 12;
  return s;
}

Decision Said(Decision::Kind kind, Limit limit, absl::Duration since) {
  Decision d;
  d.kind = kind;
  d.limit = limit;
  d.first = kNow - since;
  d.last = kNow - absl::Seconds(1);
  return d;
}

std::vector<Limit> Limits(const Explanation& e) {
  std::vector<Limit> limits;
  for (const Finding& f : e.findings) limits.push_back(f.limit);
  return limits;
}

TEST(ExplainTest, AFullPoolNamesTheLimitTheNumbersTheKnobAndWhatItAdds) {
  PoolHistory history;
  history.decisions = {Said(Decision::Kind::kNotOpened, Limit::kMaxConnections, absl::Seconds(35))};
  const Explanation e = Explain(Full(), FourOfHundred(), history, kNow);
  EXPECT_EQ(e.health, PoolHealth::kOverloaded);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kMaxConnections, Limit::kMaxLeasesPerConnection));
  EXPECT_EQ(e.findings[0].since, kNow - absl::Seconds(35));
  EXPECT_EQ(e.findings[0].ToString(kNow),
            "max_connections: 400/400 leases on 4 connections, 12 waiting, max_connections is 4, for 35s; set "
            "max_connections to 6: adds 200 places");
  EXPECT_EQ(e.findings[1].value, "103") << "412 on four";
}

TEST(ExplainTest, APoolWithRoomIsHeldBackByNothing) {
  PoolStats s = Full();
  s.waiters = 0;
  s.leases = 10;
  s.free = 390;
  const Explanation e = Explain(s, FourOfHundred(), PoolHistory(), kNow);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kNothing));
  EXPECT_EQ(e.findings[0].ToString(kNow), "nothing: nothing binds: 10/400 leases on 4 connections, 0 waiting");
}

TEST(ExplainTest, AConnectionOnItsWayIsWhatAFullPoolWaitsFor) {
  PoolStats s = Full();
  s.connections_open = 3;
  s.connections_connecting = 1;
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), PoolHistory(), kNow)), ElementsAre(Limit::kConnecting));
}

TEST(ExplainTest, AProbeThatHasNotAnsweredIsNamedWhereItHoldsCallersUp) {
  PoolStats s = Full();
  s.connections_open = 3, s.connections_checking = 1;
  s.capacity = s.leases = 300;
  const Explanation e = Explain(s, FourOfHundred(), PoolHistory(), kNow);
  EXPECT_THAT(Limits(e), testing::Contains(Limit::kChecking));
  EXPECT_EQ(
      e.findings[0].evidence,
      "300/300 leases on 3 connections, 12 waiting; 1 connection is probed and lends nothing until it has answered");
  s.waiters = 0, s.leases = 299, s.free = 1;
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), PoolHistory(), kNow)), ElementsAre(Limit::kNothing));
}

TEST(ExplainTest, AnOldDecisionBindsNoMore) {
  PoolStats s = Full();
  s.waiters = 0, s.free = 1, s.leases = 399;
  PoolHistory history;
  history.decisions = {Said(Decision::Kind::kNotOpened, Limit::kMaxConnections, absl::Seconds(35))};
  history.decisions[0].wanted = 5;
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), history, kNow)), ElementsAre(Limit::kMaxConnections))
      << "above the target, though a place is free";
  history.decisions[0].kind = Decision::Kind::kShrunk;
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), history, kNow)), ElementsAre(Limit::kNothing)) << "a shrink is done";
  history.decisions[0].kind = Decision::Kind::kNotOpened;
  history.decisions[0].last = kNow - DecisionLog::kPause - absl::Nanoseconds(1);
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), history, kNow)), ElementsAre(Limit::kNothing));
}

TEST(ExplainTest, WhoWaitsForAFreshConnectionIsNotHeldUpByPlaces) {
  PoolStats s = Full();
  s.leases = 10, s.free = 390;
  s.waiters = s.waiters_fresh = 3;
  PoolHistory history;
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), history, kNow)), ElementsAre(Limit::kNothing)) << "they are dialled";
  history.decisions = {Said(Decision::Kind::kNotOpened, Limit::kMaxConnections, absl::Seconds(35))};
  history.decisions[0].cause = Decision::Cause::kFresh;
  history.decisions[0].have = 1;
  const Explanation e = Explain(s, FourOfHundred(), history, kNow);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kMaxConnections));
  EXPECT_EQ(e.findings[0].ToString(kNow),
            "max_connections: 3 waiting for a connection that has not lent, 1 on the way, max_connections is 4, for "
            "35s; set max_connections to 7: adds 3 fresh connections for which none has to close");
  s.waiters_fresh = s.waiters = 0;
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), history, kNow)), ElementsAre(Limit::kNothing)) << "they have got them";
}

TEST(ExplainTest, RefusedCallersComeBeforeThoseThatWait) {
  PoolOptions options = FourOfHundred();
  options.max_waiters = 12;
  PoolStats s = Full();
  s.rejected = 40;
  PoolHistory history;
  history.earlier_at = kNow - absl::Seconds(30);
  history.earlier.rejected = 28;
  const Explanation e = Explain(s, options, history, kNow);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kMaxWaiters, Limit::kMaxConnections, Limit::kMaxLeasesPerConnection));
  EXPECT_EQ(
      e.findings[0].ToString(kNow),
      "max_waiters: 12 wait, max_waiters is 12, 12 callers refused in 30s; set max_waiters to 24: adds 12 callers "
      "that wait instead of being refused; no place");
}

TEST(ExplainTest, ATargetThatFailsIsNamedWithItsError) {
  PoolStats s;
  s.connections = s.connections_backoff = 1;
  s.dial_failures = 3;
  s.retry_at = kNow + absl::Milliseconds(2500);
  s.failing_since = kNow - absl::Minutes(3);
  s.last_dial_error = absl::UnavailableError("no route");
  const Explanation e = Explain(s, FourOfHundred(), PoolHistory(), kNow);
  EXPECT_EQ(e.health, PoolHealth::kUnavailable);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kBackOff));
  EXPECT_THAT(e.findings[0].evidence, HasSubstr("3 dials failed so far, the next in 2.5s; last: no route"));
  EXPECT_EQ(e.findings[0].since, kNow - absl::Minutes(3));
  EXPECT_EQ(e.findings[0].knob, "backoff_max");
  EXPECT_EQ(e.findings[0].value, "5s");
}

TEST(ExplainTest, APoolThatDrainsIsHeldBackByThatAlone) {
  PoolStats s = Full();
  s.state = PoolAdminState::kDraining;
  const Explanation e = Explain(s, FourOfHundred(), PoolHistory(), kNow);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kInactive));
  EXPECT_THAT(e.findings[0].ToString(kNow), HasSubstr("; call Resume: adds up to 400 places"));
  s.state = PoolAdminState::kDestroyed;
  EXPECT_EQ(Explain(s, FourOfHundred(), PoolHistory(), kNow).findings[0].knob, "") << "for ever";
}

TEST(ExplainTest, APauseIsNamedWithTheTimeLeftBeforeWhatElseBinds) {
  PoolStats s = Full();
  s.state = PoolAdminState::kPaused;
  s.pause_left = absl::Seconds(42);
  s.leases = 30;
  s.free = 370;
  Explanation e = Explain(s, FourOfHundred(), PoolHistory(), kNow);
  EXPECT_EQ(e.health, PoolHealth::kUnavailable);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kPaused));
  EXPECT_EQ(e.findings[0].ToString(kNow),
            "paused: the pool is paused for 42s more and lends nothing: 30 leases out, 12 waiting; call Unpause: adds "
            "370 places now");
  s.connections_backoff = 1;
  EXPECT_THAT(Limits(Explain(s, FourOfHundred(), PoolHistory(), kNow)), ElementsAre(Limit::kPaused, Limit::kBackOff));
}

TEST(ExplainTest, TheLimitsOnDialsAreNamedWhileTheyHoldConnectionsBack) {
  PoolOptions options = FourOfHundred();
  options.max_connecting = 2;
  options.max_connects_per_second = 0.5;
  PoolStats s = Full();
  s.connections_open = 1;
  s.connections_connecting = 2;
  PoolHistory history;
  history.decisions = {Said(Decision::Kind::kNotOpened, Limit::kMaxConnecting, absl::Seconds(5)),
                       Said(Decision::Kind::kNotOpened, Limit::kConnectRate, absl::Seconds(7))};
  for (Decision& d : history.decisions) d.wanted = 4, d.have = 3;
  history.decisions[1].limit_value = 1500;
  const Explanation e = Explain(s, options, history, kNow);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kMaxConnecting, Limit::kConnectRate));
  EXPECT_EQ(e.findings[0].ToString(kNow),
            "max_connecting: wanted 4 connections, have 3, 2 on the way, max_connecting is 2, for 5s; set "
            "max_connecting to 4: adds 2 dials at a time");
  EXPECT_EQ(e.findings[1].ToString(kNow),
            "max_connects_per_second: wanted 4 connections, have 3, max_connects_per_second is 0.5, for 7s; set "
            "max_connects_per_second to 1: adds 0.5 connections a second");
  s.connections_connecting = 1;
  EXPECT_THAT(Limits(Explain(s, options, history, kNow + absl::Seconds(1))), ElementsAre(Limit::kConnecting))
      << "a dial has ended, and the wait is over";
}

TEST(ExplainTest, NoKnobIsTurnedBeyondItsMaximum) {
  PoolOptions options = FourOfHundred();
  options.max_connections = kMaxConnections;
  PoolStats s = Full();
  s.connections = s.connections_open = kMaxConnections;
  EXPECT_EQ(Explain(s, options, PoolHistory(), kNow).findings[0].knob, "");
}

TEST(ExplainTest, ReplacementsThatWaitForEachOtherAreNamedLast) {
  PoolHistory history;
  history.decisions = {Said(Decision::Kind::kNotReplaced, Limit::kMaxSurge, absl::Seconds(5))};
  const Explanation e = Explain(Full(), FourOfHundred(), history, kNow);
  EXPECT_EQ(e.findings.back().limit, Limit::kMaxSurge);
  EXPECT_EQ(e.findings.back().value, "2");
}

// --- Sizing and savings -------------------------------------------------------------------------------------------

TEST(ExplainTest, TheSizeFollowsFromRateTimesHoldTimeWithTheInputsShown) {
  PoolStats s = Full();
  s.waiters = 0;
  s.acquired = 10'000 + 62'400;
  for (int i = 0; i < 1000; ++i) s.holds.histogram.Add(absl::Milliseconds(50));
  PoolHistory history;
  history.earlier_at = kNow - absl::Seconds(10);
  history.earlier.acquired = 10'000;
  history.earlier.holds.histogram = s.holds.histogram;  // Those of before do not count.
  EXPECT_FALSE(Explain(s, FourOfHundred(), history, kNow).sizing.has_value()) << "no hold was timed since";
  for (int i = 0; i < 900; ++i) s.holds.histogram.Add(absl::Milliseconds(50));
  const Explanation e = Explain(s, FourOfHundred(), history, kNow);
  ASSERT_TRUE(e.sizing.has_value());
  EXPECT_EQ(e.sizing->connections, 4);
  EXPECT_EQ(e.sizing->ToString(),
            "312.0 in flight = 6240.0 acquires/s (62400 in 10s) x 50ms mean hold (of 900 timed); 4 connections = "
            "ceil(312.0 / 80)");
  s.waiters = 1;
  EXPECT_THAT(Explain(s, FourOfHundred(), history, kNow).sizing->ToString(), HasSubstr("so more was wanted"));
}

PoolStats Quiet() {
  PoolStats s = Full();
  s.waiters = 0;
  s.leases = 10;
  s.free = 390;
  return s;
}

TEST(ExplainTest, MoreEndpointsThanConnectionsIsNamedWithTheKnob) {
  const Explanation e = Explain(Quiet(), FourOfHundred(), PoolHistory(), kNow, /*endpoints_used=*/6);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kMaxConnections));
  EXPECT_EQ(e.findings[0].ToString(kNow),
            "max_connections: 6 endpoints, max_connections is 4, so 2 of them get no connection; set max_connections "
            "to 6: adds a connection for each endpoint, 2 more than now");
  EXPECT_THAT(Limits(Explain(Quiet(), FourOfHundred(), PoolHistory(), kNow, 4)), ElementsAre(Limit::kNothing));
}

TEST(ExplainTest, MoreEndpointsThanAnyPoolHasConnectionsTakeASubset) {
  const Explanation e = Explain(Quiet(), FourOfHundred(), PoolHistory(), kNow, kMaxConnections + 1);
  EXPECT_EQ(e.findings[0].knob, "subset_size");
  EXPECT_EQ(e.findings[0].value, "4");
}

TEST(ExplainTest, AFullPoolOfManyEndpointsHasOneAdviceForBoth) {
  const Explanation e = Explain(Full(), FourOfHundred(), PoolHistory(), kNow, /*endpoints_used=*/9);
  EXPECT_THAT(Limits(e), ElementsAre(Limit::kMaxConnections, Limit::kMaxLeasesPerConnection));
  EXPECT_EQ(e.findings[0].value, "9") << "6 would do for the load";
}

TEST(ExplainTest, WithoutARateThereIsNoSizingAdvice) {
  PoolStats s = Full();
  s.holds.histogram.Add(absl::Milliseconds(50));
  s.acquired = 5;
  EXPECT_FALSE(Explain(s, FourOfHundred(), PoolHistory(), kNow).sizing.has_value()) << "over which time?";
  PoolHistory history;
  history.earlier_at = kNow - absl::Seconds(10);
  history.earlier.acquired = 5;
  EXPECT_FALSE(Explain(s, FourOfHundred(), history, kNow).sizing.has_value()) << "nobody came";
}

TEST(ExplainTest, SavingsShowBothInputsAndNoTimeThatWasNotMeasured) {
  PoolStats s;
  s.acquired = 312;
  s.opened = 10;
  Explanation e = Explain(s, FourOfHundred(), PoolHistory(), kNow);
  EXPECT_EQ(e.savings.ToString(), "302 connections saved = 312 acquired - 10 opened");
  for (int i = 0; i < 10; ++i) s.connects.Add(absl::Milliseconds(100));
  e = Explain(s, FourOfHundred(), PoolHistory(), kNow);
  EXPECT_EQ(e.savings.ToString(),
            "302 connections saved = 312 acquired - 10 opened; 30s saved = 302 x 100ms mean connect time (of 10)");
  s.acquired = 3;
  EXPECT_EQ(Explain(s, FourOfHundred(), PoolHistory(), kNow).savings.connections, 0u) << "more opened than used";
  EXPECT_THAT(Explain(s, FourOfHundred(), PoolHistory(), kNow).ToString(), Not(HasSubstr("savings")));
}

}  // namespace
}  // namespace chanpool
