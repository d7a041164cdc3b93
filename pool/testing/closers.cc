#include "pool/testing/closers.h"

#include <utility>

namespace chanpool {

void ManualCloser::Post(std::function<void()> task) {
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
}

int ManualCloser::RunAll() {
  for (int run = 0;; ++run) {
    std::function<void()> task;
    {
      MutexLock lock(&mu_);
      if (tasks_.empty()) return run;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

int ManualCloser::pending() const {
  MutexLock lock(&mu_);
  return static_cast<int>(tasks_.size());
}

ThreadCloser::ThreadCloser() : thread_([this] { Run(); }) {}

ThreadCloser::~ThreadCloser() {
  {
    MutexLock lock(&mu_);
    ends_ = true;
    if (sleeper_ != nullptr) std::exchange(sleeper_, nullptr)->Wake();
  }
  thread_.join();
}

void ThreadCloser::Post(std::function<void()> task) {
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
  if (sleeper_ != nullptr) std::exchange(sleeper_, nullptr)->Wake();
}

void ThreadCloser::Run() {
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
      RealClock()->Park(posted, absl::InfiniteFuture());
    }
  }
}

}  // namespace chanpool
