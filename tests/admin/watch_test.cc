#include "server/admin/watch.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/admin/proto_time.h"
#include "server/admin/resume_token.h"
#include "server/admin/watch_events.h"
#include "server/admin/watch_limits.h"
#include "tests/admin/admin_fixture.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::Eventually;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Gt;

// One watch, as its client sees it.
template <typename Response>
struct Watching {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientReader<Response>> reader;
  Response last;
  bool Read() { return reader->Read(&last); }
  // How it ended; what was not read before is dropped.
  grpc::Status Finish() {
    while (reader->Read(&last)) {
    }
    finished = true;
    return reader->Finish();
  }
  bool finished = false;
  ~Watching() {
    context->TryCancel();
    if (!finished) Finish();
  }
};

class WatchTest : public AdminFixture {
 protected:
  using Events = Watching<v1::WatchEventsResponse>;
  using Stats = Watching<v1::WatchStatsResponse>;
  using Operations = Watching<v1::WatchOperationResponse>;

  std::unique_ptr<Events> WatchEvents(const v1::WatchEventsRequest& request) {
    auto watching = std::make_unique<Events>();
    stub();
    watching->context = NewContext();
    watching->reader = stub().WatchEvents(watching->context.get(), request);
    return watching;
  }
  // After its Hello.
  std::unique_ptr<Events> Greeted(const v1::WatchEventsRequest& request) {
    auto watching = WatchEvents(request);
    EXPECT_TRUE(watching->Read());
    EXPECT_TRUE(watching->last.has_hello());
    return watching;
  }
  grpc::Status EndOf(const v1::WatchEventsRequest& request) { return WatchEvents(request)->Finish(); }
  std::unique_ptr<Stats> WatchStats(const v1::WatchStatsRequest& request) {
    auto watching = std::make_unique<Stats>();
    stub();
    watching->context = NewContext();
    watching->reader = stub().WatchStats(watching->context.get(), request);
    return watching;
  }
  std::unique_ptr<Operations> WatchOperation(const std::string& name) {
    auto watching = std::make_unique<Operations>();
    stub();
    v1::WatchOperationRequest request;
    request.set_name(name);
    watching->context = NewContext();
    watching->reader = stub().WatchOperation(watching->context.get(), request);
    return watching;
  }
  void Append(const std::string& message, v1::Severity severity = v1::SEVERITY_INFO,
              const std::string& resource = "pools/orders") {
    v1::Event event;
    event.set_type(v1::EVENT_TYPE_CONNECTION_OPENED);
    event.set_severity(severity);
    event.set_resource(resource);
    event.set_message(message);
    events_.Append(event);
  }
};

// --- Events -------------------------------------------------------------------------------------------------------

TEST_F(WatchTest, EventsBeginWithAHelloAndThenComeAsTheyHappen) {
  Append("before");
  const auto watching = WatchEvents({});
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.hello().instance_id(), admin_->instance_id());
  EXPECT_EQ(watching->last.hello().oldest_seq(), 1u);
  EXPECT_EQ(watching->last.hello().head_seq(), 1u);
  Append("after");
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.event().message(), "after");
  EXPECT_EQ(watching->last.event().seq(), 2u);
}

TEST_F(WatchTest, HistoryIsToldWhereItIsAskedFor) {
  for (int i = 0; i < 5; ++i) Append(absl::StrCat(i));
  v1::WatchEventsRequest request;
  request.set_include_history(2);
  request.set_max_events(2);
  const auto watching = Greeted(request);
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.event().message(), "3");
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.event().message(), "4");
  EXPECT_FALSE(watching->Read());
}

TEST_F(WatchTest, AWatchEndsWithOkAfterItsEventsOrItsTime) {
  Append("x");
  v1::WatchEventsRequest events;
  events.set_include_history(1);
  events.set_max_events(1);
  EXPECT_THAT(EndOf(events), IsOk());

  v1::WatchEventsRequest time;
  *time.mutable_max_duration() = ToProto(absl::Seconds(5));
  auto watching = Greeted(time);
  clock_.Advance(absl::Seconds(5));
  EXPECT_FALSE(watching->Read());
}

