#include "server/admin/operation_log.h"

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/admin/managed_pool.h"
#include "server/admin/proto_time.h"
#include "server/admin/status_details.h"
#include "tests/admin/admin_fixture.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class OperationLogTest : public AdminFixture {
 protected:
  OperationLogTest() {
    pool_ = AddPool("orders");
    drain_.set_name("pools/orders");
    undrain_.set_name("pools/orders");
    recycle_.set_name("pools/orders");
  }
  v1::Operation Drain() { return Get(&Stub::DrainPool, drain_).operation(); }
  grpc::Status TryDrain() {
    v1::DrainPoolResponse response;
    return Call(&Stub::DrainPool, drain_, &response);
  }
  v1::Operation Recycle() { return Get(&Stub::RecyclePool, recycle_).operation(); }
  v1::Operation Cancel(const std::string& name) {
    v1::CancelOperationRequest request;
    request.set_name(name);
    return Get(&Stub::CancelOperation, request).operation();
  }
  // Two connections with one call each.
  std::vector<Place> Busy() {
    EXPECT_THAT(pool_->WaitForReady(2, clock_.WallNow()), IsOk());
    std::vector<Place> places;
    for (int i = 0; i < 4; ++i) places.push_back(*pool_->AcquireNow(false));
    // Of four places on two connections, one each.
    places.pop_back();
    for (size_t i = 0; places.size() > 2; ++i) {
      const auto same = [&](const Place& a) {
        int count = 0;
        for (const Place& b : places) count += a.id() == b.id();
        return count;
      };
      if (same(places[i]) > 1) {
        places.erase(places.begin() + static_cast<std::ptrdiff_t>(i));
        i = static_cast<size_t>(-1);
      }
    }
    return places;
  }

  std::shared_ptr<Pool> pool_;
  v1::DrainPoolRequest drain_;
  v1::UndrainPoolRequest undrain_;
  v1::RecyclePoolRequest recycle_;
};

// --- Drain --------------------------------------------------------------------------------------------------------

TEST_F(OperationLogTest, ADrainNamesTheOldestCallsOnEachConnectionItWaitsFor) {
  const std::vector<Place> places = Busy();
  std::vector<CallInFlight> calls;
  for (int age = 1; age <= 5; ++age) calls.push_back({{}, "/shop.Orders/Get", absl::Seconds(age)});
  target_.SetCalls(calls, CallTotals(), {});
  const v1::Operation begun = Drain();
  ASSERT_THAT(begun.progress().blockers(), SizeIs(2));
  for (const v1::Blocker& blocker : begun.progress().blockers()) {
    ASSERT_EQ(blocker.calls_size(), 3);
    EXPECT_EQ(blocker.calls(0).method(), "/shop.Orders/Get");
    EXPECT_EQ(blocker.calls(0).age().seconds(), 5);
    EXPECT_EQ(blocker.calls(0).connection(), blocker.connection());
  }
}

TEST_F(OperationLogTest, ADrainNamesWhatItWaitsForAndEndsWithTheLastCall) {
  std::vector<Place> places = Busy();
  drain_.set_reason("new version");
  const v1::Operation begun = Drain();
  EXPECT_EQ(begun.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(begun.kind(), v1::OPERATION_KIND_DRAIN);
  EXPECT_EQ(begun.target(), "pools/orders");
  EXPECT_EQ(begun.requested_by(), "operator");
  EXPECT_EQ(begun.reason(), "new version");
  EXPECT_EQ(begun.progress().connections_total(), 2u);
  EXPECT_EQ(begun.progress().leases_remaining(), 2u);
  EXPECT_THAT(begun.progress().blockers(), SizeIs(2));
  EXPECT_FALSE(begun.has_deadline());

  places.erase(places.begin());
  clock_.Advance(absl::Milliseconds(100));
  const v1::Operation half = GetOperation(begun.name());
  EXPECT_EQ(half.progress().connections_remaining(), 1u);
  ASSERT_EQ(half.progress().blockers_size(), 1);
  EXPECT_EQ(half.progress().blockers(0).connection(),
            absl::StrCat("pools/orders/connections/", places[0].id().ToString()));
  EXPECT_EQ(FromProto(half.progress().blockers(0).draining_for()).value(), absl::Milliseconds(100));

  places.clear();
  Settle();  // The pool's events are enough: no time has passed.
  const v1::Operation ended = GetOperation(begun.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_TRUE(ended.has_end_time());
  EXPECT_EQ(ended.progress().connections_remaining(), 0u);
  EXPECT_EQ(GetPool("pools/orders").admin_state(), v1::ADMIN_STATE_DRAINED);
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_OPERATION_STARTED), ElementsAre("drain began: new version"));
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_OPERATION_ENDED), ElementsAre("drain succeeded"));
}

