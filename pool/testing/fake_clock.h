// A clock that moves only when told, so that tests of time take none.
//
//   FakeClock clock;
//   std::thread caller([&] { pool->Acquire(clock.WallNow() + absl::Seconds(30)); });
//   clock.AwaitWaiters(1);                // the caller is parked now
//   clock.Advance(absl::Seconds(30));     // alarms that fall due ring in this thread, in order, before it returns
#ifndef CHANPOOL_POOL_TESTING_FAKE_CLOCK_H_
#define CHANPOOL_POOL_TESTING_FAKE_CLOCK_H_

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>

#include "absl/time/time.h"
#include "pool/core/clock.h"

namespace chanpool {

// Thread-safe.
class FakeClock : public Clock {
 public:
  // Begins on 2020-01-01: far from the real time, so that a mix-up shows.
  FakeClock() = default;

  absl::Time Now() const override;
  absl::Time WallNow() const override;
  bool Park(Wakeup& wakeup, absl::Time deadline) override;
  std::unique_ptr<Alarm> NewAlarm(std::function<void()> ring) override;

  // Moves both times forward. Stops at each alarm and deadline on the way: alarms ring here, parked threads whose
  // deadline is reached go on. Zero rings what is overdue.
  void Advance(absl::Duration step);

  // Moves the wall's time alone, as an administrator or NTP does. May be negative.
  void JumpWall(absl::Duration step);

  // Blocks until at least `threads` are parked.
  void AwaitWaiters(int threads);

  // When the next alarm rings; InfiniteFuture when none is set.
  absl::Time NextAlarm() const;

 private:
  struct Entry {
    std::function<void()> ring;
    absl::Time when = absl::InfiniteFuture();
  };
  class FakeAlarm;
  struct Parked {
    Wakeup* wakeup;
    absl::Time deadline;
  };

  // The earliest alarm that is due by `until`, switched off; null if none.
  std::shared_ptr<Entry> TakeDue(absl::Time until);

  mutable Mutex mu_;
  std::condition_variable parked_changed_;
  absl::Time now_ ABSL_GUARDED_BY(mu_) = absl::FromUnixSeconds(1577836800);
  absl::Duration wall_ahead_ ABSL_GUARDED_BY(mu_);
  std::list<std::shared_ptr<Entry>> alarms_ ABSL_GUARDED_BY(mu_);
  std::list<Parked> parked_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_TESTING_FAKE_CLOCK_H_
