// How long acquires, leases and dials took, as the pool's statistics tell it.
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/pick_random.h"
#include "tests/core/pool_fixture.h"

namespace chanpool {
namespace {

using testing::ElementsAre;

// One connection of two places, nothing that happens by itself.
PoolOptions OneConnection() {
  PoolOptions options;
  options.min_connections = options.max_connections = 1;
  options.max_leases_per_connection = options.target_leases_per_connection = 2;
  options.max_age = options.max_idle = absl::InfiniteDuration();
  return options;
}

class PoolTimesTest : public PoolFixture {
 protected:
  void Start(const PoolOptions& options) {
    ThisThreadsRandom() = PickRandom(1);
    PoolFixture::Start(options);
  }
  std::vector<Place> TakeBoth() {
    std::vector<Place> places;
    for (int i = 0; i < 2; ++i) places.push_back(*pool_->AcquireNow(false));
    return places;
  }
  // Counts by outcome, those of the fast path aside.
  std::vector<uint64_t> SlowCounts() {
    std::vector<uint64_t> counts;
    for (const Histogram& waits : pool_->Stats().slow_waits) counts.push_back(waits.count());
    return counts;
  }
  const Histogram& Slow(AcquireOutcome outcome) {
    stats_ = pool_->Stats();
    return stats_.slow_waits[static_cast<int>(outcome)];
  }

  PoolStats stats_;
};

TEST_F(PoolTimesTest, AWaitIsTimedUntilItsCallerHasThePlace) {
  Start(OneConnection());
  std::vector<Place> places = TakeBoth();
  std::thread caller([&] { EXPECT_TRUE(pool_->Acquire(In(absl::Hours(1))).ok()); });
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Milliseconds(30));
  places.pop_back();
  caller.join();
  EXPECT_THAT(SlowCounts(), ElementsAre(1, 0, 0, 0, 0));
  EXPECT_EQ(Slow(AcquireOutcome::kOk).sum(), absl::Milliseconds(30));
}

TEST_F(PoolTimesTest, EveryWaitThatEndsInVainIsTimedUnderItsOutcome) {
  PoolOptions options = OneConnection();
  options.max_waiters = 2;
  Start(options);
  const std::vector<Place> places = TakeBoth();
  const auto ignore = [](const absl::StatusOr<Place>&) {};
  (void)pool_->AcquireAsync(In(absl::Milliseconds(20)), ignore);
  AcquireHandle cancelled = pool_->AcquireAsync(In(absl::Hours(1)), ignore);
  EXPECT_EQ(pool_->Acquire(In(absl::Hours(1))).status().code(), absl::StatusCode::kResourceExhausted);
  clock_.Advance(absl::Milliseconds(20));
  closer_.RunAll();
  clock_.Advance(absl::Milliseconds(50));
  cancelled.Cancel();
  closer_.RunAll();
  (void)pool_->AcquireAsync(In(absl::Hours(1)), ignore);
  clock_.Advance(absl::Milliseconds(5));
  pool_->BeginDrain();
  closer_.RunAll();
  EXPECT_THAT(SlowCounts(), ElementsAre(0, 1, 1, 1, 1));
  EXPECT_EQ(Slow(AcquireOutcome::kTimedOut).sum(), absl::Milliseconds(20));
  EXPECT_EQ(Slow(AcquireOutcome::kRejected).sum(), absl::ZeroDuration());
  EXPECT_EQ(Slow(AcquireOutcome::kCancelled).sum(), absl::Milliseconds(70));
  EXPECT_EQ(Slow(AcquireOutcome::kUnavailable).sum(), absl::Milliseconds(5));
}

TEST_F(PoolTimesTest, AThreadThatTimesOutIsTimedLikeAnAsync) {
  Start(OneConnection());
  const std::vector<Place> places = TakeBoth();
  std::thread caller([&] { EXPECT_FALSE(pool_->Acquire(In(absl::Milliseconds(40))).ok()); });
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Milliseconds(40));
  caller.join();
  EXPECT_EQ(Slow(AcquireOutcome::kTimedOut).sum(), absl::Milliseconds(40));
}

