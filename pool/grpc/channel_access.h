// The one door to what gRPC keeps private: a ChannelInterface of our own must call CreateCall and CallbackCQ of the
// channel that it picked.
//
//   grpc::internal::Call call = ChannelAccess::CreateCall(channel.get(), method, context, cq);
//
// ChannelInterface, Channel and ClientContext befriend grpc::internal::BlockingUnaryCallImpl<In, Out> for every In and
// Out. A full specialisation of that template on types of ours is therefore a friend too. Nothing else in the project
// relies on it; a new gRPC must be tried against tests/grpc before the guard below is moved.
#ifndef CHANPOOL_POOL_GRPC_CHANNEL_ACCESS_H_
#define CHANPOOL_POOL_GRPC_CHANNEL_ACCESS_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/channel_interface.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/version_info.h>

#if GRPC_CPP_VERSION_MAJOR != 1 || GRPC_CPP_VERSION_MINOR != 51
#error "chanpool's drop-in channel was proved on gRPC 1.51: run tests/grpc with this version, then move this guard"
#endif

namespace chanpool::internal {
struct AccessIn {};
struct AccessOut {};
}  // namespace chanpool::internal

namespace grpc::internal {

template <>
class BlockingUnaryCallImpl<chanpool::internal::AccessIn, chanpool::internal::AccessOut> {
 public:
  static Call CreateCall(ChannelInterface* channel, const RpcMethod& method, ClientContext* context,
                         CompletionQueue* cq) {
    return channel->CreateCall(method, context, cq);
  }
  static CompletionQueue* CallbackCQ(ChannelInterface* channel) { return channel->CallbackCQ(); }
  // Whether the call would rather wait than fail while there is no connection.
  static bool WaitsForReady(const ClientContext& context) {
    return (context.initial_metadata_flags() & GRPC_INITIAL_METADATA_WAIT_FOR_READY) != 0;
  }
  // What makes the interceptors of the calls on the channel that a call was made on: of a context that has been used.
  // Null if it has none.
  static experimental::ClientInterceptorFactoryInterface* FirstInterceptorFactory(const ClientContext& context) {
    const Channel* const channel = context.channel_.get();
    if (channel == nullptr || channel->interceptor_creators_.empty()) return nullptr;
    return channel->interceptor_creators_.front().get();
  }
  // For calls of the pool's own, which no interceptor of the user's should see.
  static grpc_channel* CoreChannel(const Channel& channel) { return channel.c_channel_; }
};

}  // namespace grpc::internal

namespace chanpool {
using ChannelAccess = grpc::internal::BlockingUnaryCallImpl<internal::AccessIn, internal::AccessOut>;
}  // namespace chanpool

#endif  // CHANPOOL_POOL_GRPC_CHANNEL_ACCESS_H_
