#include "server/web/metrics_text.h"

#include <google/protobuf/timestamp.pb.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"

namespace chanpool::web {
namespace {

constexpr std::pair<chanpool::admin::v1::Health, const char*> kHealths[] = {
    {chanpool::admin::v1::HEALTH_HEALTHY, "healthy"},
    {chanpool::admin::v1::HEALTH_DEGRADED, "degraded"},
    {chanpool::admin::v1::HEALTH_OVERLOADED, "overloaded"},
    {chanpool::admin::v1::HEALTH_UNAVAILABLE, "unavailable"},
};

// As PoolStats.slow_waits has them, and as chanpool_acquire_failures_total calls them.
constexpr std::pair<const char*, const char*> kOutcomes[] = {{"ok", "ok"},
                                                             {"timed_out", "timeout"},
                                                             {"rejected", "rejected"},
                                                             {"cancelled", "cancelled"},
                                                             {"unavailable", "unavailable"}};

using chanpool::admin::v1::Instance;
using chanpool::admin::v1::Pool;
using chanpool::admin::v1::PoolStats;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + static_cast<double>(time.nanos()) * 1e-9;
}

// Families in the order in which they are asked for.
class Families {
 public:
  MetricFamily& Gauge(const char* name, const char* help) { return Add(MetricType::Gauge, name, help); }
  MetricFamily& Counter(const char* name, const char* help) { return Add(MetricType::Counter, name, help); }
  MetricFamily& Histogram(const char* name, const char* help) { return Add(MetricType::Histogram, name, help); }

  std::string Text() const {
    return prometheus::TextSerializer().Serialize(std::vector<MetricFamily>(families_.begin(), families_.end()));
  }

 private:
  MetricFamily& Add(MetricType type, const char* name, const char* help) {
    return families_.emplace_back(MetricFamily{name, help, type, {}});
  }

  std::deque<MetricFamily> families_;  // References stay valid.
};

void Put(MetricFamily& family, Labels labels, double value) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

// What another process says may be anything: what is no histogram is left out.
bool IsHistogram(const chanpool::admin::v1::Histogram& histogram) {
  constexpr int kMaxBounds = 64;
  const auto& bounds = histogram.explicit_bounds();
  if (bounds.size() > kMaxBounds || histogram.bucket_counts_size() != bounds.size() + 1) return false;
  for (int i = 0; i < bounds.size(); ++i) {
    if (!std::isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) return false;
  }
  return true;
}

// Of a sample: what all together would be.
void PutHistogram(MetricFamily& family, Labels labels, const chanpool::admin::v1::Histogram& histogram) {
  if (!IsHistogram(histogram)) return;
  const uint64_t weight = std::max<uint32_t>(1, histogram.one_in());
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  uint64_t cumulative = 0;
  for (int i = 0; i < histogram.bucket_counts_size(); ++i) {
    cumulative += histogram.bucket_counts(i) * weight;
    const bool last = i == histogram.explicit_bounds_size();
    metric.histogram.bucket.push_back(
        {cumulative, last ? std::numeric_limits<double>::infinity() : histogram.explicit_bounds(i)});
  }
  metric.histogram.sample_count = cumulative;
  metric.histogram.sample_sum = static_cast<double>(weight) * (static_cast<double>(histogram.sum().seconds()) +
                                                               static_cast<double>(histogram.sum().nanos()) * 1e-9);
}

// Of one pool: those that a pool of ours tells apart, and the others as one.
constexpr size_t kMaxMethods = 101;
constexpr size_t kLongestMethod = 256;

std::string KnownCode(const std::string& code) {
  for (int known = 0; known <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++known) {
    const std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(known));
    if (name == code) return name;
  }
  return absl::StatusCodeToString(absl::StatusCode::kUnknown);
}

Labels With(const Labels& labels, const char* name, absl::string_view value) {
  Labels more = labels;
  more.push_back({name, std::string(value)});
  return more;
}

// process and pool, from a resource's name. Nothing for what is no pool's.
absl::optional<Labels> PoolLabels(const std::string& name, const std::string& own_name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() == 2 && parts[0] == "pools") return Labels{{"process", own_name}, {"pool", parts[1]}};
  if (parts.size() != 4 || parts[0] != "processes" || parts[2] != "pools") return absl::nullopt;
  // An application may have our name; two series of the same labels would make Prometheus drop the whole page.
  const std::string process = parts[1] == own_name ? absl::StrCat("processes/", parts[1]) : parts[1];
  return Labels{{"process", process}, {"pool", parts[3]}};
}

