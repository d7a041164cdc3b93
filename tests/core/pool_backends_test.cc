// Connections that share a backend, as callers and operators see them: which one is replaced is in diversity_test.cc.
#include <algorithm>
#include <functional>
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

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Property;

class PoolBackendsTest : public PoolFixture {
 protected:
  // As many connections as `connections`, always.
  void Start(int connections, int rerolls_per_minute, std::function<std::string()> balancer, int max_surge = 1) {
    balancer_ = std::move(balancer);
    PoolOptions options;
    options.min_connections = options.max_connections = connections;
    options.max_surge = max_surge;
    options.max_age = options.max_idle = absl::InfiniteDuration();
    Pool::Config config{"orders", options, target_.NewConnector(), &clock_, &closer_, /*seed=*/1};
    config.rerolls_per_minute = rerolls_per_minute;
    pool_ = Pool::Create(std::move(config));
    Answer();
  }
  // The first call on each connection is answered.
  void Answer() {
    for (const ConnectionId id : target_.open()) {
      if (backends_.emplace(id, "").second) backends_[id] = balancer_();
      pool_->OnBackend(id, backends_[id]);
    }
  }
  void Run(absl::Duration time) {
    for (absl::Duration t; t < time; t += absl::Seconds(1)) {
      clock_.Advance(absl::Seconds(1));
      closer_.RunAll();
      EXPECT_GE(pool_->Stats().connections_open, pool_->options().min_connections);
      Answer();
    }
  }
  static std::function<std::string()> AllOn(std::string backend) {
    return [backend = std::move(backend)] { return backend; };
  }
  // The first ones on one, then each other in turn.
  static std::function<std::string()> FirstOnOne(int first) {
    return [first, n = 0]() mutable { return n++ < first ? "b0" : "b" + std::to_string((n - first) % 3); };
  }
  std::vector<Decision> Decisions() const { return pool_->Decisions(); }

  struct ById {
    bool operator()(ConnectionId a, ConnectionId b) const {
      return std::make_pair(a.slot, a.generation) < std::make_pair(b.slot, b.generation);
    }
  };
  std::function<std::string()> balancer_;
  std::map<ConnectionId, std::string, ById> backends_;
};

TEST_F(PoolBackendsTest, ConnectionsThatShareABackendAreReplacedUntilEachHasItsOwn) {
  Start(3, 6, FirstOnOne(3));
  EXPECT_EQ(pool_->Stats().distinct_backends, 1);
  Run(absl::Minutes(2));
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.distinct_backends, 3);
  EXPECT_GE(stats.rerolls, 2u);
  EXPECT_EQ(stats.closed_by_reason[static_cast<int>(CloseReason::kRebalanced)], stats.rerolls);
  EXPECT_EQ(stats.opened, 3 + stats.rerolls);
  EXPECT_THAT(Decisions(), Contains(Property(&Decision::ToString, HasSubstr("replaced (backends): 3 on one backend, "
                                                                            "1 in use"))));
}

TEST_F(PoolBackendsTest, TheBudgetHoldsInEveryMinute) {
  Start(3, 2, AllOn("b0"));
  Run(absl::Seconds(50));
  EXPECT_EQ(pool_->Stats().rerolls, 2u);
  EXPECT_THAT(Decisions(), Contains(Property(&Decision::ToString, HasSubstr("rerolls_per_minute 2 is the limit"))));
  Run(absl::Seconds(60));
  EXPECT_EQ(pool_->Stats().rerolls, 4u);
}

TEST_F(PoolBackendsTest, WithoutABudgetBackendsAreOnlyShown) {
  Start(3, 0, FirstOnOne(2));
  Run(absl::Minutes(5));
  EXPECT_EQ(pool_->Stats().distinct_backends, 2);
  EXPECT_EQ(pool_->Stats().rerolls, 0u);
  EXPECT_EQ(target_.dials(), 3);
  for (const ConnectionStats& row : pool_->Connections()) EXPECT_EQ(row.backend, backends_[row.id]);
  EXPECT_THAT(Decisions(), Contains(Property(&Decision::ToString, HasSubstr("rerolls_per_minute 0 is the limit"))));
}

