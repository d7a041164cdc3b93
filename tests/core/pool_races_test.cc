// What another thread does at the worst instant, done there by a clock: the pool reads it outside of its lock, between
// one look and the next. So a race takes no luck.
#include <sched.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/pool_fixture.h"

namespace chanpool {
namespace {

// A clock that lets something happen when it is next asked.
class MeddlingClock : public FakeClock {
 public:
  absl::Time Now() const override {
    if (const auto meddle = std::exchange(at_next_now, nullptr)) meddle();
    return FakeClock::Now();
  }
  bool Park(Wakeup& wakeup, absl::Time deadline) override {
    const auto meddle = std::exchange(at_next_park, nullptr);
    if (meddle == nullptr) return FakeClock::Park(wakeup, deadline);
    meddle();
    return false;  // It comes too late: the deadline was first.
  }

  mutable std::function<void()> at_next_now;
  std::function<void()> at_next_park;
};

// A closer that asks the pool: it must not be called with the pool's lock held.
class AskingCloser : public ManualCloser {
 public:
  void Post(std::function<void()> task) override {
    if (pool != nullptr) (void)pool->state();
    ManualCloser::Post(std::move(task));
  }
  Pool* pool = nullptr;
};

class PoolRacesTest : public PoolFixtureWith<MeddlingClock, AskingCloser> {
 protected:
  PoolRacesTest() {
    PoolOptions options;
    options.max_connections = options.max_leases_per_connection = 1;
    options.max_age = options.max_idle = absl::InfiniteDuration();
    Start(options);
  }
};

TEST_F(PoolRacesTest, AWaiterLooksAgainBeforeItQueues) {
  Place place = pool_->TryAcquire();
  ASSERT_TRUE(place);
  const absl::Time no_patience = In(absl::ZeroDuration());
  clock_.at_next_now = [&place] { place.Reset(); };  // After the fast path has found nothing.

  const absl::StatusOr<Place> found = pool_->Acquire(no_patience);

  EXPECT_EQ(found.status(), absl::OkStatus());
}

TEST_F(PoolRacesTest, APlaceFoundAtTheSecondLookIsOneHit) {
  Place place = pool_->TryAcquire();
  clock_.at_next_now = [&place] { place.Reset(); };

  const absl::StatusOr<Place> found = pool_->Acquire(In(absl::Seconds(1)));

  EXPECT_EQ(pool_->Stats().hits, 2u);
  EXPECT_EQ(pool_->Stats().released, 1u);
}

// Of this thread and those that it starts: one of the cores that it may use.
void KeepToOneCore() {
  cpu_set_t allowed, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  int core = 0;
  while (!CPU_ISSET(core, &allowed)) ++core;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
}

// More threads than cores, one place, held for nanoseconds. A thread that is interrupted while it holds it makes all
// others wait; if they stood in line at once, each would from then on be handed the place asleep, and nobody would find
// it free again.
TEST_F(PoolRacesTest, AMomentsShortageDoesNotMakeEveryoneWaitInTurnForEver) {
  constexpr int kThreads = 8, kLeases = 20'000;
  KeepToOneCore();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < kLeases; ++n) {
        const absl::StatusOr<Place> place = pool_->Acquire(absl::InfiniteFuture());
        EXPECT_TRUE(place.ok());
        if (n % 100 == 0) std::this_thread::yield();  // Interrupted.
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.acquired, uint64_t{kThreads} * kLeases);
  EXPECT_LT(stats.misses, stats.acquired / 2) << "handed over to a caller in line";
}

TEST_F(PoolRacesTest, ATimeOutThatHasBeenGrantedAPlaceReturnsIt) {
  Place place = pool_->TryAcquire();
  clock_.at_next_park = [&place] { place.Reset(); };  // It is queued, and its time is over before it is woken.

  const absl::StatusOr<Place> found = pool_->Acquire(In(absl::Seconds(1)));

  EXPECT_EQ(found.status(), absl::OkStatus());
  EXPECT_EQ(pool_->Stats().timed_out, 0u);
}

TEST_F(PoolRacesTest, NothingIsLetGoUnderTheLock) {
  closer_.pool = pool_.get();

  pool_->Recycle();
  EXPECT_GT(closer_.pending(), 0) << "the old connection is on its way to its end";
  pool_->BeginDrain();

  EXPECT_EQ(pool_->state(), PoolAdminState::kDrained);
  closer_.pool = nullptr;
}

TEST_F(PoolRacesTest, AReportOfAnEarlierLifeIsNotBelieved) {
  const ConnectionId old = pool_->Connections()[0].id;
  pool_->BeginDrain();
  ASSERT_EQ(pool_->Resume(), absl::OkStatus());
  const ConnectionId now = pool_->Connections()[0].id;
  ASSERT_EQ(now.slot, old.slot) << "the slot lives again";

  pool_->OnLost(old, absl::UnavailableError("late"));
  pool_->Suspect(old);

  EXPECT_EQ(pool_->Connections()[0].id, now);
  EXPECT_EQ(pool_->Connections()[0].state, SlotState::kOpen);
}

}  // namespace
}  // namespace chanpool