TEST_F(WatchTest, OnlyEventsOfInterestAreTold) {
  v1::WatchEventsRequest request;
  request.add_types(v1::EVENT_TYPE_CONNECTION_OPENED);
  request.set_min_severity(v1::SEVERITY_WARNING);
  request.add_resources("pools/orders");
  const auto watching = Greeted(request);
  Append("too light");
  Append("another", v1::SEVERITY_ERROR, "pools/orders-eu");
  Append("below", v1::SEVERITY_WARNING, "pools/orders/connections/1-1");
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.event().message(), "below");
}

TEST_F(WatchTest, AResumedWatchNeitherRepeatsNorMisses) {
  const auto first = Greeted({});
  Append("1");
  ASSERT_TRUE(first->Read());
  Append("2");
  Append("3");
  v1::WatchEventsRequest request;
  request.set_resume_token(first->last.resume_token());
  const auto second = Greeted(request);
  ASSERT_TRUE(second->Read());
  EXPECT_EQ(second->last.event().message(), "2");
  ASSERT_TRUE(second->Read());
  EXPECT_EQ(second->last.event().message(), "3");
}

TEST_F(WatchTest, ATokenThatIsTooOldSaysWhatIsKept) {
  StartServer();
  for (size_t i = 0; i < EventLog::kCapacity + 10; ++i) Append("x");
  v1::WatchEventsRequest request;
  request.set_resume_token(WriteResumeToken({admin_->instance_id(), 10}));
  const auto fits = Greeted(request);
  request.set_resume_token(WriteResumeToken({admin_->instance_id(), 9}));
  const grpc::Status status = EndOf(request);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::OUT_OF_RANGE));
  EXPECT_EQ(InfoOf(status).reason(), "TOKEN_EXPIRED");
  EXPECT_EQ(InfoOf(status).metadata().at("oldest"), "11");
  EXPECT_EQ(InfoOf(status).metadata().at("head"), "10010");
}

TEST_F(WatchTest, ATokenOfAnotherStartIsRefused) {
  StartServer();
  v1::WatchEventsRequest request;
  request.set_resume_token(WriteResumeToken({"0123", 0}));
  const grpc::Status status = EndOf(request);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::FAILED_PRECONDITION));
  EXPECT_EQ(InfoOf(status).reason(), "INSTANCE_CHANGED");
}

TEST_F(WatchTest, WhatIsNoTokenIsRefused) {
  StartServer();
  for (const std::string& token :
       {std::string("?"), std::string("AAAA"), std::string(5000, 'A'), WriteResumeToken({admin_->instance_id(), 99})}) {
    v1::WatchEventsRequest request;
    request.set_resume_token(token);
    EXPECT_THAT(FieldsOf(EndOf(request)), ElementsAre("resume_token"));
  }
}

TEST_F(WatchTest, EverythingThatIsWrongWithAWatchIsSaidAtOnce) {
  v1::WatchEventsRequest request;
  request.add_types(static_cast<v1::EventType>(99));
  request.add_resources("");
  request.set_min_severity(static_cast<v1::Severity>(9));
  request.set_include_history(10'001);
  request.mutable_max_duration()->set_seconds(-1);
  EXPECT_THAT(FieldsOf(EndOf(request)),
              ElementsAre("types[0]", "resources[0]", "min_severity", "include_history", "max_duration"));
}

TEST_F(WatchTest, ABookmarkSaysThatNothingHappened) {
  v1::WatchEventsRequest request;
  request.add_resources("pools/orders");
  const auto watching = Greeted(request);
  Append("left out", v1::SEVERITY_INFO, "pools/billing");
  clock_.Advance(absl::Seconds(10));
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.bookmark().seq(), 1u);
  clock_.Advance(absl::Seconds(10));
  ASSERT_TRUE(watching->Read());
  EXPECT_TRUE(watching->last.has_bookmark());
}

