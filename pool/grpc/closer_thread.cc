#include "pool/grpc/closer_thread.h"

#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "pool/grpc/channel_access.h"
#include "pool/grpc/lame_channel.h"

namespace chanpool {

CloserThread::Event::Event() : grpc_completion_queue_functor() {
  functor_run = [](grpc_completion_queue_functor* functor, int ok) {
    auto* const event = static_cast<Event*>(functor);
    event->Reported();
    Get()->Post([event, ok] {
      if (!event->Run(ok != 0)) delete event;
    });
  };
}

CloserThread* CloserThread::Get() {
  static CloserThread* const closer = new CloserThread;
  return closer;
}

grpc_completion_queue* CloserThread::queue() { return ChannelAccess::CallbackCQ(AnchorChannel())->cq(); }

CloserThread::CloserThread() { std::thread(&CloserThread::Run, this).detach(); }

void CloserThread::Post(std::function<void()> task) {
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
  if (sleeper_ != nullptr) std::exchange(sleeper_, nullptr)->Wake();
}

void CloserThread::Run() {
  for (;;) {
    std::deque<std::function<void()>> tasks;
    Wakeup posted;
    {
      MutexLock lock(&mu_);
      tasks.swap(tasks_);
      if (tasks.empty()) sleeper_ = &posted;
    }
    if (tasks.empty()) RealClock()->Park(posted, absl::InfiniteFuture());
    while (!tasks.empty()) {
      tasks.front()();
      tasks.pop_front();  // Its captures die here, before the next task runs.
    }
  }
}

}  // namespace chanpool
