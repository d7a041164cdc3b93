// Real threads, real time, no network: four threads do to one pool everything that may be done to it at once. Run under
// ThreadSanitizer and AddressSanitizer by `make test`.
//
//   CHANPOOL_STRESS_SECONDS=N  how long; 5 s, and 30 s under a sanitizer, if unset.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "pool/core/pool.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_target.h"
#include "tests/sim/watched_connector.h"

namespace chanpool {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHANPOOL_SANITIZED 1
#endif
#endif

absl::Duration HowLong() {
  const char* text = std::getenv("CHANPOOL_STRESS_SECONDS");
  if (text != nullptr) return absl::Seconds(std::atoi(text));
#ifdef CHANPOOL_SANITIZED
  return absl::Seconds(30);
#else
  return absl::Seconds(5);
#endif
}

constexpr int kThreads = 4;

// One pool after another, shared by all threads.
class Arena {
 public:
  explicit Arena(uint64_t seed) : random_(seed) { Replace(); }
  ~Arena() {
    MutexLock lock(&mu_);
    for (auto& life : lives_) life->pool->Destroy();
  }

  struct Life {
    FakeTarget target;
    Asked asked;
    std::shared_ptr<Pool> pool;
    Subscription subscription;
    std::atomic<uint64_t> last_sequence{0};
  };

  std::shared_ptr<Life> life() const {
    MutexLock lock(&mu_);
    return lives_.back();
  }

  // Destroys the present pool with its leases out, and makes the next.
  void Replace() {
    auto next = std::make_shared<Life>();
    next->pool = Pool::Create({"stressed", AnyOptions(),
                               std::make_unique<WatchedConnector>(next->target.NewConnector(), &next->asked),
                               RealClock(), &closer_, /*seed=*/1});
    next->subscription = next->pool->Subscribe([life = next.get(), this](const PoolEvent& event) {
      // One at a time and in order: the counter is atomic only because the closer's thread is another each time.
      if (event.sequence <= life->last_sequence.exchange(event.sequence)) out_of_order_ = true;
    });
    std::shared_ptr<Life> old;
    {
      MutexLock lock(&mu_);
      if (!lives_.empty()) old = lives_.back();
      lives_.push_back(next);
    }
    if (old != nullptr) old->pool->Destroy();
  }

  PoolOptions AnyOptions() {
    const auto draw = [this](int n) {
      MutexLock lock(&mu_);
      return static_cast<int>(random_() % n);
    };
    PoolOptions o;
    o.min_connections = draw(3);
    o.max_connections = o.min_connections + 1 + draw(3);
    o.max_leases_per_connection = 1 + draw(3);
    o.target_leases_per_connection = 1 + draw(3);
    o.max_surge = draw(2);
    o.max_waiters = draw(2) == 0 ? 1 : 1000;
    o.max_idle = absl::Milliseconds(5);
    o.max_age = absl::Milliseconds(3 + draw(40));
    o.max_age_jitter = 0.5;
    o.drain_grace = absl::Milliseconds(draw(5));
    o.connect_timeout = absl::Milliseconds(20);
    o.backoff_initial = absl::Milliseconds(1);
    o.backoff_max = absl::Milliseconds(10);
    o.preconnect_ratio = 1 + draw(3);
    o.max_connecting = 1 + draw(3);
    o.max_connects_per_second = draw(2) == 0 ? 0 : 1000;
    o.shrink_below = draw(2);
    o.shrink_interval = absl::Milliseconds(1);
    o.shrink_cooldown = absl::Milliseconds(draw(3));
    o.leak_after = draw(2) == 0 ? absl::Milliseconds(1) : absl::InfiniteDuration();
    o.validate_after_idle = draw(2) == 0 ? absl::Milliseconds(1) : absl::InfiniteDuration();
    o.probe_after_silence = draw(2) == 0 ? absl::Milliseconds(1) : absl::InfiniteDuration();
    o.probe_timeout = absl::Milliseconds(20);
    o.validate_every = draw(2) == 0 ? absl::Milliseconds(2) : absl::InfiniteDuration();
    o.subset_size = draw(3);
    o.slow_start = absl::Milliseconds(draw(3));
    o.max_ejected = draw(2);
    o.ejection_time = absl::Milliseconds(1 + draw(3));
    o.overflow = draw(2) == 0 ? OverflowPolicy::kReject : OverflowPolicy::kOvercommit;
    return o;
  }

