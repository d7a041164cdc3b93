#include "pool/core/pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/mutex.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_clock.h"
#include "pool/testing/fake_target.h"
#include "tests/core/pool_fixture.h"

namespace chanpool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two connections at most, two places each, nothing that happens by itself.
PoolOptions SmallPool() {
  PoolOptions options;
  options.min_connections = 1;
  options.max_connections = 2;
  options.max_leases_per_connection = options.target_leases_per_connection = 2;
  options.max_age = options.max_idle = absl::InfiniteDuration();
  return options;
}

class PoolTest : public PoolFixture {
 protected:
  // All the places of a SmallPool.
  std::vector<Place> TakeAll() {
    EXPECT_EQ(pool_->WaitForReady(2, In(absl::ZeroDuration())), absl::OkStatus());
    std::vector<Place> places;
    for (int i = 0; i < 4; ++i) {
      absl::StatusOr<Place> place = pool_->AcquireNow(false);
      EXPECT_EQ(place.status(), absl::OkStatus());
      if (place.ok()) places.push_back(*std::move(place));
    }
    EXPECT_EQ(pool_->Stats().free, 0);
    return places;
  }

  using PoolFixture::Begin;
  std::shared_ptr<Async> Begin(absl::Time deadline) { return Begin(LeaseOptions(), deadline); }
};

// --- Waiting ------------------------------------------------------------------------------------------------------

TEST_F(PoolTest, ServesWaitersInTheOrderOfTheirArrival) {
  Start(SmallPool());
  std::vector<Place> places = TakeAll();
  std::vector<int> served;
  std::vector<std::thread> callers;
  Mutex mu;
  std::vector<Place> kept;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&, i] {
      absl::StatusOr<Place> place = pool_->Acquire(In(absl::Hours(1)));
      MutexLock lock(&mu);
      served.push_back(place.ok() ? i : -1);
      if (place.ok()) kept.push_back(*std::move(place));
    });
    clock_.AwaitWaiters(i + 1);
  }
  for (int i = 0; i < 3; ++i) {
    places.pop_back();
    callers[i].join();
  }
  EXPECT_THAT(served, ElementsAre(0, 1, 2));
  EXPECT_EQ(pool_->Stats().waiters, 0);
}

TEST_F(PoolTest, EachWaiterHasItsOwnDeadlineAndTheMessageHasTheNumbers) {
  Start(SmallPool());
  const std::vector<Place> places = TakeAll();
  absl::Status patient, hasty;
  std::thread first([&] { patient = pool_->Acquire(In(absl::Seconds(20))).status(); });
  clock_.AwaitWaiters(1);
  std::thread second([&] { hasty = pool_->Acquire(In(absl::Milliseconds(50))).status(); });
  clock_.AwaitWaiters(2);
  clock_.Advance(absl::Milliseconds(50));
  second.join();
  EXPECT_EQ(hasty, absl::DeadlineExceededError("acquire from \"orders\": no place within 50ms (2/2 connections open, "
                                               "4/4 leases, 1 waiting)"));
  EXPECT_EQ(pool_->Stats().waiters, 1);
  clock_.Advance(absl::Seconds(20));
  first.join();
  EXPECT_EQ(patient.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(pool_->Stats().timed_out, 2u);
}

TEST_F(PoolTest, RefusesAtOnceBeyondMaxWaiters) {
  PoolOptions options = SmallPool();
  options.max_waiters = 1;
  Start(options);
  const std::vector<Place> places = TakeAll();
  const auto waiting = Begin(In(absl::Hours(1)));
  const absl::Status refused = pool_->Acquire(In(absl::Hours(1))).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("max_waiters (1) already wait (2/2 connections open, 4/4"));
  EXPECT_EQ(pool_->Stats().rejected, 1u);
}

TEST_F(PoolTest, ATimeOutWithoutAConnectionNamesTheLastDialError) {
  target_.SetDial(FakeTarget::Dial::kRefuse);
  target_.SetRefusal(absl::UnavailableError("no route to 10.0.0.9"));
  Start(SmallPool());
  const absl::Status late = pool_->Acquire(In(absl::ZeroDuration())).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("last dial error: no route to 10.0.0.9"));
}

TEST_F(PoolTest, AWaiterGetsThePlaceOfAConnectionThatOpens) {
  PoolOptions options = SmallPool();
  options.min_connections = 0;
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(options);
  absl::Status got;
  std::thread caller([&] { got = pool_->Acquire(In(absl::Seconds(5))).status(); });
  clock_.AwaitWaiters(1);
  target_.SetDial(FakeTarget::Dial::kAccept);
  EXPECT_EQ(target_.Answer(), 1);
  caller.join();
  EXPECT_EQ(got, absl::OkStatus());
  EXPECT_EQ(pool_->Stats().misses, 1u);
}

// --- AcquireAsync -------------------------------------------------------------------------------------------------

TEST_F(PoolTest, AnAsyncEndsOnceOnTheCloserNeverInTheCallOrInARelease) {
  Start(SmallPool());
  const auto at_once = Begin(In(absl::Seconds(1)));
  EXPECT_EQ(at_once->ends, 0) << "not in the call, though a place is free";
  closer_.RunAll();
  EXPECT_EQ(at_once->ends, 1);
  at_once->place.Reset();
  std::vector<Place> places = TakeAll();
  const auto waiting = Begin(In(absl::Seconds(1)));
  places.pop_back();
  EXPECT_EQ(waiting->ends, 0) << "not in the release";
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::OkStatus());
  const auto late = Begin(In(absl::Seconds(1)));
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(late->ends, 0) << "not on the clock's thread";
  closer_.RunAll();
  EXPECT_EQ(late->status.code(), absl::StatusCode::kDeadlineExceeded);
  clock_.Advance(absl::Hours(1));
  closer_.RunAll();
  EXPECT_EQ(at_once->ends + waiting->ends + late->ends, 3);
}

