// What a caller may ask of its lease, and do with it: keys, fresh connections.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/key_choice.h"
#include "pool/core/pool.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_clock.h"
#include "pool/testing/fake_target.h"
#include "tests/core/pool_fixture.h"

namespace chanpool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Nothing that happens by itself.
PoolOptions Calm(int max_connections, int leases_each) {
  PoolOptions options;
  options.min_connections = 1;
  options.max_connections = max_connections;
  options.max_leases_per_connection = options.target_leases_per_connection = leases_each;
  options.max_age = options.max_idle = absl::InfiniteDuration();
  return options;
}

LeaseOptions Keyed(absl::string_view key) {
  LeaseOptions options;
  options.affinity_key = key;
  return options;
}

LeaseOptions Fresh() {
  LeaseOptions options;
  options.fresh = true;
  return options;
}

class LeasesTest : public PoolFixture {
 protected:
  void Open(int connections) {
    ASSERT_EQ(pool_->WaitForReady(connections, In(absl::ZeroDuration())), absl::OkStatus());
  }
  absl::Time Whenever() { return absl::InfiniteFuture(); }
  Place Take() { return *pool_->Acquire(In(absl::ZeroDuration())); }
};

// --- TryAcquire ---------------------------------------------------------------------------------------------------

TEST_F(LeasesTest, TryAcquireNeitherWaitsNorOvercommits) {
  Start(Calm(1, 2));
  const Place first = pool_->TryAcquire(LeaseOptions()), second = pool_->TryAcquire(Keyed("a"));
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  for (const LeaseOptions& options : {LeaseOptions(), Keyed("a"), Fresh()}) EXPECT_FALSE(pool_->TryAcquire(options));
  EXPECT_EQ(pool_->Stats().overcommitted, 0u);
  EXPECT_EQ(pool_->Stats().waiters, 0);
}

TEST_F(LeasesTest, TryAcquireOfAFreshConnectionDialsNothing) {
  Start(Calm(2, 2));
  EXPECT_TRUE(pool_->TryAcquire(Fresh()));
  EXPECT_FALSE(pool_->TryAcquire(Fresh())) << "it has lent";
  EXPECT_EQ(target_.dials(), 1);
}

TEST_F(LeasesTest, TryAcquireDoesNotOvertakeWhoWaits) {
  Start(Calm(1, 1));
  Place place = Take();
  const auto waiting = Begin(LeaseOptions());
  place.Reset();  // To the waiter.
  EXPECT_FALSE(pool_->TryAcquire(Keyed("a")));
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::OkStatus());
}

// --- Keys ---------------------------------------------------------------------------------------------------------

TEST_F(LeasesTest, AKeyComesBackToItsConnectionWhileThatHasRoom) {
  Start(Calm(8, 100));
  Open(8);
  std::map<uint32_t, int> connections;
  for (int key = 0; key < 64; ++key) {
    const std::string name = absl::StrCat("session ", key);
    const Place first = *pool_->Acquire(Whenever(), Keyed(name));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(pool_->Acquire(Whenever(), Keyed(name))->id(), first.id()) << name;
    ++connections[first.id().slot];
  }
  EXPECT_EQ(connections.size(), 8u) << "and 64 keys use all of them";
}

TEST_F(LeasesTest, AKeyWhoseConnectionIsFullGoesToItsNextAndBack) {
  Start(Calm(4, 2));
  Open(4);
  std::vector<Place> places;
  for (int i = 0; i < 8; ++i) places.push_back(*pool_->Acquire(Whenever(), Keyed("a")));
  EXPECT_EQ(pool_->Stats().overcommitted, 0u);
  EXPECT_EQ(pool_->Stats().leases, 8);
  const ConnectionId first = places[0].id();
  places.clear();
  EXPECT_EQ(pool_->Acquire(Whenever(), Keyed("a"))->id(), first);
}

TEST_F(LeasesTest, AKeyLoadsNoConnectionAboveItsBound) {
  Start(Calm(10, 100));
  Open(10);
  std::vector<Place> places;
  for (int i = 0; i < 500; ++i) places.push_back(*pool_->Acquire(Whenever(), Keyed("hot")));
  for (const ConnectionStats& row : pool_->Connections()) {
    EXPECT_LE(row.leases, 63u) << "1.25 x 500 / 10, rounded up";
  }
}

TEST_F(LeasesTest, AnIdlePoolDoesNotPushAKeyAway) {
  Start(Calm(10, 100));
  Open(10);
  std::vector<Place> places;
  for (int i = 0; i < 25; ++i) places.push_back(*pool_->Acquire(Whenever(), Keyed("a")));
  for (const Place& place : places) EXPECT_EQ(place.id(), places[0].id()) << "a quarter of its limit is room enough";
  EXPECT_NE(pool_->Acquire(Whenever(), Keyed("a"))->id(), places[0].id());
}

TEST_F(LeasesTest, WhenAConnectionIsLostOnlyItsKeysMove) {
  Start(Calm(8, 100));
  Open(8);
  std::map<std::string, ConnectionId> before;
  for (int key = 0; key < 200; ++key) {
    const std::string name = absl::StrCat("k", key);
    before[name] = pool_->Acquire(Whenever(), Keyed(name))->id();
  }
  target_.SetDial(FakeTarget::Dial::kHang);
  const ConnectionId lost = pool_->Connections()[3].id;
  ASSERT_TRUE(target_.Lose(lost, absl::UnavailableError("reset")));
  int moved = 0;
  for (const auto& [name, id] : before) {
    const ConnectionId now = pool_->Acquire(Whenever(), Keyed(name))->id();
    if (id == lost) {
      ++moved;
      EXPECT_NE(now, lost);
    } else {
      EXPECT_EQ(now, id) << name;
    }
  }
  EXPECT_GT(moved, 8);
  EXPECT_LT(moved, 50) << "about one in eight";
}

