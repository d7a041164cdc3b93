#include "pool/core/task_queue.h"

#include <utility>

#include "absl/time/time.h"

namespace chanpool {

void TaskQueue::Post(std::function<void()> task) {
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
  if (sleeper_ != nullptr) std::exchange(sleeper_, nullptr)->Wake();
}

void TaskQueue::End() {
  MutexLock lock(&mu_);
  ends_ = true;
  if (sleeper_ != nullptr) std::exchange(sleeper_, nullptr)->Wake();
}

void TaskQueue::Run() {
  for (;;) {
    std::deque<std::function<void()>> tasks;
    Wakeup posted;
    {
      MutexLock lock(&mu_);
      tasks.swap(tasks_);
      if (tasks.empty()) {
        if (ends_) return;
        sleeper_ = &posted;
      }
    }
    if (tasks.empty()) RealClock()->Park(posted, absl::InfiniteFuture());
    while (!tasks.empty()) {
      tasks.front()();
      tasks.pop_front();  // Its captures die here, before the next task runs.
    }
  }
}

}  // namespace chanpool
