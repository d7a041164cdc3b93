// The endpoints of a pool as callers and operators see them: the decisions themselves are in endpoint_set_test.cc.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/pool_fixture.h"

namespace chanpool {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Le;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

class PoolEndpointsTest : public PoolFixture {
 protected:
  void TearDown() override {
    places_.clear();
    PoolFixture::TearDown();
  }

  // As many connections as `connections`, always.
  static PoolOptions Options(int connections) {
    PoolOptions options;
    options.min_connections = options.max_connections = connections;
    options.max_leases_per_connection = options.target_leases_per_connection = 100;
    options.max_age = options.max_idle = absl::InfiniteDuration();
    return options;
  }
  void Start(const PoolOptions& options, std::vector<Endpoint> endpoints) {
    Pool::Config config{"orders", options, target_.NewConnector(), &clock_, &closer_, /*seed=*/1};
    config.endpoints = std::move(endpoints);
    pool_ = Pool::Create(std::move(config));
  }
  std::map<std::string, int> Open() {
    std::map<std::string, int> open;
    for (const ConnectionStats& row : pool_->Connections()) open[row.address] += row.state == SlotState::kOpen;
    return open;
  }
  EndpointStats At(const std::string& address) {
    for (const EndpointStats& row : pool_->Endpoints()) {
      if (row.endpoint.address == address) return row;
    }
    return EndpointStats();
  }
  // Leases by endpoint, kept until the end.
  std::map<std::string, int64_t> Lend(int leases) {
    for (int n = 0; n < leases; ++n) {
      absl::StatusOr<Place> place = pool_->AcquireNow(false);
      EXPECT_EQ(place.status(), absl::OkStatus());
      if (place.ok()) places_.push_back(*std::move(place));
    }
    std::map<std::string, int64_t> by_endpoint;
    for (const EndpointStats& row : pool_->Endpoints()) by_endpoint[row.endpoint.address] = row.leases;
    return by_endpoint;
  }
  // `n` calls on connections of `address`, one after the other.
  void Call(const std::string& address, int n, CallOutcome outcome, absl::Duration latency = absl::Milliseconds(1)) {
    std::vector<Place> others;
    for (int made = 0; made < n;) {
      absl::StatusOr<Place> place = pool_->AcquireNow(false);
      ASSERT_EQ(place.status(), absl::OkStatus());
      if (AddressOf(place->id()) == address) {
        place->ReportCall(outcome, latency);
        ++made;
      } else {
        others.push_back(*std::move(place));
        ASSERT_LT(others.size(), 250u) << "no lease on " << address;
      }
    }
  }
  std::string AddressOf(ConnectionId id) {
    for (const ConnectionStats& row : pool_->Connections()) {
      if (row.id == id) return row.address;
    }
    return "";
  }
  int Closed(CloseReason reason) { return static_cast<int>(pool_->Stats().closed_by_reason[static_cast<int>(reason)]); }

