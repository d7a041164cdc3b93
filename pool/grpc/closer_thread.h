// The process's closer: one thread that destroys channels, watches their connectivity and runs users' callbacks.
//
//   CloserThread::Get()->Post([channel = std::move(channel)] {});     // the channel dies there
//   channel->NotifyOnStateChange(state, forever, CloserThread::Get()->queue(), event);
//
// It polls a completion queue, because gRPC reports connectivity there; tasks are run between the queue's events. A
// callback that blocks delays every pool of the process: users are told not to.
#ifndef CHANPOOL_POOL_GRPC_CLOSER_THREAD_H_
#define CHANPOOL_POOL_GRPC_CLOSER_THREAD_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/codegen/completion_queue_tag.h>

#include <deque>
#include <functional>

#include "pool/core/connector.h"
#include "pool/core/mutex.h"

namespace chanpool {

// Thread-safe. Starts with its first use, and is neither stopped nor destroyed: a channel may outlive static
// destruction.
class CloserThread : public Closer {
 public:
  // A tag for queue(). Runs once on this thread, then deletes itself unless Run made it a tag again.
  class Event : public grpc::internal::CompletionQueueTag {
   public:
    virtual ~Event() = default;
    // True: it has been made a tag again, and stays.
    virtual bool Run(bool ok) = 0;
    bool FinalizeResult(void** tag, bool*) override {
      *tag = this;
      return true;
    }
    // What to pass as a tag where gRPC wants a plain pointer.
    void* tag() { return this; }
  };

  static CloserThread* Get();

  void Post(std::function<void()> task) override;
  grpc::CompletionQueue* queue() { return &queue_; }

 private:
  class Knock;

  CloserThread();
  [[noreturn]] void Run();
  void RunTasks();

  grpc::CompletionQueue queue_;
  Mutex mu_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool knocked_ ABSL_GUARDED_BY(mu_) = false;  // An event that will run the tasks is on its way.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CLOSER_THREAD_H_
