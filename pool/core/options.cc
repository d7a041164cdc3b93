#include "pool/core/options.h"

#include <algorithm>
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

// Above it there is less than a quarter of the load between shrinking and growing.
constexpr double kHighestShrinkBelow = 0.8;

absl::Status AtLeast(absl::string_view option, absl::Duration value, absl::Duration low, absl::string_view low_name) {
  if (value >= low) return absl::OkStatus();
  return Invalid(option, absl::FormatDuration(value), absl::StrCat("is shorter than ", low_name),
                 absl::StrCat("at least ", absl::FormatDuration(low)));
}

absl::Status Finite(absl::string_view option, absl::Duration value, absl::string_view nearest) {
  if (value != absl::InfiniteDuration()) return absl::OkStatus();
  return Invalid(option, "infinite", "would never end", nearest);
}

std::string Text(int value) { return absl::StrCat(value); }
std::string Text(double value) { return absl::StrFormat("%g", value); }
std::string Text(absl::Duration value) { return absl::FormatDuration(value); }
std::string Text(OverflowPolicy value) { return ToString(value); }
std::string Text(SelectionPolicy value) { return ToString(value); }

}  // namespace

const char* ToString(OptionChange change) {
  switch (change) {
    case OptionChange::kHot:
      return "hot";
    case OptionChange::kRecycles:
      return "recycles";
  }
  return "unknown";
}

const char* ToString(OverflowPolicy policy) {
  switch (policy) {
    case OverflowPolicy::kOvercommit:
      return "overcommit";
    case OverflowPolicy::kReject:
      return "reject";
  }
  return "unknown";
}

const char* ToString(SelectionPolicy policy) {
  switch (policy) {
    case SelectionPolicy::kLeastLoaded:
      return "least_loaded";
    case SelectionPolicy::kPack:
      return "pack";
    case SelectionPolicy::kRoundRobin:
      return "round_robin";
    case SelectionPolicy::kLeastRecentlyUsed:
      return "least_recently_used";
    case SelectionPolicy::kMostRecentlyUsed:
      return "most_recently_used";
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
           InRange("max_connecting", max_connecting, 1, "1", kMaxConnections, "4096, the most one pool manages"),
           AtLeast("shrink_interval", shrink_interval, kShortest, "1ms"),
           Finite("shrink_interval", shrink_interval, "10s, or shrink_below 0"),
           AtLeast("shrink_cooldown", shrink_cooldown, absl::ZeroDuration(), "0"),
           InRange("max_shrink_step", max_shrink_step, 1, "1", kMaxConnections, "4096, the most one pool manages"),
           AtLeast("leak_after", leak_after, kShortest, "1ms"),
           AtLeast("validate_after_idle", validate_after_idle, kShortest, "1ms"),
           AtLeast("validate_every", validate_every, kShortest, "1ms"),
           AtLeast("probe_after_silence", probe_after_silence, kShortest, "1ms"),
           AtLeast("probe_timeout", probe_timeout, kShortest, "1ms"),
           Finite("probe_timeout", probe_timeout, "5s or what the slowest answer takes"),
           InRange("subset_size", subset_size, 0, "0", 1000000, "1000000, more than any target has"),
           AtLeast("slow_start", slow_start, absl::ZeroDuration(), "0"),
           Finite("slow_start", slow_start, "1m, or 0 for none"),
           AtLeast("ejection_time", ejection_time, kShortest, "1ms"),
           Finite("ejection_time", ejection_time, "30s, or max_ejected 0"),
       }) {
    if (!status.ok()) return status;
  }
  if (!(max_age_jitter >= 0) || max_age_jitter > 1) {
    return Invalid("max_age_jitter", absl::StrCat(max_age_jitter), "is not a ratio from 0 to 1",
                   max_age_jitter > 1 ? "at most 1 (100 %)" : "at least 0");
  }
  if (selection < SelectionPolicy::kLeastLoaded || selection > SelectionPolicy::kMostRecentlyUsed) {
    return Invalid("selection", absl::StrCat(static_cast<int>(selection)), "is no policy",
                   "kLeastLoaded, kPack, kRoundRobin, kLeastRecentlyUsed or kMostRecentlyUsed");
  }
  if (overflow != OverflowPolicy::kOvercommit && overflow != OverflowPolicy::kReject) {
    return Invalid("overflow", absl::StrCat(static_cast<int>(overflow)), "is no policy", "kOvercommit or kReject");
  }
  if (!(preconnect_ratio >= 1) || preconnect_ratio > 3) {
    return Invalid("preconnect_ratio", Text(preconnect_ratio), "is not a ratio from 1 to 3",
                   preconnect_ratio > 3 ? "at most 3" : "at least 1 (only what is needed)");
  }
  if (max_connects_per_second != 0 && !(max_connects_per_second >= 0.001 && max_connects_per_second <= 1e6)) {
    return Invalid(
        "max_connects_per_second", Text(max_connects_per_second), "is not 0 or from 0.001 to 1000000",
        max_connects_per_second > 1e6 ? "at most 1000000, or 0 for no limit" : "at least 0.001, or 0 for no limit");
  }
  if (!(shrink_below >= 0) || shrink_below > 1) {
    return Invalid("shrink_below", Text(shrink_below), "is not a ratio from 0 to 1",
                   shrink_below > 1 ? "at most 1" : "at least 0 (never)");
  }
  if (!(max_ejected >= 0) || max_ejected > 1) {
    return Invalid("max_ejected", Text(max_ejected), "is not a ratio from 0 to 1",
                   max_ejected > 1 ? "at most 1" : "at least 0 (none)");
  }
  return absl::OkStatus();
}