TEST_F(LeasesTest, AKeyedCallerThatWaitsTakesTheFirstPlaceInTheOrderOfArrival) {
  Start(Calm(2, 1));
  Open(2);
  Place a = *pool_->Acquire(Whenever(), Keyed("a"));
  Place other = Take();
  const auto keyed = Begin(Keyed("a")), plain = Begin(LeaseOptions());
  const ConnectionId freed = other.id();
  other.Reset();
  a.Reset();
  closer_.RunAll();
  EXPECT_EQ(keyed->place.id(), freed) << "not its own connection";
  EXPECT_EQ(plain->status, absl::OkStatus());
}

TEST(KeyChoiceTest, TheKeysOfAFullConnectionSpreadOverAllOthers) {
  // Of the keys that rank slot 0 first, the second choice.
  std::array<int, 8> second{};
  int firsts = 0;
  for (uint64_t k = 0; k < 8000; ++k) {
    const uint64_t key = StableHash(absl::StrCat("key ", k));
    std::vector<std::pair<uint64_t, uint32_t>> order;
    for (uint32_t slot = 0; slot < 8; ++slot) order.push_back({Rank(key, slot), slot});
    std::sort(order.rbegin(), order.rend());
    if (order[0].second != 0) continue;
    ++firsts;
    ++second[order[1].second];
  }
  EXPECT_NEAR(firsts, 1000, 150);
  for (int slot = 1; slot < 8; ++slot) EXPECT_NEAR(second[slot], firsts / 7, 60) << slot;
}

// --- Fresh connections --------------------------------------------------------------------------------------------

TEST_F(LeasesTest, AnOpenConnectionThatNeverLentIsFresh) {
  Start(Calm(3, 5));
  Open(2);
  const Place first = *pool_->Acquire(Whenever(), Fresh()), second = *pool_->Acquire(Whenever(), Fresh());
  EXPECT_NE(first.id(), second.id());
  EXPECT_EQ(target_.dials(), 2);
  EXPECT_EQ(pool_->Stats().hits, 2u);
}

TEST_F(LeasesTest, AConnectionThatHasLentIsNeverFreshAgain) {
  Start(Calm(1, 5));
  Take().Reset();
  EXPECT_FALSE(pool_->TryAcquire(Fresh()));
  for (int i = 0; i < 3; ++i) clock_.Advance(absl::Seconds(1));  // Housekeeping forgets USED.
  EXPECT_FALSE(pool_->TryAcquire(Fresh()));
}

TEST_F(LeasesTest, AFreshConnectionIsOpenedWhileMaxConnectionsAllows) {
  Start(Calm(2, 5));
  const Place lent = Take();
  const absl::StatusOr<Place> fresh = pool_->Acquire(In(absl::ZeroDuration()), Fresh());
  ASSERT_EQ(fresh.status(), absl::OkStatus());
  EXPECT_NE(fresh->id(), lent.id());
  EXPECT_EQ(pool_->Stats().connections_open, 2);
  EXPECT_EQ(pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kRecycled)], 0u);
}

TEST_F(LeasesTest, AtMaxConnectionsTheIdleOneIsReplaced) {
  Start(Calm(2, 5));
  Open(2);
  Place busy = Take();
  Place idle = Take();
  while (idle.id() == busy.id()) idle = Take();
  const ConnectionId was_idle = idle.id();
  idle.Reset();
  const absl::StatusOr<Place> fresh = pool_->Acquire(In(absl::ZeroDuration()), Fresh());
  ASSERT_EQ(fresh.status(), absl::OkStatus());
  closer_.RunAll();
  EXPECT_EQ(pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kRecycled)], 1u);
  for (const ConnectionStats& row : pool_->Connections()) EXPECT_NE(row.id, was_idle);
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

TEST_F(LeasesTest, AtMaxConnectionsABusyOneIsRecycledUncut) {
  Start(Calm(1, 5));
  const Place busy = Take();
  const absl::StatusOr<Place> fresh = pool_->Acquire(In(absl::ZeroDuration()), Fresh());
  ASSERT_EQ(fresh.status(), absl::OkStatus());
  EXPECT_NE(fresh->id(), busy.id());
  EXPECT_EQ(pool_->Connections()[busy.id().slot].state, SlotState::kDraining);
  EXPECT_EQ(target_.cancels(), 0);
}

TEST_F(LeasesTest, WithoutSurgeTheOldOneLendsNoMoreBeforeTheFreshOneIsDialled) {
  PoolOptions options = Calm(1, 5);
  options.max_surge = 0;
  Start(options);
  const Place busy = Take();
  target_.SetDial(FakeTarget::Dial::kHang);
  const auto fresh = Begin(Fresh());
  EXPECT_EQ(pool_->Connections()[busy.id().slot].state, SlotState::kDraining);
  EXPECT_EQ(target_.hanging(), 1) << "callers want it: it does not wait for the last call on the old one";
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  closer_.RunAll();
  EXPECT_EQ(fresh->status, absl::OkStatus());
}