TEST_F(PoolTest, ANullCallbackIsAProgrammersError) {
  Start(SmallPool());
  EXPECT_DEATH((void)pool_->AcquireAsync(In(absl::Hours(1)), nullptr), "check failed: callback != nullptr");
}

TEST_F(PoolTest, ACancelBeforeTheGrantEndsTheWait) {
  Start(SmallPool());
  const std::vector<Place> places = TakeAll();
  const auto async = Begin(In(absl::Seconds(1)));
  async->handle.Cancel();
  async->handle.Cancel();
  EXPECT_EQ(pool_->Stats().waiters, 0);
  closer_.RunAll();
  EXPECT_EQ(async->status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(async->ends, 1);
}

TEST_F(PoolTest, ACancelAfterTheGrantGivesThePlaceToTheNext) {
  Start(SmallPool());
  std::vector<Place> places = TakeAll();
  const auto first = Begin(In(absl::Seconds(1))), second = Begin(In(absl::Seconds(1)));
  places.pop_back();  // Granted to the first, not delivered.
  first->handle.Cancel();
  closer_.RunAll();
  EXPECT_EQ(first->status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(second->status, absl::OkStatus());
  EXPECT_EQ(pool_->Stats().leases, 4);
}

TEST_F(PoolTest, ACancelAfterTheDeliveryDoesNothing) {
  Start(SmallPool());
  const auto async = Begin(In(absl::Seconds(1)));
  closer_.RunAll();
  async->handle.Cancel();
  closer_.RunAll();
  EXPECT_EQ(async->ends, 1);
  EXPECT_TRUE(async->place);
  EXPECT_EQ(pool_->Stats().cancelled, 0u);
}

// --- Calls that cannot wait ---------------------------------------------------------------------------------------

TEST_F(PoolTest, OvercommitsTheLeastLoadedAndCountsIt) {
  Start(SmallPool());
  std::vector<Place> places = TakeAll();
  for (int i = 0; i < 2; ++i) places.push_back(*pool_->AcquireNow(false));
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.overcommitted, 2u);
  EXPECT_EQ(stats.leases_over_limit, 2);
  for (const ConnectionStats& row : pool_->Connections()) EXPECT_EQ(row.leases, 3u) << row.id.ToString();
}

TEST_F(PoolTest, ThePeakCountsWhatTheSlowPathLent) {
  PoolOptions options = SmallPool();
  options.max_connections = 1;
  Start(options);
  {
    std::vector<Place> places;
    for (int i = 0; i < 5; ++i) places.push_back(*pool_->AcquireNow(false));
  }
  EXPECT_EQ(pool_->Connections()[0].leases, 0u);
  EXPECT_EQ(pool_->Connections()[0].peak_leases, 5u);
}

TEST_F(PoolTest, ThePeakCountsWhatWaitersWereGranted) {
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(SmallPool());
  std::vector<std::shared_ptr<Async>> waiting{Begin(In(absl::Hours(1))), Begin(In(absl::Hours(1)))};
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  closer_.RunAll();
  for (const auto& async : waiting) async->place.Reset();
  EXPECT_EQ(pool_->Connections()[0].peak_leases, 2u);
}

TEST_F(PoolTest, RejectsWithTheNumbersWhenToldSo) {
  PoolOptions options = SmallPool();
  options.overflow = OverflowPolicy::kReject;
  Start(options);
  const std::vector<Place> places = TakeAll();
  EXPECT_EQ(pool_->AcquireNow(false).status(),
            absl::ResourceExhaustedError("acquire from \"orders\": every connection is full (2/2 connections open, 4/4 "
                                         "leases, 0 waiting)"));
}

TEST_F(PoolTest, FirstCallsGoOnTheConnectionThatStillConnects) {
  target_.SetDial(FakeTarget::Dial::kHang);
  Start(SmallPool());
  const absl::StatusOr<Place> place = pool_->AcquireNow(/*wait_for_ready=*/false);
  ASSERT_EQ(place.status(), absl::OkStatus());
  EXPECT_EQ(pool_->Connections()[place->id().slot].state, SlotState::kConnecting);
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  EXPECT_EQ(pool_->Stats().leases, 1);
  EXPECT_EQ(pool_->Stats().connections_open, 1);
}

TEST_F(PoolTest, CallsGoOnTheConnectionThatBacksOffWhenThereIsNoOther) {
  target_.SetDial(FakeTarget::Dial::kRefuse);
  Start(SmallPool());
  const absl::StatusOr<Place> place = pool_->AcquireNow(false);
  ASSERT_EQ(place.status(), absl::OkStatus());
  EXPECT_EQ(pool_->Connections()[0].state, SlotState::kBackoff);
}

TEST_F(PoolTest, WithNothingToQueueOnAFailFastCallIsRefusedWithTheDialError) {
  Start(SmallPool());
  target_.SetDial(FakeTarget::Dial::kRefuse);
  clock_.Advance(absl::Milliseconds(1));
  target_.LoseAll(absl::UnavailableError("hung up at once"));
  const absl::Status refused = pool_->AcquireNow(false).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("last dial error: hung up at once"));
  EXPECT_EQ(pool_->AcquireNow(/*wait_for_ready=*/true).status(), absl::OkStatus()) << "one that waits may dial";
}

// What gRPC does when it cancels: it runs a user's interceptor in this thread, which makes another call.
class CallingConnector : public Connector {
 public:
  explicit CallingConnector(std::unique_ptr<Connector> behind) : behind_(std::move(behind)) {}
  std::unique_ptr<Connection> Create(ConnectionId id, const PoolOptions& options,
                                     std::weak_ptr<ConnectionListener> listener) override {
    return std::make_unique<Calling>(this, behind_->Create(id, options, std::move(listener)));
  }
  std::function<void()> on_cancel;

 private:
  class Calling : public Connection {
   public:
    Calling(CallingConnector* owner, std::unique_ptr<Connection> behind) : owner_(owner), behind_(std::move(behind)) {}
    void Start() override { behind_->Start(); }
    void Redial() override { behind_->Redial(); }
    void Probe(absl::Duration timeout) override { behind_->Probe(timeout); }
    void CancelCalls(const absl::Status&) override { owner_->on_cancel(); }

