#include "server/attach/attached_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "google/rpc/error_details.pb.h"
#include "pool/testing/fake_clock.h"
#include "tests/attach/fake_application.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using chanpool::admin::v1::AttachedProcess;
using chanpool::admin::v1::DrainPoolRequest;
using chanpool::admin::v1::DrainPoolResponse;
using chanpool::admin::v1::Event;
using chanpool::admin::v1::EventType;
using chanpool::admin::v1::ProcessState;
using chanpool::testing::Eventually;
using chanpool::testing::FakeApplication;
using chanpool::testing::In;
using chanpool::testing::IsOk;
using chanpool::testing::Signal;
using chanpool::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr ProcessState kLive = ProcessState::PROCESS_STATE_LIVE;
constexpr ProcessState kStale = ProcessState::PROCESS_STATE_STALE;
constexpr ProcessState kLost = ProcessState::PROCESS_STATE_LOST;

class AttachedProcessesTest : public ::testing::Test {
 protected:
  // This process, which is alive.
  static UnixPeer Peer() { return {getpid(), geteuid(), getegid()}; }

  absl::StatusOr<std::string> Attach(FakeApplication& application, const UnixPeer& peer = Peer()) {
    attached_->Accept(application.Dial(), peer);
    absl::StatusOr<std::string> name = application.Serve();
    // It is told its name a moment before it is on the list.
    if (name.ok()) {
      EXPECT_TRUE(Eventually([&] { return StateOf("processes/" + *name) != ProcessState::PROCESS_STATE_UNSPECIFIED; }));
    }
    return name;
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const AttachedProcess& process : attached_->Processes()) names.push_back(process.name());
    return names;
  }

  ProcessState StateOf(const std::string& name) {
    for (const AttachedProcess& process : attached_->Processes()) {
      if (process.name() == name) return process.state();
    }
    return ProcessState::PROCESS_STATE_UNSPECIFIED;
  }

  bool Becomes(const std::string& name, ProcessState state) {
    return Eventually([&] { return StateOf(name) == state; });
  }

  std::vector<std::string> EventTexts() {
    std::vector<std::string> texts;
    for (const Event& event : events_.Read(0, 10'000).events) {
      texts.push_back(absl::StrCat(EventType_Name(event.type()), " ", event.resource(), " ", event.message()));
    }
    return texts;
  }

  absl::Status Drain(const std::string& process, const std::string& pool, DrainPoolResponse& response) {
    DrainPoolRequest request;
    request.set_name(absl::StrCat("processes/", process, "/pools/", pool));
    absl::Status result = absl::UnknownError("not done");
    Signal done;
    attached_->Call(process, "DrainPool", request, {"uid:1000", admin::Role::ROLE_OPERATOR}, In(absl::Seconds(30)),
                    &response, [&](absl::Status status) {
                      result = status;
                      done.Notify();
                    });
    EXPECT_TRUE(done.Await());
    return result;
  }

  FakeClock clock_;
  admin::EventLog events_{&clock_};
  std::unique_ptr<AttachedProcesses> attached_ = std::make_unique<AttachedProcesses>(
      AttachedProcesses::Options{&events_, &clock_, {4242}, [](absl::string_view) {}});
};

TEST_F(AttachedProcessesTest, ShowsThePoolsOfAnAttachedApplication) {
  FakeApplication shop("shop");
  shop.AddPool("payments");
  shop.AddPool("orders");
  shop.AddOperation("7", "orders");
  ASSERT_THAT(Attach(shop), IsOk());

  ASSERT_TRUE(Eventually([this] { return attached_->Pools().size() == 2; }));
  EXPECT_EQ(attached_->Pools()[0].name(), "processes/shop/pools/orders");
  EXPECT_FALSE(attached_->Pools()[0].stale());
  EXPECT_EQ(attached_->Stats()[1].name(), "processes/shop/pools/payments");
  ASSERT_EQ(attached_->Operations().size(), 1u);
  EXPECT_EQ(attached_->Operations()[0].name(), "processes/shop/operations/7");
  EXPECT_EQ(attached_->Operations()[0].target(), "processes/shop/pools/orders");
  const AttachedProcess process = attached_->Processes()[0];
  EXPECT_EQ(process.name(), "processes/shop");
  EXPECT_EQ(process.pid(), static_cast<uint32_t>(getpid()));
  EXPECT_EQ(process.pools(), 2u);
  EXPECT_TRUE(process.has_uid()) << "0 is root's, not nobody's";
  EXPECT_EQ(process.version(), "1.0.0");
}

