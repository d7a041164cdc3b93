#include "pool/core/options.h"

#include <cmath>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace chanpool {
namespace {

absl::Status Invalid(absl::string_view option, absl::string_view value, absl::string_view problem,
                     absl::string_view nearest) {
  return absl::InvalidArgumentError(absl::StrCat(option, ": ", value, " ", problem, "; set ", nearest));
}

absl::Status InRange(absl::string_view option, int value, int low, absl::string_view low_name, int high,
                     absl::string_view high_name) {
  if (value < low)
    return Invalid(option, absl::StrCat(value), absl::StrCat("is below ", low_name), absl::StrCat("at least ", low));
  if (value > high)
    return Invalid(option, absl::StrCat(value), absl::StrCat("is above ", high_name), absl::StrCat("at most ", high));
  return absl::OkStatus();
}

// Shorter would spin: a millisecond is below any round trip that is worth a pool.
constexpr absl::Duration kShortest = absl::Milliseconds(1);

absl::Status AtLeast(absl::string_view option, absl::Duration value, absl::Duration low, absl::string_view low_name) {
  if (value >= low) return absl::OkStatus();
  return Invalid(option, absl::FormatDuration(value), absl::StrCat("is shorter than ", low_name),
                 absl::StrCat("at least ", absl::FormatDuration(low)));
}

absl::Status Finite(absl::string_view option, absl::Duration value, absl::string_view nearest) {
  if (value != absl::InfiniteDuration()) return absl::OkStatus();
  return Invalid(option, "infinite", "would never end", nearest);
}

}  // namespace

const char* ToString(OverflowPolicy policy) {
  switch (policy) {
    case OverflowPolicy::kOvercommit:
      return "overcommit";
    case OverflowPolicy::kReject:
      return "reject";
  }
  return "unknown";
}

absl::Status PoolOptions::Validate() const {
  const auto max_name = absl::StrCat("max_connections (", max_connections, ")");
  for (const absl::Status& status : {
           InRange("max_connections", max_connections, 1, "1", kMaxConnections, "4096, the most one pool manages"),
           InRange("min_connections", min_connections, 0, "0", max_connections, max_name),
           InRange("max_leases_per_connection", max_leases_per_connection, 1, "1", kMaxLeasesPerConnection,
                   "65535, the most one connection counts"),
           InRange("target_leases_per_connection", target_leases_per_connection, 1, "1", kMaxLeasesPerConnection,
                   "65535, the most one connection counts"),
           InRange("max_surge", max_surge, 0, "0", max_connections, max_name),
           InRange("max_waiters", max_waiters, 0, "0", kMaxWaiters, "1000000, the longest queue"),
           AtLeast("connect_timeout", connect_timeout, kShortest, "1ms"),
           Finite("connect_timeout", connect_timeout, "10s or what the slowest dial takes"),
           AtLeast("acquire_timeout", acquire_timeout, absl::ZeroDuration(), "0"),
           AtLeast("max_idle", max_idle, kShortest, "1ms"),
           AtLeast("max_age", max_age, kShortest, "1ms"),
           AtLeast("drain_grace", drain_grace, absl::ZeroDuration(), "0"),
           AtLeast("backoff_initial", backoff_initial, kShortest, "1ms"),
           AtLeast("backoff_max", backoff_max, backoff_initial,
                   absl::StrCat("backoff_initial (", absl::FormatDuration(backoff_initial), ")")),
           Finite("backoff_max", backoff_max, "10s or how late a return may be noticed"),
           AtLeast("leak_after", leak_after, kShortest, "1ms"),
           AtLeast("validate_after_idle", validate_after_idle, kShortest, "1ms"),
           AtLeast("validate_every", validate_every, kShortest, "1ms"),
       }) {
    if (!status.ok()) return status;
  }
  if (!(max_age_jitter >= 0) || max_age_jitter > 1) {
    return Invalid("max_age_jitter", absl::StrCat(max_age_jitter), "is not a ratio from 0 to 1",
                   max_age_jitter > 1 ? "at most 1 (100 %)" : "at least 0");
  }
  if (overflow != OverflowPolicy::kOvercommit && overflow != OverflowPolicy::kReject) {
    return Invalid("overflow", absl::StrCat(static_cast<int>(overflow)), "is no policy", "kOvercommit or kReject");
  }
  return absl::OkStatus();
}

std::string PoolOptions::DebugString() const {
  return absl::StrFormat(
      "min_connections: %d\nmax_connections: %d\nmax_leases_per_connection: %d\ntarget_leases_per_connection: %d\n"
      "max_surge: %d\nmax_waiters: %d\nconnect_timeout: %s\nacquire_timeout: %s\nmax_idle: %s\nmax_age: %s\n"
      "max_age_jitter: %g\ndrain_grace: %s\noverflow: %s\nbackoff_initial: %s\nbackoff_max: %s\n"
      "leak_after: %s\nvalidate_after_idle: %s\nvalidate_every: %s\n",
      min_connections, max_connections, max_leases_per_connection, target_leases_per_connection, max_surge, max_waiters,
      absl::FormatDuration(connect_timeout), absl::FormatDuration(acquire_timeout), absl::FormatDuration(max_idle),
      absl::FormatDuration(max_age), max_age_jitter, absl::FormatDuration(drain_grace), ToString(overflow),
      absl::FormatDuration(backoff_initial), absl::FormatDuration(backoff_max), absl::FormatDuration(leak_after),
      absl::FormatDuration(validate_after_idle), absl::FormatDuration(validate_every));
}

bool operator==(const PoolOptions& a, const PoolOptions& b) {
  const auto fields = [](const PoolOptions& o) {
    return std::tie(o.min_connections, o.max_connections, o.max_leases_per_connection, o.target_leases_per_connection,
                    o.max_surge, o.max_waiters, o.connect_timeout, o.acquire_timeout, o.max_idle, o.max_age,
                    o.max_age_jitter, o.drain_grace, o.overflow, o.backoff_initial, o.backoff_max, o.leak_after,
                    o.validate_after_idle, o.validate_every);
  };
  return fields(a) == fields(b);
}

}  // namespace chanpool