TEST_F(LeasesTest, FreshCallersGetAConnectionEach) {
  PoolOptions options = Calm(3, 5);
  options.max_surge = 3;
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(options);
  std::vector<std::shared_ptr<Async>> callers;
  for (int i = 0; i < 3; ++i) callers.push_back(Begin(Fresh()));
  EXPECT_EQ(target_.hanging(), 3);
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  closer_.RunAll();
  EXPECT_EQ(pool_->Connections()[0].leases + pool_->Connections()[1].leases + pool_->Connections()[2].leases, 3u);
  for (const ConnectionStats& row : pool_->Connections()) EXPECT_EQ(row.leases, 1u) << row.id.ToString();
}

TEST_F(LeasesTest, WhoWaitsForAFreshConnectionHoldsUpNobodyElse) {
  Start(Calm(1, 2));
  std::vector<Place> places;
  for (int i = 0; i < 2; ++i) places.push_back(Take());
  target_.SetDial(FakeTarget::Dial::kHang);
  const auto fresh = Begin(Fresh()), plain = Begin(LeaseOptions());
  EXPECT_EQ(pool_->Stats().waiters, 2);
  EXPECT_EQ(pool_->Stats().waiters_fresh, 1);
  places.pop_back();
  closer_.RunAll();
  EXPECT_EQ(plain->status, absl::OkStatus()) << "a place of a used connection is of no use to the one before it";
  EXPECT_EQ(fresh->ends, 0);
  EXPECT_EQ(pool_->CheckInvariants(), absl::OkStatus());
  plain->place.Reset();
  EXPECT_TRUE(pool_->TryAcquire()) << "nor does it slow the fast path";
}

TEST_F(LeasesTest, NoCallerForAFreshConnectionWaitsForASurgePlaceWhileAnotherConnectionMayOpen) {
  Start(Calm(3, 1));
  Open(2);
  const Place first = Take(), second = Take();
  pool_->Recycle();  // One of them is replaced; the other waits for the surge place until drain_grace is over.
  const Place third = Take();
  const auto fresh = Begin(Fresh());
  closer_.RunAll();
  EXPECT_EQ(fresh->status, absl::OkStatus());
}

TEST_F(LeasesTest, AnExclusiveConnectionThatOpensGoesToWhoCameFirst) {
  Start(Calm(1, 1));
  Place place = Take();
  target_.SetDial(FakeTarget::Dial::kHang);
  const auto plain = Begin(LeaseOptions()), fresh = Begin(Fresh()), late = Begin(LeaseOptions());
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();  // The replacement that the fresh one asked for.
  closer_.RunAll();
  EXPECT_EQ(plain->status, absl::OkStatus());
  EXPECT_EQ(fresh->ends, 0) << "it was taken by the one before; the next is on its way";
  place.Reset();  // The old one closes, and gives its surge place to the next replacement.
  closer_.RunAll();
  EXPECT_EQ(fresh->status, absl::OkStatus());
  EXPECT_EQ(late->ends, 0);
  plain->place.Reset();
  fresh->place.Reset();
  closer_.RunAll();
  EXPECT_EQ(late->status, absl::OkStatus());
}

TEST_F(LeasesTest, AStreamOfFreshCallersDoesNotStarveWhoWaitsForAnyPlace) {
  Start(Calm(1, 1));
  Place place = Take();
  std::vector<std::shared_ptr<Async>> fresh;
  for (int i = 0; i < 3; ++i) fresh.push_back(Begin(Fresh()));
  const auto plain = Begin(LeaseOptions());
  for (int i = 3; i < 6; ++i) fresh.push_back(Begin(Fresh()));
  place.Reset();
  // Each served one makes room for the next; those that came after `plain` must not be served before it.
  std::vector<int> served;
  for (int round = 0; round < 8; ++round) {
    closer_.RunAll();
    for (int i = 0; i < 6; ++i) {
      if (fresh[i]->place) served.push_back(i), fresh[i]->place.Reset();
    }
    if (plain->place) served.push_back(100), plain->place.Reset();
  }
  closer_.RunAll();
  ASSERT_EQ(served.size(), 7u);
  EXPECT_THAT(served, ElementsAre(0, 1, 2, 100, 3, 4, 5));
}

