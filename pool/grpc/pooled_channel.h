// The drop-in channel: a grpc::ChannelInterface that sends each call over the best connection of its pool.
//
//   auto stub = Greeter::NewStub(std::make_shared<PooledChannel>(pool, PooledChannel::WhenFull::kAsOptionsSay));
//
// CreateCall picks a connection, hands the lease to the call's interceptor and forwards. It keeps the engine, not the
// ChannelPool: after that one is gone, calls end UNAVAILABLE.
#ifndef CHANPOOL_POOL_GRPC_POOLED_CHANNEL_H_
#define CHANPOOL_POOL_GRPC_POOLED_CHANNEL_H_

#include <grpcpp/impl/channel_interface.h>

#include <memory>

#include "absl/status/statusor.h"
#include "pool/core/pool.h"

namespace chanpool {

// Thread-safe.
class PooledChannel : public grpc::ChannelInterface {
 public:
  enum class WhenFull {
    kAsOptionsSay,  // Never blocks: PoolOptions::overflow.
    kBlock,         // The calling thread waits for a place: for blocking stubs only, whose threads deliver nothing.
  };

  PooledChannel(std::shared_ptr<Pool> pool, WhenFull when_full);

  // READY if any connection is, else the best of the others; IDLE for an empty pool, SHUTDOWN for a destroyed one.
  grpc_connectivity_state GetState(bool try_to_connect) override;

 private:
  grpc::internal::Call CreateCall(const grpc::internal::RpcMethod& method, grpc::ClientContext* context,
                                  grpc::CompletionQueue* cq) override;
  void PerformOpsOnCall(grpc::internal::CallOpSetInterface* ops, grpc::internal::Call* call) override;
  void* RegisterMethod(const char* method) override;
  void NotifyOnStateChangeImpl(grpc_connectivity_state last_observed, gpr_timespec deadline, grpc::CompletionQueue* cq,
                               void* tag) override;
  bool WaitForStateChangeImpl(grpc_connectivity_state last_observed, gpr_timespec deadline) override;
  grpc::CompletionQueue* CallbackCQ() override;

  // What CreateCall does when the fast path gave it nothing, or `lost`, a connection that is not there any more.
  absl::StatusOr<Place> AcquireSlow(Place lost, const grpc::ClientContext& context, const grpc::CompletionQueue* cq);
  absl::StatusOr<Place> AcquireBlocking(const grpc::ClientContext& context, const grpc::CompletionQueue* cq);

  const std::shared_ptr<Pool> pool_;
  const WhenFull when_full_;
  grpc::CompletionQueue* const callback_queue_;  // The same for every channel of the process.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_POOLED_CHANNEL_H_
