#include "server/admin/pool_view.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/admin/call_view.h"
#include "server/admin/explain_view.h"
#include "server/admin/pool_options_proto.h"
#include "server/admin/proto_time.h"

namespace chanpool::admin {
namespace {

// "1 connection", "3 connections".
std::string Count(int64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

bool CannotDial(const PoolStats& stats, absl::Time now) {
  return stats.connections_backoff > 0 || stats.retry_at > now;
}

// Of the open connections, those without a call.
int Idle(const PoolStats& stats, const std::vector<ConnectionStats>& rows) {
  const auto active = std::count_if(rows.begin(), rows.end(), [](const ConnectionStats& row) {
    return row.state == SlotState::kOpen && row.leases > 0;
  });
  // Read a moment later than `stats`: their sum stays that of the open ones.
  return std::max<int>(0, stats.connections_open - static_cast<int>(active));
}

// Those that lend no more, those that the closer still has to destroy, and those that the transport keeps beside until
// their calls have ended.
int Draining(const PoolStats& stats) {
  return stats.connections_draining + stats.connections_closing + stats.connections_extra;
}

v1::EndpointState StateOf(EndpointState state) {
  switch (state) {
    case EndpointState::kHealthy:
      return v1::ENDPOINT_STATE_HEALTHY;
    case EndpointState::kBackoff:
      return v1::ENDPOINT_STATE_BACKOFF;
    case EndpointState::kEjected:
      return v1::ENDPOINT_STATE_EJECTED;
    case EndpointState::kSpare:
      return v1::ENDPOINT_STATE_SPARE;
  }
  return v1::ENDPOINT_STATE_UNSPECIFIED;
}

v1::ResolutionState StateOf(ResolutionState state) {
  switch (state) {
    case ResolutionState::kPending:
      return v1::RESOLUTION_STATE_PENDING;
    case ResolutionState::kResolved:
      return v1::RESOLUTION_STATE_RESOLVED;
    case ResolutionState::kStale:
      return v1::RESOLUTION_STATE_STALE;
    case ResolutionState::kFailed:
      return v1::RESOLUTION_STATE_FAILED;
  }
  return v1::RESOLUTION_STATE_UNSPECIFIED;
}

v1::ConnectionState StateOf(const ConnectionStats& row) {
  switch (row.state) {
    case SlotState::kConnecting:
      return v1::CONNECTION_STATE_CONNECTING;
    case SlotState::kOpen:
      return row.leases == 0 ? v1::CONNECTION_STATE_IDLE : v1::CONNECTION_STATE_ACTIVE;
    case SlotState::kChecking:
      return v1::CONNECTION_STATE_CHECKING;
    case SlotState::kBackoff:
      return v1::CONNECTION_STATE_BACKOFF;
    case SlotState::kDraining:
      return v1::CONNECTION_STATE_DRAINING;
    case SlotState::kClosed:
      break;
  }
  return v1::CONNECTION_STATE_UNSPECIFIED;
}

}  // namespace

v1::AdminState AdminStateOf(const PoolStats& stats) {
  switch (stats.state) {
    case PoolAdminState::kActive:
      return v1::ADMIN_STATE_ACTIVE;
    case PoolAdminState::kPaused:
      return v1::ADMIN_STATE_PAUSED;
    case PoolAdminState::kDraining:
      return v1::ADMIN_STATE_DRAINING;
    case PoolAdminState::kDrained:
      return v1::ADMIN_STATE_DRAINED;
    case PoolAdminState::kDestroyed:
      return stats.connections == 0 ? v1::ADMIN_STATE_DRAINED : v1::ADMIN_STATE_DRAINING;
  }
  return v1::ADMIN_STATE_UNSPECIFIED;
}

v1::Health ShowHealth(PoolAdminState state, PoolHealth health) {
  if (state != PoolAdminState::kActive) return v1::HEALTH_UNSPECIFIED;
  switch (health) {
    case PoolHealth::kHealthy:
      return v1::HEALTH_HEALTHY;
    case PoolHealth::kDegraded:
      return v1::HEALTH_DEGRADED;
    case PoolHealth::kOverloaded:
      return v1::HEALTH_OVERLOADED;
    case PoolHealth::kUnavailable:
      return v1::HEALTH_UNAVAILABLE;
  }
  return v1::HEALTH_UNSPECIFIED;
}

std::vector<std::string> ConditionsOf(const PoolStats& stats, const PoolOptions& options, absl::Time now) {
  std::vector<std::string> conditions;
  const auto say = [&conditions](const auto&... parts) { conditions.push_back(absl::StrCat(parts...)); };
  switch (stats.state) {
    case PoolAdminState::kActive:
      break;
    case PoolAdminState::kPaused:
      say("it is paused for ", DurationText(absl::Ceil(stats.pause_left, absl::Milliseconds(10))),
          " more: callers wait");
      break;
    case PoolAdminState::kDraining:
      say("it drains: ", Count(stats.leases, "call"), " on ", Count(stats.connections_draining, "connection"));
      break;
    case PoolAdminState::kDrained:
      say("it is drained, and refuses callers until it is undrained");
      break;
    case PoolAdminState::kDestroyed:
      say("its owner has destroyed it: it refuses callers for ever");
      break;
  }
  if (InService(stats.state) && CannotDial(stats, now)) {
    std::string text = stats.connections_backoff > 0
                           ? absl::StrCat(Count(stats.connections_backoff, "connection"),
                                          stats.connections_backoff == 1 ? " waits" : " wait", " to dial again")
                           : std::string("the target does not answer");
    if (stats.retry_at > now)
      absl::StrAppend(&text, ", next in ", DurationText(absl::Ceil(stats.retry_at - now, absl::Milliseconds(10))));
    if (!stats.last_dial_error.ok()) absl::StrAppend(&text, "; last dial error: ", stats.last_dial_error.message());
    conditions.push_back(text);
  }
  if (stats.connections_checking > 0) {
    say(Count(stats.connections_checking, "connection"), " suspected, being probed");
  }
  if (stats.connections_open > 0 && stats.free == 0) {
    say("full: ", stats.leases, " leases on ", stats.capacity, " places of ",
        Count(stats.connections_open, "connection"), " (max_connections ", options.max_connections, ")");
  }
  if (stats.leases_over_limit > 0) {
    say(Count(stats.leases_over_limit, "call"), " above max_leases_per_connection (", options.max_leases_per_connection,
        "), queued by the transport");
  }
  if (stats.waiters > 0) {
    say(Count(stats.waiters, "caller"), stats.waiters == 1 ? " waits" : " wait", " for a place (max_waiters ",
        options.max_waiters, ")");
  }
  if (stats.connections_lingering > 0) {
    say(Count(stats.connections_lingering, "replaced connection"), " still carrying calls after drain_grace (",
        DurationText(options.drain_grace), ")");
  }
  if (stats.connections_extra > 0) {
    say("up to ", Count(stats.connections_extra, "connection"), " made by the transport itself, beside the pool's own");
  }
  return conditions;
}

std::vector<std::string> ConditionsOf(const CertificateState& certificate, absl::Time wall_now) {
  std::vector<std::string> conditions;
  if (!certificate.last_error.empty()) {
    conditions.push_back(
        absl::StrCat("it keeps its certificates, since those in the files now are no good: ", certificate.last_error));
  }
  const absl::Duration left = certificate.not_after - wall_now;
  if (left < kExpiryWarning) {
    const int64_t days = absl::ToInt64Hours(left) / 24;
    conditions.push_back(left <= absl::ZeroDuration()
                             ? absl::StrCat(certificate.ends_first, " has expired: no connection can be made")
                             : absl::StrCat(certificate.ends_first, " expires in ", Count(days, "day")));
  }
  return conditions;
}

v1::Certificate ShowCertificate(const CertificateState& certificate) {
  v1::Certificate shown;
  shown.set_subject(certificate.subject);
  if (certificate.not_after != absl::InfiniteFuture()) *shown.mutable_expire_time() = ToProto(certificate.not_after);
  shown.set_ends_first(certificate.ends_first);
  shown.set_last_error(certificate.last_error);
  shown.set_changes(certificate.changes);
  shown.set_refusals(certificate.refusals);
  return shown;
}

v1::Pool ShowPool(ManagedPool& managed) { return ShowPool(managed, managed.Look()); }

v1::Pool ShowPool(ManagedPool& managed, const ManagedPool::Facts& facts) {
  Pool& pool = managed.pool();
  const PoolStats stats = pool.Stats();
  const int idle = Idle(stats, pool.Connections());
  const absl::Time now = pool.clock()->Now();

  v1::Pool shown;
  shown.set_name(managed.name());
  shown.set_target(facts.target);
  *shown.mutable_options() = ToProto(facts.options);
  for (const v1::Override& override : facts.overrides) *shown.add_overrides() = override;
  chanpool::config::v1::PoolConfig channel = facts.channel;
  if (channel.keepalive().has_time()) *shown.mutable_keepalive() = channel.keepalive();
  channel.clear_keepalive();
  if (channel.ByteSizeLong() > 0) *shown.mutable_channel() = std::move(channel);
  shown.set_admin_state(AdminStateOf(stats));
  shown.set_health(ShowHealth(stats.state, stats.health));
  for (std::string& condition : ConditionsOf(stats, facts.options, now)) shown.add_conditions(std::move(condition));

  if (const std::optional<CertificateState> certificate = pool.Certificate()) {
    *shown.mutable_certificate() = ShowCertificate(*certificate);
    for (std::string& condition : ConditionsOf(*certificate, pool.clock()->WallNow())) {
      shown.add_conditions(std::move(condition));
    }
  }

  v1::Size& size = *shown.mutable_size();
  size.set_current(stats.connections);
  size.set_idle(idle);
  size.set_active(stats.connections_open - idle);
  size.set_connecting(stats.connections_connecting);
  size.set_backoff(stats.connections_backoff);
  size.set_checking(stats.connections_checking);
  size.set_draining(Draining(stats));
  size.set_min(facts.options.min_connections);
  size.set_max(facts.options.max_connections);
  shown.mutable_leases()->set_active(stats.leases);
  shown.mutable_leases()->set_capacity(stats.capacity);
  shown.mutable_waiters()->set_count(stats.waiters);
  shown.mutable_waiters()->set_max(facts.options.max_waiters);

  shown.set_etag(facts.etag);
  *shown.mutable_create_time() = ToProto(facts.create_time);
  shown.set_generation(facts.generation);
  *shown.mutable_snapshot_time() = ToProto(pool.clock()->WallNow());
  shown.set_stale(false);
  return shown;
}

v1::PoolStats ShowStats(ManagedPool& managed, StatsParts parts) {
  Pool& pool = managed.pool();
  const PoolStats stats = pool.Stats();
  const int idle = Idle(stats, pool.Connections());
  const PoolOptions options = pool.options();

  v1::PoolStats shown;
  shown.set_name(managed.name());
  *shown.mutable_snapshot_time() = ToProto(pool.clock()->WallNow());
  shown.set_stale(false);
  shown.set_connections(stats.connections);
  shown.set_connections_idle(idle);
  shown.set_connections_active(stats.connections_open - idle);
  shown.set_connections_connecting(stats.connections_connecting);
  shown.set_connections_backoff(stats.connections_backoff);
  shown.set_connections_checking(stats.connections_checking);
  shown.set_connections_draining(Draining(stats));
  shown.set_connections_lingering(stats.connections_lingering);
  shown.set_connections_min(options.min_connections);
  shown.set_connections_max(options.max_connections);
  shown.set_leases(stats.leases);
  shown.set_lease_capacity(stats.capacity);
  shown.set_waiters(stats.waiters);
  shown.set_waiters_max(options.max_waiters);
  shown.set_acquired(stats.acquired);
  shown.set_released(stats.released);
  shown.set_hits(stats.hits);
  shown.set_misses(stats.misses);
  shown.set_overcommitted(stats.overcommitted);
  shown.set_rejected(stats.rejected);
  shown.set_timed_out(stats.timed_out);
  shown.set_cancelled(stats.cancelled);
  shown.set_unavailable(stats.unavailable);
  shown.set_opened(stats.opened);
  shown.set_closed(stats.closed);
  shown.set_dial_failures(stats.dial_failures);
  for (int reason = 0; reason < kCloseReasons; ++reason) {
    (*shown.mutable_closed_by_reason())[ToString(static_cast<CloseReason>(reason))] = stats.closed_by_reason[reason];
  }
  shown.set_last_dial_error(std::string(stats.last_dial_error.message()));
  shown.set_fast_hits(stats.fast_hits);
  shown.set_connections_used(stats.connections_used);
  shown.set_leases_peak_bound(stats.leases_peak_bound);
  for (const EndpointState state :
       {EndpointState::kHealthy, EndpointState::kBackoff, EndpointState::kEjected, EndpointState::kSpare}) {
    (*shown.mutable_endpoints_by_state())[ToString(state)] = 0;
  }
  for (const EndpointStats& row : pool.Endpoints()) {
    ++(*shown.mutable_endpoints_by_state())[ToString(row.state)];
  }
  if (const std::optional<ResolutionStats> dns = pool.Resolution()) {
    shown.set_dns_hits(dns->hits);
    shown.set_dns_misses(dns->misses);
    shown.set_dns_failures(dns->failures);
  }
  if (stats.distinct_backends > 0 || stats.rerolls > 0) {
    shown.set_distinct_backends(stats.distinct_backends);
    shown.set_rerolls(stats.rerolls);
  }
  if (parts.methods.has_value()) {
    for (const MethodStats& row : FoldMethods(pool.Methods(), *parts.methods)) *shown.add_methods() = ShowMethod(row);
  }
  if (!parts.histograms) return shown;
  *shown.mutable_fast_waits() = ShowHistogram(stats.fast_waits);
  for (int outcome = 0; outcome < kAcquireOutcomes; ++outcome) {
    (*shown.mutable_slow_waits())[ToString(static_cast<AcquireOutcome>(outcome))] =
        ShowHistogram(stats.slow_waits[outcome]);
  }
  *shown.mutable_holds() = ShowHistogram(stats.holds);
  *shown.mutable_connects() = ShowHistogram(stats.connects);
  *shown.mutable_failed_connects() = ShowHistogram(stats.failed_connects);
  return shown;
}

v1::Connection ShowConnection(const ConnectionStats& row, const std::string& pool) {
  v1::Connection shown;
  shown.set_name(absl::StrCat(pool, "/connections/", row.id.ToString()));
  shown.set_state(StateOf(row));
  shown.set_leases(row.leases);
  shown.set_max_leases(row.limit);
  shown.set_peak_leases(row.peak_leases);
  *shown.mutable_age() = ToProto(row.age);
  *shown.mutable_in_state() = ToProto(row.in_state);
  if (row.state == SlotState::kDraining) shown.set_drain_reason(ToString(row.reason));
  shown.set_acquired(row.acquired);
  *shown.mutable_idle() = ToProto(row.idle);
  if (row.connect_time > absl::ZeroDuration()) *shown.mutable_connect_time() = ToProto(row.connect_time);
  if (const auto mean = row.holds.histogram.Mean()) {
    *shown.mutable_mean_hold() = ToProto(*mean);
    shown.set_holds(row.holds.histogram.count());
  }
  shown.set_requests(row.calls.requests());
  shown.set_errors(row.calls.errors());
  if (const auto rate = row.calls.ErrorRate().value()) shown.set_error_rate(*rate);
  shown.set_backend(row.backend);
  return shown;
}

v1::Endpoint ShowEndpoint(const EndpointStats& row, const std::string& pool, absl::Time now) {
  v1::Endpoint shown;
  shown.set_name(absl::StrCat(pool, "/endpoints/", row.endpoint.id));
  shown.set_address(row.endpoint.address);
  shown.set_state(StateOf(row.state));
  shown.set_reason(row.why);
  if (row.until > now) *shown.mutable_remaining() = ToProto(row.until - now);
  shown.set_weight(row.endpoint.weight);
  shown.set_connections(row.connections);
  shown.set_connections_open(row.connections_open);
  shown.set_leases(row.leases);
  shown.set_calls(row.calls);
  shown.set_failures(row.failures);
  const uint64_t answered = row.calls - row.failures;
  if (answered > 0) *shown.mutable_mean_latency() = ToProto(row.time_of_answered / answered);
  shown.set_dial_failures(row.dial_failures);
  shown.set_ejections(row.ejections);
  return shown;
}

v1::Resolution ShowResolution(const ResolutionStats& stats, const std::string& pool, absl::Time now) {
  v1::Resolution shown;
  shown.set_pool(pool);
  shown.set_host(stats.name);
  for (const std::string& server : stats.servers) shown.add_servers(server);
  shown.set_state(StateOf(stats.state));
  shown.set_addresses(stats.addresses);
  if (stats.answered_at != absl::InfinitePast()) {
    *shown.mutable_age() = ToProto(now - stats.answered_at);
    *shown.mutable_ttl() = ToProto(stats.ttl);
  }
  if (stats.next_at != absl::InfiniteFuture()) {
    *shown.mutable_next_in() = ToProto(std::max(stats.next_at - now, absl::ZeroDuration()));
  }
  shown.set_last_error(stats.last_error);
  shown.set_hits(stats.hits);
  shown.set_misses(stats.misses);
  shown.set_failures(stats.failures);
  return shown;
}

}  // namespace chanpool::admin
