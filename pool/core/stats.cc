#include "pool/core/stats.h"

#include <algorithm>

namespace chanpool {
namespace {

constexpr int PoolStats::*kIntGauges[] = {
    &PoolStats::connections,
    &PoolStats::connections_open,
    &PoolStats::connections_connecting,
    &PoolStats::connections_backoff,
    &PoolStats::connections_checking,
    &PoolStats::connections_draining,
    &PoolStats::connections_closing,
    &PoolStats::connections_lingering,
    &PoolStats::connections_replacing,
    &PoolStats::connections_extra,
    &PoolStats::waiters,
    &PoolStats::waiters_fresh,
    &PoolStats::leaks_out,
    &PoolStats::distinct_backends,
};
constexpr int64_t PoolStats::*kGauges[] = {
    &PoolStats::leases, &PoolStats::capacity,          &PoolStats::leases_over_limit,
    &PoolStats::free,   &PoolStats::leases_peak_bound,
};
constexpr uint64_t PoolStats::*kCounters[] = {
    &PoolStats::acquired,
    &PoolStats::released,
    &PoolStats::hits,
    &PoolStats::misses,
    &PoolStats::rerolls,
    &PoolStats::opened,
    &PoolStats::closed,
    &PoolStats::dial_failures,
    &PoolStats::overcommitted,
    &PoolStats::rejected,
    &PoolStats::timed_out,
    &PoolStats::cancelled,
    &PoolStats::unavailable,
    &PoolStats::fast_hits,
    &PoolStats::holds_skipped,
    &PoolStats::connections_used,
    &PoolStats::validations,
    &PoolStats::validation_failures,
    &PoolStats::health_checks,
    &PoolStats::health_checks_removed,
    &PoolStats::leaks_suspected,
};
constexpr Histogram PoolStats::*kHistograms[] = {&PoolStats::connects, &PoolStats::failed_connects};
constexpr Measured PoolStats::*kSampled[] = {&PoolStats::fast_waits, &PoolStats::holds};

}  // namespace

const char* ToString(AcquireOutcome outcome) {
  switch (outcome) {
    case AcquireOutcome::kOk:
      return "ok";
    case AcquireOutcome::kTimedOut:
      return "timed_out";
    case AcquireOutcome::kRejected:
      return "rejected";
    case AcquireOutcome::kCancelled:
      return "cancelled";
    case AcquireOutcome::kUnavailable:
      return "unavailable";
  }
  return "unknown";
}

AcquireOutcome OutcomeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return AcquireOutcome::kOk;
    case absl::StatusCode::kDeadlineExceeded:
      return AcquireOutcome::kTimedOut;
    case absl::StatusCode::kResourceExhausted:
      return AcquireOutcome::kRejected;
    case absl::StatusCode::kCancelled:
      return AcquireOutcome::kCancelled;
    default:
      return AcquireOutcome::kUnavailable;
  }
}

const char* ToString(PoolHealth health) {
  switch (health) {
    case PoolHealth::kHealthy:
      return "HEALTHY";
    case PoolHealth::kDegraded:
      return "DEGRADED";
    case PoolHealth::kOverloaded:
      return "OVERLOADED";
    case PoolHealth::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

PoolHealth HealthOf(const PoolStats& stats, absl::Time now) {
  if (stats.state != PoolAdminState::kActive) return PoolHealth::kUnavailable;
  const bool dials_fail = stats.connections_backoff > 0 || stats.retry_at > now;
  const bool needed = stats.waiters > 0 || stats.leases > 0;
  if (stats.connections_open == 0 && (needed || dials_fail)) return PoolHealth::kUnavailable;
  if (stats.connections_open > 0 && stats.free == 0) return PoolHealth::kOverloaded;
  if (dials_fail || stats.connections_checking > 0) return PoolHealth::kDegraded;
  return PoolHealth::kHealthy;
}

Ratio PoolStats::ReuseRate() const {
  // A lease that is being granted may have used its connection and not be counted yet.
  return {acquired - std::min(acquired, connections_used), acquired};
}

Ratio PoolStats::Utilisation() const {
  const int64_t lent = std::max<int64_t>(0, capacity + leases_over_limit - free);
  return {static_cast<uint64_t>(lent), static_cast<uint64_t>(capacity)};
}

PoolStats& PoolStats::operator+=(const PoolStats& other) {
  for (const auto gauge : kIntGauges) this->*gauge += other.*gauge;
  for (const auto gauge : kGauges) this->*gauge += other.*gauge;
  for (const auto counter : kCounters) this->*counter += other.*counter;
  for (const auto histogram : kHistograms) this->*histogram += other.*histogram;
  for (const auto measured : kSampled) {
    (this->*measured).histogram += (other.*measured).histogram;
    (this->*measured).one_in = std::max((this->*measured).one_in, (other.*measured).one_in);
  }
  for (int i = 0; i < kAcquireOutcomes; ++i) slow_waits[i] += other.slow_waits[i];
  for (int i = 0; i < kCloseReasons; ++i) closed_by_reason[i] += other.closed_by_reason[i];
  const auto pause_left = [](const PoolStats& s) {
    return s.state == PoolAdminState::kPaused ? s.pause_left : absl::InfiniteDuration();
  };
  const absl::Duration first = std::min(pause_left(*this), pause_left(other));
  state = std::min(state, other.state);
  this->pause_left = state == PoolAdminState::kPaused ? first : absl::ZeroDuration();
  health = std::max(health, other.health);
  retry_at = std::max(retry_at, other.retry_at);
  const bool both_fail = failing_since != absl::InfinitePast() && other.failing_since != absl::InfinitePast();
  failing_since =
      both_fail ? std::min(failing_since, other.failing_since) : std::max(failing_since, other.failing_since);
  if (last_dial_error.ok()) last_dial_error = other.last_dial_error;
  return *this;
}

}  // namespace chanpool
