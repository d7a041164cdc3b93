// Where a pool's endpoints come from: a list of its owner's, its target's own text, look-ups, or gRPC.
//
//   EndpointSource source = SourceOf(options, clock);
//   config.endpoints = source.endpoints;                                    // what the pool begins with
//   if (source.resolver != nullptr) source.resolver->Begin(pool);           // what it is told later
#ifndef CHANPOOL_POOL_GRPC_ENDPOINT_SOURCE_H_
#define CHANPOOL_POOL_GRPC_ENDPOINT_SOURCE_H_

#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <string>
#include <vector>

#include "pool/core/clock.h"
#include "pool/core/endpoint.h"
#include "pool/grpc/channel_pool_options.h"
#include "pool/grpc/name_resolver.h"

namespace chanpool {

// A plain value.
struct EndpointSource {
  // Never empty: at least the target itself, without an address.
  std::vector<Endpoint> endpoints = {Endpoint()};
  std::shared_ptr<NameResolver> resolver = nullptr;  // Null: nothing changes by itself.
  // As TargetName::authority.
  std::string authority;
  // What an HTTP proxy changes; empty if there is none.
  std::string warning;
};

// `options` are valid. Reads the environment: proxies. Asks nobody yet.
EndpointSource SourceOf(const ChannelPoolOptions& options, Clock* clock);

// Whether both say the same in SourceOf.
bool SameSource(const ChannelPoolOptions& a, const ChannelPoolOptions& b);

// What a channel to one address of a target needs, so that the server and the certificate check see the target:
// `authority`, unless the user's arguments name another, and no proxy.
void PinToAddress(const std::string& authority, grpc::ChannelArguments* arguments);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_ENDPOINT_SOURCE_H_
