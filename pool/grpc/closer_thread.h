// The process's closer: one thread that destroys channels, hears of their connectivity and runs users' callbacks.
//
//   CloserThread::Get()->Post([channel = std::move(channel)] {});     // the channel dies there
//   grpc_channel_watch_connectivity_state(channel, state, forever, CloserThread::queue(), event->tag());
//
// It sleeps until a task is posted, and polls no completion queue of its own: with gRPC's default engine whoever polls
// anywhere takes part in all I/O of the process, so one more thread would read the answers of other threads' calls and
// then have to wake those. A callback that blocks delays every pool of the process: users are told not to.
#ifndef CHANPOOL_POOL_GRPC_CLOSER_THREAD_H_
#define CHANPOOL_POOL_GRPC_CLOSER_THREAD_H_

#include <grpc/grpc.h>

#include <functional>
#include <utility>

#include "pool/core/connector.h"
#include "pool/core/task_queue.h"

namespace chanpool {

// Thread-safe. Starts with its first use, and is neither stopped nor destroyed: a channel may outlive static
// destruction.
class CloserThread : public Closer {
 public:
  // A tag for queue(). Runs once on this thread, then deletes itself unless Run made it a tag again.
  class Event : private grpc_completion_queue_functor {
   public:
    Event();
    virtual ~Event() = default;
    // Runs before Run, on the thread of gRPC's that reports. Must not block.
    virtual void Reported() {}
    // True: it has been made a tag again, and stays.
    virtual bool Run(bool ok) = 0;
    void* tag() { return static_cast<grpc_completion_queue_functor*>(this); }
  };

  static CloserThread* Get();

  // The queue of the process's callback calls. gRPC's own threads poll it, and hand each Event on to the closer.
  static grpc_completion_queue* queue();

  void Post(std::function<void()> task) override { tasks_.Post(std::move(task)); }

 private:
  CloserThread();

  TaskQueue tasks_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CLOSER_THREAD_H_
