// The process's thread for names: it waits for the sockets of look-ups, and for nothing else.
//
//   DnsThread::Get()->Post([lookup] { lookup->Begin(); });
//   void Begin() { DnsThread::Get()->Watch(shared_from_this()); }     // from here on AddTo and Ready are called
//
// One thread, not gRPC's polling: a look-up must not depend on whether somebody polls a completion queue, and its
// callbacks take the locks of pools.
#ifndef CHANPOOL_POOL_GRPC_DNS_THREAD_H_
#define CHANPOOL_POOL_GRPC_DNS_THREAD_H_

#include <poll.h>

#include <functional>
#include <memory>
#include <vector>

#include "pool/core/mutex.h"

namespace chanpool {

// Thread-safe where it says so. Starts with its first use, is neither stopped nor joined, as the closer.
class DnsThread {
 public:
  // Something that waits for sockets. Used on this thread only.
  class Watched {
   public:
    virtual ~Watched() = default;
    // What it waits for: any number of sockets, and the milliseconds after which it wants to look anyway; -1: none.
    virtual int AddTo(std::vector<pollfd>* fds) = 0;
    // One or more of those sockets are ready, or its time is over. May Watch and Unwatch, itself too.
    virtual void Ready(const pollfd* fds, size_t n) = 0;
  };

  static DnsThread* Get();

  // Runs `task` on this thread, in order; drops it in a child of fork(). Thread-safe, never blocks, never runs it
  // inside the call. Has no maximum of its own: a pool posts at most one task for each of its events, and one for each
  // alarm.
  void Post(std::function<void()> task);

  // On this thread only. Keeps it until Unwatch.
  void Watch(std::shared_ptr<Watched> watched);
  void Unwatch(const Watched* watched);

 private:
  DnsThread();
  [[noreturn]] void Run();
  void RunTasks();

  const uint64_t fork_epoch_;
  const int wake_;  // An eventfd.
  Mutex mu_;
  std::vector<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Watched>> watched_;  // This thread's own.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_DNS_THREAD_H_