  // Everybody has given everything back: nothing may be left of any pool.
  void ExpectNothingLeft() {
    std::vector<std::shared_ptr<Life>> lives;
    {
      MutexLock lock(&mu_);
      lives = lives_;
    }
    lives.back()->pool->Destroy();
    // The closer runs its tasks in order: when ours runs, those before it have. What they post needs a second round.
    for (int round = 0; round < 3; ++round) {
      Wakeup ran;
      closer_.Post([&ran] { ran.Wake(); });
      RealClock()->Park(ran, absl::InfiniteFuture());
    }
    EXPECT_FALSE(out_of_order_);
    for (const auto& life : lives) {
      const PoolStats stats = life->pool->Stats();
      EXPECT_EQ(life->pool->CheckInvariants(), absl::OkStatus());
      EXPECT_EQ(stats.leases, 0);
      EXPECT_EQ(stats.waiters, 0);
      EXPECT_EQ(stats.leaks_out, 0);
      EXPECT_EQ(stats.released, stats.acquired);
      EXPECT_EQ(stats.connections, 0);
      EXPECT_EQ(life->asked.created, life->asked.destroyed);
      EXPECT_EQ(stats.opened, life->asked.created);
      EXPECT_EQ(life->target.alive(), 0);
    }
    std::printf("%zu pools\n", lives.size());
  }