TEST_F(AttachedProcessesTest, AsksEachApplicationEverySecondAndNeverTwiceAtATime) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([&] { return shop.asked() == 1 && attached_->Processes()[0].state() == kLive; }));

  ASSERT_TRUE(Eventually([&] {
    clock_.Advance(absl::Seconds(1));
    return shop.asked() >= 3;
  }));
  shop.Hang();
  ASSERT_TRUE(Eventually([&] {
    clock_.Advance(absl::Milliseconds(900));
    return shop.hanging() == 1;
  }));
  const int asked = shop.asked();
  clock_.Advance(absl::Seconds(1));
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(shop.asked(), asked);
}

TEST_F(AttachedProcessesTest, MarksAnApplicationThatHangsStaleAndLiveAgainWhenItGoesOn) {
  FakeApplication shop("shop");
  shop.AddPool("orders");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([this] { return attached_->Pools().size() == 1; }));

  shop.Hang();
  clock_.Advance(absl::Milliseconds(2'999));
  EXPECT_EQ(StateOf("processes/shop"), kLive);
  clock_.Advance(absl::Milliseconds(1));
  ASSERT_TRUE(Becomes("processes/shop", kStale));
  EXPECT_TRUE(attached_->Pools()[0].stale());
  EXPECT_TRUE(attached_->Stats()[0].stale());

  shop.Answer();
  ASSERT_TRUE(Eventually([this] {
    clock_.Advance(absl::Seconds(1));
    return StateOf("processes/shop") == kLive;
  }));
  EXPECT_FALSE(attached_->Pools()[0].stale());
}

TEST_F(AttachedProcessesTest, DropsAnApplicationThatHangsForAMinute) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([&] { return shop.watchers() == 1; }));
  shop.Hang();

  int seconds = 0;
  ASSERT_TRUE(Eventually([&] {
    clock_.Advance(absl::Seconds(1));
    ++seconds;
    return StateOf("processes/shop") == kLost;
  }));
  EXPECT_GE(seconds, 60);
  EXPECT_TRUE(Eventually([&] { return shop.watchers() == 0; }));
}

TEST_F(AttachedProcessesTest, KeepsAnApplicationThatAnswersAfterThisProcessItselfStoodStillForAnHour) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([&] { return shop.watchers() == 1; }));

  clock_.Advance(absl::Hours(1));

  ASSERT_TRUE(Eventually([this] {
    clock_.Advance(absl::Milliseconds(1));
    return StateOf("processes/shop") == kLive;
  }));
  EXPECT_THAT(EventTexts(), Not(Contains(HasSubstr("LOST"))));
}

TEST_F(AttachedProcessesTest, KeepsWhatIsKnownOfALostApplicationForFiveMinutes) {
  FakeApplication shop("shop");
  shop.AddPool("orders");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([this] { return attached_->Pools().size() == 1; }));

  shop.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));
  ASSERT_EQ(attached_->Pools().size(), 1u);
  EXPECT_TRUE(attached_->Pools()[0].stale());
  EXPECT_THAT(EventTexts(), Contains("EVENT_TYPE_PROCESS_LOST processes/shop lost: its connection ended"));

  clock_.Advance(absl::Minutes(5));
  EXPECT_TRUE(Eventually([this] { return Names().empty(); }));
}

TEST_F(AttachedProcessesTest, SaysOfAnOperationInALostApplicationThatNobodyKnowsHowItGoesOn) {
  FakeApplication shop("shop");
  shop.AddPool("orders");
  shop.AddOperation("7", "orders");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([this] { return attached_->Operations().size() == 1; }));
  EXPECT_FALSE(attached_->Operations()[0].stale());

  shop.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));
  ASSERT_EQ(attached_->Operations().size(), 1u);
  EXPECT_TRUE(attached_->Operations()[0].stale());
}

