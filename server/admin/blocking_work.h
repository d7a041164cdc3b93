// One thread for what may block, so that gRPC's threads never do: reading a configuration file.
//
//   BlockingWork work;
//   if (!work.Post([=] { reply(config->Reload(request)); })) ...too much is waiting: refuse
#ifndef CHANPOOL_SERVER_ADMIN_BLOCKING_WORK_H_
#define CHANPOOL_SERVER_ADMIN_BLOCKING_WORK_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "pool/core/clock.h"
#include "pool/core/mutex.h"

namespace chanpool::admin {

// Thread-safe. The destructor runs what was taken, then joins the thread.
class BlockingWork {
 public:
  // Tasks that may wait. Each is an RPC with its request: at most 1 MiB where the server limits messages to that.
  static constexpr size_t kMaxWaiting = 16;

  BlockingWork();
  ~BlockingWork();

  // Runs `task` later, in order. False, and not taken, when kMaxWaiting wait already.
  bool Post(std::function<void()> task);

 private:
  void Run();

  Mutex mu_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool ends_ ABSL_GUARDED_BY(mu_) = false;
  Wakeup* sleeper_ ABSL_GUARDED_BY(mu_) = nullptr;  // The thread, while it has nothing to do.
  std::thread thread_;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_BLOCKING_WORK_H_
