// How code that uses a pool is tested: a real pool over a fake target, with a clock that moves only when told. No
// network, no waiting, and the same outcome each time.
#include "examples/with_fake_pool/order_batch.h"

#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_clock.h"
#include "pool/testing/fake_target.h"

namespace {

constexpr absl::Duration kPatience = absl::Milliseconds(50);

class OrderBatchTest : public ::testing::Test {
 protected:
  OrderBatchTest() {
    chanpool::Pool::Config config;
    config.name = "orders";
    config.options.max_connections = 1;
    config.options.max_leases_per_connection = 1;  // So that one place taken is all places taken.
    config.connector = target_.NewConnector();
    config.clock = &clock_;
    config.closer = &closer_;
    pool_ = chanpool::Pool::Create(std::move(config));
  }
  ~OrderBatchTest() override {
    pool_->Destroy();
    closer_.RunAll();
  }

  // Declared first, destroyed last: the pool uses them.
  chanpool::FakeClock clock_;
  chanpool::ManualCloser closer_;
  chanpool::FakeTarget target_;
  std::shared_ptr<chanpool::Pool> pool_;
};

TEST_F(OrderBatchTest, FetchesEveryOrderWhileThereIsAPlace) {
  OrderBatch batch(*pool_, kPatience);
  std::vector<std::string> fetched;

  EXPECT_EQ(batch.Fetch({"a", "b"}, [&](chanpool::Connection&, const std::string& order) { fetched.push_back(order); }),
            2);

  EXPECT_EQ(fetched, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(batch.why(), "");
}

TEST_F(OrderBatchTest, GivesUpAsBusyAfterItsPatience) {
  OrderBatch batch(*pool_, kPatience);
  const chanpool::Place taken = pool_->TryAcquire();
  int fetched = -1;

  std::thread caller([&] { fetched = batch.Fetch({"a"}, [](chanpool::Connection&, const std::string&) {}); });
  clock_.AwaitWaiters(1);     // The caller waits for a place now...
  clock_.Advance(kPatience);  // ...and its 50 ms are over in no time.
  caller.join();

  EXPECT_EQ(fetched, 0);
  EXPECT_EQ(batch.why(), "busy");
}

TEST_F(OrderBatchTest, GoesOnOverANewConnectionWhenTheOldOneIsLost) {
  OrderBatch batch(*pool_, kPatience);
  int fetched = 0;

  const int count = batch.Fetch({"a", "b"}, [&](chanpool::Connection&, const std::string&) {
    if (fetched++ == 0) {
      clock_.Advance(absl::Minutes(1));  // A connection that has lasted is no sign of a broken target.
      target_.LoseAll(absl::UnavailableError("reset by peer"));
    }
  });

  EXPECT_EQ(count, 2);
  EXPECT_EQ(target_.dials(), 2);
}

TEST_F(OrderBatchTest, SaysClosedWhileThePoolDrains) {
  pool_->BeginDrain();
  OrderBatch batch(*pool_, kPatience);

  EXPECT_EQ(batch.Fetch({"a"}, [](chanpool::Connection&, const std::string&) {}), 0);

  EXPECT_EQ(batch.why(), "closed");
}

}  // namespace