TEST_F(AttachedProcessesTest, GivesALaterApplicationOfTheSameNameANumber) {
  FakeApplication first("shop", "aaaaaaaaaaaaaaaa"), second("shop", "bbbbbbbbbbbbbbbb"),
      third("shop", "cccccccccccccccc");
  EXPECT_EQ(Attach(first).value(), "shop");
  EXPECT_EQ(Attach(second).value(), "shop-2");
  EXPECT_EQ(Attach(third).value(), "shop-3");
  EXPECT_THAT(Names(), ElementsAre("processes/shop", "processes/shop-2", "processes/shop-3"));
}

TEST_F(AttachedProcessesTest, GivesTheNameOfALostApplicationToTheNextOfThatNameAndUser) {
  FakeApplication first("shop", "aaaaaaaaaaaaaaaa"), second("shop", "bbbbbbbbbbbbbbbb"),
      strange("shop", "cccccccccccccccc");
  ASSERT_THAT(Attach(first), IsOk());
  first.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));

  EXPECT_EQ(Attach(strange, {getpid(), 4242, 4242}).value(), "shop-2");
  EXPECT_EQ(Attach(second).value(), "shop");
  EXPECT_EQ(StateOf("processes/shop"), kLive);
}

TEST_F(AttachedProcessesTest, GivesTheNameThatIsFreeToANewcomerAndNeverRenamesWhoIsAttached) {
  FakeApplication first("shop", "aaaaaaaaaaaaaaaa"), second("shop", "bbbbbbbbbbbbbbbb"),
      third("shop", "cccccccccccccccc"), fourth("shop", "dddddddddddddddd");
  ASSERT_THAT(Attach(first), IsOk());
  ASSERT_EQ(Attach(second).value(), "shop-2");
  first.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));

  EXPECT_EQ(Attach(third).value(), "shop");
  EXPECT_EQ(StateOf("processes/shop-2"), kLive);

  third.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));
  clock_.Advance(AttachedProcesses::kForgetAfter);
  ASSERT_TRUE(Eventually([this] { return Names().size() == 1; }));
  EXPECT_EQ(Attach(fourth).value(), "shop");
  EXPECT_THAT(Names(), ElementsAre("processes/shop", "processes/shop-2"));
}

TEST_F(AttachedProcessesTest, FindsOnePoolAsItWasHeardLast) {
  FakeApplication shop("shop");
  shop.AddPool("orders");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([this] { return attached_->FindPool("processes/shop/pools/orders").has_value(); }));
  EXPECT_FALSE(attached_->FindPool("processes/shop/pools/orders")->stale());
  for (const char* const name : {"processes/shop/pools/none", "processes/mail/pools/orders", "pools/orders", ""}) {
    EXPECT_FALSE(attached_->FindPool(name).has_value()) << name;
  }

  shop.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));
  EXPECT_TRUE(attached_->FindPool("processes/shop/pools/orders")->stale());
}

TEST_F(AttachedProcessesTest, KnowsWhoDialsAgainThoughTheOldConnectionIsStillThere) {
  FakeApplication before("shop", "aaaaaaaaaaaaaaaa"), after("shop", "aaaaaaaaaaaaaaaa");
  ASSERT_THAT(Attach(before), IsOk());
  EXPECT_EQ(Attach(after).value(), "shop");
  EXPECT_THAT(Names(), ElementsAre("processes/shop"));
  EXPECT_TRUE(Eventually([&] { return before.watchers() == 0 && after.watchers() == 1; }));
}

TEST_F(AttachedProcessesTest, RefusesUsersThatMayNotAttach) {
  FakeApplication shop("shop");
  EXPECT_THAT(Attach(shop, {getpid(), 777, 777}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("uid 777 may not attach")));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(AttachedProcessesTest, RefusesWhoeverSaysAnythingElseAndSaysWhy) {
  for (const char* const line : {"GET / HTTP/1.1\n", "chanpool-attach/1 name=Shop version=1 nonce=0123456789abcdef\n",
                                 "chanpool-attach/1 name=shop nonce=0123456789abcdef\n"}) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    ASSERT_THAT(attach::WriteLine(ends[0], line), IsOk());
    attached_->Accept(ends[1], Peer());
    absl::StatusOr<absl::optional<std::string>> answer;
    ASSERT_TRUE(Eventually([&] {
      answer = attach::ReadLine(ends[0]);
      return !answer.ok() || answer->has_value();
    }));
    ASSERT_THAT(answer, IsOk());
    EXPECT_THAT(attach::ParseAnswer(**answer), StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("expected")));
    close(ends[0]);
  }
}