TEST_F(PoolBackendsTest, ABudgetThatIsSetLaterHoldsFromThenOn) {
  Start(3, 0, AllOn("b0"));
  pool_->SetRerolls(1);
  Run(absl::Seconds(30));
  EXPECT_EQ(pool_->Stats().rerolls, 1u);
}

TEST_F(PoolBackendsTest, CallsOnTheReplacedConnectionGoOn) {
  Start(2, 6, FirstOnOne(2));
  std::vector<Place> places;
  for (int i = 0; i < 4; ++i) places.push_back(pool_->TryAcquire());
  Run(absl::Minutes(2));
  EXPECT_EQ(pool_->Stats().distinct_backends, 2);
  EXPECT_EQ(pool_->Stats().connections_draining, 1);
  EXPECT_EQ(pool_->Stats().leases, 4);
  EXPECT_EQ(target_.cancels(), 0);
}

TEST_F(PoolBackendsTest, NothingIsDialledAnewInAPauseNorWhileThePoolDrains) {
  Start(3, 6, AllOn("b0"));
  ASSERT_EQ(pool_->Pause(absl::Minutes(1)), absl::OkStatus());
  Run(absl::Seconds(50));
  EXPECT_EQ(pool_->Stats().rerolls, 0u);
  EXPECT_THAT(Decisions(), Contains(Property(&Decision::ToString, HasSubstr("not replaced (backends): 3 on one "
                                                                            "backend, 1 in use: the pool is paused"))));
  Place place = pool_->TryAcquire();
  pool_->BeginDrain();
  for (int i = 0; i < 30; ++i) clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(pool_->Stats().rerolls, 0u);
}

TEST_F(PoolBackendsTest, WithoutASurgePlaceNothingIsDialledAnew) {
  Start(3, 6, AllOn("b0"), /*max_surge=*/0);
  Run(absl::Minutes(2));
  EXPECT_EQ(pool_->Stats().rerolls, 0u);
  EXPECT_THAT(Decisions(), Contains(Property(&Decision::ToString, HasSubstr("max_surge 0 is the limit"))));
  for (const Finding& finding : pool_->Explain().findings) EXPECT_NE(finding.limit, Limit::kMaxSurge);
}

TEST_F(PoolBackendsTest, ADialThatFailsLeavesTheOldConnectionInService) {
  Start(2, 6, AllOn("b0"));
  target_.SetDial(FakeTarget::Dial::kRefuse);
  Run(absl::Minutes(2));
  EXPECT_GE(pool_->Stats().rerolls, 1u);
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

TEST_F(PoolBackendsTest, TheFirstNameHoldsUntilTheConnectionCloses) {
  Start(1, 0, AllOn("b0"));
  Place place = pool_->TryAcquire();
  pool_->OnBackend(place.id(), "another");
  place.Discard();
  target_.SetDial(FakeTarget::Dial::kHang);
  EXPECT_EQ(pool_->Stats().distinct_backends, 0);  // The one that comes has not told yet.
  const std::vector<ConnectionStats> rows = pool_->Connections();
  const auto drains = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.id == place.id(); });
  ASSERT_NE(drains, rows.end());
  EXPECT_EQ(drains->state, SlotState::kDraining);
  EXPECT_EQ(drains->backend, "b0");
}

TEST_F(PoolBackendsTest, AReplacementThatAnswersBeforeItIsReportedOpenHasLanded) {
  Start(3, 6, AllOn("b0"));
  target_.SetDial(FakeTarget::Dial::kHang);
  clock_.Advance(absl::Seconds(1));
  ASSERT_EQ(target_.dialling().size(), 1u);
  const ConnectionId replacement = target_.dialling()[0];
  pool_->OnBackend(replacement, "b1");
  EXPECT_EQ(pool_->Stats().distinct_backends, 1);
  target_.SetDial(FakeTarget::Dial::kAccept);
  target_.Answer();
  EXPECT_EQ(pool_->Stats().distinct_backends, 2);
  clock_.Advance(absl::Seconds(1));  // So the next may begin: the other two still share b0.
  EXPECT_EQ(pool_->Stats().rerolls, 2u);
}

}  // namespace
}  // namespace chanpool