void AddInstance(const Instance& instance, Families& families) {
  Put(families.Gauge("chanpool_build_info", "Always 1; the labels say what runs."),
      {{"version", instance.version()}, {"grpc_version", instance.grpc_version()}}, 1);
  Put(families.Gauge("process_start_time_seconds", "When this process started, in seconds since 1970."), {},
      Seconds(instance.start_time()));

  // Without a reload what holds is what the process started with.
  const bool ok = !instance.has_last_reload() || instance.last_reload().ok();
  const auto& since = instance.has_config_time() ? instance.config_time() : instance.start_time();
  Put(families.Gauge("chanpool_config_generation", "Counts the configurations that came into force; 0 without a file."),
      {}, static_cast<double>(instance.config_generation()));
  Put(families.Gauge("chanpool_config_last_reload_successful",
                     "Whether the last reload succeeded; 1 before the first."),
      {}, ok ? 1 : 0);
  Put(families.Gauge("chanpool_config_last_reload_success_timestamp_seconds",
                     "When the configuration that holds came into force, in seconds since 1970."),
      {}, Seconds(since));
  Put(families.Gauge("chanpool_config_drift", "Whether the file differs from the configuration that holds."), {},
      instance.config_drift() ? 1 : 0);

  MetricFamily& processes = families.Gauge("chanpool_attached_processes", "Applications that attached, by state.");
  for (const auto& [state, name] : {std::pair{chanpool::admin::v1::PROCESS_STATE_LIVE, "live"},
                                    std::pair{chanpool::admin::v1::PROCESS_STATE_STALE, "stale"},
                                    std::pair{chanpool::admin::v1::PROCESS_STATE_LOST, "lost"}}) {
    const auto wanted = state;
    Put(processes, {{"state", name}},
        static_cast<double>(std::count_if(instance.processes().begin(), instance.processes().end(),
                                          [wanted](const auto& process) { return process.state() == wanted; })));
  }
}

// The families of PoolStats, each made once.
class StatsFamilies {
 public:
  explicit StatsFamilies(Families& families)
      : connections_(families.Gauge("chanpool_connections", "Connections by state.")),
        endpoints_(families.Gauge("chanpool_endpoints", "Addresses of the pool's target, by state.")),
        dns_lookups_(families.Counter("chanpool_dns_lookups_total",
                                      "Look-ups of the target's name, by whether there was an answer.")),
        dns_hits_(families.Counter("chanpool_dns_cache_hits_total", "Dials that used an answer that was there.")),
        distinct_backends_(families.Gauge("chanpool_distinct_backends",
                                          "Backends at which a pool's connections end, where responses tell them.")),
        rerolls_(families.Counter("chanpool_rerolls_total", "Connections dialled anew since they shared a backend.")),
        min_(families.Gauge("chanpool_connections_min", "Connections that are kept, as configured.")),
        max_(families.Gauge("chanpool_connections_max", "The most connections that take calls, as configured.")),
        leases_(families.Gauge("chanpool_leases", "Places that are lent now.")),
        capacity_(families.Gauge("chanpool_lease_capacity", "Places on the open connections.")),
        waiters_(families.Gauge("chanpool_waiters", "Callers that wait for a place.")),
        waiters_max_(families.Gauge("chanpool_waiters_max", "The most callers that may wait, as configured.")),
        acquires_(families.Counter("chanpool_acquires_total", "Places that were lent.")),
        failures_(families.Counter("chanpool_acquire_failures_total", "Callers that got no place, by reason.")),
        overcommitted_(
            families.Counter("chanpool_overcommitted_total", "Places that were lent above a connection's limit.")),
        opens_(families.Counter("chanpool_connection_opens_total", "Dials that began.")),
        open_failures_(families.Counter("chanpool_connection_open_failures_total", "Dials that failed.")),
        closes_(families.Counter("chanpool_connection_closes_total", "Connections that were closed, by reason.")),
        acquire_times_(families.Histogram("chanpool_acquire_duration_seconds",
                                          "How long acquires took, by how they ended. path=\"fast\": granted at once "
                                          "without a lock, estimated from a "
                                          "sample of one in 64; path=\"slow\": all others, each timed.")),
        hold_times_(families.Histogram(
            "chanpool_hold_duration_seconds",
            "How long places were held until they were given back, estimated from a sample of one in 64.")),
        connect_times_(families.Histogram("chanpool_connect_duration_seconds",
                                          "How long dials took that opened a connection, or failed, each timed.")),
        calls_(families.Counter("chanpool_calls_total",
                                "Calls that ended, by method and status code; methods above a maximum are \"other\".")),
        call_times_(families.Histogram("chanpool_call_duration_seconds",
                                       "How long calls took from their start to their status, each timed.")) {}

