// What a pool of gRPC channels is made from.
//
//   ChannelPoolOptions options;
//   options.target = "dns:///orders:50051";
//   options.pool.max_connections = 20;
//   absl::Status valid = ChannelPool::Validate(options);
#ifndef CHANPOOL_POOL_GRPC_CHANNEL_POOL_OPTIONS_H_
#define CHANPOOL_POOL_GRPC_CHANNEL_POOL_OPTIONS_H_

#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_interceptor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pool/core/clock.h"
#include "pool/core/endpoint.h"
#include "pool/core/options.h"
#include "pool/grpc/diversity_options.h"
#include "pool/grpc/dns_options.h"
#include "pool/grpc/health.h"
#include "pool/grpc/keepalive.h"
#include "pool/grpc/retry_policy.h"
#include "pool/grpc/tls_options.h"
#include "pool/grpc/transport_options.h"

namespace chanpool {

// Everything that makes a pool. Only `target` has no default.
struct ChannelPoolOptions {
  // What the pool is called in messages and metrics. Default: the target.
  std::string name;

  // Any gRPC name: "dns:///orders:50051", "orders:50051", "unix:/run/orders.sock",
  // "ipv4:10.0.0.1:50051,10.0.0.2:50051". The pool itself resolves names without a scheme and with dns:, and spreads
  // its connections over the addresses of those, of ipv4: and of ipv6:. What is left to gRPC is one endpoint: xds: and
  // other schemes, and a name that is reached through an HTTP proxy (ChannelPool::warnings says so).
  std::string target;

  // The target's addresses, if not what `target` resolves to: "ipv4:10.0.0.1:50051", "unix:/run/orders-1.sock", or
  // names, each of which gRPC resolves; with weights, if they should not get the same. `target` is then what servers
  // see as :authority, and what a certificate is checked against. Default empty.
  std::vector<Endpoint> endpoints = {};

  // How the target's name is resolved, if the pool does so.
  DnsOptions dns = DnsOptions();

  // Default null: insecure, or as `tls` says.
  std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr;

  // TLS from files, which are read again when they change. Default none. Not beside `credentials`.
  std::optional<TlsOptions> tls = std::nullopt;

  // Sizes of messages and metadata, compression, user agent, flow control. Default: gRPC's own.
  TransportOptions transport = TransportOptions();

  // As for grpc::CreateCustomChannel. What the pool or `transport` sets, or what would make one channel several
  // connections (a load-balancing policy other than pick_first), is refused by name.
  grpc::ChannelArguments channel_arguments = grpc::ChannelArguments();

  // Run on every call, in this order. Shared by all connections of the pool, so they must be thread-safe.
  std::vector<std::shared_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors = {};

  // HTTP/2 pings. Default off.
  KeepaliveOptions keepalive = KeepaliveOptions();

  // Whether servers are asked how they are (grpc.health.v1). Default: not.
  HealthOptions health = HealthOptions();

  // Which calls are tried again, and deadlines of those that set none. Default: none. With it, channel_arguments may
  // have no service config.
  RetryOptions retry = RetryOptions();

  // Which backend each connection landed on, behind a layer-4 balancer, and whether those that share one are dialled
  // anew. Default: not known.
  DiversityOptions diversity = DiversityOptions();

  // How many connections, how many calls on each, and all time-outs.
  PoolOptions pool = PoolOptions();

  // Default null: the process's clock. Outlives the pool, its leases and what threads of the pools' still do with them:
  // one that is never destroyed does.
  Clock* clock = nullptr;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CHANNEL_POOL_OPTIONS_H_
