// Callback calls in a child of fork(), where none of gRPC's threads exist: one thread of our own runs their callbacks,
// so that a call there ends with the reason instead of never.
//
//   grpc::CompletionQueue* PooledChannel::CallbackCQ() { return pool_->Forked() ? CallbackQueueAfterFork() : ...; }
//
// It carries refusals only. It never polls: a child shares its parent's epoll set, and would take the events that the
// parent waits for.
#ifndef CHANPOOL_POOL_GRPC_FORKED_CALLBACKS_H_
#define CHANPOOL_POOL_GRPC_FORKED_CALLBACKS_H_

#include <grpcpp/completion_queue.h>

namespace chanpool {

// This process's, made on first use and never destroyed.
grpc::CompletionQueue* CallbackQueueAfterFork();

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_FORKED_CALLBACKS_H_
