// Closers for tests: one that runs its tasks when told, and one with a thread that ends with it.
//
//   ManualCloser closer;
//   auto pool = Pool::Create({..., &closer, ...});
//   closer.RunAll();                 // callbacks run and connections die here, in this thread
#ifndef CHANPOOL_POOL_TESTING_CLOSERS_H_
#define CHANPOOL_POOL_TESTING_CLOSERS_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "pool/core/connector.h"
#include "pool/core/mutex.h"
#include "pool/core/task_queue.h"

namespace chanpool {

// Thread-safe. Tasks that were never run are dropped with it.
class ManualCloser : public Closer {
 public:
  void Post(std::function<void()> task) override;
  // Runs what is posted, and what that posts, until nothing is left. The number run.
  int RunAll();
  int pending() const;

 private:
  mutable Mutex mu_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
};

// Thread-safe. The destructor runs what is posted, then joins its thread.
class ThreadCloser : public Closer {
 public:
  ThreadCloser();
  ~ThreadCloser() override;
  void Post(std::function<void()> task) override { tasks_.Post(std::move(task)); }

 private:
  TaskQueue tasks_;
  std::thread thread_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_TESTING_CLOSERS_H_