   private:
    CallingConnector* const owner_;
    const std::unique_ptr<Connection> behind_;
  };
  const std::unique_ptr<Connector> behind_;
};

TEST_F(PoolTest, ACallMadeByWhatACancelRunsDoesNotWaitForItsOwnThread) {
  auto owned = std::make_unique<CallingConnector>(target_.NewConnector());
  CallingConnector* connector = owned.get();
  PoolOptions options = SmallPool();
  options.max_connections = 1;
  target_.SetProbe(FakeTarget::Probe::kHang);
  pool_ = Pool::Create({"orders", options, std::move(owned), &clock_, &closer_, /*seed=*/1});
  absl::Status nested = absl::UnknownError("not called");
  connector->on_cancel = [&] { nested = pool_->AcquireNow(false).status(); };
  Place place = *pool_->AcquireNow(false);
  place.Suspect();
  target_.AnswerProbes(absl::UnavailableError("dead"));
  EXPECT_EQ(nested, absl::OkStatus());
}

// --- WaitForReady -------------------------------------------------------------------------------------------------

TEST_F(PoolTest, WaitForReadyOpensWhatIsMissing) {
  Start(SmallPool());
  EXPECT_EQ(pool_->WaitForReady(2, In(absl::ZeroDuration())), absl::OkStatus());
  EXPECT_EQ(pool_->Stats().connections_open, 2);
  EXPECT_EQ(pool_->WaitForReady(3, In(absl::Seconds(1))).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(pool_->WaitForReady(-1, In(absl::Seconds(1))).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PoolTest, WaitForReadyNamesTheLastDialErrorWhenItIsLate) {
  target_.SetDial(FakeTarget::Dial::kRefuse);
  Start(SmallPool());
  const absl::Status late = pool_->WaitForReady(1, In(absl::ZeroDuration()));
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("0 of 1 connections open in time; last dial error: connection"));
}

TEST_F(PoolTest, WaitForReadyDialsAgainAfterABackOff) {
  Start(SmallPool());
  target_.SetDial(FakeTarget::Dial::kRefuse);  // The second connection fails; min_connections wants no second.
  absl::Status ready;
  std::thread waiting([&] { ready = pool_->WaitForReady(2, In(absl::Minutes(5))); });
  clock_.AwaitWaiters(1);
  while (pool_->Stats().dial_failures == 0) std::this_thread::yield();
  target_.SetDial(FakeTarget::Dial::kAccept);
  clock_.Advance(absl::Seconds(1));  // Over the back-off, once: whoever wants to dial must do so now.
  const absl::Time patience = RealClock()->Now() + absl::Seconds(10);
  while (pool_->Stats().connections_open < 2 && RealClock()->Now() < patience) std::this_thread::yield();
  EXPECT_EQ(pool_->Stats().connections_open, 2) << "nobody dialled after the back-off";
  clock_.Advance(absl::Minutes(5));
  waiting.join();
  EXPECT_EQ(ready, absl::OkStatus());
}

// --- Drain and resume ---------------------------------------------------------------------------------------------

TEST_F(PoolTest, ADrainRefusesCallersAndWaitsForTheLastLease) {
  Start(SmallPool());
  std::vector<Place> places = TakeAll();
  const auto waiting = Begin(In(absl::Hours(1)));
  absl::Status first, second;
  std::thread drain([&] { first = pool_->Drain(In(absl::Hours(1)), OnDeadline::kLeave); });
  clock_.AwaitWaiters(1);
  std::thread again([&] { second = pool_->Drain(In(absl::Hours(1)), OnDeadline::kLeave); });
  clock_.AwaitWaiters(2);
  closer_.RunAll();
  EXPECT_EQ(waiting->status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pool_->AcquireNow(true).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kDraining);
  places.clear();
  drain.join();
  again.join();
  EXPECT_EQ(first, absl::OkStatus());
  EXPECT_EQ(second, absl::OkStatus());
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kDrained);
}

TEST_F(PoolTest, ADrainThatIsLateLeavesTheCallsAndSaysWhoHoldsThem) {
  Start(SmallPool());
  const std::vector<Place> places = TakeAll();
  EXPECT_EQ(
      pool_->Drain(In(absl::ZeroDuration()), OnDeadline::kLeave),
      absl::DeadlineExceededError("drain of pool \"orders\": 4 leases still out on 2 connections (0-1: 2, 1-1: 2)"));
  EXPECT_EQ(target_.cancels(), 0);
}

TEST_F(PoolTest, ADrainThatIsLateCancelsWhenAsked) {
  Start(SmallPool());
  std::vector<Place> places = TakeAll();
  absl::Status drained;
  std::thread drain([&] { drained = pool_->Drain(In(absl::Seconds(1)), OnDeadline::kCancelCalls); });
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Seconds(1));
  while (target_.cancels() < 2) std::this_thread::yield();
  places.clear();
  drain.join();
  EXPECT_EQ(drained, absl::OkStatus());
}

TEST_F(PoolTest, AResumeEndsTheDrainAndLendsOnNewConnections) {
  Start(SmallPool());
  std::vector<Place> places = TakeAll();
  absl::Status drained;
  std::thread drain([&] { drained = pool_->Drain(In(absl::Hours(1)), OnDeadline::kLeave); });
  clock_.AwaitWaiters(1);
  EXPECT_EQ(pool_->Resume(), absl::OkStatus());
  drain.join();
  EXPECT_EQ(drained.code(), absl::StatusCode::kAborted);
  const absl::StatusOr<Place> place = pool_->AcquireNow(false);
  ASSERT_EQ(place.status(), absl::OkStatus());
  EXPECT_EQ(place->id(), (ConnectionId{2, 1})) << "the old ones never lend again";
}