TEST_F(AttachedProcessesTest, RefusesWhoeverDoesNotPresentItselfInTwoSeconds) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  attached_->Accept(ends[1], Peer());
  absl::StatusOr<absl::optional<std::string>> answer;
  ASSERT_TRUE(Eventually([&] {
    clock_.Advance(absl::Seconds(2));
    answer = attach::ReadLine(ends[0]);
    return !answer.ok() || answer->has_value();
  }));
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(**answer, HasSubstr("did not present itself within 2s"));
  close(ends[0]);
}

TEST_F(AttachedProcessesTest, PassesACallOnWithItsCallerAndTheProcessesOwnNames) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  DrainPoolResponse response;

  ASSERT_THAT(Drain("shop", "orders", response), IsOk());

  ASSERT_EQ(shop.drains().size(), 1u);
  EXPECT_EQ(shop.drains()[0].name(), "pools/orders");
  EXPECT_THAT(shop.callers(), Contains("uid:1000 ROLE_OPERATOR"));
  EXPECT_THAT(shop.callers(), Contains("chanpoold ROLE_VIEWER"));
  EXPECT_EQ(response.operation().name(), "processes/shop/operations/1");
  EXPECT_EQ(response.operation().target(), "processes/shop/pools/orders");
}

TEST_F(AttachedProcessesTest, AsksAtOnceForWhatBelongsToAnEndThatItHasTold) {
  FakeApplication shop("shop");
  shop.AddPool("orders");
  shop.AddOperation("7", "orders");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([this] { return attached_->Operations().size() == 1; }));
  const auto look = [this] {
    chanpool::admin::v1::GetOperationRequest request;
    request.set_name("processes/shop/operations/7");
    chanpool::admin::v1::GetOperationResponse response;
    Signal done;
    attached_->Call("shop", "GetOperation", request, {"uid:1000", admin::Role::ROLE_VIEWER}, In(absl::Seconds(30)),
                    &response, [&](const absl::Status&) { done.Notify(); });
    EXPECT_TRUE(done.Await());
    return response.operation().has_end_time();
  };
  EXPECT_FALSE(look());
  EXPECT_EQ(shop.asked(), 1) << "an operation that runs is no news";

  shop.EndOperation("7");
  EXPECT_TRUE(look());
  EXPECT_TRUE(Eventually([this] { return attached_->Operations()[0].has_end_time(); })) << "and no second has passed";
}

TEST_F(AttachedProcessesTest, PassesAnErrorBackWithItsDetails) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  DrainPoolResponse response;

  const absl::Status status = Drain("shop", "none", response);

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("no pool")));
  const absl::optional<absl::Cord> detail = status.GetPayload("type.googleapis.com/google.rpc.ResourceInfo");
  ASSERT_TRUE(detail.has_value());
  google::rpc::ResourceInfo resource;
  ASSERT_TRUE(resource.ParseFromString(std::string(*detail)));
  EXPECT_EQ(resource.resource_name(), "processes/shop/pools/none");
}

TEST_F(AttachedProcessesTest, SaysWhichProcessDoesNotExistIsGoneOrHangs) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([&] { return shop.watchers() == 1; }));
  DrainPoolResponse response;
  EXPECT_THAT(Drain("shopp", "orders", response), StatusIs(absl::StatusCode::kNotFound, HasSubstr("mean \"shop\"")));

  shop.Hang();
  ASSERT_TRUE(Eventually([this] {
    clock_.Advance(absl::Seconds(1));
    return StateOf("processes/shop") == kStale;
  }));
  EXPECT_THAT(Drain("shop", "orders", response),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shop has not answered for ")));
  EXPECT_THAT(shop.drains(), IsEmpty());

  shop.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));
  EXPECT_THAT(Drain("shop", "orders", response),
              StatusIs(absl::StatusCode::kUnavailable, "shop is gone for less than 1s"));
  clock_.Advance(absl::Milliseconds(4'300));
  EXPECT_THAT(Drain("shop", "orders", response), StatusIs(absl::StatusCode::kUnavailable, "shop is gone for 4s"));
}

TEST_F(AttachedProcessesTest, EndsACallWhoseProcessDies) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([&] { return shop.watchers() == 1; }));
  shop.Hang();
  DrainPoolRequest request;
  request.set_name("processes/shop/pools/orders");
  DrainPoolResponse response;
  absl::Status result;
  Signal done;
  attached_->Call("shop", "DrainPool", request, {"uid:1000", admin::Role::ROLE_OPERATOR}, absl::InfiniteFuture(),
                  &response, [&](absl::Status status) {
                    result = status;
                    done.Notify();
                  });
  ASSERT_TRUE(Eventually([&] { return shop.drains().size() == 1; }));

  shop.End();

  ASSERT_TRUE(done.Await());
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shop did not answer")));
}

