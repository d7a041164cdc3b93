#include "pool/grpc/closer_thread.h"

#include <grpcpp/alarm.h>

#include <thread>
#include <utility>

#include "pool/core/check.h"

namespace chanpool {

// An event that is due at once: an alarm in the past is the public way to put something on a completion queue.
class CloserThread::Knock : public Event {
 public:
  explicit Knock(CloserThread* owner) : owner_(owner) {
    alarm_.Set(&owner->queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC), tag());
  }
  bool Run(bool) override {
    owner_->RunTasks();
    return false;
  }

 private:
  CloserThread* const owner_;
  grpc::Alarm alarm_;
};

CloserThread* CloserThread::Get() {
  static CloserThread* const closer = new CloserThread;
  return closer;
}

CloserThread::CloserThread() { std::thread(&CloserThread::Run, this).detach(); }

void CloserThread::Post(std::function<void()> task) {
  {
    MutexLock lock(&mu_);
    tasks_.push_back(std::move(task));
    if (std::exchange(knocked_, true)) return;
  }
  new Knock(this);  // Deleted by Run.
}

void CloserThread::RunTasks() {
  std::deque<std::function<void()>> tasks;
  {
    MutexLock lock(&mu_);
    tasks.swap(tasks_);
    knocked_ = false;
  }
  while (!tasks.empty()) {
    tasks.front()();
    tasks.pop_front();  // Its captures die here, before the next task runs.
  }
}

void CloserThread::Run() {
  for (;;) {
    void* tag = nullptr;
    bool ok = false;
    CHANPOOL_CHECK(queue_.Next(&tag, &ok));  // Never shut down.
    auto* event = static_cast<Event*>(tag);
    if (!event->Run(ok)) delete event;
  }
}

}  // namespace chanpool
