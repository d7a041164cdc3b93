#include "pool/core/stats.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace chanpool {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

TEST(StatsTest, WithoutAWholeARateIsNothingAndNotZero) {
  const PoolStats fresh;
  EXPECT_EQ(fresh.HitRate().value(), std::nullopt);
  EXPECT_EQ(fresh.ReuseRate().value(), std::nullopt);
  EXPECT_EQ(fresh.UsesPerConnection().value(), std::nullopt);
  EXPECT_EQ(fresh.Utilisation().value(), std::nullopt);
}

TEST(StatsTest, EachRateTellsItsDenominator) {
  PoolStats stats;
  stats.hits = 90;
  stats.misses = 10;
  stats.acquired = 100;
  stats.opened = 7;
  stats.connections_used = 4;
  stats.capacity = 100;
  stats.free = 50;
  stats.leases = 53;  // Three on a connection that drains.
  EXPECT_EQ(stats.HitRate().whole, 100u);
  EXPECT_EQ(stats.HitRate().value(), 0.9);
  EXPECT_EQ(stats.ReuseRate().part, 96u);
  EXPECT_EQ(stats.ReuseRate().value(), 0.96);
  EXPECT_EQ(stats.UsesPerConnection().value(), 25.0);
  EXPECT_EQ(stats.Utilisation().value(), 0.5);
  EXPECT_EQ(stats.Utilisation().whole, 100u);
}

TEST(StatsTest, AReuseRateStaysWithinItsBoundsWhileALeaseIsBeingGranted) {
  PoolStats stats;
  stats.connections_used = 1;
  EXPECT_EQ(stats.ReuseRate().part, 0u);
  stats.acquired = 1;
  EXPECT_EQ(stats.ReuseRate().value(), 0.0);
}

TEST(StatsTest, ATotalsRateIsThatOfTheSumsAndNoMeanOfMeans) {
  PoolStats busy, quiet;
  busy.acquired = 1000, busy.hits = 1000;
  quiet.acquired = 10, quiet.misses = 10;
  for (int i = 0; i < 99; ++i) busy.connects.Add(absl::Milliseconds(10));
  quiet.connects.Add(absl::Milliseconds(1010));
  busy += quiet;
  EXPECT_DOUBLE_EQ(*busy.HitRate().value(), 1000.0 / 1010);
  EXPECT_EQ(busy.connects.Mean(), absl::Milliseconds(20)) << "a mean of means would be 510 ms";
  EXPECT_EQ(busy.acquired, busy.hits + busy.misses);
}

// Every field is different from its default.
PoolStats Filled(int n) {
  PoolStats s;
  const auto times = [n](int more) {
    Histogram h;
    for (int i = 0; i < n + more; ++i) h.Add(absl::Milliseconds(more));
    return h;
  };
  s.connections = n + 1;
  s.connections_open = n + 2;
  s.connections_connecting = n + 3;
  s.connections_backoff = n + 4;
  s.connections_checking = n + 5;
  s.connections_draining = n + 6;
  s.connections_closing = n + 7;
  s.connections_lingering = n + 8;
  s.connections_replacing = n + 9;
  s.connections_extra = n + 10;
  s.leases = n + 11;
  s.capacity = n + 12;
  s.leases_over_limit = n + 13;
  s.free = n + 14;
  s.waiters = n + 15;
  s.acquired = n + 16;
  s.released = n + 17;
  s.hits = n + 18;
  s.misses = n + 19;
  s.opened = n + 20;
  s.closed = n + 21;
  s.dial_failures = n + 22;
  s.overcommitted = n + 23;
  s.rejected = n + 24;
  s.timed_out = n + 25;
  s.cancelled = n + 26;
  s.unavailable = n + 27;
  for (int i = 0; i < kCloseReasons; ++i) s.closed_by_reason[i] = n + 30 + i;
  s.fast_hits = n + 28;
  s.fast_waits = {times(1), 64};
  for (int i = 0; i < kAcquireOutcomes; ++i) s.slow_waits[i] = times(2 + i);
  s.holds = {times(10), 64};
  s.holds_skipped = n + 29;
  s.connects = times(11);
  s.failed_connects = times(12);
  s.connections_used = n + 50;
  s.waiters_fresh = n + 53;
  s.leaks_out = n + 54;
  s.validations = n + 55;
  s.validation_failures = n + 56;
  s.health_checks = n + 57;
  s.health_checks_removed = n + 58;
  s.leaks_suspected = n + 59;
  s.distinct_backends = n + 60;
  s.rerolls = n + 61;
  s.leases_peak_bound = n + 51;
  s.state = PoolAdminState::kPaused;
  s.pause_left = absl::Seconds(n + 52);
  return s;
}