TEST_F(WatchTest, ASlowReaderIsToldWhatItMissedAndAfterThreeTimesThatItIsTooSlow) {
  const auto watching = Greeted({});
  uint64_t seq = 0;
  for (int gaps = 0; gaps < 3; ++gaps) {
    // More than the ring and gRPC's windows together hold.
    for (size_t i = 0; i < EventLog::kCapacity * 3 / 2; ++i) Append(std::string(1000, 'x'));
    for (;;) {
      ASSERT_TRUE(watching->Read());
      if (watching->last.has_gap()) break;
      EXPECT_EQ(watching->last.event().seq(), ++seq);
    }
    EXPECT_EQ(watching->last.gap().from_seq(), seq + 1);
    EXPECT_EQ(watching->last.gap().count(), watching->last.gap().to_seq() - seq);
    seq = watching->last.gap().to_seq();
  }
  const grpc::Status status = watching->Finish();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_EQ(InfoOf(status).reason(), "WATCHER_TOO_SLOW");
}

TEST_F(WatchTest, WhenTheProcessEndsTheWatchEndsWithItsLastToken) {
  const auto watching = Greeted({});
  Append("1");
  ASSERT_TRUE(watching->Read());
  admin_->BeginShutdown();
  const grpc::Status status = watching->Finish();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(InfoOf(status).reason(), "SHUTTING_DOWN");
  const auto& trailers = watching->context->GetServerTrailingMetadata();
  const auto found = trailers.find(kResumeTokenTrailer);
  ASSERT_NE(found, trailers.end());
  const auto point = ReadResumeToken({found->second.data(), found->second.size()});
  ASSERT_TRUE(point.has_value());
  EXPECT_EQ(point->seq, 1u);
  EXPECT_EQ(point->instance_id, admin_->instance_id());
}

TEST_F(WatchTest, OneCallerHasOnlySoManyWatches) {
  std::vector<std::unique_ptr<Events>> watches;
  for (int i = 0; i < WatchLimits::kMaxPerCaller; ++i) watches.push_back(Greeted({}));
  const grpc::Status status = EndOf({});
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
  google::rpc::QuotaFailure quota;
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(FindDetail(status, &quota));
  EXPECT_TRUE(FindDetail(status, &retry));
  Be("viewer");
  watches.push_back(Greeted({}));
  Be("operator");
  watches.erase(watches.begin());
  EXPECT_TRUE(Eventually([&] { return WatchEvents({})->Read(); })) << "a place is free again";
}

TEST(WatchLimitsTest, AllCallersTogetherHaveOnlySoManyWatches) {
  WatchLimits limits;
  std::vector<std::shared_ptr<void>> tickets;
  for (int i = 0; i < WatchLimits::kMaxInAll; ++i) tickets.push_back(limits.Admit(absl::StrCat(i)).value());
  EXPECT_THAT(limits.Admit("one more"), StatusIs(absl::StatusCode::kResourceExhausted));
  tickets.pop_back();
  EXPECT_THAT(limits.Admit("one more"), IsOk());
}

// --- Stats --------------------------------------------------------------------------------------------------------

TEST_F(WatchTest, StatsComeAtOnceAndThenAtEachTick) {
  const auto pool = AddPool("orders");
  v1::WatchStatsRequest request;
  request.set_max_responses(2);
  const auto watching = WatchStats(request);
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.tick_seq(), 1u);
  EXPECT_EQ(watching->last.stats(0).name(), "pools/orders");
  AddPool("billing");
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.tick_seq(), 2u);
  EXPECT_EQ(watching->last.dropped_ticks(), 0u);
  EXPECT_EQ(watching->last.stats_size(), 2) << "all: also those that come later";
  EXPECT_FALSE(watching->Read());
}

TEST_F(WatchTest, APoolThatGoesLeavesItsWatchersAlone) {
  AddPool("orders");
  AddPool("billing");
  v1::WatchStatsRequest request;
  request.add_pools("pools/orders");
  const auto watching = WatchStats(request);
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.stats_size(), 1);
  EXPECT_THAT(registry_.Remove("orders"), IsOk());
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.stats_size(), 0);
}

