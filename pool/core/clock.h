// Where time comes from, and the only place where a thread waits for it.
//
//   Clock* clock = RealClock();
//   Wakeup wakeup;                                    // on this thread's stack; another thread calls wakeup.Wake()
//   bool woken = clock->Park(wakeup, clock->Now() + absl::Milliseconds(50));
//
// Ages and deadlines inside the pool are of Now(), which never runs backward. A deadline that a caller made from
// absl::Now() is of the wall and is converted once, at the edge, by FromWall().
#ifndef CHANPOOL_POOL_CORE_CLOCK_H_
#define CHANPOOL_POOL_CORE_CLOCK_H_

#include <condition_variable>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "pool/core/mutex.h"

namespace chanpool {

// One thread's own wake-up. A Wake() that comes before the thread parks is remembered. Thread-safe; the thread that
// parks on it must outlive every Wake(), which holds when both happen under an agreement such as a waiters' queue.
class Wakeup {
 public:
  // Ends the present or the next Park on this object. Never blocks.
  void Wake();

  // For clocks: waits for Wake() at most so long of real time (may be infinite), or until Interrupt(). True when woken.
  bool Await(absl::Duration at_most);
  // For clocks: ends the present or next Await, once, without waking.
  void Interrupt();

 private:
  Mutex mu_;
  std::condition_variable changed_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mu_) = false;
};

// Rings once at a set time. Thread-safe.
class Alarm {
 public:
  // A ring that has begun may still run while and after the alarm is destroyed: let it hold a weak reference.
  virtual ~Alarm() = default;

  // Replaces an earlier setting. InfiniteFuture switches it off; a time that has passed rings at once, though never
  // inside this call.
  virtual void Set(absl::Time when) = 0;
};

// Thread-safe. Must outlive everything that was given it.
class Clock {
 public:
  virtual ~Clock() = default;

  // Never runs backward. Near the wall's time when the process began, but not corrected with it.
  virtual absl::Time Now() const = 0;

  // What absl::Now() says: may jump. For converting callers' deadlines and for people.
  virtual absl::Time WallNow() const = 0;

  // A deadline of the wall, as one of Now(). The infinite ones stay as they are.
  absl::Time FromWall(absl::Time wall) const;

  // Blocks the calling thread until wakeup.Wake() (true) or until Now() reaches `deadline` (false).
  virtual bool Park(Wakeup& wakeup, absl::Time deadline) = 0;

  // An alarm that is off. `ring` runs on the clock's housekeeping thread, so it must neither block nor run user code.
  virtual std::unique_ptr<Alarm> NewAlarm(std::function<void()> ring) = 0;
};

// The process's clock. Never destroyed. Its one housekeeping thread starts with the first alarm and is never joined:
// alarms ring until the process ends, also during static destruction.
Clock* RealClock();

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_CLOCK_H_