TEST_F(PoolTest, LeasesOutliveTheirPool) {
  Start(SmallPool());
  std::vector<Place> places = TakeAll();
  const auto waiting = Begin(In(absl::Hours(1)));
  pool_->Destroy();
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::UnavailableError("pool \"orders\" was destroyed"));
  const std::weak_ptr<Pool> watch = pool_;
  Start(SmallPool());  // The fixture's next pool; the first has no owner now.
  waiting->handle = AcquireHandle();
  EXPECT_FALSE(watch.expired()) << "its leases keep it";
  EXPECT_NE(places[0].connection(), nullptr);
  places.clear();
  closer_.RunAll();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(target_.alive(), 1) << "that of the new pool";
}

// --- Events -------------------------------------------------------------------------------------------------------

std::string Describe(const PoolEvent& event) {
  return absl::StrCat(event.sequence, " ", ToString(event.kind),
                      event.connection.generation > 0 ? " " + event.connection.ToString() : "");
}

TEST_F(PoolTest, TellsOneLifeInOrder) {
  PoolOptions options = SmallPool();
  options.min_connections = 0;
  Start(options);
  std::vector<std::string> told;
  const Subscription subscription = pool_->Subscribe([&](const PoolEvent& event) { told.push_back(Describe(event)); });
  Place place = *pool_->AcquireNow(false);
  place.Suspect();
  target_.SetDial(FakeTarget::Dial::kRefuse);
  pool_->BeginDrain();
  place.Reset();
  EXPECT_EQ(pool_->Resume(), absl::OkStatus());
  EXPECT_EQ(pool_->Reconfigure(SmallPool()), absl::OkStatus());
  pool_->Destroy();
  EXPECT_THAT(told, IsEmpty()) << "only on the closer";
  closer_.RunAll();
  EXPECT_THAT(told, ElementsAre("1 connecting 0-1", "2 opened 0-1", "3 checking 0-1", "4 opened 0-1", "5 pool_draining",
                                "6 draining 0-1", "7 closed 0-1", "8 pool_drained", "9 pool_resumed", "10 reconfigured",
                                "11 connecting 0-2", "12 connect_failed 0-2", "13 pool_destroyed", "14 draining 0-2",
                                "15 closed 0-2"));
}

TEST_F(PoolTest, ASlowSubscriberLosesEventsVisiblyAndHoldsNobodyUp) {
  Start(SmallPool());
  std::vector<uint64_t> sequences;
  const Subscription subscription =
      pool_->Subscribe([&](const PoolEvent& event) { sequences.push_back(event.sequence); });
  PoolOptions options = SmallPool();
  const auto change = [&] {
    ++options.max_waiters;
    return pool_->Reconfigure(options);
  };
  for (int i = 0; i < 1500; ++i) ASSERT_EQ(change(), absl::OkStatus());
  closer_.RunAll();
  ASSERT_EQ(sequences.size(), EventFeed::kMaxQueued);
  ASSERT_EQ(change(), absl::OkStatus());
  closer_.RunAll();
  EXPECT_EQ(sequences.back() - sequences[sequences.size() - 2], 1500 - EventFeed::kMaxQueued + 1) << "the gap";
}

TEST_F(PoolTest, AnEndedSubscriptionHearsNothing) {
  Start(SmallPool());
  int told = 0;
  {
    const Subscription subscription = pool_->Subscribe([&](const PoolEvent&) { ++told; });
  }
  pool_->Recycle();
  closer_.RunAll();
  EXPECT_EQ(told, 0);
}

// --- Suspicion ----------------------------------------------------------------------------------------------------

TEST_F(PoolTest, ASuspectedConnectionLendsAgainOnceItAnswered) {
  Start(SmallPool());
  target_.SetProbe(FakeTarget::Probe::kHang);
  Place place = *pool_->AcquireNow(false);
  place.Suspect();
  EXPECT_EQ(pool_->Stats().connections_checking, 1);
  EXPECT_FALSE(pool_->TryAcquire());
  EXPECT_EQ(target_.AnswerProbes(absl::OkStatus()), 1);
  EXPECT_TRUE(pool_->TryAcquire());
  EXPECT_EQ(target_.cancels(), 0);
}

TEST_F(PoolTest, ACallerOfASuspectedOnlyConnectionGetsANewOne) {
  Start(SmallPool());
  target_.SetProbe(FakeTarget::Probe::kHang);
  const Place suspected = *pool_->AcquireNow(false);
  pool_->Suspect(suspected.id());
  const absl::StatusOr<Place> place = pool_->AcquireNow(false);
  ASSERT_EQ(place.status(), absl::OkStatus());
  EXPECT_NE(place->id(), suspected.id());
  target_.AnswerProbes(absl::OkStatus());
}

TEST_F(PoolTest, AFailedProbeCancelsItsCallsAndReplacesIt) {
  Start(SmallPool());
  target_.SetProbe(FakeTarget::Probe::kFail);
  Place place = *pool_->AcquireNow(false);
  place.Suspect();
  EXPECT_EQ(target_.cancels(), 1);
  EXPECT_EQ(pool_->Stats().connections_draining, 1);
  EXPECT_EQ(pool_->Stats().connections_open, 1) << "another one";
  place.Reset();
  EXPECT_EQ(pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kProbeFailed)], 1u);
}

TEST_F(PoolTest, AProbeThatFoundNoRoomReplacesTheConnectionAndCancelsNothing) {
  Start(SmallPool());
  target_.SetProbe(FakeTarget::Probe::kHang);
  Place place = *pool_->AcquireNow(false);
  place.Suspect();
  target_.AnswerProbes(absl::ResourceExhaustedError("no free stream"));
  EXPECT_EQ(target_.cancels(), 0);
  EXPECT_EQ(pool_->Stats().connections_draining, 1);
  EXPECT_EQ(pool_->Stats().connections_open, 1) << "another one";
}