TEST_F(PoolTimesTest, TheFastPathIsSampledAndSaysSo) {
  Start(OneConnection());
  for (int i = 0; i < 640'000; ++i) {
    const Place place = pool_->TryAcquire();
    if (i % 50 == 0) clock_.Advance(absl::Milliseconds(1));
  }
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.fast_hits, 640'000u);
  for (const Measured& times : {stats.fast_waits, stats.holds}) {
    EXPECT_TRUE(times.sampled());
    EXPECT_EQ(times.one_in, 64u);
    EXPECT_NEAR(static_cast<double>(times.Estimate().count()), 640'000, 20'000);
  }
  EXPECT_THAT(SlowCounts(), ElementsAre(0, 0, 0, 0, 0)) << "nothing took the slow path";
  EXPECT_EQ(stats.holds_skipped, 0u);
}

TEST_F(PoolTimesTest, LeasesByKeyAreSampledLikeAllOthers) {
  Start(OneConnection());
  LeaseOptions by_key;
  by_key.affinity_key = "customer 7";
  for (int i = 0; i < 64'000; ++i) {
    const Place place = pool_->TryAcquire(by_key);
    clock_.Advance(absl::Milliseconds(2));
  }
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.fast_hits, 64'000u);
  EXPECT_NEAR(static_cast<double>(stats.fast_waits.Estimate().count()), 64'000, 6'000);
  EXPECT_EQ(stats.holds.histogram.Mean(), absl::Milliseconds(2));
}

TEST_F(PoolTimesTest, APlaceThatIsFoundUnderTheLockIsTimedWithTheSlowOnes) {
  Start(OneConnection());
  LeaseOptions fresh;
  fresh.fresh = true;
  EXPECT_TRUE(pool_->TryAcquire(fresh));
  EXPECT_FALSE(pool_->TryAcquire(fresh));
  EXPECT_EQ(pool_->Stats().fast_hits, 0u);
  EXPECT_THAT(SlowCounts(), ElementsAre(1, 0, 0, 0, 0)) << "a TryAcquire in vain is no acquire";
}

TEST_F(PoolTimesTest, AHoldThatIsSampledAndWatchedAndWaitsForANoticeIsTimedOnce) {
  PoolOptions options = OneConnection();
  options.leak_after = absl::Minutes(1);
  Start(options);
  for (int i = 0; i < 2'000; ++i) {
    Place place = *pool_->Acquire(In(absl::Hours(1)));
    place.OnDraining([](absl::Duration) {});
    Place moved = std::move(place);
    clock_.Advance(absl::Milliseconds(3));
  }
  EXPECT_GT(pool_->Stats().holds.histogram.count(), 10u);
  EXPECT_EQ(pool_->Stats().holds.histogram.Mean(), absl::Milliseconds(3));
  EXPECT_EQ(pool_->Stats().leases, 0);
}

