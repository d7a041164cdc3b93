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

ThreadCloser::ThreadCloser() : thread_([this] { tasks_.Run(); }) {}

ThreadCloser::~ThreadCloser() {
  tasks_.End();
  thread_.join();
}

}  // namespace chanpool
