#include "pool/grpc/forked_callbacks.h"

#include <grpc/grpc.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace chanpool {
namespace {

struct Served {
  const pid_t process = getpid();  // A child of the child has no such thread either.
  grpc_completion_queue* const core;
  grpc::CompletionQueue queue;

  explicit Served(grpc_completion_queue* c) : core(c), queue(c) {
    std::thread([core = core] {
      for (;;) {
        const grpc_event event = grpc_completion_queue_next(core, gpr_inf_future(GPR_CLOCK_REALTIME), nullptr);
        auto* callback = static_cast<grpc_completion_queue_functor*>(event.tag);
        callback->functor_run(callback, event.success);
      }
    }).detach();
  }

  static Served* Make() {
    const grpc_completion_queue_attributes attributes = {GRPC_CQ_CURRENT_VERSION, GRPC_CQ_NEXT, GRPC_CQ_NON_POLLING,
                                                         nullptr};
    return new Served(
        grpc_completion_queue_create(grpc_completion_queue_factory_lookup(&attributes), &attributes, nullptr));
  }
};

// No lock: one that the parent held at the fork would be held for ever. Two first callers may make one each.
std::atomic<Served*> served{nullptr};

}  // namespace

grpc::CompletionQueue* CallbackQueueAfterFork() {
  Served* mine = served.load(std::memory_order_acquire);
  if (mine == nullptr || mine->process != getpid()) {
    mine = Served::Make();
    served.store(mine, std::memory_order_release);
  }
  return &mine->queue;
}

}  // namespace chanpool