TEST_F(PoolTimesTest, AHoldIsTimedFromTheGrantToTheReturnOnEitherPath) {
  Start(OneConnection());
  const Place occupied = pool_->TryAcquire();
  for (int i = 0; i < 3'000; ++i) {
    Place fast = pool_->TryAcquire();
    AcquireHandle waiting = pool_->AcquireAsync(In(absl::Hours(9)), [this](absl::StatusOr<Place> place) {
      ASSERT_TRUE(place.ok());
      clock_.Advance(absl::Milliseconds(20));
    });
    clock_.Advance(absl::Milliseconds(20));
    Place moved = std::move(fast);
    moved.Reset();
    closer_.RunAll();
  }
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(Slow(AcquireOutcome::kOk).count(), 3'000u);
  EXPECT_GT(stats.holds.histogram.count(), 30u);
  EXPECT_EQ(stats.holds.histogram.Mean(), absl::Milliseconds(20));
}

TEST_F(PoolTimesTest, ALeaseThatWasDetachedIsTimedToItsRelease) {
  Start(OneConnection());
  for (int i = 0; i < 1'000; ++i) {
    const Lent lent = pool_->TryAcquire().Detach();
    clock_.Advance(absl::Milliseconds(7));
    Pool::Release(lent);
  }
  EXPECT_GT(pool_->Stats().holds.histogram.count(), 5u);
  EXPECT_EQ(pool_->Stats().holds.histogram.Mean(), absl::Milliseconds(7));
}

TEST_F(PoolTimesTest, AnAsyncThatFoundAPlaceAtOnceLeavesNoSampleBehind) {
  Start(OneConnection());
  for (int i = 0; i < 10'000; ++i) {
    AcquireHandle handle = pool_->AcquireAsync(In(absl::Hours(1)), [](const absl::StatusOr<Place>&) {});
    if (i % 2 == 0) handle.Cancel();
    closer_.RunAll();
  }
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.leases, 0);
  EXPECT_EQ(stats.fast_hits, 10'000u);
  EXPECT_EQ(stats.holds_skipped, 0u) << "the table of samples would have run full";
  EXPECT_GT(stats.holds.histogram.count(), 10u);
}

TEST_F(PoolTimesTest, ADialIsTimedUntilItOpensOrFails) {
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(OneConnection());
  clock_.Advance(absl::Milliseconds(50));
  target_.SetDial(FakeTarget::Dial::kRefuse);
  target_.Answer();
  EXPECT_EQ(pool_->Stats().failed_connects.sum(), absl::Milliseconds(50));
  EXPECT_EQ(pool_->Stats().connects.count(), 0u);
  target_.SetDial(FakeTarget::Dial::kHang);
  clock_.Advance(absl::Milliseconds(130));  // Its back-off is 100 ms, more or less: it dials again.
  ASSERT_EQ(target_.hanging(), 1);
  target_.SetDial(FakeTarget::Dial::kAccept);
  clock_.Advance(absl::Milliseconds(8));
  target_.Answer();
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.failed_connects.count(), 1u);
  EXPECT_EQ(stats.connects.count(), 1u);
  EXPECT_GE(stats.connects.sum(), absl::Milliseconds(8));
  EXPECT_LE(stats.connects.sum(), absl::Milliseconds(58)) << "the back-off before the dial is no part of it";
}

TEST_F(PoolTimesTest, ADialThatHangsIsTimedWithTheFailures) {
  PoolOptions options = OneConnection();
  options.connect_timeout = absl::Seconds(2);
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(options);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(pool_->Stats().failed_connects.sum(), absl::Seconds(2));
}

