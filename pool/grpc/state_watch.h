// Tells a user's completion queue when the pool's connectivity changes, as grpc::Channel::NotifyOnStateChange does.
//
//   StateWatch::Begin(pool, last_observed, deadline, user_queue, user_tag);   // ok = true: changed; false: deadline
//
// The tag must come out of the user's own queue, and hold back its shutdown until then. What does both through gRPC's
// public API is a call that nobody answers: it ends by its deadline, or by our cancelling it when the state changed.
#ifndef CHANPOOL_POOL_GRPC_STATE_WATCH_H_
#define CHANPOOL_POOL_GRPC_STATE_WATCH_H_

#include <grpc/grpc.h>
#include <grpcpp/completion_queue.h>

#include <memory>

#include "pool/core/pool.h"

namespace chanpool {

grpc_connectivity_state ToGrpc(PoolConnectivity connectivity);

class StateWatch {
 public:
  // `tag` comes out of `queue` exactly once. Does not keep the pool.
  static void Begin(const std::shared_ptr<Pool>& pool, grpc_connectivity_state last_observed, gpr_timespec deadline,
                    grpc::CompletionQueue* queue, void* tag);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_STATE_WATCH_H_