  std::vector<Place> places_;
};

TEST_F(PoolEndpointsTest, DialsEachEndpointAlike) {
  Start(Options(6), {{"a"}, {"b"}, {"c"}});
  EXPECT_THAT(Open(), ElementsAre(Pair("a", 2), Pair("b", 2), Pair("c", 2)));
  EXPECT_EQ(target_.dials_at("b"), 2);
  EXPECT_EQ(target_.dials_at(""), 0);
}

TEST_F(PoolEndpointsTest, WithoutEndpointsDialsTheTargetItself) {
  Start(Options(2), {});
  EXPECT_EQ(target_.dials_at(""), 2);
  ASSERT_EQ(pool_->Endpoints().size(), 1u);
  EXPECT_EQ(pool_->Endpoints()[0].endpoint.address, "");
  EXPECT_EQ(pool_->Endpoints()[0].connections_open, 2);
}

TEST_F(PoolEndpointsTest, ConnectionsToARemovedEndpointDrainAndTheRestStay) {
  Start(Options(4), {{"a"}, {"b"}});
  Lend(8);
  EXPECT_EQ(pool_->SetEndpoints({{"b"}}), absl::OkStatus());
  EXPECT_THAT(Open(), ElementsAre(Pair("a", 0), Pair("b", 4)));
  EXPECT_EQ(pool_->Stats().connections_draining, 2);
  EXPECT_EQ(Closed(CloseReason::kEndpointRemoved), 0) << "calls go on";
  places_.clear();
  EXPECT_EQ(Closed(CloseReason::kEndpointRemoved), 2);
}

TEST_F(PoolEndpointsTest, AnAddedEndpointGetsItsShareWithinMaxSurge) {
  PoolOptions options = Options(6);
  options.max_surge = 1;
  Start(options, {{"a"}, {"b"}});
  target_.SetDial("c", FakeTarget::Dial::kHang);
  EXPECT_EQ(pool_->SetEndpoints({{"a"}, {"b"}, {"c"}}), absl::OkStatus());
  EXPECT_EQ(target_.hanging(), 1) << "one at a time";
  EXPECT_EQ(pool_->Stats().connections_open, 6) << "new before old";
  target_.SetDial("c", FakeTarget::Dial::kAccept);
  target_.Answer();
  clock_.Advance(absl::Seconds(3));
  EXPECT_THAT(Open(), ElementsAre(Pair("a", 2), Pair("b", 2), Pair("c", 2)));
  EXPECT_EQ(Closed(CloseReason::kRebalanced), 2);
}

TEST_F(PoolEndpointsTest, RebalancesWithoutSurgeByClosingFirst) {
  PoolOptions options = Options(4);
  options.max_surge = 0;
  Start(options, {{"a"}});
  EXPECT_EQ(pool_->SetEndpoints({{"a"}, {"b"}}), absl::OkStatus());
  clock_.Advance(absl::Seconds(3));
  EXPECT_THAT(Open(), ElementsAre(Pair("a", 2), Pair("b", 2)));
}

TEST_F(PoolEndpointsTest, RefusesAListThatMakesNoSense) {
  Start(Options(1), {{"a"}});
  EXPECT_EQ(pool_->SetEndpoints({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Open(), ElementsAre(Pair("a", 1)));
  pool_->Destroy();
  EXPECT_EQ(pool_->SetEndpoints({{"a"}}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PoolEndpointsTest, ADeadEndpointLeavesTheConnectionsToTheOthers) {
  target_.SetDial("dead", FakeTarget::Dial::kRefuse);
  Start(Options(4), {{"dead"}, {"b"}, {"c"}});
  EXPECT_THAT(Open(), ElementsAre(Pair("b", 2), Pair("c", 2)));
  EXPECT_EQ(At("dead").state, EndpointState::kBackoff);
  EXPECT_EQ(At("dead").why, "connection refused");
  EXPECT_EQ(pool_->Stats().retry_at, absl::InfinitePast()) << "the target does not fail";
}

TEST_F(PoolEndpointsTest, AnEndpointThatReturnsIsFoundAndGetsItsShare) {
  target_.SetDial("dead", FakeTarget::Dial::kRefuse);
  Start(Options(4), {{"dead"}, {"b"}});
  for (int n = 0; n < 30; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(target_.dials_at("dead"), AllOf(Ge(4), Le(20))) << "on its back-off";
  EXPECT_THAT(Open(), Not(testing::Contains(Pair("b", Le(3)))));
  target_.SetDial("dead", FakeTarget::Dial::kAccept);
  for (int n = 0; n < 15; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Open(), ElementsAre(Pair("b", 2), Pair("dead", 2)));
  EXPECT_EQ(At("dead").state, EndpointState::kHealthy);
}

TEST_F(PoolEndpointsTest, WithAllEndpointsDeadTheFirstToReturnServes) {
  target_.SetDial(FakeTarget::Dial::kRefuse);
  Start(Options(1), {{"a"}, {"b"}, {"c"}});
  for (int n = 0; n < 60; ++n) clock_.Advance(absl::Milliseconds(500));
  for (const char* address : {"a", "b", "c"}) EXPECT_GE(target_.dials_at(address), 3) << address;
  EXPECT_THAT(std::string(pool_->AcquireNow(false).status().message()),
              testing::AnyOf(IsEmpty(), HasSubstr("refused")));
  target_.SetDial("c", FakeTarget::Dial::kAccept);
  for (int n = 0; n < 15; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Open(), testing::Contains(Pair("c", 1)));
}

TEST_F(PoolEndpointsTest, MoreEndpointsThanConnectionsIsAmongTheWarnings) {
  Start(Options(2), {{"a"}, {"b"}, {"c"}});
  EXPECT_THAT(pool_->Warnings(), testing::Contains(HasSubstr("below the 3 endpoints in use")));
}

TEST_F(PoolEndpointsTest, MoreEndpointsThanConnectionsIsExplainedAndASubsetOfThemIsNot) {
  Start(Options(2), {{"a"}, {"b"}, {"c"}});
  EXPECT_THAT(pool_->Explain().ToString(), HasSubstr("3 endpoints, max_connections is 2"));
  PoolOptions subset = Options(2);
  subset.subset_size = 2;
  EXPECT_TRUE(pool_->Reconfigure(subset).ok());
  EXPECT_THAT(pool_->Explain().ToString(), testing::Not(HasSubstr("endpoints")));
}

TEST_F(PoolEndpointsTest, AnEndpointWhoseCallsFailIsEjectedAndReturns) {
  Start(Options(4), {{"bad"}, {"b"}});
  Call("bad", 5, CallOutcome::kFailed);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(At("bad").state, EndpointState::kEjected);
  EXPECT_EQ(At("bad").why, "5 calls in a row failed");
  EXPECT_EQ(At("bad").calls, 5u);
  EXPECT_EQ(At("bad").failures, 5u);
  EXPECT_EQ(Closed(CloseReason::kEjected), 2);
  EXPECT_THAT(Open(), ElementsAre(Pair("b", 4)));
  EXPECT_EQ(Lend(20)["bad"], 0);
  places_.clear();
  for (int n = 0; n < 35; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(At("bad").state, EndpointState::kHealthy);
  EXPECT_THAT(Open(), testing::Contains(Pair("bad", 2)));
}

TEST_F(PoolEndpointsTest, LeasesOutOnAnEjectedEndpointGoOn) {
  Start(Options(4), {{"bad"}, {"b"}});
  Lend(8);
  Call("bad", 5, CallOutcome::kUnavailable);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(At("bad").state, EndpointState::kEjected);
  EXPECT_GT(At("bad").leases, 0);
  EXPECT_EQ(target_.cancels(), 0);
}

TEST_F(PoolEndpointsTest, AnEndpointAloneIsNeverEjected) {
  Start(Options(2), {{"bad"}});
  Call("bad", 50, CallOutcome::kUnavailable);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(At("bad").state, EndpointState::kHealthy);
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

TEST_F(PoolEndpointsTest, ASlowEndpointIsEjected) {
  Start(Options(3), {{"slow"}, {"b"}, {"c"}});
  for (const char* address : {"slow", "b", "c"}) {
    Call(address, 20, CallOutcome::kAnswered,
         std::string(address) == "slow" ? absl::Seconds(1) : absl::Milliseconds(5));
  }
  for (int n = 0; n < 11; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(At("slow").state, EndpointState::kEjected);
  EXPECT_THAT(At("slow").why, HasSubstr("took 1000.0ms"));
}

TEST_F(PoolEndpointsTest, AnUnavailableAnswerMakesOthersPreferredForFiveSeconds) {
  PoolOptions options = Options(2);
  options.max_ejected = 0;
  Start(options, {{"bad"}, {"b"}});
  Call("bad", 1, CallOutcome::kUnavailable);
  EXPECT_EQ(Lend(10)["bad"], 0) << "at once: 10 leases";
  clock_.Advance(absl::Seconds(4));
  EXPECT_EQ(Lend(2)["bad"], 1) << "eleven are more than ten";
  places_.clear();
  EXPECT_EQ(Lend(9)["bad"], 0);
  places_.clear();
  clock_.Advance(absl::Seconds(3));
  EXPECT_EQ(Lend(10)["bad"], 5);
}

TEST_F(PoolEndpointsTest, TheOnlyConnectionLendsWhateverItsPenalty) {
  Start(Options(1), {{"a"}});
  Call("a", 3, CallOutcome::kOverloaded);
  EXPECT_EQ(Lend(100)["a"], 100);
}

TEST_F(PoolEndpointsTest, LeasesFollowTheWeightsWhateverTheConnections) {
  Start(Options(2), {{"light", 1}, {"heavy", 3}});
  EXPECT_EQ(At("light").connections_open, 1);
  Lend(40);
  clock_.Advance(absl::Seconds(1));
  places_.clear();
  std::map<std::string, int64_t> leases = Lend(40);
  EXPECT_THAT(leases["light"], AllOf(Ge(9), Le(11)));
  EXPECT_THAT(leases["heavy"], AllOf(Ge(29), Le(31)));
}

TEST_F(PoolEndpointsTest, ANewEndpointsLeasesGrowOverSlowStart) {
  PoolOptions options = Options(2);
  options.slow_start = absl::Seconds(20);
  Start(options, {{"old"}});
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(pool_->SetEndpoints({{"old"}, {"new"}}), absl::OkStatus());
  EXPECT_THAT(Open(), ElementsAre(Pair("new", 1), Pair("old", 1)));
  std::vector<int64_t> share;
  for (int step = 0; step < 3; ++step) {
    places_.clear();
    Lend(60);
    clock_.Advance(absl::Seconds(1));  // Housekeeping sees how much there is.
    places_.clear();
    share.push_back(Lend(60)["new"]);
    clock_.Advance(absl::Seconds(9));
  }
  EXPECT_THAT(share, ElementsAre(AllOf(Ge(3), Le(9)), AllOf(Ge(17), Le(23)), 30));
}

TEST_F(PoolEndpointsTest, ASmallerSubsetDrainsWhatIsLeftOut) {
  PoolOptions options = Options(4);
  Start(options, {{"a"}, {"b"}, {"c"}, {"d"}});
  options.subset_size = 2;
  EXPECT_EQ(pool_->Reconfigure(options), absl::OkStatus());
  int used = 0;
  for (const auto& [address, open] : Open()) used += open == 2;
  EXPECT_EQ(used, 2);
  EXPECT_EQ(Closed(CloseReason::kEndpointRemoved), 2);
}

// Each of these takes the least used connections away, and all those of "quiet" are less used than the others.
class SizeTest : public PoolEndpointsTest {
 protected:
  void StartWithFour() {
    options_ = Options(4);
    Start(options_, {{"quiet"}, {"busy"}});
    Lend(40);  // So many that each connection carries some, whatever is drawn.
    places_.erase(std::remove_if(places_.begin(), places_.end(),
                                 [this](const Place& place) { return AddressOf(place.id()) == "quiet"; }),
                  places_.end());
    clock_.Advance(absl::Seconds(1));
    options_.min_connections = 2;
  }
  void ExpectOneEach() {
    EXPECT_THAT(Open(), ElementsAre(Pair("busy", 1), Pair("quiet", 1)));
    EXPECT_EQ(pool_->Stats().opened, 4u) << "none was moved";
  }

  PoolOptions options_;
};

TEST_F(SizeTest, ShrinkingByLoadKeepsTheSpread) {
  StartWithFour();
  options_.shrink_below = 1;
  options_.shrink_interval = absl::Seconds(1);
  options_.shrink_cooldown = absl::ZeroDuration();
  EXPECT_EQ(pool_->Reconfigure(options_), absl::OkStatus());
  for (int n = 0; n < 8; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(pool_->Stats().connections_draining, 1) << "a busy one";
  ExpectOneEach();
}

TEST_F(SizeTest, IdleConnectionsCloseWithoutHarmToTheSpread) {
  StartWithFour();
  clock_.Advance(absl::Seconds(3));
  places_.clear();
  clock_.Advance(absl::Seconds(15));
  options_.max_idle = absl::Seconds(10);  // All four have been idle for longer.
  EXPECT_EQ(pool_->Reconfigure(options_), absl::OkStatus());
  clock_.Advance(absl::Seconds(2));
  ExpectOneEach();
}

TEST_F(SizeTest, ALowerMaximumKeepsTheSpread) {
  StartWithFour();
  options_.max_connections = 2;
  EXPECT_EQ(pool_->Reconfigure(options_), absl::OkStatus());
  ExpectOneEach();
}

TEST_F(PoolEndpointsTest, AKeyLeavesAConnectionWithAPenaltyWhenThatIsFull) {
  PoolOptions options = Options(2);
  options.max_leases_per_connection = options.target_leases_per_connection = 20;  // A penalty is 3, a floor 5.
  options.max_ejected = 0;
  Start(options, {{"a"}, {"b"}});
  LeaseOptions wishes;
  wishes.affinity_key = "session 7";
  const std::string first = AddressOf(pool_->TryAcquire(wishes).id());
  Call(first, 1, CallOutcome::kOverloaded);
  std::map<std::string, int> leases;
  for (int n = 0; n < 4; ++n) {
    places_.push_back(pool_->TryAcquire(wishes));
    ++leases[AddressOf(places_.back().id())];
  }
  EXPECT_EQ(leases[first], 2) << "two and three are the floor";
}

TEST_F(PoolEndpointsTest, AnotherTargetHasNoOutliersYet) {
  Start(Options(4), {{"bad"}, {"b"}});
  Call("bad", 5, CallOutcome::kFailed);
  clock_.Advance(absl::Seconds(1));
  ASSERT_EQ(At("bad").state, EndpointState::kEjected);
  pool_->Redirected();
  for (int n = 0; n < 5; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Open(), ElementsAre(Pair("b", 2), Pair("bad", 2)));
}

Endpoint OnTrial(const std::string& address) {
  Endpoint endpoint{address};
  endpoint.on_trial = true;
  return endpoint;
}

TEST_F(PoolEndpointsTest, WhileTheNameHasNoAddressOneConnectionWaitsForAll) {
  target_.SetDial("", FakeTarget::Dial::kHang);
  Start(Options(4), {OnTrial("")});
  const auto waiting = Begin(LeaseOptions());
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(target_.dials_at(""), 1);
  EXPECT_EQ(pool_->SetEndpoints({OnTrial("a")}), absl::OkStatus());
  EXPECT_THAT(Open(), Contains(Pair("a", 1))) << "one to try it";
  closer_.RunAll();
  EXPECT_EQ(waiting->status, absl::OkStatus());
  EXPECT_EQ(pool_->SetEndpoints({{"a"}, {"b"}}), absl::OkStatus());
  EXPECT_THAT(Open(), IsSupersetOf({Pair("a", 2), Pair("b", 2)}));
  EXPECT_EQ(target_.dials_at(""), 1);
}

TEST_F(PoolEndpointsTest, ANameWithoutAnAddressIsTriedAgainByTheBackOffAlone) {
  target_.SetDial("", FakeTarget::Dial::kRefuse);
  PoolOptions options = Options(4);
  options.backoff_initial = absl::Seconds(10);
  Start(options, {OnTrial("")});
  clock_.Advance(absl::Seconds(7.9));
  EXPECT_EQ(target_.dials_at(""), 1);
  clock_.Advance(absl::Seconds(4.2));
  EXPECT_EQ(target_.dials_at(""), 2);
}

TEST_F(PoolEndpointsTest, AnotherTargetsEndpointsComeBeforeTheOldOnesGo) {
  Start(Options(2), {{"a"}, {"b"}});
  target_.SetDial("c", FakeTarget::Dial::kHang);
  pool_->Redirected({{"c"}});
  EXPECT_THAT(Open(), IsSupersetOf({Pair("a", 1), Pair("b", 1)}));
  EXPECT_EQ(pool_->SetEndpoints({{"c"}, {"d"}}), absl::OkStatus()) << "more of the new one's";
  EXPECT_THAT(Open(), IsSupersetOf({Pair("a", 1), Pair("b", 1)}));
  target_.SetDial("c", FakeTarget::Dial::kAccept);
  target_.Answer();
  for (int n = 0; n < 5; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Open(), ElementsAre(Pair("c", 1), Pair("d", 1)));
}

TEST_F(PoolEndpointsTest, AnotherTargetThatHasNoAddressLeavesTheOldOneInService) {
  Start(Options(2), {{"a"}});
  target_.SetDial("", FakeTarget::Dial::kRefuse);
  pool_->Redirected({OnTrial("")});
  clock_.Advance(absl::Seconds(10));
  EXPECT_THAT(Open(), Contains(Pair("a", 2)));
  EXPECT_EQ(pool_->SetEndpoints({{"b"}}), absl::OkStatus());
  for (int n = 0; n < 5; ++n) clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Open(), ElementsAre(Pair("b", 2)));
}

TEST_F(PoolEndpointsTest, ChangesOfADrainedPoolHoldOnceItResumes) {
  Start(Options(2), {{"a"}});
  pool_->BeginDrain();
  EXPECT_EQ(pool_->SetEndpoints({{"b"}}), absl::OkStatus());
  EXPECT_EQ(target_.dials_at("b"), 0);
  EXPECT_EQ(pool_->Resume(), absl::OkStatus());
  EXPECT_THAT(Open(), ElementsAre(Pair("b", 2)));
}

}  // namespace
}  // namespace chanpool