  void Add(const PoolStats& stats, const Labels& pool) {
    const auto state = [&](const char* name, uint32_t count) { Put(connections_, With(pool, "state", name), count); };
    state("idle", stats.connections_idle());
    state("active", stats.connections_active());
    state("connecting", stats.connections_connecting());
    state("checking", stats.connections_checking());
    state("draining", stats.connections_draining());
    state("backoff", stats.connections_backoff());
    AddEndpoints(stats, pool);
    if (stats.has_distinct_backends()) Put(distinct_backends_, pool, stats.distinct_backends());
    if (stats.has_rerolls()) Put(rerolls_, pool, static_cast<double>(stats.rerolls()));
    Put(min_, pool, stats.connections_min());
    Put(max_, pool, stats.connections_max());
    Put(leases_, pool, static_cast<double>(stats.leases()));
    Put(capacity_, pool, static_cast<double>(stats.lease_capacity()));
    Put(waiters_, pool, stats.waiters());
    Put(waiters_max_, pool, stats.waiters_max());

    Put(acquires_, pool, static_cast<double>(stats.acquired()));
    const auto failed = [&](const char* reason, uint64_t count) {
      Put(failures_, With(pool, "reason", reason), static_cast<double>(count));
    };
    failed("timeout", stats.timed_out());
    failed("rejected", stats.rejected());
    failed("cancelled", stats.cancelled());
    failed("unavailable", stats.unavailable());
    Put(overcommitted_, pool, static_cast<double>(stats.overcommitted()));
    Put(opens_, pool, static_cast<double>(stats.opened()));
    Put(open_failures_, pool, static_cast<double>(stats.dial_failures()));
    AddCloses(stats, pool);
    AddTimes(stats, pool);
    AddCalls(stats, pool);
  }

 private:
  // What another process says may be anything: methods that do not fit are counted as "other", codes that we do not
  // know as UNKNOWN.
  void AddCalls(const PoolStats& stats, const Labels& pool) {
    std::map<std::string, std::map<std::string, uint64_t>> methods;
    for (const auto& row : stats.methods()) {
      const bool fits = row.method().size() <= kLongestMethod && methods.size() < kMaxMethods;
      const auto [method, is_new] = methods.try_emplace(fits ? row.method() : "other");
      if (fits && is_new) PutHistogram(call_times_, With(pool, "method", row.method()), row.times());
      for (const auto& [code, count] : row.by_code()) method->second[KnownCode(code)] += count;
    }
    for (const auto& [method, codes] : methods) {
      for (const auto& [code, count] : codes) {
        Put(calls_, With(With(pool, "method", method), "code", code), static_cast<double>(count));
      }
    }
  }

  // The states of another process are its own words: only those that we know become labels.
  void AddEndpoints(const PoolStats& stats, const Labels& pool) {
    for (const char* state : {"healthy", "backoff", "ejected", "spare"}) {
      const auto found = stats.endpoints_by_state().find(state);
      if (found == stats.endpoints_by_state().end()) continue;
      Put(endpoints_, With(pool, "state", state), found->second);
    }
    if (!stats.has_dns_misses()) return;
    const auto failed = static_cast<double>(stats.dns_failures());
    Put(dns_lookups_, With(pool, "result", "ok"), static_cast<double>(stats.dns_misses()) - failed);
    Put(dns_lookups_, With(pool, "result", "failed"), failed);
    Put(dns_hits_, pool, static_cast<double>(stats.dns_hits()));
  }

  // The reasons of another process are its own words: only those that we know become labels.
  void AddCloses(const PoolStats& stats, const Labels& pool) {
    uint64_t other = 0;
    for (const auto& [reason, count] : stats.closed_by_reason()) other += count;
    for (const std::string& reason : KnownCloseReasons()) {
      const auto found = stats.closed_by_reason().find(reason);
      const uint64_t count = found == stats.closed_by_reason().end() ? 0 : found->second;
      other -= count;
      Put(closes_, With(pool, "reason", reason), static_cast<double>(count));
    }
    Put(closes_, With(pool, "reason", "other"), static_cast<double>(other));
  }

