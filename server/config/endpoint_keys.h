// What the keys `endpoints` and `dns` of a pool mean for the library.
//
//   options.endpoints = ToEndpoints(pool);
//   options.dns = ToDnsOptions(pool.dns());      // what is left out has the library's default
//   *pool.mutable_dns() = ToProto(options.dns);  // what has it is left out
#ifndef CHANPOOL_SERVER_CONFIG_ENDPOINT_KEYS_H_
#define CHANPOOL_SERVER_CONFIG_ENDPOINT_KEYS_H_

#include <vector>

#include "chanpool/config/v1/config.pb.h"
#include "pool/core/endpoint.h"
#include "pool/grpc/dns_options.h"

namespace chanpool::config {

// They may still make no sense: see EndpointSet::Validate and chanpool::Validate.
std::vector<Endpoint> ToEndpoints(const chanpool::config::v1::PoolConfig& pool);
DnsOptions ToDnsOptions(const chanpool::config::v1::Dns& dns);

chanpool::config::v1::Endpoint ToProto(const Endpoint& endpoint);
chanpool::config::v1::Dns ToProto(const DnsOptions& options);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_ENDPOINT_KEYS_H_