TEST_F(OperationLogTest, ADrainIsToldToBeginBeforeItIsToldToEnd) {
  // Every event makes the log look at what runs: here from a second thread all the time.
  std::atomic<bool> over{false};
  std::atomic<int> wanted{0};
  std::thread busy([&] {
    while (!over.load()) {
      if (wanted.load() > 0) events_.Append(v1::Event()), --wanted;
    }
  });
  for (int i = 0; i < 3'000 && !HasFailure(); ++i) {
    const uint64_t before = events_.head();
    wanted = 1'000;  // Fewer than the log keeps.
    Drain();
    Get(&Stub::UndrainPool, undrain_);
    int begun = 0;
    std::set<std::string> ended;
    for (const v1::Event& event : events_.Read(before, EventLog::kCapacity).events) {
      if (event.type() == v1::EVENT_TYPE_OPERATION_ENDED) ended.insert(event.operation());
      if (event.type() != v1::EVENT_TYPE_OPERATION_STARTED) continue;
      ++begun;
      EXPECT_EQ(ended.count(event.operation()), 0u) << event.operation() << " ended before it began";
    }
    EXPECT_EQ(begun, 1);
  }
  over = true;
  busy.join();
}

TEST_F(OperationLogTest, AnIdlePoolIsDrainedAtOnce) { EXPECT_EQ(Drain().state(), v1::OPERATION_STATE_SUCCEEDED); }

TEST_F(OperationLogTest, AtItsDeadlineADrainExpiresAndSaysWhatIsLeft) {
  const Place place = *pool_->AcquireNow(false);
  *drain_.mutable_deadline() = ToProto(absl::Seconds(30));
  const v1::Operation begun = Drain();
  EXPECT_EQ(FromProto(begun.deadline()), clock_.WallNow() + absl::Seconds(30));
  clock_.Advance(absl::Seconds(29));
  EXPECT_EQ(GetOperation(begun.name()).state(), v1::OPERATION_STATE_RUNNING);
  clock_.Advance(absl::Seconds(1));
  const v1::Operation ended = GetOperation(begun.name());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_EXPIRED);
  EXPECT_EQ(ended.error().code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(ended.error().message(), "1 leases still out on 1 of 1 connections");
  EXPECT_THAT(ended.progress().blockers(), SizeIs(1));
  EXPECT_EQ(target_.cancels(), 0);
  EXPECT_EQ(GetPool("pools/orders").admin_state(), v1::ADMIN_STATE_DRAINING) << "it goes on without the operation";
}

TEST_F(OperationLogTest, AtItsDeadlineADrainCancelsCallsWhereItWasToldTo) {
  Place place = *pool_->AcquireNow(false);
  *drain_.mutable_deadline() = ToProto(absl::Seconds(1));
  drain_.set_on_deadline(v1::ON_DEADLINE_CANCEL_CALLS);
  const std::string name = Drain().name();
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(target_.cancels(), 1);
  EXPECT_EQ(GetOperation(name).state(), v1::OPERATION_STATE_RUNNING) << "the calls are given a moment to end";
  place.Reset();
  clock_.Advance(absl::Milliseconds(100));
  const v1::Operation ended = GetOperation(name);
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(ended.progress().leases_cancelled(), 1u);
}