  // The outcomes of another process are its own words, too.
  void AddTimes(const PoolStats& stats, const Labels& pool) {
    const auto acquires = [&](const char* path, const char* outcome, const chanpool::admin::v1::Histogram& times) {
      PutHistogram(acquire_times_, With(With(pool, "path", path), "outcome", outcome), times);
    };
    if (stats.has_fast_waits()) acquires("fast", "ok", stats.fast_waits());
    for (const auto& [outcome, label] : kOutcomes) {
      const auto found = stats.slow_waits().find(outcome);
      if (found != stats.slow_waits().end()) acquires("slow", label, found->second);
    }
    if (stats.has_holds()) PutHistogram(hold_times_, pool, stats.holds());
    if (stats.has_connects()) PutHistogram(connect_times_, With(pool, "outcome", "ok"), stats.connects());
    if (stats.has_failed_connects()) {
      PutHistogram(connect_times_, With(pool, "outcome", "failed"), stats.failed_connects());
    }
  }

  MetricFamily& connections_;
  MetricFamily& endpoints_;
  MetricFamily& dns_lookups_;
  MetricFamily& dns_hits_;
  MetricFamily& distinct_backends_;
  MetricFamily& rerolls_;
  MetricFamily& min_;
  MetricFamily& max_;
  MetricFamily& leases_;
  MetricFamily& capacity_;
  MetricFamily& waiters_;
  MetricFamily& waiters_max_;
  MetricFamily& acquires_;
  MetricFamily& failures_;
  MetricFamily& overcommitted_;
  MetricFamily& opens_;
  MetricFamily& open_failures_;
  MetricFamily& closes_;
  MetricFamily& acquire_times_;
  MetricFamily& hold_times_;
  MetricFamily& connect_times_;
  MetricFamily& calls_;
  MetricFamily& call_times_;
};

}  // namespace

const std::vector<std::string>& KnownCloseReasons() {
  static const auto* reasons = new std::vector<std::string>{
      "idle",      "max_age", "recycled",       "lost",      "connect_failed",   "probe_failed",
      "shrunk",    "drained", "pool_destroyed", "discarded", "endpoint_removed", "ejected",
      "rebalanced"};
  return *reasons;
}

std::string MetricsText(const MetricsSnapshot& snapshot) {
  const std::string& own_name = snapshot.instance.name();
  Families families;
  AddInstance(snapshot.instance, families);

  StatsFamilies stats_families(families);
  std::set<absl::string_view> seen;
  for (const PoolStats& stats : snapshot.stats) {
    const absl::optional<Labels> labels = PoolLabels(stats.name(), own_name);
    if (labels.has_value() && !stats.stale() && seen.insert(stats.name()).second) stats_families.Add(stats, *labels);
  }

  MetricFamily& health = families.Gauge("chanpool_health", "1 for the state that the pool's health is in.");
  MetricFamily& draining =
      families.Gauge("chanpool_draining", "Whether the pool refuses callers and waits for calls in flight.");
  MetricFamily& overrides =
      families.Gauge("chanpool_overrides_active", "Options that operators have changed on top of the owner's.");
  MetricFamily& expiry = families.Gauge("chanpool_certificate_expiry_timestamp_seconds",
                                        "When the first certificate of the pool's TLS files ends, in seconds since "
                                        "1970.");
  MetricFamily& refused = families.Gauge("chanpool_certificate_refused",
                                         "Whether the pool's TLS files as they are now are no good, and those before "
                                         "stay in use.");
  seen.clear();
  for (const Pool& pool : snapshot.pools) {
    const absl::optional<Labels> labels = PoolLabels(pool.name(), own_name);
    if (!labels.has_value() || pool.stale() || !seen.insert(pool.name()).second) continue;
    for (const auto& [state, name] : kHealths) {
      Labels with_state = *labels;
      with_state.push_back({"state", name});
      Put(health, with_state, pool.health() == state ? 1 : 0);
    }
    Put(draining, *labels, pool.admin_state() == chanpool::admin::v1::ADMIN_STATE_DRAINING ? 1 : 0);
    Put(overrides, *labels, pool.overrides_size());
    if (!pool.has_certificate()) continue;
    if (pool.certificate().has_expire_time()) Put(expiry, *labels, Seconds(pool.certificate().expire_time()));
    Put(refused, *labels, pool.certificate().last_error().empty() ? 0 : 1);
  }
  return families.Text();
}

}  // namespace chanpool::web
