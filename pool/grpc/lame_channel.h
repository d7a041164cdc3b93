// A channel on which every call ends at once with a status of ours: how a drop-in channel says no.
//
//   std::shared_ptr<grpc::Channel> no = LameChannel(absl::ResourceExhaustedError("every connection is full (4/4
//   ...)"));
//
// Costs 6 us to make and destroy (measured), so each refusal has one of its own, with its own numbers. The call's
// ClientContext keeps it.
#ifndef CHANPOOL_POOL_GRPC_LAME_CHANNEL_H_
#define CHANPOOL_POOL_GRPC_LAME_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>

#include "absl/status/status.h"
#include "pool/grpc/channel_access.h"

namespace chanpool {

// `why` is not OK. Never null.
std::shared_ptr<grpc::Channel> LameChannel(const absl::Status& why);

// The process's channel that never connects, made on first use and never destroyed. A callback call asks for its
// completion queue before its channel is picked, so every pool offers this channel's. A pool that owned it would block
// in its destructor until its last callback call ends; and the last channel of a process must not die in a callback.
grpc::Channel* AnchorChannel();

// Its completion queue for callback calls: the same for every channel of the process.
inline grpc::CompletionQueue* CallbackQueue() { return ChannelAccess::CallbackCQ(AnchorChannel()); }

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_LAME_CHANNEL_H_
