#include "pool/core/clock.h"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "absl/time/clock.h"

namespace chanpool {
namespace {

using Steady = std::chrono::steady_clock;

// While it lives, this thread's waits end when they should. Else the kernel may add 50 us to each, to wake several
// threads at once: of a time-out's lateness, a quarter and more (docs/fast-path.md).
class PromptTimers {
 public:
  PromptTimers() : before_(prctl(PR_GET_TIMERSLACK)) { Set(1); }
  ~PromptTimers() { Set(before_); }
  PromptTimers(const PromptTimers&) = delete;
  PromptTimers& operator=(const PromptTimers&) = delete;

 private:
  void Set(int nanoseconds) const {
    if (before_ > 0) prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(nanoseconds));
  }

  const int before_;  // Nanoseconds; 0 or less if this thread has none, or they are not told.
};

// So far ahead that nobody waits for it, and near enough to add to the steady clock: more would overflow it.
constexpr absl::Duration kCentury = absl::Hours(24 * 365 * 100);

// Alarms in the order of their times, and the thread that rings them.
class AlarmThread {
 public:
  struct Entry {
    std::function<void()> ring;
    std::multimap<Steady::time_point, std::shared_ptr<Entry>>::iterator place;
    bool is_set = false;
  };

  AlarmThread() { std::thread(&AlarmThread::Run, this).detach(); }

  void Set(const std::shared_ptr<Entry>& entry, Steady::time_point when) {
    std::unique_lock<std::mutex> lock(mu_);
    if (entry->is_set) alarms_.erase(entry->place);
    entry->place = alarms_.emplace(when, entry);
    entry->is_set = true;
    if (entry->place == alarms_.begin()) earlier_.notify_one();
  }

  void Clear(const std::shared_ptr<Entry>& entry) {
    std::unique_lock<std::mutex> lock(mu_);
    if (entry->is_set) alarms_.erase(entry->place);
    entry->is_set = false;
  }

 private:
  [[noreturn]] void Run() {
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      if (alarms_.empty()) {
        earlier_.wait(lock);
        continue;
      }
      const Steady::time_point next = alarms_.begin()->first;
      if (Steady::now() < next) {
        earlier_.wait_until(lock, next);
        continue;
      }
      std::shared_ptr<Entry> due = std::move(alarms_.begin()->second);
      alarms_.erase(alarms_.begin());
      due->is_set = false;
      lock.unlock();
      due->ring();
      due.reset();  // May destroy what the ring holds: not under the lock.
      lock.lock();
    }
  }

  std::mutex mu_;
  std::condition_variable earlier_;
  std::multimap<Steady::time_point, std::shared_ptr<Entry>> alarms_;
};

class SteadyClock : public Clock {
 public:
  SteadyClock() : wall_origin_(absl::Now()), origin_(Steady::now()) {}

  absl::Time Now() const override { return wall_origin_ + absl::FromChrono(Steady::now() - origin_); }
  absl::Time WallNow() const override { return absl::Now(); }

  bool Park(Wakeup& wakeup, absl::Time deadline) override {
    if (deadline == absl::InfiniteFuture()) return wakeup.Await(absl::InfiniteDuration());
    const PromptTimers prompt;
    return wakeup.Await(deadline - Now());
  }

  std::unique_ptr<Alarm> NewAlarm(std::function<void()> ring) override {
    static AlarmThread* const thread = new AlarmThread;
    return std::make_unique<RealAlarm>(this, thread, std::move(ring));
  }

 private:
  class RealAlarm : public Alarm {
   public:
    RealAlarm(const SteadyClock* clock, AlarmThread* thread, std::function<void()> ring)
        : clock_(clock), thread_(thread), entry_(std::make_shared<AlarmThread::Entry>()) {
      entry_->ring = std::move(ring);
    }
    ~RealAlarm() override { thread_->Clear(entry_); }

    void Set(absl::Time when) override {
      if (when == absl::InfiniteFuture()) {
        thread_->Clear(entry_);
      } else {
        // A past that far is as good as any, and a future that far rings early: then it is set again.
        const absl::Duration ahead = std::clamp(when - clock_->wall_origin_, absl::ZeroDuration(), kCentury);
        thread_->Set(entry_, clock_->origin_ + absl::ToChronoNanoseconds(ahead));
      }
    }

   private:
    const SteadyClock* const clock_;
    AlarmThread* const thread_;
    const std::shared_ptr<AlarmThread::Entry> entry_;
  };

  const absl::Time wall_origin_;
  const Steady::time_point origin_;
};

}  // namespace

void Wakeup::Wake() {
  // Notified under the lock: the parked thread may destroy this object as soon as it can take it.
  MutexLock lock(&mu_);
  woken_ = true;
  changed_.notify_one();
}

void Wakeup::Interrupt() {
  MutexLock lock(&mu_);
  interrupted_ = true;
  changed_.notify_one();
}

// The analysis does not know std::unique_lock, which std::condition_variable asks for.
bool Wakeup::Await(absl::Duration at_most) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  std::unique_lock<std::mutex> lock(mu_.native());
  if (at_most == absl::InfiniteDuration()) {
    while (!woken_ && !interrupted_) changed_.wait(lock);
  } else {
    const absl::Duration bounded = std::clamp(at_most, absl::ZeroDuration(), kCentury);
    const Steady::time_point deadline = Steady::now() + absl::ToChronoNanoseconds(bounded);
    while (!woken_ && !interrupted_ && changed_.wait_until(lock, deadline) != std::cv_status::timeout) {
    }
  }
  interrupted_ = false;
  return woken_;
}

absl::Time Clock::FromWall(absl::Time wall) const {
  if (wall == absl::InfiniteFuture() || wall == absl::InfinitePast()) return wall;
  return Now() + (wall - WallNow());
}

Clock* RealClock() {
  static Clock* const clock = new SteadyClock;
  return clock;
}

}  // namespace chanpool
