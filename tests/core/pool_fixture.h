// A pool over a fake target, clock and closer, whose sums are right when its test ends.
//
//   class MyTest : public PoolFixture {};
//   class MyTest : public PoolFixtureWith<MyClock, MyCloser> {};      // Kinds of FakeClock and ManualCloser.
#ifndef CHANPOOL_TESTS_CORE_POOL_FIXTURE_H_
#define CHANPOOL_TESTS_CORE_POOL_FIXTURE_H_

#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "pool/core/pool.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_clock.h"
#include "pool/testing/fake_target.h"

namespace chanpool {

template <typename TestClock, typename TestCloser>
class PoolFixtureWith : public ::testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(pool_->CheckInvariants(), absl::OkStatus());
    const PoolStats stats = pool_->Stats();
    EXPECT_EQ(stats.acquired, stats.hits + stats.misses);
    EXPECT_EQ(stats.acquired - stats.released, static_cast<uint64_t>(stats.leases));
    EXPECT_EQ(static_cast<uint64_t>(stats.connections), stats.opened - stats.closed);
    int64_t lent_on_open = 0;
    for (const ConnectionStats& row : pool_->Connections()) {
      if (row.state == SlotState::kOpen) lent_on_open += row.leases;
    }
    EXPECT_EQ(lent_on_open + stats.free, stats.capacity + stats.leases_over_limit);
    pool_->Destroy();
    closer_.RunAll();
  }

  void Start(const PoolOptions& options) {
    pool_ = Pool::Create({"orders", options, target_.NewConnector(), &clock_, &closer_, /*seed=*/1});
  }
  absl::Time In(absl::Duration time) { return clock_.WallNow() + time; }

  // An AcquireAsync whose end can be looked at.
  struct Async {
    int ends = 0;
    absl::Status status = absl::UnknownError("not ended");
    Place place;
    AcquireHandle handle;
  };
  std::shared_ptr<Async> Begin(const LeaseOptions& options, absl::Time deadline = absl::InfiniteFuture()) {
    auto async = std::make_shared<Async>();
    async->handle = pool_->AcquireAsync(deadline, options, [async](absl::StatusOr<Place> place) {
      ++async->ends;
      async->status = place.status();
      if (place.ok()) async->place = *std::move(place);
    });
    return async;
  }

  TestClock clock_;
  FakeTarget target_;
  TestCloser closer_;
  std::shared_ptr<Pool> pool_;
};

using PoolFixture = PoolFixtureWith<FakeClock, ManualCloser>;

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_CORE_POOL_FIXTURE_H_