TEST_F(LeasesTest, WhoWaitsForAFreshConnectionKeepsItsDeadlineAndMayCancel) {
  Start(Calm(1, 2));
  const Place place = Take();
  target_.SetDial(FakeTarget::Dial::kHang);
  const auto late = Begin(Fresh(), In(absl::Milliseconds(5))), cancelled = Begin(Fresh());
  cancelled->handle.Cancel();
  clock_.Advance(absl::Milliseconds(5));
  absl::Status blocking;
  std::thread caller([&] { blocking = pool_->Acquire(In(absl::Seconds(1)), Fresh()).status(); });
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Seconds(1));
  caller.join();
  closer_.RunAll();
  EXPECT_EQ(late->status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(cancelled->status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(blocking.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool_->Stats().waiters, 0);
}

TEST_F(LeasesTest, ADrainRefusesWhoWaitsForAFreshConnection) {
  Start(Calm(1, 2));
  Place place = Take();
  target_.SetDial(FakeTarget::Dial::kHang);
  const auto fresh = Begin(Fresh());
  pool_->BeginDrain();
  closer_.RunAll();
  EXPECT_EQ(fresh->status.code(), absl::StatusCode::kUnavailable);
}

// --- Discard ------------------------------------------------------------------------------------------------------

uint64_t Closed(const Pool& pool, CloseReason reason) {
  return pool.Stats().closed_by_reason[static_cast<int>(reason)];
}

TEST_F(LeasesTest, ADiscardedConnectionLendsNoMoreAndClosesWithItsLastLease) {
  Start(Calm(1, 2));
  Place first = Take(), second = Take();
  const ConnectionId id = first.id();
  first.Discard();
  EXPECT_EQ(target_.cancels(), 0);
  EXPECT_NE(Take().id(), id) << "another one, since min_connections wants it";
  first.Reset();
  EXPECT_EQ(Closed(*pool_, CloseReason::kDiscarded), 0u);
  second.Reset();
  EXPECT_EQ(Closed(*pool_, CloseReason::kDiscarded), 1u);
}

TEST_F(LeasesTest, WhatIsDiscardedIsNotReplacedWhenNobodyWantsIt) {
  PoolOptions options = Calm(2, 2);
  options.min_connections = 0;
  Start(options);
  Place place = Take();
  place.Discard();
  place.Discard();
  place.Reset();
  closer_.RunAll();
  EXPECT_EQ(pool_->Stats().connections, 0);
  EXPECT_EQ(target_.dials(), 1);
  place.Discard();  // Empty now.
}

TEST_F(LeasesTest, WhatIsDiscardedIsReplacedWhenCallersWaitForIt) {
  PoolOptions options = Calm(1, 1);
  options.min_connections = 0;
  Start(options);
  Place place = Take();
  const auto waiting = Begin(LeaseOptions());
  place.Discard();
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::OkStatus()) << "on another one, before the first is back";
  EXPECT_NE(waiting->place.id(), place.id());
}

TEST_F(LeasesTest, OneThatStillConnectsCanBeDiscarded) {
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(Calm(1, 2));
  Place place = *pool_->AcquireNow(false);
  place.Discard();
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  EXPECT_EQ(pool_->Stats().connections_open, 1) << "the one after it";
  place.Reset();
  EXPECT_EQ(Closed(*pool_, CloseReason::kDiscarded), 1u);
}

TEST_F(LeasesTest, AConnectionThatIsDiscardedWhileItIsReplacedKeepsItsReplacement) {
  Start(Calm(1, 2));
  Place place = Take();
  target_.SetDial(FakeTarget::Dial::kHang);
  pool_->Recycle();
  place.Discard();
  EXPECT_EQ(target_.dials(), 2) << "no third";
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  EXPECT_EQ(pool_->Stats().connections_open, 1);
}

// --- An idle time of its own --------------------------------------------------------------------------------------

TEST_F(LeasesTest, AConnectionWithAnIdleTimeOfItsOwnClosesFirst) {
  PoolOptions options = Calm(3, 2);
  options.min_connections = 0;
  options.max_idle = absl::Minutes(5);
  Start(options);
  Open(3);
  Place place = Take();
  const ConnectionId id = place.id();
  place.SetMaxIdle(absl::Seconds(1));
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(pool_->Stats().connections_open, 3) << "it is not idle";
  place.Reset();
  clock_.Advance(absl::Seconds(2));
  ASSERT_EQ(pool_->Stats().connections_open, 2);
  for (const ConnectionStats& row : pool_->Connections()) EXPECT_NE(row.id, id);
  clock_.Advance(absl::Minutes(4));
  EXPECT_EQ(pool_->Stats().connections_open, 2) << "others stay";
}

TEST_F(LeasesTest, AnIdleTimeOfItsOwnMayBeLongerAndEndsWithTheConnection) {
  PoolOptions options = Calm(1, 2);
  options.min_connections = 0;
  options.max_idle = absl::Seconds(1);
  Start(options);
  Take().SetMaxIdle(absl::InfiniteDuration());
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(pool_->Stats().connections_open, 1);
  pool_->Recycle();
  clock_.Advance(absl::Seconds(3));
  EXPECT_EQ(pool_->Stats().connections_open, 0) << "the one that replaced it has the pool's";
}

TEST_F(LeasesTest, AnIdleTimeOfItsOwnDoesNotGoBelowMinConnections) {
  Start(Calm(1, 2));
  Take().SetMaxIdle(absl::ZeroDuration());
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(pool_->Stats().connections_open, 1);
}

// --- Notices ------------------------------------------------------------------------------------------------------

// What a lease was told.
struct Told {
  std::vector<absl::Duration> graces;
  std::function<void(absl::Duration)> Callback() {
    return [this](absl::Duration grace) { graces.push_back(grace); };
  }
};

TEST_F(LeasesTest, AHolderHearsOnceThatItsConnectionStartsDraining) {
  Start(Calm(1, 2));
  Place place = Take();
  Told told;
  place.OnDraining(told.Callback());
  EXPECT_FALSE(place.draining());
  pool_->Recycle();
  EXPECT_TRUE(place.draining());
  EXPECT_THAT(told.graces, IsEmpty()) << "only on the closer";
  closer_.RunAll();
  EXPECT_THAT(told.graces, ElementsAre(absl::Seconds(30))) << "drain_grace";
  pool_->BeginDrain();
  closer_.RunAll();
  EXPECT_EQ(told.graces.size(), 1u) << "it drained already";
}

