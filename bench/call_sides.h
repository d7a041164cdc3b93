// Who carries calls: plain channels as a careful author makes them, or a pool; against a server in a process of its
// own.
//
//   const auto server = StartServer(/*max_streams=*/100);
//   const Channels by_hand = PlainChannels(server->target(), 10);
//   const auto pool = MakePool(server->target(), options);
//
// Everything here is connected when it returns, and ends the program with a message if that fails.
#ifndef CHANPOOL_BENCH_CALL_SIDES_H_
#define CHANPOOL_BENCH_CALL_SIDES_H_

#include <grpcpp/impl/channel_interface.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "examples/demo/upstream_process.h"
#include "pool/grpc/channel_pool.h"

namespace chanpool::bench {

using Channels = std::vector<std::shared_ptr<grpc::ChannelInterface>>;

// Says why on standard error, and ends the program.
[[noreturn]] void GiveUp(const absl::Status& why);

// The demo's server; `more_flags` as upstream.cc has them.
std::unique_ptr<demo::UpstreamProcess> StartServer(int max_streams, const std::vector<std::string>& more_flags = {});

// So many channels, each with a connection of its own.
Channels PlainChannels(const std::string& target, int n);

// With min_connections open.
std::shared_ptr<ChannelPool> MakePool(const ChannelPoolOptions& options);
std::shared_ptr<ChannelPool> MakePool(const std::string& target, const PoolOptions& options);

// So many connections, no more and no less.
PoolOptions PoolOf(int connections);

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_CALL_SIDES_H_