TEST_F(OperationLogTest, CallsThatIgnoreTheirCancellingLetTheDrainExpire) {
  const Place place = *pool_->AcquireNow(false);
  *drain_.mutable_deadline() = ToProto(absl::ZeroDuration());
  drain_.set_on_deadline(v1::ON_DEADLINE_CANCEL_CALLS);
  const std::string name = Drain().name();
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(target_.cancels(), 1) << "once";
  EXPECT_EQ(GetOperation(name).state(), v1::OPERATION_STATE_EXPIRED);
}

TEST_F(OperationLogTest, TheSameDrainAgainIsTheOneThatRuns) {
  const Place place = *pool_->AcquireNow(false);
  *drain_.mutable_deadline() = ToProto(absl::Seconds(30));
  const std::string name = Drain().name();
  drain_.set_reason("another reason makes no other drain");
  EXPECT_EQ(Drain().name(), name);
}

TEST_F(OperationLogTest, AnotherDrainConflictsUnlessItSupersedes) {
  const Place place = *pool_->AcquireNow(false);
  const std::string name = Drain().name();
  *drain_.mutable_deadline() = ToProto(absl::Seconds(30));
  const grpc::Status status = TryDrain();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::ABORTED, HasSubstr(name)));
  EXPECT_EQ(InfoOf(status).reason(), "OPERATION_CONFLICT");
  EXPECT_EQ(InfoOf(status).metadata().at("operation"), name);
  drain_.set_supersede(true);
  EXPECT_NE(Drain().name(), name);
  EXPECT_EQ(GetOperation(name).state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(GetPool("pools/orders").admin_state(), v1::ADMIN_STATE_DRAINING);
}

TEST_F(OperationLogTest, CheckingADrainChangesNothing) {
  drain_.set_validate_only(true);
  const v1::Operation would = Drain();
  EXPECT_EQ(would.name(), "");
  EXPECT_EQ(would.progress().connections_total(), 1u);
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kActive);
  EXPECT_THAT(Get(&Stub::ListOperations, v1::ListOperationsRequest()).operations(), SizeIs(0));
}

TEST_F(OperationLogTest, EverythingThatIsWrongWithADrainIsSaidAtOnce) {
  drain_.set_name("pools/../orders");
  drain_.set_reason(std::string(257, 'x'));
  drain_.set_on_deadline(v1::ON_DEADLINE_CANCEL_CALLS);
  EXPECT_THAT(FieldsOf(TryDrain()), ElementsAre("name", "reason", "deadline"));
  drain_.mutable_deadline()->set_seconds(-1);
  drain_.set_on_deadline(static_cast<v1::OnDeadline>(9));
  EXPECT_THAT(FieldsOf(TryDrain()), ElementsAre("name", "reason", "deadline", "on_deadline"));
}

TEST_F(OperationLogTest, APoolThatWasRemovedAfterItWasFoundIsNotSteered) {
  StartServer();
  const std::shared_ptr<ManagedPool> found = registry_.Find("orders");
  EXPECT_THAT(registry_.Remove("orders"), IsOk());
  const auto reason = [](const absl::Status& status) { return InfoOf(ToGrpcStatus(status)).reason(); };
  const absl::Status drained = admin_->operations().Drain(found, {}).status();
  EXPECT_TRUE(absl::IsNotFound(drained));
  EXPECT_EQ(reason(drained), "POOL_NOT_FOUND");
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kActive) << "nobody could undrain it";
  EXPECT_EQ(reason(admin_->operations().Recycle(found, {}).status()), "POOL_NOT_FOUND");
  pool_->BeginDrain();
  EXPECT_EQ(reason(admin_->operations().Undrain(found, "", {}).status()), "POOL_NOT_FOUND");
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kDrained) << "by its owner";
}

TEST_F(OperationLogTest, ADestroyedPoolIsNotDrained) {
  pool_->Destroy();
  const grpc::Status status = TryDrain();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::FAILED_PRECONDITION));
  EXPECT_EQ(InfoOf(status).reason(), "POOL_DESTROYED");
}

// --- Undrain and cancel -------------------------------------------------------------------------------------------