std::string PoolOptions::DebugString() const {
  std::string text;
  for (const OptionInfo& option : PoolOptionTable())
    absl::StrAppend(&text, option.name, ": ", option.text(*this), "\n");
  return text;
}

std::vector<std::string> Warnings(const PoolOptions& o, int64_t peak) {
  std::vector<std::string> warnings;
  const auto warn = [&warnings](absl::string_view option, const auto& value, const std::string& why,
                                const std::string& nearest) {
    warnings.push_back(absl::StrCat(option, ": ", Text(value), " ", why, "; set ", nearest));
  };
  if (o.target_leases_per_connection > o.max_leases_per_connection &&
      o.target_leases_per_connection != PoolOptions().target_leases_per_connection) {
    warn("target_leases_per_connection", o.target_leases_per_connection,
         absl::StrCat("counts as max_leases_per_connection (", o.max_leases_per_connection,
                      "), so that the next connection opens only when all are full"),
         absl::StrCat("at most ", o.max_leases_per_connection));
  }
  if (o.max_surge == 0 && o.max_connections == 1) {
    warn("max_surge", o.max_surge, "leaves callers without a connection while the only one is replaced", "1");
  }
  if (o.max_idle > o.max_age && o.max_idle != absl::InfiniteDuration() && o.min_connections < o.max_connections) {
    warn("max_idle", o.max_idle,
         absl::StrCat("is longer than max_age (", Text(o.max_age), "), so that idle connections are replaced first"),
         absl::StrCat("at most ", Text(o.max_age)));
  }
  if (o.max_age < o.connect_timeout) {
    warn("max_age", o.max_age,
         absl::StrCat("is shorter than connect_timeout (", Text(o.connect_timeout),
                      "), so that a connection may be too old before its replacement has been dialled"),
         absl::StrCat("at least ", Text(o.connect_timeout)));
  }
  if (o.drain_grace > o.max_age) {
    warn("drain_grace", o.drain_grace,
         absl::StrCat("is longer than max_age (", Text(o.max_age),
                      "), so that long calls on replaced connections hold a rotation up for ever"),
         absl::StrCat("at most ", Text(o.max_age)));
  }
  if (o.preconnect_ratio > 1 && o.min_connections == o.max_connections) {
    warn("preconnect_ratio", o.preconnect_ratio,
         absl::StrCat("has no effect while min_connections equals max_connections (", o.max_connections, ")"), "1");
  }
  const double start = o.max_connects_per_second > 0 ? o.min_connections / o.max_connects_per_second : 0;
  if (absl::Seconds(start) > std::min(o.acquire_timeout, absl::Minutes(1))) {
    warn("max_connects_per_second", o.max_connects_per_second,
         absl::StrCat("takes ", Text(absl::Seconds(std::ceil(start))), " to open min_connections (", o.min_connections,
                      "), while callers give up"),
         absl::StrCat("at least ",
                      Text(o.min_connections / absl::ToDoubleSeconds(std::min(
                                                   std::max(o.acquire_timeout, absl::Seconds(1)), absl::Minutes(1))))));
  }
  // The last connection is not shrunk away, so that a pool of 0 to 1 has nothing to shrink either.
  if (o.shrink_below > 0 && std::max(1, o.min_connections) == o.max_connections) {
    warn("shrink_below", o.shrink_below,
         absl::StrCat("has no effect while min_connections (", o.min_connections,
                      ") leaves nothing of max_connections (", o.max_connections, ") to close"),
         "0, or a lower min_connections");
  }
  if (o.shrink_below > kHighestShrinkBelow) {
    warn("shrink_below", o.shrink_below, "closes connections that a little more load opens again",
         absl::StrCat("at most ", Text(kHighestShrinkBelow)));
  }
  // Of max_connections first: while that is too low, more of min_connections would not help. 0 of them is a choice.
  const int64_t each = o.max_leases_per_connection;
  const auto too_few = [&](absl::string_view option, int connections, absl::string_view then) {
    warn(option, connections,
         absl::StrCat("of ", each, " leases carry ", connections * each, ", and up to ", peak,
                      " were wanted at one time: ", then),
         absl::StrCat("at least ", (peak + each - 1) / each));
  };
  if (o.max_connections * each < peak) {
    too_few("max_connections", o.max_connections, "callers wait, or go beyond the limit");
  } else if (o.min_connections > 0 && o.min_connections * each < peak) {
    too_few("min_connections", o.min_connections, "a burst waits for dials");
  }
  return warnings;
}