TEST_F(LeasesTest, EveryReasonToDrainIsTold) {
  PoolOptions options = Calm(2, 2);
  options.max_age = absl::Minutes(1);
  options.max_age_jitter = 0;
  const std::vector<std::pair<std::string, std::function<void(Place&)>>> reasons = {
      {"age", [&](Place&) { clock_.Advance(absl::Minutes(1)); }},
      {"discard", [&](Place& place) { place.Discard(); }},
      {"shrink",
       [&](Place&) {
         PoolOptions fewer = options;
         fewer.max_connections = 1;
         EXPECT_EQ(pool_->Reconfigure(fewer), absl::OkStatus());
       }},
      {"pool drain", [&](Place&) { pool_->BeginDrain(); }},
      {"destroy", [&](Place&) { pool_->Destroy(); }},
  };
  for (const auto& [name, begin] : reasons) {
    Start(options);
    Open(2);
    Place first = *pool_->Acquire(Whenever(), Fresh()), second = *pool_->Acquire(Whenever(), Fresh());
    Told told;
    first.OnDraining(told.Callback());
    second.OnDraining(told.Callback());
    begin(first);
    closer_.RunAll();
    ASSERT_FALSE(told.graces.empty()) << name;
    EXPECT_EQ(told.graces[0], absl::Seconds(30)) << name;
    first.Reset();
    second.Reset();
    pool_->Destroy();
    closer_.RunAll();
  }
}

TEST_F(LeasesTest, ALostConnectionLeavesNoGrace) {
  Start(Calm(1, 2));
  Place place = Take();
  Told told;
  place.OnDraining(told.Callback());
  target_.Lose(place.id(), absl::UnavailableError("reset"));
  closer_.RunAll();
  EXPECT_THAT(told.graces, ElementsAre(absl::ZeroDuration()));
}

TEST_F(LeasesTest, ADrainWithADeadlineLeavesTheTimeUntilThen) {
  Start(Calm(1, 2));
  Place place = Take(), late = Take();
  Told told;
  place.OnDraining(told.Callback());
  std::thread drain([&] { (void)pool_->Drain(In(absl::Minutes(2)), OnDeadline::kCancelCalls); });
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Seconds(90));
  late.OnDraining(told.Callback());
  closer_.RunAll();
  EXPECT_THAT(told.graces, ElementsAre(absl::Minutes(2), absl::Seconds(30))) << "of its beginning, and of asking";
  place.Reset();
  late.Reset();
  drain.join();
}

TEST_F(LeasesTest, WhoAsksWhileItDrainsIsToldAtOnceAndWhatIsLeft) {
  Start(Calm(1, 2));
  Place place = Take();
  place.Discard();
  clock_.Advance(absl::Seconds(20));
  Told told;
  place.OnDraining(told.Callback());
  clock_.Advance(absl::Seconds(20));
  place.OnDraining(told.Callback());
  closer_.RunAll();
  EXPECT_THAT(told.graces, ElementsAre(absl::ZeroDuration())) << "the second took the first one's place";
}

TEST_F(LeasesTest, AfterTheLeaseIsBackNothingIsTold) {
  Start(Calm(1, 4));
  Place before = Take(), between = Take(), kept = Take();
  Told of_before, of_between, of_kept;
  before.OnDraining(of_before.Callback());
  between.OnDraining(of_between.Callback());
  kept.OnDraining(of_kept.Callback());
  before.Reset();
  pool_->Recycle();
  between.Reset();  // Told by the pool, and the closer has not run.
  closer_.RunAll();
  EXPECT_THAT(of_before.graces, IsEmpty());
  EXPECT_THAT(of_between.graces, IsEmpty());
  EXPECT_EQ(of_kept.graces.size(), 1u);
}

TEST_F(LeasesTest, ALaterNoticeTakesThePlaceOfTheFirst) {
  Start(Calm(1, 2));
  Place place = Take(), other = Take();
  Told first, second, of_other;
  place.OnDraining(first.Callback());
  other.OnDraining(of_other.Callback());
  place.OnDraining(second.Callback());
  pool_->Recycle();
  closer_.RunAll();
  EXPECT_THAT(first.graces, IsEmpty());
  EXPECT_EQ(second.graces.size(), 1u);
  EXPECT_EQ(of_other.graces.size(), 1u);
}

TEST_F(LeasesTest, ANoticeMovesWithItsPlaceAndEndsWithADetach) {
  Start(Calm(1, 2));
  Place moved = Take(), detached = Take();
  Told told, of_detached;
  moved.OnDraining(told.Callback());
  detached.OnDraining(of_detached.Callback());
  Place place = std::move(moved);
  const Lent lent = detached.Detach();
  pool_->Recycle();
  closer_.RunAll();
  EXPECT_EQ(told.graces.size(), 1u);
  EXPECT_THAT(of_detached.graces, IsEmpty());
  Pool::Release(lent);
}

TEST_F(LeasesTest, ANoticeMayGiveItsLeaseBack) {
  Start(Calm(1, 2));
  auto place = std::make_shared<Place>(Take());
  place->OnDraining([place](absl::Duration) { place->Reset(); });
  pool_->Recycle();
  closer_.RunAll();
  EXPECT_EQ(Closed(*pool_, CloseReason::kRecycled), 1u);
  EXPECT_EQ(place.use_count(), 1) << "the callback is gone";
}

// --- Leases that are out for too long -----------------------------------------------------------------------------

PoolOptions Watching(absl::Duration leak_after) {
  PoolOptions options = Calm(2, 10);
  options.leak_after = leak_after;
  return options;
}

std::vector<std::string> OfLeases(const std::vector<PoolEvent>& events) {
  std::vector<std::string> told;
  for (const PoolEvent& event : events) {
    if (event.kind != PoolEvent::Kind::kLeaseLeaked && event.kind != PoolEvent::Kind::kLeaseReturned) continue;
    told.push_back(absl::StrCat(ToString(event.kind), " ", event.connection.ToString(), ": ", event.detail));
  }
  return told;
}

