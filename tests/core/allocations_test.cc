// Counts what the heap is asked for: in steady state a lease must cost none of it.
#include <cstdint>
#include <cstdlib>
#include <new>

#include "gtest/gtest.h"
#include "tests/core/pool_fixture.h"

namespace {

thread_local uint64_t allocations = 0;

}  // namespace

// All other forms of new end in this one.
void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace chanpool {
namespace {

class AllocationsTest : public PoolFixture {
 protected:
  static constexpr int kTimes = 10'000;

  // Of `act`, repeated: the first times may fill what is kept.
  template <typename Act>
  static uint64_t InSteadyState(Act act) {
    for (int i = 0; i < kTimes; ++i) act();
    const uint64_t before = allocations;
    for (int i = 0; i < kTimes; ++i) act();
    return allocations - before;
  }

  void StartWith(int connections, int leases_each) {
    PoolOptions options;
    options.min_connections = options.max_connections = connections;
    options.max_leases_per_connection = leases_each;
    Start(options);
  }
};

TEST_F(AllocationsTest, NoneForAPlaceThatIsFree) {
  StartWith(10, 100);
  EXPECT_EQ(InSteadyState([this] { EXPECT_TRUE(pool_->Acquire(absl::InfiniteFuture()).ok()); }), 0u);
  EXPECT_EQ(InSteadyState([this] { EXPECT_TRUE(pool_->TryAcquire()); }), 0u);
}

TEST_F(AllocationsTest, NoneForAPlaceByKey) {
  StartWith(10, 100);
  LeaseOptions options;
  options.affinity_key = "a session's key, longer than what a string keeps within itself";
  EXPECT_EQ(InSteadyState([&] { EXPECT_TRUE(pool_->Acquire(absl::InfiniteFuture(), options).ok()); }), 0u);
}

TEST_F(AllocationsTest, NoneForAPlaceAboveTheLimit) {
  StartWith(1, 1);
  const Place first = pool_->TryAcquire();
  EXPECT_EQ(InSteadyState([this] { EXPECT_TRUE(pool_->AcquireNow(/*wait_for_ready=*/false).ok()); }), 0u);
}

// As the header says; and so the counter counts.
TEST_F(AllocationsTest, OneForALeaseThatIsWatched) {
  StartWith(10, 100);
  PoolOptions options = pool_->options();
  options.leak_after = absl::Minutes(1);
  ASSERT_EQ(pool_->Reconfigure(options), absl::OkStatus());
  EXPECT_EQ(InSteadyState([this] { EXPECT_TRUE(pool_->Acquire(absl::InfiniteFuture()).ok()); }), uint64_t{kTimes});
}

}  // namespace
}  // namespace chanpool