TEST_F(PoolTimesTest, EachConnectionTellsItsOwnLeasesAndTimesAndTogetherTheyAreThePools) {
  PoolOptions options = OneConnection();
  options.min_connections = options.max_connections = 2;
  options.max_leases_per_connection = options.target_leases_per_connection = 1;
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(options);
  clock_.Advance(absl::Milliseconds(4));
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  const Place occupied = pool_->TryAcquire();
  for (int i = 0; i < 2'000; ++i) {
    const Place place = pool_->TryAcquire();
    ASSERT_TRUE(place);
    clock_.Advance(absl::Milliseconds(6));
  }
  for (int i = 0; i < 9; ++i) {
    AcquireHandle waiting = pool_->AcquireAsync(In(absl::Hours(1)), [](const absl::StatusOr<Place>&) {});
    closer_.RunAll();
  }
  clock_.Advance(absl::Seconds(3));
  const std::vector<ConnectionStats> rows = pool_->Connections();
  ASSERT_EQ(rows.size(), 2u);
  const bool first_is_occupied = rows[0].id == occupied.id();
  const ConnectionStats& busy = rows[first_is_occupied ? 0 : 1];
  const ConnectionStats& used = rows[first_is_occupied ? 1 : 0];
  EXPECT_EQ(busy.acquired, 1u);
  EXPECT_EQ(used.acquired, 2'009u) << "on either path";
  EXPECT_EQ(busy.holds.histogram.count(), 0u) << "its lease is still out";
  EXPECT_EQ(used.holds.histogram, pool_->Stats().holds.histogram);
  EXPECT_GT(used.holds.histogram.count(), 10u);
  EXPECT_TRUE(used.holds.sampled());
  EXPECT_EQ(busy.idle, absl::ZeroDuration());
  EXPECT_GE(used.idle, absl::Seconds(2));
  EXPECT_LE(used.idle, absl::Seconds(3));
  for (const ConnectionStats& row : rows) EXPECT_EQ(row.connect_time, absl::Milliseconds(4));
}

TEST_F(PoolTimesTest, AConnectionBeginsAtZeroWhereItsSlotHasCarriedOthers) {
  Start(OneConnection());
  for (int i = 0; i < 1'000; ++i) {
    const Place place = pool_->TryAcquire();
    clock_.Advance(absl::Milliseconds(6));
  }
  const PoolStats before = pool_->Stats();
  pool_->Recycle();
  closer_.RunAll();
  pool_->Recycle();
  closer_.RunAll();
  const std::vector<ConnectionStats> rows = pool_->Connections();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].acquired, 0u);
  EXPECT_EQ(rows[0].holds.histogram, Histogram());
  EXPECT_EQ(pool_->Stats().holds.histogram, before.holds.histogram) << "the pool's never go down";
}

TEST_F(PoolTimesTest, TheKeysThatAskMostAreToldFromASample) {
  Start(OneConnection());
  LeaseOptions often, seldom;
  often.affinity_key = "often";
  seldom.affinity_key = "seldom";
  for (int i = 0; i < 40'000; ++i) {
    (void)pool_->TryAcquire(often);
    if (i % 4 == 0) (void)pool_->Acquire(In(absl::Hours(1)), seldom);
    if (i % 8 == 0) (void)pool_->AcquireAsync(In(absl::Hours(1)), often, [](const absl::StatusOr<Place>&) {});
    closer_.RunAll();
  }
  const std::vector<KeyStats> keys = pool_->Keys();
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].text, "often");
  EXPECT_NEAR(static_cast<double>(keys[0].count * keys[0].one_in), 45'000, 6'000);
  EXPECT_NEAR(static_cast<double>(keys[1].count * keys[1].one_in), 10'000, 3'000);
}

// --- What is counted of reuse ------------------------------------------------------------------------------------

TEST_F(PoolTimesTest, ALeaseReusesAConnectionThatHasCarriedOneBefore) {
  Start(OneConnection());
  EXPECT_EQ(pool_->Stats().ReuseRate().value(), std::nullopt);
  pool_->TryAcquire().Reset();
  EXPECT_EQ(pool_->Stats().ReuseRate().value(), 0.0) << "its first lease";
  clock_.Advance(absl::Seconds(5));  // Housekeeping looks at who was used, and forgets.
  for (int i = 0; i < 3; ++i) pool_->TryAcquire().Reset();
  EXPECT_EQ(pool_->Stats().ReuseRate().value(), 0.75);
  EXPECT_EQ(pool_->Stats().connections_used, 1u);
  target_.LoseAll(absl::UnavailableError("reset"));
  clock_.Advance(absl::Seconds(5));
  closer_.RunAll();
  EXPECT_EQ(pool_->Stats().connections_used, 1u) << "its successor has carried nothing yet";
  pool_->TryAcquire().Reset();
  EXPECT_EQ(pool_->Stats().connections_used, 2u);
  EXPECT_EQ(pool_->Stats().ReuseRate().part, 3u);
  EXPECT_EQ(pool_->Stats().UsesPerConnection().value(), 2.5);
}