#define CHANPOOL_OPTION(name, default_text, unit)                                                                \
  {                                                                                                              \
#name, default_text, OptionChange::kHot, unit, [](const PoolOptions& options) { return Text(options.name); } \
  }

// All are hot: what only a new connection can have (target, credentials, pings) belongs to the transport.
constexpr OptionInfo kOptions[] = {
    CHANPOOL_OPTION(min_connections, "1", "count"),
    CHANPOOL_OPTION(max_connections, "10", "count"),
    CHANPOOL_OPTION(max_leases_per_connection, "100", "count"),
    CHANPOOL_OPTION(target_leases_per_connection, "80", "count"),
    CHANPOOL_OPTION(max_surge, "1", "count"),
    CHANPOOL_OPTION(max_waiters, "1000", "count"),
    CHANPOOL_OPTION(connect_timeout, "10s", "duration"),
    CHANPOOL_OPTION(acquire_timeout, "30s", "duration"),
    CHANPOOL_OPTION(max_idle, "5m", "duration"),
    CHANPOOL_OPTION(max_age, "1h", "duration"),
    CHANPOOL_OPTION(max_age_jitter, "0.1", "ratio"),
    CHANPOOL_OPTION(drain_grace, "30s", "duration"),
    CHANPOOL_OPTION(overflow, "overcommit", "policy"),
    CHANPOOL_OPTION(backoff_initial, "100ms", "duration"),
    CHANPOOL_OPTION(backoff_max, "10s", "duration"),
    CHANPOOL_OPTION(preconnect_ratio, "1", "ratio"),
    CHANPOOL_OPTION(max_connecting, "10", "count"),
    CHANPOOL_OPTION(max_connects_per_second, "0", "count per second"),
    CHANPOOL_OPTION(shrink_below, "0", "ratio"),
    CHANPOOL_OPTION(shrink_interval, "10s", "duration"),
    CHANPOOL_OPTION(shrink_cooldown, "1m", "duration"),
    CHANPOOL_OPTION(max_shrink_step, "2", "count"),
    CHANPOOL_OPTION(selection, "least_loaded", "policy"),
    CHANPOOL_OPTION(leak_after, "inf", "duration"),
    CHANPOOL_OPTION(validate_after_idle, "inf", "duration"),
    CHANPOOL_OPTION(validate_every, "inf", "duration"),
    CHANPOOL_OPTION(probe_after_silence, "inf", "duration"),
    CHANPOOL_OPTION(probe_timeout, "5s", "duration"),
    CHANPOOL_OPTION(subset_size, "0", "count"),
    CHANPOOL_OPTION(slow_start, "0", "duration"),
    CHANPOOL_OPTION(max_ejected, "0.1", "ratio"),
    CHANPOOL_OPTION(ejection_time, "30s", "duration"),
};

#undef CHANPOOL_OPTION

absl::Span<const OptionInfo> PoolOptionTable() { return kOptions; }

bool operator==(const PoolOptions& a, const PoolOptions& b) {
  const auto fields = [](const PoolOptions& o) {
    return std::tie(o.min_connections, o.max_connections, o.max_leases_per_connection, o.target_leases_per_connection,
                    o.max_surge, o.max_waiters, o.connect_timeout, o.acquire_timeout, o.max_idle, o.max_age,
                    o.max_age_jitter, o.drain_grace, o.overflow, o.backoff_initial, o.backoff_max, o.preconnect_ratio,
                    o.max_connecting, o.max_connects_per_second, o.shrink_below, o.shrink_interval, o.shrink_cooldown,
                    o.max_shrink_step, o.selection, o.leak_after, o.validate_after_idle, o.validate_every,
                    o.probe_after_silence, o.probe_timeout, o.subset_size, o.slow_start, o.max_ejected,
                    o.ejection_time);
  };
  return fields(a) == fields(b);
}

}  // namespace chanpool
