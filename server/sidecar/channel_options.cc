#include "server/sidecar/channel_options.h"

#include <google/protobuf/util/time_util.h>

#include "absl/time/time.h"
#include "pool/grpc/tls_files.h"
#include "server/config/diversity_keys.h"
#include "server/config/endpoint_keys.h"
#include "server/config/retry_options_proto.h"
#include "server/config/transport_keys.h"

namespace chanpool::sidecar {
namespace {

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Milliseconds(google::protobuf::util::TimeUtil::DurationToMilliseconds(duration));
}

KeepaliveOptions ToKeepaliveOptions(const chanpool::config::v1::Keepalive& keepalive) {
  KeepaliveOptions options;
  if (keepalive.has_time()) options.time = ToDuration(keepalive.time());
  if (keepalive.has_timeout()) options.timeout = ToDuration(keepalive.timeout());
  options.permit_without_calls = keepalive.permit_without_calls();
  return options;
}

HealthOptions ToHealthOptions(const chanpool::config::v1::Health& health) {
  HealthOptions options;
  if (health.check() == chanpool::config::v1::HEALTH_CHECK_CHECK) options.check = HealthCheck::kCheck;
  if (health.check() == chanpool::config::v1::HEALTH_CHECK_WATCH) options.check = HealthCheck::kWatch;
  options.service = health.service();
  return options;
}

TlsOptions ToTlsOptions(const chanpool::config::v1::Tls& tls) {
  TlsOptions options;
  options.ca_file = tls.ca_file();
  options.certificate_file = tls.certificate_file();
  options.key_file = tls.key_file();
  options.server_name = tls.server_name();
  if (tls.has_check_every()) options.check_every = ToDuration(tls.check_every());
  return options;
}

}  // namespace

ChannelPoolOptions ToChannelPoolOptions(const chanpool::config::v1::PoolConfig& pool) {
  ChannelPoolOptions options;
  options.name = pool.name();
  options.target = pool.target();
  options.keepalive = ToKeepaliveOptions(pool.keepalive());
  options.endpoints = config::ToEndpoints(pool);
  options.dns = config::ToDnsOptions(pool.dns());
  options.retry = config::ToRetryOptions(pool.retry());
  options.health = ToHealthOptions(pool.health());
  options.transport = config::ToTransportOptions(pool.transport());
  options.diversity = config::ToDiversityOptions(pool.diversity());
  if (pool.has_tls()) options.tls = ToTlsOptions(pool.tls());
  return options;
}

config::TlsCheck LooksAtTlsFiles(const Clock* clock) {
  return [clock](const chanpool::config::v1::Tls& tls) {
    return TlsFiles::Open(ToTlsOptions(tls), clock->WallNow()).status();
  };
}

}  // namespace chanpool::sidecar