TEST_F(AttachedProcessesTest, RefusesARequestThatNamesAnotherProcessAsWell) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  chanpool::admin::v1::GetStatsRequest request;
  request.add_pools("processes/shop/pools/orders");
  request.add_pools("processes/mail/pools/out");
  chanpool::admin::v1::GetStatsResponse response;
  absl::Status result;
  attached_->Call("shop", "GetStats", request, {"uid:1000", admin::Role::ROLE_VIEWER}, In(absl::Seconds(1)), &response,
                  [&](absl::Status status) { result = status; });
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("processes/mail/pools/out")));
}

TEST_F(AttachedProcessesTest, TellsWhatHappensInAnApplicationUnderItsName) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([&] { return shop.watchers() == 1; }));
  Event event;
  event.set_type(EventType::EVENT_TYPE_POOL_DRAINED);
  event.set_resource("pools/orders");
  event.set_message("drained");
  event.set_seq(99);

  shop.Emit(event, "token-1");

  EXPECT_TRUE(Eventually([this] { return EventTexts().size() == 2; }));
  EXPECT_THAT(EventTexts(), ElementsAre(HasSubstr("PROCESS_ATTACHED processes/shop attached"),
                                        "EVENT_TYPE_POOL_DRAINED processes/shop/pools/orders drained"));
}

TEST_F(AttachedProcessesTest, FollowsEventsFromWhereTheLastConnectionEnded) {
  FakeApplication before("shop"), after("shop");
  ASSERT_THAT(Attach(before), IsOk());
  ASSERT_TRUE(Eventually([&] { return before.watchers() == 1; }));
  EXPECT_EQ(before.last_token(), "");
  Event event;
  event.set_resource("pools/orders");
  before.Emit(event, "token-7");
  ASSERT_TRUE(Eventually([this] { return EventTexts().size() == 2; }));
  before.End();
  ASSERT_TRUE(Becomes("processes/shop", kLost));

  ASSERT_THAT(Attach(after), IsOk());

  ASSERT_TRUE(Eventually([&] { return after.watchers() == 1; }));
  EXPECT_EQ(after.last_token(), "token-7");
}

TEST_F(AttachedProcessesTest, ReadsNoMoreThanTwoHundredEventsASecondFromOneApplication) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  ASSERT_TRUE(Eventually([&] { return shop.watchers() == 1; }));
  Event event;
  event.set_resource("pools/orders");
  for (int i = 0; i < 500; ++i) shop.Emit(event, "t");

  ASSERT_TRUE(Eventually([this] { return events_.head() == 201; }));  // With PROCESS_ATTACHED.
  EXPECT_TRUE(testing::Throughout([this] { return events_.head() == 201; }, absl::Milliseconds(50)));
  ASSERT_TRUE(Eventually([this] {
    clock_.Advance(absl::Seconds(1));
    return events_.head() == 501;
  }));
}

TEST_F(AttachedProcessesTest, EndsPromptlyWithCallsUnderWay) {
  FakeApplication shop("shop");
  ASSERT_THAT(Attach(shop), IsOk());
  shop.Hang();
  DrainPoolRequest request;
  request.set_name("processes/shop/pools/orders");
  DrainPoolResponse response;
  Signal done;
  attached_->Call("shop", "DrainPool", request, {"uid:1000", admin::Role::ROLE_OPERATOR}, absl::InfiniteFuture(),
                  &response, [&](const absl::Status&) { done.Notify(); });
  attached_->Stop();
  EXPECT_TRUE(done.happened());

  // A call that comes in the meantime is told why it cannot be passed on.
  EXPECT_THAT(Drain("shop", "orders", response), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is gone")));
  EXPECT_THAT(Names(), ElementsAre("processes/shop"));
}

}  // namespace
}  // namespace chanpool
