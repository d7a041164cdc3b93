// What becomes of a channel that nobody needs any more while it dials.
//
//   EndAfterDial(std::move(channel), connect_timeout, /*redials=*/false);
//
// gRPC (1.51) forgets the connection of a channel that is destroyed while its server has yet to send the first
// SETTINGS: when those come all the same, the socket is open, pinged and acknowledged, and belongs to nobody, until its
// server closes it. So a server that is slow for a moment could be left with connections that no process knows of. But
// a dial ends by itself, in time, and a channel that has opened closes its connection when it is destroyed.
#ifndef CHANPOOL_POOL_GRPC_UNFINISHED_DIAL_H_
#define CHANPOOL_POOL_GRPC_UNFINISHED_DIAL_H_

#include <grpcpp/channel.h>

#include <memory>

#include "absl/time/time.h"

namespace chanpool {

// Channels of this process that are kept so at one time; any more are given up at once.
inline constexpr int kMaxUnfinishedDials = 1000;

// On the closer's thread. Gives the reference up at once, unless the channel is CONNECTING, or `redials` and it is in
// TRANSIENT_FAILURE, in which it dials again and again unseen; then when its state changes, or after `within` and a
// second, which are real time. Does not block.
//
// `redials`: it was asked to dial again after a failure. One that was not has just failed, and waits; to keep those as
// well would let all that fail together dial on. What redials may be dialling when its time is over: to a server that
// accepted and said nothing for so long, and speaks after that, it leaves a connection.
void EndAfterDial(std::shared_ptr<grpc::Channel> channel, absl::Duration within, bool redials);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_UNFINISHED_DIAL_H_