TEST(StatsTest, EveryFieldIsInTheTotal) {
  // Of a new field: its place in Filled() above, in the check below, and in PoolStats::operator+=.
  EXPECT_EQ(sizeof(PoolStats), 1968u) << "a field more or less";
  PoolStats sum = Filled(0);
  sum += Filled(100);
  // What was filled with 100 and no offset twice would be: each is 100 + twice its offset.
  EXPECT_EQ(sum.connections, 102);
  EXPECT_EQ(sum.connections_open, 104);
  EXPECT_EQ(sum.connections_connecting, 106);
  EXPECT_EQ(sum.connections_backoff, 108);
  EXPECT_EQ(sum.connections_checking, 110);
  EXPECT_EQ(sum.connections_draining, 112);
  EXPECT_EQ(sum.connections_closing, 114);
  EXPECT_EQ(sum.connections_lingering, 116);
  EXPECT_EQ(sum.connections_replacing, 118);
  EXPECT_EQ(sum.connections_extra, 120);
  EXPECT_EQ(sum.leases, 122);
  EXPECT_EQ(sum.capacity, 124);
  EXPECT_EQ(sum.leases_over_limit, 126);
  EXPECT_EQ(sum.free, 128);
  EXPECT_EQ(sum.waiters, 130);
  EXPECT_EQ(sum.acquired, 132u);
  EXPECT_EQ(sum.released, 134u);
  EXPECT_EQ(sum.hits, 136u);
  EXPECT_EQ(sum.misses, 138u);
  EXPECT_EQ(sum.opened, 140u);
  EXPECT_EQ(sum.closed, 142u);
  EXPECT_EQ(sum.dial_failures, 144u);
  EXPECT_EQ(sum.overcommitted, 146u);
  EXPECT_EQ(sum.rejected, 148u);
  EXPECT_EQ(sum.timed_out, 150u);
  EXPECT_EQ(sum.cancelled, 152u);
  EXPECT_EQ(sum.unavailable, 154u);
  for (int i = 0; i < kCloseReasons; ++i) EXPECT_EQ(sum.closed_by_reason[i], 160u + 2 * i);
  EXPECT_EQ(sum.fast_hits, 156u);
  EXPECT_EQ(sum.holds_skipped, 158u);
  EXPECT_EQ(sum.connections_used, 200u);
  EXPECT_EQ(sum.waiters_fresh, 206);
  EXPECT_EQ(sum.leaks_out, 208);
  EXPECT_EQ(sum.validations, 210u);
  EXPECT_EQ(sum.validation_failures, 212u);
  EXPECT_EQ(sum.health_checks, 214u);
  EXPECT_EQ(sum.health_checks_removed, 216u);
  EXPECT_EQ(sum.leaks_suspected, 218u);
  EXPECT_EQ(sum.distinct_backends, 220);
  EXPECT_EQ(sum.rerolls, 222u);
  EXPECT_EQ(sum.leases_peak_bound, 202);
  EXPECT_EQ(sum.pause_left, absl::Seconds(52)) << "the pause that ends first";
  EXPECT_EQ(sum.fast_waits.histogram.count(), 102u);
  EXPECT_EQ(sum.fast_waits.one_in, 64u);
  for (int i = 0; i < kAcquireOutcomes; ++i) EXPECT_EQ(sum.slow_waits[i].count(), 104u + 2 * i);
  EXPECT_EQ(sum.holds.histogram.count(), 120u);
  EXPECT_EQ(sum.connects.count(), 122u);
  EXPECT_EQ(sum.failed_connects.count(), 124u);
}

