#include "server/config/channel_keys.h"

#include "absl/time/time.h"
#include "server/admin/proto_time.h"
#include "server/config/diversity_keys.h"
#include "server/config/endpoint_keys.h"
#include "server/config/retry_keys.h"
#include "server/config/transport_keys.h"

namespace chanpool::config {
namespace {

namespace v1 = ::chanpool::config::v1;

KeepaliveOptions ToKeepaliveOptions(const v1::Keepalive& keepalive) {
  KeepaliveOptions options;
  if (keepalive.has_time()) options.time = admin::FromProto(keepalive.time()).value_or(options.time);
  if (keepalive.has_timeout()) options.timeout = admin::FromProto(keepalive.timeout()).value_or(options.timeout);
  options.permit_without_calls = keepalive.permit_without_calls();
  return options;
}

v1::Keepalive ToProto(const KeepaliveOptions& options) {
  v1::Keepalive keepalive;
  *keepalive.mutable_time() = admin::ToProto(options.time);
  if (options.timeout != KeepaliveOptions().timeout) *keepalive.mutable_timeout() = admin::ToProto(options.timeout);
  keepalive.set_permit_without_calls(options.permit_without_calls);
  return keepalive;
}

HealthOptions ToHealthOptions(const v1::Health& health) {
  HealthOptions options;
  if (health.check() == v1::HEALTH_CHECK_CHECK) options.check = HealthCheck::kCheck;
  if (health.check() == v1::HEALTH_CHECK_WATCH) options.check = HealthCheck::kWatch;
  options.service = health.service();
  return options;
}

v1::Health ToProto(const HealthOptions& options) {
  v1::Health health;
  health.set_check(options.check == HealthCheck::kWatch ? v1::HEALTH_CHECK_WATCH : v1::HEALTH_CHECK_CHECK);
  health.set_service(options.service);
  return health;
}

v1::Tls ToProto(const TlsOptions& options) {
  v1::Tls tls;
  tls.set_ca_file(options.ca_file);
  tls.set_certificate_file(options.certificate_file);
  tls.set_key_file(options.key_file);
  tls.set_server_name(options.server_name);
  if (options.check_every != TlsOptions().check_every) {
    *tls.mutable_check_every() = admin::ToProto(options.check_every);
  }
  return tls;
}

}  // namespace

TlsOptions ToTlsOptions(const v1::Tls& tls) {
  TlsOptions options;
  options.ca_file = tls.ca_file();
  options.certificate_file = tls.certificate_file();
  options.key_file = tls.key_file();
  options.server_name = tls.server_name();
  if (tls.has_check_every()) options.check_every = admin::FromProto(tls.check_every()).value_or(options.check_every);
  return options;
}

ChannelPoolOptions ToChannelPoolOptions(const v1::PoolConfig& pool) {
  ChannelPoolOptions options;
  options.name = pool.name();
  options.target = pool.target();
  options.keepalive = ToKeepaliveOptions(pool.keepalive());
  options.endpoints = ToEndpoints(pool);
  options.dns = ToDnsOptions(pool.dns());
  options.retry = ToRetryOptions(pool.retry());
  options.health = ToHealthOptions(pool.health());
  options.transport = ToTransportOptions(pool.transport());
  options.diversity = ToDiversityOptions(pool.diversity());
  if (pool.has_tls()) options.tls = ToTlsOptions(pool.tls());
  return options;
}

v1::PoolConfig ToPoolConfig(const ChannelPoolOptions& options) {
  v1::PoolConfig pool;
  pool.set_name(options.name);
  pool.set_target(options.target);
  if (options.keepalive.time != absl::InfiniteDuration()) *pool.mutable_keepalive() = ToProto(options.keepalive);
  for (const Endpoint& endpoint : options.endpoints) *pool.add_endpoints() = ToProto(endpoint);
  if (!(options.dns == DnsOptions())) *pool.mutable_dns() = ToProto(options.dns);
  if (AsksForAnything(options.retry)) *pool.mutable_retry() = ToProto(options.retry);
  if (options.health.check != HealthCheck::kOff) *pool.mutable_health() = ToProto(options.health);
  if (const v1::Transport transport = ToProto(options.transport); transport.ByteSizeLong() > 0) {
    *pool.mutable_transport() = transport;
  }
  if (options.diversity.on()) *pool.mutable_diversity() = ToProto(options.diversity);
  if (options.tls.has_value()) *pool.mutable_tls() = ToProto(*options.tls);
  return pool;
}

}  // namespace chanpool::config
