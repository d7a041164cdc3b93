// How calls travel on a pool's connections: sizes, compression, flow control, and what servers are told of the caller.
//
//   options.transport.max_receive_message_bytes = 64 * 1024 * 1024;
//   options.transport.user_agent_prefix = "orders/1.4";
//   options.transport.compression = Compression::kGzip;
//
// What one would set in grpc::ChannelArguments, by name and checked. What is left out, and where it is instead:
//   - reconnect back-off, idle time-out: PoolOptions::backoff_*, connect_timeout, max_idle. The pool decides them;
//   - keepalive pings: ChannelPoolOptions::keepalive. TCP_USER_TIMEOUT has no argument of its own: gRPC sets it to
//     keepalive.timeout where keepalive is on;
//   - retries and service configs: ChannelPoolOptions::retry;
//   - :authority, names in certificates: ChannelPoolOptions::endpoints, TlsOptions::server_name;
//   - pointers (resource quota, socket mutator, session cache), channelz, and what gRPC calls experimental (TCP read
//     chunks, zero copy): ChannelPoolOptions::channel_arguments;
//   - max_concurrent_streams, connection ages, limits on pings that are received: they are a server's.
#ifndef CHANPOOL_POOL_GRPC_TRANSPORT_OPTIONS_H_
#define CHANPOOL_POOL_GRPC_TRANSPORT_OPTIONS_H_

#include <grpcpp/support/channel_arguments.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace chanpool {

enum class Compression { kNone, kDeflate, kGzip };

// A plain value. Fixed when a connection is made: a change takes a Redirect, which replaces connections, new before
// old. The defaults are gRPC's own; what has its default here may be in channel_arguments instead.
struct TransportOptions {
  // The largest message that is taken from a server; a call with a larger one ends RESOURCE_EXHAUSTED. Default 4 MiB.
  // More lets one answer take so much memory. 1024 (the pool's own probes must fit) to 2147483647, which is no limit.
  int64_t max_receive_message_bytes = 4 * 1024 * 1024;

  // The largest message that is sent; a call with a larger one ends RESOURCE_EXHAUSTED, and its server sees nothing of
  // it. Default 2147483647: no limit here, but servers have theirs, 4 MiB by default. Same range.
  int64_t max_send_message_bytes = std::numeric_limits<int>::max();

  // All headers of an answer, or all its trailers, names and values added up; a call with more ends RESOURCE_EXHAUSTED.
  // Servers are told of it. Default 8 KiB; 1 KiB to 16 MiB.
  int64_t max_metadata_bytes = 8 * 1024;

  // What stands before gRPC's own "grpc-c++/..." in the user-agent of each call: one word or more, such as
  // "orders/1.4". Default none. At most kMaxUserAgentPrefix printable ASCII characters.
  std::string user_agent_prefix = "";

  // By what messages are compressed that set nothing themselves (ClientContext::set_compression_algorithm) and get
  // smaller by it. Default none. It costs CPU at both ends; a server that cannot read it ends calls UNIMPLEMENTED.
  // What servers send is up to them: any of these is read.
  Compression compression = Compression::kNone;

  // Whether windows and frames grow and shrink with the bandwidth and the round trip that are seen. Default yes: they
  // begin at 4 MiB. No: they are as below for ever, which bounds the memory of slow readers, and spares the pings.
  bool bdp_probe = true;

  // Only without bdp_probe: the bytes of a stream that a server may send before they are read. Default 65535, that of
  // HTTP/2. Less than bandwidth times round trip slows streams down. 1024 to 2147483647.
  int64_t initial_window_bytes = 65535;

  // Only without bdp_probe: the largest frame that a server may send. Default 16384. More costs less CPU for large
  // messages, and small ones wait longer behind them. 16384 to 16777215.
  int64_t max_frame_bytes = 16384;

  // How much of a stream is kept back, to be sent together, of writes that allow it (WriteOptions::set_buffer_hint).
  // Default 65535; 0 (nothing is kept back) to 64 MiB, for each stream.
  int64_t write_buffer_bytes = 65535;

  // What is remembered of headers, so that they are sent but once: those received (servers are told) and those sent (at
  // most what the server allows, 4096 with most). Default 4096 each; 0 (none) to 1 MiB, for each connection.
  int64_t hpack_decoder_bytes = 4096;
  int64_t hpack_encoder_bytes = 4096;

  // Whether servers are reached through the HTTP proxy that the environment names, if any (grpc_proxy, https_proxy,
  // http_proxy; no_grpc_proxy, no_proxy). Default yes, and then gRPC resolves the target.
  bool http_proxy = true;
};
inline constexpr int kMaxUserAgentPrefix = 256;

// All that is wrong, in the order of the fields: each kInvalidArgument that begins with the option's path, as in
// "transport.max_frame_bytes: 1 is below 16384; set 16384". Empty if `options` are valid.
std::vector<absl::Status> TransportProblems(const TransportOptions& options);

// The first of these; also kInvalidArgument if `arguments` have what ApplyTransport sets.
absl::Status ValidateTransport(const TransportOptions& options, const grpc::ChannelArguments& arguments);

// What makes a channel behave so; `options` are valid. Nothing for what has its default.
void ApplyTransport(const TransportOptions& options, grpc::ChannelArguments& arguments);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_TRANSPORT_OPTIONS_H_