TEST_F(WatchTest, ASlowReaderOfStatsIsToldHowManyTicksItMissed) {
  for (int i = 0; i < 20; ++i) AddPool(absl::StrCat("pool", i));
  v1::WatchStatsRequest request;
  *request.mutable_interval() = ToProto(absl::Milliseconds(250));
  const auto watching = WatchStats(request);
  ASSERT_TRUE(watching->Read());
  constexpr uint64_t kTicks = 1000;  // Some 14 MB: more than gRPC's windows hold.
  for (uint64_t i = 1; i < kTicks; ++i) clock_.Advance(absl::Milliseconds(250));
  uint64_t tick = 1;
  uint64_t dropped = 0;
  // What is sent last is of the last tick: later, never older.
  while (tick < kTicks) {
    ASSERT_TRUE(watching->Read());
    EXPECT_EQ(watching->last.tick_seq(), tick + watching->last.dropped_ticks() + 1);
    tick = watching->last.tick_seq();
    dropped += watching->last.dropped_ticks();
  }
  EXPECT_THAT(dropped, Gt(0u));
}

TEST_F(WatchTest, StatsThatCannotBeWatchedAreRefused) {
  AddPool("orders");
  v1::WatchStatsRequest request;
  *request.mutable_interval() = ToProto(absl::Milliseconds(249));
  EXPECT_THAT(FieldsOf(WatchStats(request)->Finish()), ElementsAre("interval"));
  request.clear_interval();
  request.add_pools("pools/none");
  EXPECT_THAT(WatchStats(request)->Finish(), StatusIs(grpc::StatusCode::NOT_FOUND));
}

// --- Operations ---------------------------------------------------------------------------------------------------

TEST_F(WatchTest, AnOperationIsToldWheneverItChangesUntilItHasEnded) {
  const auto pool = AddPool("orders");
  Place first = *pool->AcquireNow(false);
  Place second = *pool->AcquireNow(false);
  v1::DrainPoolRequest drain;
  drain.set_name("pools/orders");
  const std::string name = Get(&Stub::DrainPool, drain).operation().name();
  const auto watching = WatchOperation(name);
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.operation().progress().leases_remaining(), 2u);
  first.Reset();
  clock_.Advance(absl::Milliseconds(100));
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.operation().progress().leases_remaining(), 1u);
  second.Reset();
  clock_.Advance(absl::Milliseconds(100));
  do ASSERT_TRUE(watching->Read());
  while (watching->last.operation().state() == v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(watching->last.operation().state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_FALSE(watching->Read());
}

TEST_F(WatchTest, AnOperationThatIsNotThereIsNotWatched) {
  EXPECT_THAT(WatchOperation("operations/7")->Finish(), StatusIs(grpc::StatusCode::NOT_FOUND));
  EXPECT_THAT(FieldsOf(WatchOperation("operations/x")->Finish()), ElementsAre("name"));
}

TEST_F(WatchTest, AWatchThatAsksAProcessWhenTheServerEndsEndsRightAfter) {
  UseRemote();
  remote_.Tell([this](FakeRemote::Answers& answers) { answers.during_call = [this] { admin_->BeginShutdown(); }; });
  const auto watching = WatchOperation("processes/shop/operations/1");
  EXPECT_THAT(watching->Finish(), StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(remote_.asked, 1);
}

TEST_F(WatchTest, AnOperationOfAnAttachedProcessIsAskedForAgainAndAgain) {
  UseRemote();
  const auto watching = WatchOperation("processes/shop/operations/1");
  ASSERT_TRUE(watching->Read());
  EXPECT_EQ(watching->last.operation().name(), "processes/shop/operations/1");
  remote_.ended = true;
  const int asked = remote_.asked;
  EXPECT_TRUE(Eventually([&] {
    clock_.Advance(absl::Milliseconds(250));
    return remote_.asked > asked;
  }));
  ASSERT_TRUE(watching->Read());
  EXPECT_TRUE(watching->last.operation().has_end_time());
  EXPECT_FALSE(watching->Read());
}

}  // namespace
}  // namespace chanpool::admin
