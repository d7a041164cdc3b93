// Tasks that one thread runs in the order in which any thread posted them: what a closer with a thread is made of.
//
//   TaskQueue tasks;
//   std::thread thread([&] { tasks.Run(); });
//   tasks.Post([] { ... });
//   tasks.End();              // Run returns once everything posted has run
#ifndef CHANPOOL_POOL_CORE_TASK_QUEUE_H_
#define CHANPOOL_POOL_CORE_TASK_QUEUE_H_

#include <deque>
#include <functional>

#include "pool/core/clock.h"
#include "pool/core/mutex.h"

namespace chanpool {

// Thread-safe; Run: one thread. Has no maximum of its own: see Closer.
class TaskQueue {
 public:
  // Never blocks, never runs it inside the call.
  void Post(std::function<void()> task);

  // Runs tasks as they come, and sleeps in between, until End().
  void Run();

  // Once everything posted has run, Run returns.
  void End();

 private:
  Mutex mu_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool ends_ ABSL_GUARDED_BY(mu_) = false;
  Wakeup* sleeper_ ABSL_GUARDED_BY(mu_) = nullptr;  // The thread, while it has nothing to do.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_TASK_QUEUE_H_