TEST_F(LeasesTest, ALeaseThatIsOutForTooLongIsToldOnceWithTheLineThatBorrowedIt) {
  Start(Watching(absl::Seconds(30)));
  std::vector<PoolEvent> events;
  const Subscription subscription = pool_->Subscribe([&](const PoolEvent& event) { events.push_back(event); });
  Place leaked = *pool_->Acquire(Whenever());
  const int line = __LINE__ - 1;
  clock_.Advance(absl::Seconds(30) - absl::Nanoseconds(1));
  EXPECT_EQ(pool_->Stats().leaks_suspected, 0u);
  clock_.Advance(absl::Nanoseconds(1));
  clock_.Advance(absl::Minutes(5));
  EXPECT_EQ(pool_->Stats().leaks_suspected, 1u);
  EXPECT_EQ(pool_->Stats().leaks_out, 1);
  leaked.Reset();
  EXPECT_EQ(pool_->Stats().leaks_suspected, 1u);
  EXPECT_EQ(pool_->Stats().leaks_out, 0);
  closer_.RunAll();
  const std::string where = absl::StrCat("borrowed at tests/core/leases_test.cc:", line);
  EXPECT_THAT(OfLeases(events),
              ElementsAre("lease_leaked 0-1: out for 30s, " + where, "lease_returned 0-1: out for 5m30s, " + where));
}

TEST_F(LeasesTest, EveryWayToAcquireNamesItsCaller) {
  Start(Watching(absl::Seconds(1)));
  LeaseOptions named;
  named.site = BorrowSite::Here();
  const int named_line = __LINE__ - 1;
  std::vector<Place> places;
  places.push_back(*pool_->Acquire(Whenever()));
  places.push_back(*pool_->Acquire(Whenever(), Keyed("a")));
  places.push_back(pool_->TryAcquire(LeaseOptions()));
  places.push_back(*pool_->Acquire(Whenever(), named));
  const int last_line = __LINE__ - 1;
  pool_->AcquireAsync(Whenever(), [&](absl::StatusOr<Place> place) { places.push_back(*std::move(place)); });
  const int async_line = __LINE__ - 1;
  places.push_back(pool_->TryAcquire());
  places.push_back(*pool_->AcquireNow(false));
  closer_.RunAll();
  clock_.Advance(absl::Seconds(1));
  std::vector<int> lines;
  for (const LongLease& lease : pool_->LongLeases()) {
    EXPECT_EQ(std::string(lease.site.file()), "tests/core/leases_test.cc");
    lines.push_back(lease.site.line());
  }
  EXPECT_THAT(lines, ElementsAre(last_line - 3, last_line - 2, last_line - 1, named_line, async_line))
      << "and those of calls are not watched";
}

TEST_F(LeasesTest, LongLeasesComeOldestFirstAndNotMoreThanAskedFor) {
  Start(Watching(absl::Seconds(1)));
  std::vector<Place> places;
  for (int i = 0; i < 4; ++i) {
    places.push_back(*pool_->Acquire(Whenever()));
    clock_.Advance(absl::Milliseconds(500));
  }
  const std::vector<LongLease> all = pool_->LongLeases();
  ASSERT_EQ(all.size(), 3u) << "the fourth has been out for half a second";
  EXPECT_EQ(clock_.Now() - all[0].since, absl::Seconds(2));
  EXPECT_LT(all[0].since, all[1].since);
  const std::vector<LongLease> two = pool_->LongLeases(2);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].since, all[0].since);
}

TEST_F(LeasesTest, MoreLongLeasesThanOneRoundTellsAreToldInTheNext) {
  PoolOptions options = Watching(absl::Seconds(1));
  options.max_leases_per_connection = 1000;
  Start(options);
  std::vector<Place> places;
  for (int i = 0; i < 600; ++i) places.push_back(*pool_->Acquire(Whenever()));
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(pool_->Stats().leaks_suspected, 600u);
  places.clear();
  EXPECT_EQ(pool_->Stats().leaks_out, 0);
}

TEST_F(LeasesTest, ALeaseOnADrainingConnectionIsStillWatched) {
  Start(Watching(absl::Minutes(1)));
  const Place place = *pool_->Acquire(Whenever());
  pool_->BeginDrain();
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(pool_->Stats().leaks_suspected, 1u);
}

TEST_F(LeasesTest, TheWatchMayBeSwitchedOnAndOffWhileLeasesAreOut) {
  Start(Calm(2, 10));
  Place before = *pool_->Acquire(Whenever());
  ASSERT_EQ(pool_->Reconfigure(Watching(absl::Seconds(1))), absl::OkStatus());
  Place during = *pool_->Acquire(Whenever());
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(pool_->Stats().leaks_suspected, 1u) << "one that was lent before is not watched";
  ASSERT_EQ(pool_->Reconfigure(Calm(2, 10)), absl::OkStatus());
  EXPECT_THAT(pool_->LongLeases(), IsEmpty());
  Place after = *pool_->Acquire(Whenever());
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(pool_->Stats().leaks_suspected, 1u);
  during.Reset();
  EXPECT_EQ(pool_->Stats().leaks_out, 0);
}

