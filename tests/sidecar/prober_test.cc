// Claims of server/sidecar/prober.h.
#include "server/sidecar/prober.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "pool/core/pool.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_clock.h"
#include "pool/testing/fake_target.h"

namespace chanpool::sidecar {
namespace {

class ProberTest : public testing::Test {
 protected:
  void SetUp() override {
    PoolOptions options;
    options.min_connections = options.max_connections = 2;
    options.max_age = options.max_idle = absl::InfiniteDuration();
    pool_ = Pool::Create({"orders", options, target_.NewConnector(), &clock_, &closer_, /*seed=*/1});
    ASSERT_EQ(pool_->WaitForReady(2, clock_.WallNow()), absl::OkStatus());
    prober_ = std::make_unique<Prober>([this] { return std::vector<std::shared_ptr<Pool>>{pool_}; }, &clock_);
  }
  void TearDown() override {
    prober_ = nullptr;
    pool_->Destroy();
    closer_.RunAll();
  }

  FakeClock clock_;
  ManualCloser closer_;
  FakeTarget target_;
  std::shared_ptr<Pool> pool_;
  std::unique_ptr<Prober> prober_;
};

TEST_F(ProberTest, AsksOneQuietConnectionOfAPoolAtATime) {
  target_.SetProbe(FakeTarget::Probe::kHang);
  clock_.Advance(kProbeInterval);
  EXPECT_EQ(pool_->Stats().connections_checking, 1);
  EXPECT_EQ(pool_->Stats().connections_open, 1);
  EXPECT_EQ(target_.AnswerProbes(absl::OkStatus()), 1);
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

TEST_F(ProberTest, AConnectionThatDiedWithoutAWordIsReplaced) {
  target_.SetProbe(FakeTarget::Probe::kFail);
  clock_.Advance(kProbeInterval);
  EXPECT_EQ(pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kProbeFailed)], 1u);
  EXPECT_EQ(pool_->Stats().connections_open, 2);
}

TEST_F(ProberTest, DoesNotDisturbConnectionsThatCarryCalls) {
  const absl::StatusOr<Place> one = pool_->AcquireNow(false), other = pool_->AcquireNow(false);
  ASSERT_TRUE(one.ok() && other.ok() && one->id() != other->id());
  target_.SetProbe(FakeTarget::Probe::kHang);
  clock_.Advance(kProbeInterval);
  EXPECT_EQ(pool_->Stats().connections_checking, 0);
}

TEST_F(ProberTest, AsksNothingAfterItsEnd) {
  prober_ = nullptr;
  target_.SetProbe(FakeTarget::Probe::kHang);
  clock_.Advance(10 * kProbeInterval);
  EXPECT_EQ(pool_->Stats().connections_checking, 0);
}

}  // namespace
}  // namespace chanpool::sidecar