TEST_F(PoolTest, AProbeWithoutAnAnswerFailsAfterProbeTimeout) {
  Start(SmallPool());
  target_.SetProbe(FakeTarget::Probe::kHang);
  const Place place = *pool_->AcquireNow(false);
  pool_->Suspect(place.id());
  clock_.Advance(absl::Seconds(5) - absl::Nanoseconds(1));
  EXPECT_EQ(pool_->Stats().connections_checking, 1);
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(pool_->Stats().connections_checking, 0);
  EXPECT_EQ(target_.cancels(), 1);
}

// --- Time, fork ---------------------------------------------------------------------------------------------------

TEST_F(PoolTest, AJumpOfTheWallChangesNoAgeAndNoWait) {
  PoolOptions options = SmallPool();
  options.max_age = absl::Hours(1);
  options.max_age_jitter = 0;
  Start(options);
  const std::vector<Place> places = TakeAll();
  const auto waiting = Begin(In(absl::Minutes(10)));
  clock_.JumpWall(absl::Hours(48));
  clock_.Advance(absl::Minutes(10) - absl::Nanoseconds(1));
  closer_.RunAll();
  EXPECT_EQ(waiting->ends, 0);
  EXPECT_EQ(pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kMaxAge)], 0u);
  EXPECT_EQ(pool_->Connections()[0].age, absl::Minutes(10) - absl::Nanoseconds(1));
  clock_.JumpWall(-absl::Hours(200));
  clock_.Advance(absl::Nanoseconds(1));
  closer_.RunAll();
  EXPECT_EQ(waiting->ends, 1);
}

