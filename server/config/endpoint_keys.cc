#include "server/config/endpoint_keys.h"

#include <algorithm>

#include "server/admin/proto_time.h"

namespace chanpool::config {

std::vector<Endpoint> ToEndpoints(const chanpool::config::v1::PoolConfig& pool) {
  std::vector<Endpoint> endpoints;
  for (const chanpool::config::v1::Endpoint& key : pool.endpoints()) {
    Endpoint& endpoint = endpoints.emplace_back();
    endpoint.address = key.address();
    // What is too much for an int is too much in any case.
    if (key.weight() > 0) endpoint.weight = static_cast<int>(std::min<uint32_t>(key.weight(), kMaxWeight + 1));
  }
  return endpoints;
}

DnsOptions ToDnsOptions(const chanpool::config::v1::Dns& dns) {
  DnsOptions options;
  options.servers.assign(dns.servers().begin(), dns.servers().end());
  // What is read is a valid duration.
  if (dns.has_timeout()) options.timeout = admin::FromProto(dns.timeout()).value_or(options.timeout);
  if (dns.has_min_ttl()) options.min_ttl = admin::FromProto(dns.min_ttl()).value_or(options.min_ttl);
  if (dns.has_max_ttl()) options.max_ttl = admin::FromProto(dns.max_ttl()).value_or(options.max_ttl);
  if (dns.has_min_interval()) {
    options.min_interval = admin::FromProto(dns.min_interval()).value_or(options.min_interval);
  }
  return options;
}

chanpool::config::v1::Endpoint ToProto(const Endpoint& endpoint) {
  chanpool::config::v1::Endpoint key;
  key.set_address(endpoint.address);
  if (endpoint.weight != Endpoint().weight) key.set_weight(endpoint.weight);
  return key;
}

chanpool::config::v1::Dns ToProto(const DnsOptions& options) {
  const DnsOptions defaults;
  chanpool::config::v1::Dns dns;
  dns.mutable_servers()->Assign(options.servers.begin(), options.servers.end());
  if (options.timeout != defaults.timeout) *dns.mutable_timeout() = admin::ToProto(options.timeout);
  if (options.min_ttl != defaults.min_ttl) *dns.mutable_min_ttl() = admin::ToProto(options.min_ttl);
  if (options.max_ttl != defaults.max_ttl) *dns.mutable_max_ttl() = admin::ToProto(options.max_ttl);
  if (options.min_interval != defaults.min_interval) {
    *dns.mutable_min_interval() = admin::ToProto(options.min_interval);
  }
  return dns;
}

}  // namespace chanpool::config