TEST_F(PoolTimesTest, WhomThePoolRefusesOrOvercommitsIsAmongItsDecisions) {
  PoolOptions options = OneConnection();
  options.max_waiters = 0;
  Start(options);
  const std::vector<Place> places = TakeBoth();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(pool_->Acquire(In(absl::Hours(1))).ok());
  const Place over = *pool_->AcquireNow(false);
  const std::vector<Decision> all = pool_->Decisions();
  const auto of = [&all](Decision::Kind kind) {
    uint64_t count = 0;
    for (const Decision& d : all) count += d.kind == kind ? d.count : 0;
    return count;
  };
  EXPECT_EQ(of(Decision::Kind::kRefused), 5u);
  EXPECT_EQ(of(Decision::Kind::kOvercommitted), 1u);
  EXPECT_LE(all.size(), 5u) << "what repeats is one entry";
}

TEST_F(PoolTimesTest, ExplainNamesTheLimitAndSinceWhen) {
  Start(OneConnection());
  EXPECT_EQ(pool_->Explain().findings[0].limit, Limit::kNothing);
  const std::vector<Place> places = TakeBoth();
  (void)pool_->AcquireAsync(In(absl::Hours(1)), [](const absl::StatusOr<Place>&) {});
  const absl::Time begun = clock_.Now();
  for (int i = 0; i < 7; ++i) clock_.Advance(absl::Seconds(1));
  const Explanation e = pool_->Explain();
  EXPECT_EQ(e.health, PoolHealth::kOverloaded);
  EXPECT_EQ(e.findings[0].limit, Limit::kMaxConnections);
  EXPECT_EQ(e.findings[0].since, begun) << "housekeeping asks again each second";
  EXPECT_EQ(e.findings[0].value, "2");
}

TEST_F(PoolTimesTest, ExplainSizesByTheLastHalfMinuteAndNotByAllTimes) {
  PoolOptions options = OneConnection();
  options.max_leases_per_connection = options.target_leases_per_connection = 10;
  Start(options);
  const auto live = [this](absl::Duration hold, int times) {
    for (int i = 0; i < times; ++i) {
      const Place place = pool_->TryAcquire();
      clock_.Advance(hold);
    }
  };
  live(absl::Milliseconds(10), 10'000);  // 100 s.
  live(absl::Milliseconds(50), 2'000);   // 100 s.
  const std::optional<SizingAdvice> sizing = pool_->Explain().sizing;
  ASSERT_TRUE(sizing.has_value());
  EXPECT_GE(sizing->over, absl::Seconds(30));
  EXPECT_LE(sizing->over, absl::Seconds(61));
  EXPECT_EQ(sizing->mean_hold, absl::Milliseconds(50));
  EXPECT_NEAR(sizing->per_second, 20, 0.1);
  EXPECT_NEAR(sizing->in_flight, 1, 0.01) << "one caller, one lease";
  EXPECT_EQ(sizing->connections, 1);
}

TEST_F(PoolTimesTest, AnOutageIsToldFromItsFirstFailureOnHoweverOftenItWasDialled) {
  target_.SetDial(FakeTarget::Dial::kRefuse);
  Start(OneConnection());
  const absl::Time begun = clock_.Now();
  for (int i = 0; i < 300; ++i) clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(pool_->Stats().failing_since, begun);
  EXPECT_EQ(pool_->Explain().findings[0].limit, Limit::kBackOff);
  EXPECT_EQ(pool_->Explain().findings[0].since, begun);
  target_.SetDial(FakeTarget::Dial::kAccept);
  clock_.Advance(absl::Seconds(13));
  EXPECT_EQ(pool_->Stats().failing_since, absl::InfinitePast());
}

TEST_F(PoolTimesTest, HealthIsToldWithTheStatistics) {
  Start(OneConnection());
  EXPECT_EQ(pool_->Stats().health, PoolHealth::kHealthy);
  const std::vector<Place> places = TakeBoth();
  EXPECT_EQ(pool_->Stats().health, PoolHealth::kOverloaded);
  pool_->BeginDrain();
  EXPECT_EQ(pool_->Stats().health, PoolHealth::kUnavailable);
}

}  // namespace
}  // namespace chanpool