TEST_F(OperationLogTest, UndrainingEndsTheDrainAndLendsAgain) {
  const Place place = *pool_->AcquireNow(false);
  const std::string name = Drain().name();
  const v1::UndrainPoolResponse response = Get(&Stub::UndrainPool, undrain_);
  EXPECT_TRUE(response.changed());
  EXPECT_EQ(response.pool().admin_state(), v1::ADMIN_STATE_ACTIVE);
  EXPECT_EQ(GetOperation(name).state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_THAT(pool_->AcquireNow(false), IsOk());
}

TEST_F(OperationLogTest, UndrainingWhatIsNotDrainedIsNoError) {
  EXPECT_FALSE(Get(&Stub::UndrainPool, undrain_).changed());
}

TEST_F(OperationLogTest, CheckingAnUndrainChangesNothing) {
  Drain();
  undrain_.set_validate_only(true);
  EXPECT_TRUE(Get(&Stub::UndrainPool, undrain_).changed());
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kDrained);
}

TEST_F(OperationLogTest, UndrainingWithAnEarlierEtagIsRefused) {
  undrain_.set_etag(GetPool("pools/orders").etag());
  Drain();
  v1::UndrainPoolResponse response;
  EXPECT_EQ(InfoOf(Call(&Stub::UndrainPool, undrain_, &response)).reason(), "ETAG_MISMATCH");
}

TEST_F(OperationLogTest, AnEtagFromBeforeADrainIsOfAnEarlierStateAlsoAfterIt) {
  const Place place = *pool_->AcquireNow(false);
  const std::string before = GetPool("pools/orders").etag();
  Drain();
  Get(&Stub::UndrainPool, undrain_);
  const std::string between = GetPool("pools/orders").etag();
  EXPECT_NE(between, before);
  Cancel(Drain().name());
  EXPECT_NE(GetPool("pools/orders").etag(), between);
  EXPECT_EQ(GetPool("pools/orders").generation(), 1u) << "no option has changed";
}

TEST_F(OperationLogTest, AnOwnersDrainThatAnOperatorTakesBackChangesTheEtag) {
  const Place place = *pool_->AcquireNow(false);
  const std::string before = GetPool("pools/orders").etag();
  pool_->BeginDrain();
  EXPECT_TRUE(Get(&Stub::UndrainPool, undrain_).changed());
  EXPECT_NE(GetPool("pools/orders").etag(), before);
}

TEST_F(OperationLogTest, CancellingADrainLendsAgainAndAgainChangesNothing) {
  const Place place = *pool_->AcquireNow(false);
  const std::string name = Drain().name();
  const v1::Operation cancelled = Cancel(name);
  EXPECT_EQ(cancelled.state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kActive);
  pool_->BeginDrain();
  EXPECT_EQ(Cancel(name).end_time().seconds(), cancelled.end_time().seconds());
  EXPECT_EQ(pool_->Stats().state, PoolAdminState::kDraining) << "the operation had ended";
}

