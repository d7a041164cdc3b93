#include "server/admin/blocking_work.h"

#include <utility>

namespace chanpool::admin {

BlockingWork::BlockingWork() : thread_([this] { Run(); }) {}

BlockingWork::~BlockingWork() {
  {
    MutexLock lock(&mu_);
    ends_ = true;
    if (sleeper_ != nullptr) std::exchange(sleeper_, nullptr)->Wake();
  }
  thread_.join();
}

bool BlockingWork::Post(std::function<void()> task) {
  MutexLock lock(&mu_);
  if (tasks_.size() >= kMaxWaiting) return false;
  tasks_.push_back(std::move(task));
  if (sleeper_ != nullptr) std::exchange(sleeper_, nullptr)->Wake();
  return true;
}

void BlockingWork::Run() {
  for (;;) {
    std::function<void()> task;
    Wakeup posted;
    {
      MutexLock lock(&mu_);
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      } else if (ends_) {
        return;
      } else {
        sleeper_ = &posted;
      }
    }
    if (task) {
      task();
    } else {
      // For as long as it takes, whatever clock the pools have: no test's time moves a thread that has nothing to do.
      RealClock()->Park(posted, absl::InfiniteFuture());
    }
  }
}

}  // namespace chanpool::admin
