#include "pool/testing/fake_clock.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace chanpool {

class FakeClock::FakeAlarm : public Alarm {
 public:
  FakeAlarm(FakeClock* clock, std::shared_ptr<Entry> entry) : clock_(clock), entry_(std::move(entry)) {}
  ~FakeAlarm() override {
    MutexLock lock(&clock_->mu_);
    clock_->alarms_.remove(entry_);
  }
  void Set(absl::Time when) override {
    MutexLock lock(&clock_->mu_);
    entry_->when = when;
  }

 private:
  FakeClock* const clock_;
  const std::shared_ptr<Entry> entry_;
};

absl::Time FakeClock::Now() const {
  MutexLock lock(&mu_);
  return now_;
}

absl::Time FakeClock::WallNow() const {
  MutexLock lock(&mu_);
  return now_ + wall_ahead_;
}

bool FakeClock::Park(Wakeup& wakeup, absl::Time deadline) {
  std::list<Parked>::iterator here;
  {
    MutexLock lock(&mu_);
    if (deadline <= now_) return wakeup.Await(absl::ZeroDuration());
    here = parked_.insert(parked_.end(), Parked{&wakeup, deadline});
    parked_changed_.notify_all();
  }
  for (;;) {
    const bool woken = wakeup.Await(absl::InfiniteDuration());
    MutexLock lock(&mu_);
    if (!woken && now_ < deadline) continue;  // An interruption of the Park before this one.
    parked_.erase(here);
    return woken;
  }
}

std::unique_ptr<Alarm> FakeClock::NewAlarm(std::function<void()> ring) {
  auto entry = std::make_shared<Entry>();
  entry->ring = std::move(ring);
  MutexLock lock(&mu_);
  alarms_.push_back(entry);
  return std::make_unique<FakeAlarm>(this, std::move(entry));
}

std::shared_ptr<FakeClock::Entry> FakeClock::TakeDue(absl::Time until) {
  MutexLock lock(&mu_);
  const auto earlier = [](const auto& a, const auto& b) { return a->when < b->when; };
  const auto first = std::min_element(alarms_.begin(), alarms_.end(), earlier);
  if (first == alarms_.end() || (*first)->when > until) return nullptr;
  now_ = std::max(now_, (*first)->when);
  (*first)->when = absl::InfiniteFuture();
  return *first;
}

void FakeClock::Advance(absl::Duration step) {
  const absl::Time until = Now() + step;
  while (const std::shared_ptr<Entry> due = TakeDue(until)) due->ring();
  MutexLock lock(&mu_);
  now_ = std::max(now_, until);
  for (const Parked& parked : parked_) {
    if (parked.deadline <= now_) parked.wakeup->Interrupt();
  }
}

void FakeClock::JumpWall(absl::Duration step) {
  MutexLock lock(&mu_);
  wall_ahead_ += step;
}

void FakeClock::AwaitWaiters(int threads) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  std::unique_lock<std::mutex> lock(mu_.native());
  while (static_cast<int>(parked_.size()) < threads) parked_changed_.wait(lock);
}

absl::Time FakeClock::NextAlarm() const {
  MutexLock lock(&mu_);
  absl::Time next = absl::InfiniteFuture();
  for (const std::shared_ptr<Entry>& alarm : alarms_) next = std::min(next, alarm->when);
  return next;
}

}  // namespace chanpool