TEST_F(OperationLogTest, APoolThatItsOwnerResumedIsNotDrainedAnyMore) {
  const Place place = *pool_->AcquireNow(false);
  const std::string name = Drain().name();
  EXPECT_THAT(pool_->Resume(), IsOk());
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(GetOperation(name).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST_F(OperationLogTest, ARemovedPoolEndsItsOperations) {
  const Place place = *pool_->AcquireNow(false);
  const std::string name = Drain().name();
  EXPECT_THAT(registry_.Remove("orders"), IsOk());
  const v1::Operation ended = GetOperation(name);
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(ended.error().message(), "the pool was removed");
}

// --- Recycle ------------------------------------------------------------------------------------------------------

TEST_F(OperationLogTest, ARecycleEndsWhenNoneOfTheOldConnectionsIsLeft) {
  std::vector<Place> places = Busy();
  const v1::Operation begun = Recycle();
  EXPECT_EQ(begun.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(begun.kind(), v1::OPERATION_KIND_RECYCLE);
  EXPECT_EQ(begun.progress().connections_total(), 2u);
  places.clear();
  clock_.Advance(absl::Milliseconds(100));
  Settle();
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(GetOperation(begun.name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kRecycled)], 2u);
}

TEST_F(OperationLogTest, ACancelledRecycleReplacesNoFurtherConnection) {
  std::vector<Place> places = Busy();
  const std::string name = Recycle().name();
  EXPECT_EQ(Cancel(name).state(), v1::OPERATION_STATE_CANCELLED);
  places.clear();
  clock_.Advance(absl::Minutes(1));
  Settle();
  EXPECT_EQ(pool_->Stats().closed, 1u) << "the one that was being replaced already";
}

TEST_F(OperationLogTest, ARecycleExpiresAndStops) {
  std::vector<Place> places = Busy();
  *recycle_.mutable_deadline() = ToProto(absl::Seconds(2));
  const std::string name = Recycle().name();
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(GetOperation(name).state(), v1::OPERATION_STATE_EXPIRED);
  places.clear();
  clock_.Advance(absl::Minutes(1));
  Settle();
  EXPECT_EQ(pool_->Stats().closed, 1u);
}

TEST_F(OperationLogTest, TheSameRecycleAgainIsTheOneThatRunsAndAnotherConflicts) {
  const std::vector<Place> places = Busy();
  const std::string name = Recycle().name();
  EXPECT_EQ(Recycle().name(), name);
  *recycle_.mutable_deadline() = ToProto(absl::Seconds(2));
  v1::RecyclePoolResponse response;
  EXPECT_EQ(InfoOf(Call(&Stub::RecyclePool, recycle_, &response)).reason(), "OPERATION_CONFLICT");
}

TEST_F(OperationLogTest, APoolThatDrainsIsNotRecycled) {
  const std::vector<Place> places = Busy();
  const std::string recycle = Recycle().name();
  Drain();
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(GetOperation(recycle).state(), v1::OPERATION_STATE_CANCELLED);
  v1::RecyclePoolResponse response;
  EXPECT_EQ(InfoOf(Call(&Stub::RecyclePool, recycle_, &response)).reason(), "POOL_DRAINING");
}

// --- The list -----------------------------------------------------------------------------------------------------

TEST_F(OperationLogTest, OperationsAreListedNewestFirstWhoeverRunsThem) {
  UseRemote();
  std::vector<std::string> newest_first;
  std::vector<v1::Operation> remote;
  StartServer();
  for (int i = 1; i <= 12; ++i) {
    clock_.Advance(absl::Seconds(1));
    newest_first.insert(newest_first.begin(), Drain().name());
    Get(&Stub::UndrainPool, undrain_);
    clock_.Advance(absl::Seconds(1));
    v1::Operation& others = remote.emplace_back();
    others.set_name(absl::StrCat("processes/shop/operations/", i));
    *others.mutable_start_time() = ToProto(clock_.WallNow());
    newest_first.insert(newest_first.begin(), others.name());
  }
  remote_.Tell([&](FakeRemote::Answers& answers) { answers.operations = remote; });
  std::vector<std::string> names;
  v1::ListOperationsRequest request;
  request.set_page_size(5);
  do {
    const v1::ListOperationsResponse response = Get(&Stub::ListOperations, request);
    for (const v1::Operation& operation : response.operations()) names.push_back(operation.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(names, newest_first);
}

TEST_F(OperationLogTest, OperationsThatBeganTogetherAreListedInOneOrder) {
  UseRemote();
  const std::string first = Drain().name();
  Get(&Stub::UndrainPool, undrain_);
  const std::string second = Drain().name();
  std::vector<v1::Operation> remote;
  for (const char* const id : {"9", "10"}) {
    v1::Operation& others = remote.emplace_back();
    others.set_name(absl::StrCat("processes/shop/operations/", id));
    *others.mutable_start_time() = ToProto(clock_.WallNow());
  }
  remote_.Tell([&](FakeRemote::Answers& answers) { answers.operations = remote; });
  std::vector<std::string> names;
  const v1::ListOperationsResponse response = Get(&Stub::ListOperations, v1::ListOperationsRequest());
  for (const v1::Operation& operation : response.operations()) names.push_back(operation.name());
  EXPECT_THAT(names, ElementsAre(second, first, "processes/shop/operations/10", "processes/shop/operations/9"));
}

TEST_F(OperationLogTest, IdsDoNotBeginAgainWhenTheProcessDoes) {
  clock_.JumpWall(absl::FromUnixSeconds(1'800'000'000) - clock_.WallNow());
  const auto before = OperationLog::Create(&clock_, &events_);
  const absl::StatusOr<v1::Operation> old = before->Recycle(registry_.Find("orders"), {});
  ASSERT_THAT(old, IsOk());
  EXPECT_EQ(old->name(), "operations/32774401");
  clock_.Advance(absl::Minutes(1));
  const auto after = OperationLog::Create(&clock_, &events_);
  const absl::StatusOr<v1::Operation> later = after->Drain(registry_.Find("orders"), {});
  ASSERT_THAT(later, IsOk());
  EXPECT_EQ(later->name(), "operations/32774461");
  EXPECT_THAT(after->Get("32774401"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("last of this process is")));
}

TEST_F(OperationLogTest, WhereNoneHasBegunItSaysSo) {
  v1::GetOperationRequest request;
  request.set_name("operations/99");
  v1::GetOperationResponse response;
  EXPECT_THAT(Call(&Stub::GetOperation, request, &response),
              StatusIs(grpc::StatusCode::NOT_FOUND, HasSubstr("no operation has begun since this process started")));
}

TEST_F(OperationLogTest, TheLastHundredAreKeptAndForAnHour) {
  std::vector<std::string> names;
  for (size_t i = 0; i < OperationLog::kMaxEnded + 5; ++i) {
    names.push_back(Drain().name());
    Get(&Stub::UndrainPool, undrain_);
  }
  EXPECT_THAT(admin_->operations().List(), SizeIs(OperationLog::kMaxEnded));
  v1::GetOperationRequest request;
  request.set_name(names[4]);
  v1::GetOperationResponse response;
  const grpc::Status status = Call(&Stub::GetOperation, request, &response);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::NOT_FOUND));
  EXPECT_EQ(InfoOf(status).reason(), "OPERATION_NOT_FOUND");
  clock_.Advance(absl::Hours(1) + absl::Seconds(1));
  EXPECT_THAT(admin_->operations().List(), SizeIs(0));
}

TEST_F(OperationLogTest, HowALongDrainEndedIsKnownHoweverManyOthersEndedMeanwhile) {
  Place place = *pool_->AcquireNow(false);
  const std::string name = Drain().name();
  const std::shared_ptr<Pool> other = AddPool("billing");
  v1::DrainPoolRequest drain;
  v1::UndrainPoolRequest undrain;
  drain.set_name("pools/billing");
  undrain.set_name("pools/billing");
  for (size_t i = 0; i < OperationLog::kMaxEnded; ++i) {
    const v1::Operation ended = Get(&Stub::DrainPool, drain).operation();
    EXPECT_EQ(ended.state(), v1::OPERATION_STATE_SUCCEEDED);
    Get(&Stub::UndrainPool, undrain);
  }
  clock_.Advance(absl::Minutes(1));
  place.Reset();
  Settle();
  EXPECT_EQ(GetOperation(name).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_THAT(admin_->operations().List(), SizeIs(OperationLog::kMaxEnded));
}

// --- After the end ------------------------------------------------------------------------------------------------

TEST_F(OperationLogTest, APoolAndItsOperationsMayTellWhatHappensAfterTheLogTheyWereGivenIsGone) {
  auto events = std::make_unique<EventLog>(&clock_);
  const EventLog kept = *events;
  const auto managed = ManagedPool::Create(&clock_, events.get(), {"orders", "dns:///orders:50051", pool_});
  const auto operations = OperationLog::Create(&clock_, events.get());
  Place place = *pool_->AcquireNow(false);
  EXPECT_THAT(operations->Drain(managed, {}).status(), IsOk());
  events = nullptr;
  const uint64_t before = kept.head();
  place.Reset();
  Settle();
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(operations->List().at(0).state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_GT(kept.head(), before);
}

}  // namespace
}  // namespace chanpool::admin