TEST_F(PoolTest, InAForkedChildEveryOperationRefusesAndNoneHangs) {
  Start(SmallPool());
  Place place = *pool_->AcquireNow(false);
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    const auto refused = [](const absl::Status& status) {
      return status.code() == absl::StatusCode::kFailedPrecondition;
    };
    const absl::Time soon = In(absl::Hours(1));
    bool right = !pool_->TryAcquire();
    right &= refused(pool_->AcquireNow(true).status());
    right &= refused(pool_->Acquire(soon).status());
    right &= refused(pool_->WaitForReady(1, soon));
    right &= refused(pool_->Drain(soon, OnDeadline::kCancelCalls));
    right &= refused(pool_->Resume());
    right &= refused(pool_->Reconfigure(SmallPool()));
    right &= refused(pool_->Override(nullptr));
    right &= refused(pool_->CheckInvariants());
    Wakeup called;
    pool_->AcquireAsync(soon, [&](absl::StatusOr<Place> none) {
      right &= refused(none.status());
      called.Wake();
    });
    RealClock()->Park(called, absl::InfiniteFuture());
    pool_->BeginDrain();
    pool_->CancelDrainingCalls();
    pool_->Recycle();
    pool_->StopRecycle();
    pool_->TryToConnect();
    place.Suspect();
    place.Reset();
    right &= pool_->Stats().state == PoolAdminState::kDestroyed && pool_->Connections().empty();
    right &= pool_->Connectivity() == PoolConnectivity::kShutdown;
    (void)pool_->options();
    (void)pool_->owner_options();
    {
      const Subscription none = pool_->Subscribe([](const PoolEvent&) {});
    }
    pool_->OnLost({0, 1}, absl::UnavailableError("reset"));
    pool_->Destroy();
    _exit(right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(pool_->Stats().leases, 1) << "the parent's is untouched";
}

// --- Places -------------------------------------------------------------------------------------------------------

TEST_F(PoolTest, AMovedPlaceIsGivenBackOnce) {
  Start(SmallPool());
  Place first = *pool_->AcquireNow(false);
  Place second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(first.connection(), nullptr);
  first.Reset();
  EXPECT_EQ(pool_->Stats().leases, 1);
  second = *pool_->AcquireNow(false);
  EXPECT_EQ(pool_->Stats().leases, 1) << "assignment gives back what was held";
}

TEST_F(PoolTest, AHigherLimitServesWaitersAtOnceAndALowerOneCutsNobody) {
  PoolOptions options = SmallPool();
  Start(options);
  const std::vector<Place> places = TakeAll();
  const auto waiting = Begin(In(absl::Hours(1)));
  options.max_leases_per_connection = 3;
  EXPECT_EQ(pool_->Reconfigure(options), absl::OkStatus());
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::OkStatus());
  options.max_leases_per_connection = 1;
  EXPECT_EQ(pool_->Reconfigure(options), absl::OkStatus());
  EXPECT_EQ(pool_->Stats().leases, 5);
  EXPECT_EQ(pool_->Stats().leases_over_limit, 3);
  options.max_surge = 9;
  EXPECT_EQ(pool_->Reconfigure(options).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(pool_->options().max_surge, 1) << "all or nothing";
}

TEST_F(PoolTest, ChoosesConnectionsAsItsOptionsSayAlsoWhenTheyChange) {
  PoolOptions options = SmallPool();
  options.min_connections = options.max_connections = 3;
  options.selection = SelectionPolicy::kRoundRobin;
  Start(options);
  const auto chosen = [this] {
    std::set<uint32_t> slots;
    for (int i = 0; i < 3; ++i) slots.insert(pool_->TryAcquire().id().slot);
    return slots.size();
  };
  EXPECT_EQ(chosen(), 3u);
  options.selection = SelectionPolicy::kPack;
  EXPECT_EQ(pool_->Reconfigure(options), absl::OkStatus());
  EXPECT_EQ(chosen(), 1u);
}

TEST_F(PoolTest, OptionsThatHoldAlreadyAreNoChange) {
  Start(SmallPool());
  std::vector<PoolEvent::Kind> told;
  const Subscription subscription = pool_->Subscribe([&](const PoolEvent& event) { told.push_back(event.kind); });
  EXPECT_EQ(pool_->Reconfigure(SmallPool()), absl::OkStatus());
  EXPECT_EQ(pool_->Override(nullptr), absl::OkStatus());
  closer_.RunAll();
  EXPECT_THAT(told, testing::Not(testing::Contains(PoolEvent::Kind::kReconfigured)));
}

TEST_F(PoolTest, AConnectionIsMadeWithTheOptionsThatThePoolHasThen) {
  PoolOptions options = SmallPool();
  Start(options);
  options.min_connections = 2;
  options.connect_timeout = absl::Seconds(3);
  EXPECT_EQ(pool_->Reconfigure(options), absl::OkStatus());
  EXPECT_THAT(target_.options(), ElementsAre(SmallPool(), options));
}

TEST_F(PoolTest, ConcurrentReconfiguresLeaveTheConnectionsAndThePoolWithTheSameOptions) {
  Start(SmallPool());
  std::vector<std::thread> owners;
  for (int owner = 0; owner < 4; ++owner) {
    owners.emplace_back([this, owner] {
      PoolOptions options = SmallPool();
      for (int i = 0; i < 200; ++i) {
        options.connect_timeout = absl::Seconds(1 + owner) + absl::Milliseconds(i);
        EXPECT_EQ(pool_->Reconfigure(options), absl::OkStatus());
      }
    });
  }
  for (std::thread& owner : owners) owner.join();
  pool_->Recycle();
  closer_.RunAll();
  EXPECT_THAT(target_.options(), ElementsAre(pool_->options()));
}

TEST_F(PoolTest, ACallThatInsistsDialsAServerThatHangsUpAtOnceOnce) {
  target_.SetDial(FakeTarget::Dial::kFlap);
  PoolOptions options = SmallPool();
  options.min_connections = 0;
  Start(options);
  for (int calls = 1; calls <= 3; ++calls) {
    const absl::StatusOr<Place> place = pool_->AcquireNow(/*wait_for_ready=*/true);
    EXPECT_EQ(place.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(place.status().message(), HasSubstr("hung up at once"));
    EXPECT_EQ(target_.dials(), 1 + calls);  // The first of all is for the demand; then each call insists once.
  }
}

// --- Steering without waiting -------------------------------------------------------------------------------------

TEST_F(PoolTest, CallsOnDrainingConnectionsCanBeCancelledWithoutWaiting) {
  Start(SmallPool());
  Place place = *pool_->AcquireNow(false);
  pool_->CancelDrainingCalls();
  EXPECT_EQ(target_.cancels(), 0) << "it does not drain";
  pool_->BeginDrain();
  pool_->CancelDrainingCalls();
  EXPECT_EQ(target_.cancels(), 1);
  EXPECT_EQ(pool_->Stats().leases, 1) << "the lease is its holder's still";
}

TEST_F(PoolTest, CallsThatAResumedPoolPromisedToLetGoOnAreNotCancelled) {
  Start(SmallPool());
  const Place place = *pool_->AcquireNow(false);
  pool_->BeginDrain();
  EXPECT_EQ(pool_->state(), PoolAdminState::kDraining);
  EXPECT_EQ(pool_->Resume(), absl::OkStatus());
  EXPECT_EQ(pool_->state(), PoolAdminState::kActive);
  pool_->CancelDrainingCalls();
  EXPECT_EQ(target_.cancels(), 0);
}

TEST_F(PoolTest, AStoppedRecycleReplacesNoFurtherConnection) {
  Start(SmallPool());
  EXPECT_EQ(pool_->WaitForReady(2, In(absl::ZeroDuration())), absl::OkStatus());
  target_.SetDial(FakeTarget::Dial::kHang);
  pool_->Recycle();
  EXPECT_EQ(target_.dials(), 3) << "one at a time";
  pool_->StopRecycle();
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  closer_.RunAll();
  EXPECT_EQ(target_.dials(), 3);
  EXPECT_EQ(pool_->Stats().closed, 1);
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

// --- Overrides ----------------------------------------------------------------------------------------------------

TEST_F(PoolTest, AnOverrideHoldsOnTopOfWhateverTheOwnerSets) {
  Start(SmallPool());
  EXPECT_EQ(pool_->Override([](PoolOptions& options) { options.max_connections = 5; }), absl::OkStatus());
  EXPECT_EQ(pool_->options().max_connections, 5);
  EXPECT_EQ(pool_->owner_options(), SmallPool());

  PoolOptions owner = SmallPool();
  owner.max_connections = 3;
  owner.max_waiters = 7;
  EXPECT_EQ(pool_->Reconfigure(owner), absl::OkStatus());
  EXPECT_EQ(pool_->options().max_connections, 5);
  EXPECT_EQ(pool_->options().max_waiters, 7);
  EXPECT_EQ(pool_->owner_options(), owner);

  EXPECT_EQ(pool_->Override(nullptr), absl::OkStatus());
  EXPECT_EQ(pool_->options(), owner);
}

TEST_F(PoolTest, AnOverrideTakesEffectAtOnce) {
  Start(SmallPool());
  EXPECT_EQ(pool_->Override([](PoolOptions& options) { options.min_connections = 2; }), absl::OkStatus());
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

TEST_F(PoolTest, AnInvalidCombinationChangesNothing) {
  Start(SmallPool());
  ASSERT_EQ(pool_->Override([](PoolOptions& options) { options.min_connections = 2; }), absl::OkStatus());
  PoolOptions owner = SmallPool();
  owner.max_connections = 1;
  ASSERT_EQ(owner.Validate(), absl::OkStatus());
  const absl::Status reconfigured = pool_->Reconfigure(owner);
  EXPECT_EQ(reconfigured.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(reconfigured.message()),
              HasSubstr("with the operator's override: min_connections: 2 is above max_connections (1)"));
  EXPECT_EQ(pool_->owner_options(), SmallPool());

  EXPECT_EQ(pool_->Override([](PoolOptions& options) { options.max_connections = 0; }).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(pool_->options().max_connections, 2);
  EXPECT_EQ(pool_->options().min_connections, 2) << "the override before stays";
}

TEST_F(PoolTest, TheOwnersOptionsMustHoldWithoutTheOverride) {
  Start(SmallPool());
  ASSERT_EQ(pool_->Override([](PoolOptions& options) { options.min_connections = 0; }), absl::OkStatus());
  PoolOptions owner = SmallPool();
  owner.min_connections = 3;
  EXPECT_EQ(pool_->Reconfigure(owner).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(pool_->Override(nullptr), absl::OkStatus());
}

TEST_F(PoolTest, AnOverrideRunsWithoutTheLockAndSeesChangesThatCameBetween) {
  Start(SmallPool());
  PoolOptions owner = SmallPool();
  owner.max_waiters = 7;
  int runs = 0;
  const auto reconfigures_meanwhile = [&](PoolOptions& options) {
    if (++runs == 1) {
      EXPECT_EQ(pool_->Reconfigure(owner), absl::OkStatus());
    }
    options.max_connections = 5;
  };
  EXPECT_EQ(pool_->Override(reconfigures_meanwhile), absl::OkStatus());
  EXPECT_EQ(pool_->options().max_waiters, 7);
  EXPECT_EQ(pool_->options().max_connections, 5);
  ASSERT_EQ(pool_->Override(nullptr), absl::OkStatus());  // It refers to this frame.
}

TEST_F(PoolTest, ADestroyedPoolRefusesAnOverride) {
  Start(SmallPool());
  pool_->Destroy();
  EXPECT_EQ(pool_->Override(nullptr).code(), absl::StatusCode::kFailedPrecondition);
}

// --- Pause --------------------------------------------------------------------------------------------------------

TEST_F(PoolTest, WhileItIsPausedCallersWaitAndAreServedInOrderAtItsEnd) {
  Start(SmallPool());
  ASSERT_EQ(pool_->WaitForReady(2, In(absl::ZeroDuration())), absl::OkStatus());
  Place out = pool_->TryAcquire();
  ASSERT_TRUE(out);
  ASSERT_EQ(pool_->Pause(absl::Seconds(30)), absl::OkStatus());
  EXPECT_FALSE(pool_->TryAcquire()) << "not on the fast path either";
  std::vector<int> served;
  Mutex mu;
  std::vector<Place> kept;
  std::vector<std::thread> callers;
  std::vector<std::shared_ptr<Async>> asyncs;
  for (int i = 0; i < 2; ++i) {
    asyncs.push_back(Begin(In(absl::Hours(1))));
    callers.emplace_back([&] {
      absl::StatusOr<Place> place = pool_->Acquire(In(absl::Hours(1)));
      MutexLock lock(&mu);
      if (place.ok()) kept.push_back(*std::move(place));
    });
    clock_.AwaitWaiters(i + 1);
  }
  asyncs.push_back(Begin(In(absl::Hours(1))));
  out.Reset();  // A place that comes back is handed to nobody.
  closer_.RunAll();
  EXPECT_EQ(pool_->CheckInvariants(), absl::OkStatus());
  PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.state, PoolAdminState::kPaused);
  EXPECT_EQ(stats.pause_left, absl::Seconds(30));
  EXPECT_EQ(stats.waiters, 5);
  EXPECT_EQ(stats.leases, 0);

  clock_.Advance(absl::Seconds(30));
  for (std::thread& caller : callers) caller.join();
  closer_.RunAll();
  stats = pool_->Stats();
  EXPECT_EQ(stats.state, PoolAdminState::kActive);
  EXPECT_EQ(stats.pause_left, absl::ZeroDuration());
  EXPECT_EQ(stats.waiters, 1) << "five waited for four places";
  EXPECT_EQ(asyncs[0]->ends, 1);
  EXPECT_EQ(asyncs[1]->ends, 1);
  EXPECT_EQ(asyncs[2]->ends, 0) << "the last in line";
  kept.clear();
  closer_.RunAll();
  EXPECT_EQ(asyncs[2]->ends, 1);
}

TEST_F(PoolTest, APausedPoolSpreadsThoseWhoWaitedOverItsConnections) {
  Start(SmallPool());
  ASSERT_EQ(pool_->WaitForReady(2, In(absl::ZeroDuration())), absl::OkStatus());
  ASSERT_EQ(pool_->Pause(absl::Seconds(1)), absl::OkStatus());
  const auto first = Begin(In(absl::Hours(1))), second = Begin(In(absl::Hours(1)));
  ASSERT_EQ(pool_->Unpause(), absl::OkStatus());
  closer_.RunAll();
  ASSERT_TRUE(first->place && second->place);
  EXPECT_NE(first->place.id().slot, second->place.id().slot);
}

TEST_F(PoolTest, ACallThatCannotWaitIsRefusedWithTheTimeThatIsLeft) {
  Start(SmallPool());
  ASSERT_EQ(pool_->Pause(absl::Seconds(10)), absl::OkStatus());
  clock_.Advance(absl::Milliseconds(2500));
  for (const bool wait_for_ready : {true, false}) {
    EXPECT_EQ(pool_->AcquireNow(wait_for_ready).status(),
              absl::UnavailableError("pool \"orders\" is paused for 7.5s more (1/2 connections open, 0/2 leases, 0 "
                                     "waiting)"));
  }
  EXPECT_EQ(pool_->Stats().unavailable, 2u);
  ASSERT_EQ(pool_->Unpause(), absl::OkStatus());
  EXPECT_EQ(pool_->AcquireNow(false).status(), absl::OkStatus());
}

TEST_F(PoolTest, AWaitersDeadlineHoldsDuringAPause) {
  Start(SmallPool());
  ASSERT_EQ(pool_->Pause(absl::Seconds(10)), absl::OkStatus());
  const auto hasty = Begin(In(absl::Seconds(1))), cancelled = Begin(In(absl::Hours(1)));
  cancelled->handle.Cancel();
  clock_.Advance(absl::Seconds(1));
  closer_.RunAll();
  EXPECT_EQ(hasty->status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(cancelled->status.code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(pool_->TryAcquire()) << "nobody waits any more, and the pause goes on";
  EXPECT_EQ(pool_->CheckInvariants(), absl::OkStatus());
}

TEST_F(PoolTest, MaxWaitersHoldsDuringAPause) {
  PoolOptions options = SmallPool();
  options.max_waiters = 1;
  Start(options);
  ASSERT_EQ(pool_->Pause(absl::Seconds(10)), absl::OkStatus());
  const auto first = Begin(In(absl::Hours(1))), second = Begin(In(absl::Hours(1)));
  closer_.RunAll();
  EXPECT_EQ(first->ends, 0);
  EXPECT_EQ(second->status.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(PoolTest, AConnectionThatOpensDuringAPauseLendsToNobody) {
  Start(SmallPool());
  target_.SetDial(FakeTarget::Dial::kHang);
  ASSERT_EQ(pool_->Pause(absl::Seconds(5)), absl::OkStatus());
  std::vector<std::shared_ptr<Async>> asyncs;
  for (int i = 0; i < 3; ++i) asyncs.push_back(Begin(In(absl::Hours(1))));
  EXPECT_EQ(pool_->Stats().connections_connecting, 1) << "opened for those who wait";
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  EXPECT_EQ(pool_->Stats().connections_open, 2);
  EXPECT_EQ(pool_->Stats().leases, 0);
  EXPECT_FALSE(pool_->TryAcquire());
  EXPECT_EQ(pool_->CheckInvariants(), absl::OkStatus());
  PoolOptions larger = SmallPool();
  larger.max_leases_per_connection = 5;
  ASSERT_EQ(pool_->Reconfigure(larger), absl::OkStatus());
  EXPECT_EQ(pool_->Stats().leases, 0) << "a higher limit grants nothing";
  ASSERT_EQ(pool_->Unpause(), absl::OkStatus());
  closer_.RunAll();
  for (const auto& async : asyncs) EXPECT_EQ(async->status, absl::OkStatus());
}

TEST_F(PoolTest, DrainAndDestroyEndAPause) {
  for (const bool destroy : {false, true}) {
    Start(SmallPool());
    ASSERT_EQ(pool_->Pause(absl::Minutes(1)), absl::OkStatus());
    const auto waiting = Begin(In(absl::Hours(1)));
    if (destroy) {
      pool_->Destroy();
      EXPECT_EQ(pool_->Pause(absl::Seconds(1)).code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(pool_->Unpause().code(), absl::StatusCode::kFailedPrecondition);
    } else {
      EXPECT_EQ(pool_->Drain(In(absl::ZeroDuration()), OnDeadline::kLeave), absl::OkStatus());
      EXPECT_EQ(pool_->Pause(absl::Seconds(1)).code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(pool_->Resume(), absl::OkStatus());
      EXPECT_TRUE(pool_->TryAcquire()) << "the pause is over as well";
    }
    closer_.RunAll();
    EXPECT_EQ(waiting->status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(waiting->status.message()), testing::HasSubstr(destroy ? "destroyed" : "draining"));
  }
}

TEST_F(PoolTest, APauseHasAMandatoryMaximum) {
  Start(SmallPool());
  for (const absl::Duration bad :
       {absl::ZeroDuration(), -absl::Seconds(1), absl::InfiniteDuration(), kLongestPause + absl::Nanoseconds(1)}) {
    EXPECT_EQ(pool_->Pause(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_EQ(pool_->Pause(absl::Minutes(11)).message(),
            "pause of pool \"orders\": max_hold: 11m is not a time up to 10m; set at most 10m");
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kActive);
  EXPECT_EQ(pool_->Pause(kLongestPause), absl::OkStatus());
  EXPECT_EQ(pool_->Unpause(), absl::OkStatus());
  EXPECT_EQ(pool_->Unpause(), absl::OkStatus()) << "also when it is not paused";
}

TEST_F(PoolTest, APoolWithoutConnectionsCanBePaused) {
  PoolOptions options = SmallPool();
  options.min_connections = 0;
  Start(options);
  ASSERT_EQ(pool_->Pause(absl::Seconds(1)), absl::OkStatus());
  const auto waiting = Begin(In(absl::Hours(1)));
  closer_.RunAll();
  EXPECT_EQ(waiting->ends, 0);
  ASSERT_EQ(pool_->Unpause(), absl::OkStatus());
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::OkStatus());
}

// --- Warnings -----------------------------------------------------------------------------------------------------

TEST_F(PoolTest, WarnsOfAPeakThatItsOptionsDoNotCarry) {
  Start(SmallPool());
  EXPECT_THAT(pool_->Warnings(), testing::IsEmpty());
  std::vector<Place> places = TakeAll();
  const auto waiting = Begin(In(absl::Hours(1)));
  EXPECT_EQ(pool_->Stats().leases_peak_bound, 5);
  places.clear();
  closer_.RunAll();
  EXPECT_THAT(pool_->Warnings(),
              ElementsAre(testing::StartsWith("max_connections: 2 of 2 leases carry 4, and up to 5 were wanted")));
  PoolOptions larger = SmallPool();
  larger.max_connections = 3;
  ASSERT_EQ(pool_->Reconfigure(larger), absl::OkStatus());
  EXPECT_THAT(pool_->Warnings(), testing::IsEmpty()) << "what was seen under other options is forgotten";
}

TEST_F(PoolTest, ThePeakBoundCountsABurstBetweenTwoLooks) {
  Start(SmallPool());
  {
    const Place first = pool_->TryAcquire(), second = pool_->TryAcquire();
    ASSERT_TRUE(first && second);
  }
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(pool_->Stats().leases_peak_bound, 2);
}

TEST_F(PoolTest, WhoWaitsForAPauseToEndIsNoPeak) {
  Start(SmallPool());
  ASSERT_EQ(pool_->Pause(absl::Seconds(10)), absl::OkStatus());
  std::vector<std::shared_ptr<Async>> asyncs;
  for (int i = 0; i < 9; ++i) asyncs.push_back(Begin(In(absl::Seconds(5))));
  clock_.Advance(absl::Seconds(9));
  EXPECT_EQ(pool_->Stats().leases_peak_bound, 0);
}

}  // namespace
}  // namespace chanpool