TEST_F(LeasesTest, AWatchedLeaseMovesAndMayWantNotices) {
  Start(Watching(absl::Seconds(1)));
  Place place = *pool_->Acquire(Whenever());
  Told told;
  place.OnDraining(told.Callback());
  Place moved;
  moved = std::move(place);
  clock_.Advance(absl::Seconds(1));
  pool_->BeginDrain();
  closer_.RunAll();
  EXPECT_EQ(told.graces.size(), 1u);
  EXPECT_EQ(pool_->Stats().leaks_out, 1);
  Pool::Release(moved.Detach());
  EXPECT_EQ(pool_->Stats().leaks_out, 0) << "who lets go of it is not watched";
}

// --- Validation ---------------------------------------------------------------------------------------------------

PoolOptions ValidatingAfter(absl::Duration idle, int connections) {
  PoolOptions options = Calm(connections, 2);
  options.min_connections = connections;
  options.validate_after_idle = idle;
  return options;
}

TEST_F(LeasesTest, AfterSilenceAConnectionIsProbedBeforeItLends) {
  Start(ValidatingAfter(absl::Seconds(10), 1));
  clock_.Advance(absl::Seconds(9));
  Take().Reset();
  EXPECT_EQ(pool_->Stats().validations, 0u);
  clock_.Advance(absl::Seconds(12));
  EXPECT_EQ(pool_->Stats().validations, 0u) << "nobody wants it";
  target_.SetProbe(FakeTarget::Probe::kHang);
  const auto waiting = Begin(LeaseOptions());
  EXPECT_EQ(pool_->Stats().validations, 1u);
  EXPECT_EQ(pool_->Stats().connections_checking, 1);
  target_.AnswerProbes(absl::OkStatus());
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::OkStatus());
  EXPECT_EQ(waiting->place.id(), (ConnectionId{0, 1}));
  waiting->place.Reset();
  EXPECT_TRUE(pool_->TryAcquire()) << "it has just shown that it lives";
  EXPECT_EQ(pool_->Stats().validations, 1u);
}

TEST_F(LeasesTest, AConnectionThatDiedInSilenceIsNotLent) {
  Start(ValidatingAfter(absl::Seconds(10), 1));
  clock_.Advance(absl::Seconds(12));
  target_.SetProbe(FakeTarget::Probe::kFail);
  const absl::StatusOr<Place> place = pool_->Acquire(In(absl::ZeroDuration()));
  ASSERT_EQ(place.status(), absl::OkStatus());
  EXPECT_NE(place->id(), (ConnectionId{0, 1})) << "the one that was opened instead";
  EXPECT_EQ(pool_->Stats().validation_failures, 1u);
  EXPECT_EQ(pool_->Stats().health_checks_removed, 0u);
  EXPECT_EQ(Closed(*pool_, CloseReason::kProbeFailed), 1u);
}

TEST_F(LeasesTest, WhileOneIsQuietCallersGetAnother) {
  Start(ValidatingAfter(absl::Seconds(10), 2));
  const Place busy = Take();
  clock_.Advance(absl::Seconds(12));
  target_.SetProbe(FakeTarget::Probe::kHang);
  EXPECT_EQ(Take().id(), busy.id());
  EXPECT_EQ(pool_->Acquire(Whenever(), Keyed("a"))->id(), busy.id());
  EXPECT_EQ(pool_->Acquire(Whenever(), Keyed("b"))->id(), busy.id());
  EXPECT_EQ(pool_->TryAcquire().id(), busy.id());
  EXPECT_EQ(pool_->AcquireNow(false)->id(), busy.id());
  EXPECT_EQ(pool_->Stats().validations, 0u);
  const Place second = Take();
  EXPECT_FALSE(pool_->TryAcquire());
  EXPECT_EQ(pool_->Stats().validations, 1u) << "no other has room";
  target_.AnswerProbes(absl::OkStatus());
  EXPECT_TRUE(pool_->TryAcquire());
}

TEST_F(LeasesTest, WhenAllAreQuietTheFirstThatAnswersIsLent) {
  Start(ValidatingAfter(absl::Seconds(10), 3));
  clock_.Advance(absl::Seconds(12));
  target_.SetProbe(FakeTarget::Probe::kHang);
  const auto waiting = Begin(LeaseOptions());
  EXPECT_EQ(pool_->Stats().validations, 3u);
  pool_->OnProbed({1, 1}, absl::OkStatus());
  closer_.RunAll();
  EXPECT_EQ(waiting->place.id(), (ConnectionId{1, 1}));
  target_.AnswerProbes(absl::OkStatus());
}

TEST_F(LeasesTest, ACallThatCannotWaitRidesOnTheConnectionThatIsAsked) {
  Start(ValidatingAfter(absl::Seconds(10), 1));
  clock_.Advance(absl::Seconds(12));
  target_.SetProbe(FakeTarget::Probe::kHang);
  const absl::StatusOr<Place> place = pool_->AcquireNow(false);
  ASSERT_EQ(place.status(), absl::OkStatus());
  EXPECT_EQ(pool_->Connections()[0].state, SlotState::kChecking);
  target_.AnswerProbes(absl::OkStatus());
}

TEST_F(LeasesTest, AFreshConnectionThatIsQuietIsProbedToo) {
  Start(ValidatingAfter(absl::Seconds(10), 1));
  clock_.Advance(absl::Seconds(12));
  target_.SetProbe(FakeTarget::Probe::kHang);
  const auto fresh = Begin(Fresh());
  EXPECT_EQ(pool_->Stats().validations, 1u);
  target_.AnswerProbes(absl::OkStatus());
  closer_.RunAll();
  EXPECT_EQ(fresh->place.id(), (ConnectionId{0, 1})) << "it has not lent, and lives";
}