 private:
  ThreadCloser closer_;
  mutable Mutex mu_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Life>> lives_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> out_of_order_{false};
};

// What one thread does, at random, until the time is over.
void Live(Arena* arena, uint64_t seed, absl::Time until, std::atomic<int64_t>* asyncs, std::atomic<int64_t>* granted) {
  Clock* const clock = RealClock();
  std::mt19937_64 random(seed);
  const auto one_in = [&random](int n) { return random() % n == 0; };
  std::vector<Place> held;
  while (clock->Now() < until) {
    const std::shared_ptr<Arena::Life> life = arena->life();
    Pool& pool = *life->pool;
    for (int i = 0; i < 50; ++i) {
      const absl::Time soon = clock->WallNow() + absl::Microseconds(random() % 2000);
      LeaseOptions wishes;
      wishes.fresh = one_in(4);
      wishes.affinity_key = one_in(2) ? "a" : "b";
      if (one_in(6)) {
        absl::StatusOr<Place> place = pool.Acquire(soon, wishes);
        if (place.ok()) held.push_back(*std::move(place)), ++*granted;
      } else if (one_in(6)) {
        if (Place place = pool.TryAcquire(wishes)) held.push_back(std::move(place)), ++*granted;
      } else if (one_in(3)) {
        absl::StatusOr<Place> place = one_in(2) ? pool.Acquire(soon) : pool.AcquireNow(one_in(4));
        if (place.ok()) held.push_back(*std::move(place)), ++*granted;
      } else if (one_in(3)) {
        if (Place place = pool.TryAcquire()) held.push_back(std::move(place)), ++*granted;
      } else if (one_in(4)) {
        ++*asyncs;
        AcquireHandle handle = pool.AcquireAsync(soon, one_in(2) ? wishes : LeaseOptions(),
                                                 [asyncs, granted](absl::StatusOr<Place> place) {
                                                   *granted += place.ok();
                                                   --*asyncs;
                                                 });
        if (one_in(4)) handle.Cancel();
      }
      if (!held.empty() && (held.size() > 6 || one_in(2))) {
        std::swap(held[random() % held.size()], held.back());
        held.pop_back();
      }
      if (!held.empty() && one_in(2)) {
        held.back().ReportCall(static_cast<CallOutcome>(random() % 5), absl::Microseconds(random() % 2000));
      }
      if (!held.empty() && one_in(40)) held.back().Suspect();
      if (!held.empty() && one_in(40)) held.back().Discard();
      if (!held.empty() && one_in(40)) held.back().SetMaxIdle(absl::Milliseconds(1));
      if (!held.empty() && one_in(8)) {
        held.back().OnDraining([told = std::make_shared<int>(0)](absl::Duration) { EXPECT_EQ(++*told, 1); });
      }
    }
    switch (random() % 24) {
      case 0:
        pool.BeginDrain();
        break;
      case 1:
        (void)pool.Drain(clock->WallNow() + absl::Microseconds(100), OnDeadline::kLeave);
        break;
      case 2:
      case 3:
      case 4:
      case 5:
        (void)pool.Resume();
        break;
      case 6:
        (void)pool.Reconfigure(arena->AnyOptions());
        break;
      case 7:
        pool.Recycle();
        break;
      case 8:
        life->target.LoseAll(absl::UnavailableError("reset"));
        break;
      case 9:
        life->target.SetDial(FakeTarget::Dial::kRefuse);
        break;
      case 10:
        life->target.SetDial(FakeTarget::Dial::kHang);
        break;
      case 11:
      case 12:
      case 13:
        life->target.SetDial(FakeTarget::Dial::kAccept);
        life->target.Answer();
        break;
      case 14:
        life->target.SetProbe(one_in(2) ? FakeTarget::Probe::kFail : FakeTarget::Probe::kHang);
        break;
      case 15:
        life->target.SetProbe(FakeTarget::Probe::kAnswer);
        life->target.AnswerProbes(absl::OkStatus());
        break;
      case 16:
        (void)pool.WaitForReady(1, clock->WallNow() + absl::Milliseconds(1));
        break;
      case 17:
        (void)pool.Stats();
        (void)pool.Connections();
        (void)pool.Endpoints();
        (void)pool.Warnings();
        (void)pool.Connectivity();
        (void)pool.LongLeases();
        break;
      case 18:
        pool.TryToConnect();
        break;
      case 19:
        if (one_in(20)) arena->Replace();
        break;
      case 20:
        (void)pool.Pause(absl::Microseconds(1 + random() % 3000));
        break;
      case 21:
        (void)pool.Unpause();
        break;
      case 22: {
        std::vector<Endpoint> endpoints;
        for (const char* address : {"a", "b", "c"}) {
          if (one_in(2)) endpoints.push_back({address, 1 + static_cast<int>(random() % 3)});
        }
        (void)pool.SetEndpoints(endpoints);
        break;
      }
      case 23:
        life->target.SetDial("a", one_in(2) ? FakeTarget::Dial::kRefuse : FakeTarget::Dial::kAccept);
        life->target.LoseAt("b", absl::UnavailableError("reset"));
        break;
      default:
        break;
    }
  }
}

TEST(PoolStressTest, ThreadsThatDoEverythingLeaveNothingBehind) {
  const uint64_t seed = std::random_device()();
  std::printf("seed %llu, %s\n", static_cast<unsigned long long>(seed), absl::FormatDuration(HowLong()).c_str());
  std::atomic<int64_t> asyncs{0}, granted{0};
  Arena arena(seed);
  std::vector<std::thread> threads;
  const absl::Time until = RealClock()->Now() + HowLong();
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(
        [&arena, &asyncs, &granted, until, seed, i] { Live(&arena, seed * kThreads + i, until, &asyncs, &granted); });
  }
  for (std::thread& thread : threads) thread.join();
  arena.ExpectNothingLeft();
  EXPECT_EQ(asyncs, 0) << "every AcquireAsync has ended once";
  EXPECT_GT(granted, 1000);
  std::printf("%lld leases\n", static_cast<long long>(granted));
}

}  // namespace
}  // namespace chanpool