TEST(StatsTest, ATotalIsPausedOnlyIfNoneOfItIsActive) {
  PoolStats paused, other;
  paused.state = PoolAdminState::kPaused;
  paused.pause_left = absl::Seconds(5);
  other.state = PoolAdminState::kDrained;
  other += paused;
  EXPECT_EQ(other.state, PoolAdminState::kPaused);
  EXPECT_EQ(other.pause_left, absl::Seconds(5));
  other += PoolStats();
  EXPECT_EQ(other.state, PoolAdminState::kActive);
  EXPECT_EQ(other.pause_left, absl::ZeroDuration());
}

TEST(StatsTest, ATotalIsAsActiveAsItsMostActivePoolAndAsSickAsItsSickest) {
  PoolStats well, ill;
  ill.state = PoolAdminState::kDrained;
  ill.health = PoolHealth::kUnavailable;
  ill.last_dial_error = absl::UnavailableError("refused");
  ill.retry_at = kNow;
  ill.failing_since = kNow - absl::Seconds(5);
  well += ill;
  EXPECT_EQ(well.failing_since, kNow - absl::Seconds(5));
  EXPECT_EQ(well.state, PoolAdminState::kActive);
  EXPECT_EQ(well.health, PoolHealth::kUnavailable);
  EXPECT_EQ(well.last_dial_error.message(), "refused");
  EXPECT_EQ(well.retry_at, kNow);
  ill.failing_since = kNow - absl::Seconds(9);
  well += ill;
  EXPECT_EQ(well.failing_since, kNow - absl::Seconds(9)) << "both fail: the earlier";
}

// Two open connections with a place free.
PoolStats Well() {
  PoolStats stats;
  stats.connections = stats.connections_open = 2;
  stats.capacity = 20;
  stats.leases = 19;
  stats.free = 1;
  return stats;
}

TEST(StatsTest, HealthFollowsTheFirstRuleThatHolds) {
  struct Case {
    std::string what;
    std::function<void(PoolStats&)> change;
    PoolHealth health;
  };
  const std::vector<Case> cases = {
      {"all up", [](PoolStats&) {}, PoolHealth::kHealthy},
      {"nobody asks", [](PoolStats& s) { s = PoolStats(); }, PoolHealth::kHealthy},
      {"first dial", [](PoolStats& s) { s = PoolStats(), s.connections_connecting = 1; }, PoolHealth::kHealthy},
      {"one of two down", [](PoolStats& s) { s.connections_open = 1, s.retry_at = kNow + absl::Seconds(1); },
       PoolHealth::kDegraded},
      {"one suspected", [](PoolStats& s) { s.connections_checking = 1; }, PoolHealth::kDegraded},
      {"full", [](PoolStats& s) { s.free = 0; }, PoolHealth::kOverloaded},
      {"full with waiters and failing", [](PoolStats& s) { s.free = 0, s.waiters = 9, s.connections_backoff = 1; },
       PoolHealth::kOverloaded},
      {"all down", [](PoolStats& s) { s = PoolStats(), s.connections_backoff = 1; }, PoolHealth::kUnavailable},
      {"none open, and somebody waits", [](PoolStats& s) { s = PoolStats(), s.waiters = 1; }, PoolHealth::kUnavailable},
      {"paused", [](PoolStats& s) { s.state = PoolAdminState::kPaused; }, PoolHealth::kUnavailable},
      {"drains", [](PoolStats& s) { s.state = PoolAdminState::kDraining; }, PoolHealth::kUnavailable},
  };
  for (const Case& c : cases) {
    PoolStats stats = Well();
    c.change(stats);
    EXPECT_EQ(HealthOf(stats, kNow), c.health) << c.what;
  }
  PoolStats over = Well();
  over.retry_at = kNow;
  EXPECT_EQ(HealthOf(over, kNow), PoolHealth::kHealthy) << "the wait for the next dial is over";
}

}  // namespace
}  // namespace chanpool