TEST_F(LeasesTest, WithoutTheOptionNothingIsQuiet) {
  Start(ValidatingAfter(absl::Seconds(10), 2));
  clock_.Advance(absl::Seconds(12));
  ASSERT_EQ(pool_->Reconfigure(Calm(2, 2)), absl::OkStatus());
  target_.SetProbe(FakeTarget::Probe::kHang);
  EXPECT_TRUE(pool_->TryAcquire());
  EXPECT_EQ(pool_->Stats().validations, 0u);
}

TEST_F(LeasesTest, QuietConnectionsAreCheckedPeriodicallyAndTheDeadOnesRemoved) {
  PoolOptions options = Calm(4, 2);
  options.min_connections = 4;
  options.validate_every = absl::Seconds(10);
  Start(options);
  const Place busy = Take();
  clock_.Advance(absl::Seconds(14));
  EXPECT_EQ(pool_->Stats().health_checks, 3u) << "one that carries calls shows by itself whether it lives";
  EXPECT_EQ(pool_->Stats().health_checks_removed, 0u);
  target_.SetProbe(FakeTarget::Probe::kFail);
  clock_.Advance(absl::Seconds(14));
  EXPECT_EQ(pool_->Stats().health_checks_removed, 3u);
  EXPECT_EQ(pool_->Stats().validation_failures, 0u);
  EXPECT_EQ(pool_->Stats().connections_open, 4);
}

TEST_F(LeasesTest, NotMoreThanAQuarterOfTheConnectionsIsCheckedAtATime) {
  PoolOptions options = Calm(8, 2);
  options.min_connections = 8;
  options.validate_every = options.probe_timeout = absl::Seconds(10);
  Start(options);
  target_.SetProbe(FakeTarget::Probe::kHang);
  clock_.Advance(absl::Seconds(15));
  EXPECT_EQ(pool_->Stats().connections_checking, 2);
  EXPECT_TRUE(pool_->TryAcquire());
  target_.AnswerProbes(absl::OkStatus());
}

// --- Connections that owe answers and give none -------------------------------------------------------------------

PoolOptions SilentFor(absl::Duration silence, int connections) {
  PoolOptions options = Calm(connections, 2);
  options.probe_after_silence = silence;
  options.probe_timeout = absl::Seconds(2);
  return options;
}

TEST_F(LeasesTest, AConnectionThatCarriesLeasesAndAnswersNothingIsReplacedWithinTheConfiguredTime) {
  Start(SilentFor(absl::Seconds(4), 1));
  const Place stuck = Take();
  const ConnectionId dead = stuck.id();
  target_.SetProbe(FakeTarget::Probe::kHang);

  clock_.Advance(absl::Seconds(3));
  EXPECT_EQ(pool_->Stats().health_checks, 0u);
  clock_.Advance(absl::Seconds(4));  // 4 s of silence, 2 s for the answer, 1 s to notice.

  EXPECT_TRUE(stuck.draining()) << "its calls were cancelled, and it closes with the last";
  EXPECT_EQ(pool_->Stats().health_checks_removed, 1u);
  const Place next = pool_->TryAcquire();
  ASSERT_TRUE(next);
  EXPECT_NE(next.id(), dead);
}

TEST_F(LeasesTest, AnotherIsDialledWhileTheSilentOneIsAsked) {
  Start(SilentFor(absl::Seconds(4), 2));
  const Place stuck = Take();
  target_.SetProbe(FakeTarget::Probe::kHang);
  clock_.Advance(absl::Seconds(5));

  ASSERT_EQ(pool_->Stats().connections_checking, 1);
  const Place next = pool_->TryAcquire();
  ASSERT_TRUE(next) << "nobody waits for the verdict";
  EXPECT_NE(next.id(), stuck.id());

  target_.AnswerProbes(absl::OkStatus());
  EXPECT_FALSE(stuck.draining()) << "it was only slow: its calls have gone on, and it lends again";
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

TEST_F(LeasesTest, AnAnswerToAnyCallIsASignOfLife) {
  Start(SilentFor(absl::Seconds(4), 1));
  const Place stream = Take();  // Silent for ever.
  for (int second = 0; second < 20; ++second) {
    Take().ReportCall(second % 2 == 0 ? CallOutcome::kAnswered : CallOutcome::kOverloaded, absl::Milliseconds(1));
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(pool_->Stats().health_checks, 0u);
}

TEST_F(LeasesTest, CallsThatTimeOutOneAfterTheOtherAreSilenceThoughNoneIsOutForLong) {
  Start(SilentFor(absl::Seconds(4), 1));
  for (int second = 0; second < 6; ++second) {
    if (Place place = pool_->TryAcquire()) place.ReportCall(CallOutcome::kFailed, absl::Milliseconds(500));
    clock_.Advance(absl::Seconds(1));
  }
  EXPECT_GE(pool_->Stats().health_checks, 1u);
  EXPECT_EQ(pool_->Stats().health_checks_removed, 0u) << "the peer answers, and only fails";
}

TEST_F(LeasesTest, NobodyWhoOwesNothingIsAsked) {
  Start(SilentFor(absl::Seconds(4), 1));
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(pool_->Stats().health_checks, 0u);
  const Place first = Take();
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(pool_->Stats().health_checks, 0u) << "the silence begins with the lease";
}

}  // namespace
}  // namespace chanpool
