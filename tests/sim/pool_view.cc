#include "tests/sim/pool_view.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "pool/core/decision_log.h"

namespace chanpool {
namespace {

const ConnectionStats* Find(const PoolView& view, ConnectionId id) {
  for (const ConnectionStats& row : view.connections) {
    if (row.id == id) return &row;
  }
  return nullptr;
}

uint32_t OverLimit(uint32_t leases, uint32_t limit) { return leases > limit ? leases - limit : 0; }

const Histogram& SlowWaits(const PoolStats& s, AcquireOutcome outcome) {
  return s.slow_waits[static_cast<int>(outcome)];
}

bool Fell(const Histogram& was, const Histogram& is) {
  for (int i = 0; i < kHistogramBuckets; ++i) {
    if (is.bucket(i) < was.bucket(i)) return true;
  }
  return is.sum() < was.sum();
}

// Each acquire is timed once, when its caller is told, or counted as one of the fast path.
std::string Times(const PoolView& v) {
  const PoolStats& s = v.stats;
  const auto not_told = static_cast<uint64_t>(v.pending - s.waiters);
  const auto count = [&s](AcquireOutcome outcome) { return SlowWaits(s, outcome).count(); };
  const auto told = [not_told](uint64_t timed, uint64_t counted, uint64_t taken_back = 0) {
    return timed <= counted && timed + not_told + taken_back >= counted;
  };
  if (s.fast_hits > s.hits) return "more hits of the fast path than hits";
  // One that was cancelled after its grant is timed as cancelled.
  if (!told(count(AcquireOutcome::kOk), s.acquired - s.fast_hits, s.cancelled)) return "ok waits != slow hits + misses";
  if (!told(count(AcquireOutcome::kTimedOut), s.timed_out)) return "waits that timed out != timed_out";
  if (!told(count(AcquireOutcome::kRejected), s.rejected)) return "waits that were rejected != rejected";
  if (!told(count(AcquireOutcome::kUnavailable), s.unavailable)) return "waits for nothing != unavailable";
  if (count(AcquireOutcome::kCancelled) > v.ended_cancelled) return "more cancelled waits than callers were told";
  uint64_t ended = s.fast_hits;
  for (const Histogram& waits : s.slow_waits) ended += waits.count();
  if (ended > v.acquires || ended + v.pending < v.acquires) return "the timed acquires are not those that ended";
  if (s.fast_hits == 0 && s.fast_waits.histogram.count() > 0) return "sampled what did not happen";
  if (s.connects.count() > static_cast<uint64_t>(v.opened_reports)) return "more dials timed than opened";
  if (s.failed_connects.count() > s.dial_failures) return "more dials timed than failed";
  return "";
}

// An endpoint whose ejection ended has no back-off to wait for.
bool SomeReturned(const PoolView& before, const PoolView& after) {
  for (const EndpointStats& was : before.endpoints) {
    if (was.state != EndpointState::kEjected) continue;
    for (const EndpointStats& is : after.endpoints) {
      if (is.endpoint.id == was.endpoint.id && is.state != EndpointState::kEjected) return true;
    }
  }
  return false;
}

int Dials(const PoolView& view, uint64_t endpoint) {
  return static_cast<int>(std::count_if(view.connections.begin(), view.connections.end(), [&](const auto& row) {
    return row.state == SlotState::kConnecting && row.endpoint == endpoint;
  }));
}

std::string Gauges(const PoolView& v) {
  const PoolStats& s = v.stats;
  // A lease that is granted and not delivered yet belongs to an AcquireAsync that has not ended.
  const int64_t undelivered = v.pending - s.waiters;
  if (undelivered < 0) return "more waiters than callers";
  if (s.leases < v.held || s.leases > v.held + undelivered) {
    return absl::StrCat("callers hold ", v.held, " leases, at most ", undelivered, " are on their way");
  }
  if (s.waiters > v.pending_in_time) return "a waiter has survived its deadline";
  if (s.leaks_out > s.leases) return "more leaks are out than leases";
  if (s.distinct_backends > s.connections_open + s.connections_checking) return "more backends than connections";
  if (s.waiters > s.waiters_fresh && s.free > 0 && s.state != PoolAdminState::kPaused)
    return "somebody waits while a place is free";
  if (s.connections_open > v.options.max_connections) return "more connections take calls than max_connections";
  if (s.connections_replacing > v.permitted_replacing) {
    return absl::StrCat(s.connections_replacing, " connections are being replaced, ", v.permitted_replacing, " may be");
  }
  if (s.connections_lingering > v.permitted_lingering) {
    return absl::StrCat(s.connections_lingering, " connections linger, ", v.permitted_lingering, " may");
  }
  if (s.waiters > v.permitted_waiters) {
    return absl::StrCat(s.waiters, " callers wait, ", v.permitted_waiters, " may");
  }
  if (v.decisions > DecisionLog::kMaxDecisions) return "more decisions than the log may keep";
  if (s.connections_connecting > v.permitted_connecting) {
    return absl::StrCat(s.connections_connecting, " connections dial, ", v.permitted_connecting, " may");
  }
  const double rate = v.options.max_connects_per_second;
  const double allowed = std::max(1.0, rate) + rate * absl::ToDoubleSeconds(v.rate_in_force) + v.insisted;
  if (rate > 0 && v.opened_since > allowed + 1e-6) {
    return absl::StrCat(v.opened_since, " connections were opened, max_connects_per_second allows ", allowed);
  }
  if (s.state == PoolAdminState::kPaused && v.now >= v.paused_until) return "a pause has outlived its maximum";
  const bool paused = s.state == PoolAdminState::kPaused;
  if (s.pause_left != (paused ? v.paused_until - v.now : absl::ZeroDuration())) return "pause_left is wrong";
  if (!InService(s.state) && s.waiters > 0) return "a pool that drains lets callers wait";
  if (s.state == PoolAdminState::kDrained && !v.connections.empty()) return "DRAINED with connections";
  return "";
}

std::string Endpoints(const PoolView& v) {
  bool some_ejected = false, some_left = v.endpoints.empty();
  for (const EndpointStats& row : v.endpoints) {
    const bool used = row.state != EndpointState::kSpare && row.state != EndpointState::kEjected;
    some_ejected |= row.state == EndpointState::kEjected;
    some_left |= used && (row.state == EndpointState::kHealthy || row.connections > 0);
  }
  if (some_ejected && !some_left) return "an endpoint is ejected, and none that works is left";
  for (const ConnectionStats& row : v.connections) {
    if (row.state == SlotState::kDraining || v.endpoints.empty()) continue;
    const auto found = std::find_if(v.endpoints.begin(), v.endpoints.end(),
                                    [&](const EndpointStats& e) { return e.endpoint.id == row.endpoint; });
    if (found == v.endpoints.end()) return absl::StrCat(row.id.ToString(), " serves a removed endpoint");
    if (found->endpoint.address != row.address) return absl::StrCat(row.id.ToString(), " is at another address");
    if (found->state == EndpointState::kSpare) return absl::StrCat(row.id.ToString(), " serves a spare endpoint");
    if (found->state == EndpointState::kEjected) return absl::StrCat(row.id.ToString(), " serves an ejected endpoint");
  }
  return "";
}

std::string Identities(const PoolView& v) {
  const PoolStats& s = v.stats;
  if (s.acquired != s.hits + s.misses) return "acquired != hits + misses";
  if (s.connections_used > std::min(s.acquired, s.opened)) return "more connections used than leases or connections";
  if (s.released != s.acquired - s.leases) return "released != acquired - leases";
  if (static_cast<uint64_t>(s.connections) != s.opened - s.closed) return "connections != opened - closed";
  if (s.opened != static_cast<uint64_t>(v.alive + v.destroyed)) return "opened is not what was made";
  if (s.closed != static_cast<uint64_t>(v.destroyed)) return "closed is not what was destroyed";
  int64_t lent_on_open = 0, leases = 0;
  for (const ConnectionStats& row : v.connections) {
    leases += row.leases;
    if (row.state == SlotState::kOpen) lent_on_open += row.leases;
  }
  if (leases != s.leases) return "leases are not those of the connections";
  if (lent_on_open + s.free != s.capacity + s.leases_over_limit) return "lent + free != capacity + over limit";
  const int by_state = s.connections_open + s.connections_connecting + s.connections_backoff + s.connections_checking +
                       s.connections_draining + s.connections_closing;
  if (by_state != s.connections) return "connections by state do not add up";
  uint64_t by_reason = 0;
  for (const uint64_t n : s.closed_by_reason) by_reason += n;
  if (by_reason != s.closed + s.connections_closing) return "closes by reason do not add up";
  // An acquire ends once: granted, refused, timed out or cancelled. One that is cancelled after its grant counts twice,
  // and one whose end is not delivered yet has been counted.
  const uint64_t ends = s.acquired + s.rejected + s.timed_out + s.unavailable + s.cancelled;
  if (ends + s.waiters < v.acquires || ends + s.waiters > v.acquires + s.cancelled) return "acquires and ends differ";
  if (s.cancelled < v.ended_cancelled) return "more acquires were cancelled than counted";
  return "";
}

int Ejected(const PoolView& v) {
  return static_cast<int>(std::count_if(v.endpoints.begin(), v.endpoints.end(),
                                        [](const EndpointStats& row) { return row.state == EndpointState::kEjected; }));
}

std::string Ejections(const PoolView& before, const PoolView& after) {
  const auto used = std::count_if(after.endpoints.begin(), after.endpoints.end(),
                                  [](const EndpointStats& row) { return row.state != EndpointState::kSpare; });
  const double ratio = after.options.max_ejected;
  const int allowed = ratio == 0 ? 0 : std::max(1, static_cast<int>(ratio * static_cast<double>(used)));
  // What was ejected before an option or the list changed may stay.
  if (Ejected(after) <= std::max(allowed, Ejected(before))) return "";
  return absl::StrCat(Ejected(after), " endpoints are ejected, max_ejected allows ", allowed, " of ", used);
}

std::string Changes(const PoolView& before, const PoolView& after) {
  const PoolStats &was = before.stats, &is = after.stats;
  uint64_t risen_over = 0;
  for (const ConnectionStats& row : after.connections) {
    const ConnectionStats* earlier = Find(before, row.id);
    const auto returned = after.returned.find({row.id.slot, row.id.generation});
    const uint32_t back = returned == after.returned.end() ? 0 : returned->second;
    // What was left of those out before: more than that was granted since.
    const uint32_t left = earlier == nullptr || earlier->leases < back ? 0 : earlier->leases - back;
    const uint32_t over = OverLimit(row.leases, row.limit), left_over = OverLimit(left, row.limit);
    if (over > left_over) risen_over += over - left_over;
    if (earlier == nullptr || earlier->state != SlotState::kDraining) continue;
    if (row.state != SlotState::kDraining) return absl::StrCat(row.id.ToString(), " came back from DRAINING");
    if (row.leases > left) return absl::StrCat(row.id.ToString(), " lent while it drained");
  }
  const uint64_t overcommitted = is.overcommitted - was.overcommitted;
  if (!after.may_overcommit && overcommitted > 0) return "overcommitted without leave";
  if (!after.may_change_limits && risen_over > overcommitted) return "granted above the limit, and not counted";
  if (is.acquired < was.acquired || is.opened < was.opened || is.closed < was.closed || is.timed_out < was.timed_out ||
      is.rejected < was.rejected || is.cancelled < was.cancelled || is.unavailable < was.unavailable ||
      is.dial_failures < was.dial_failures || is.leaks_suspected < was.leaks_suspected || is.rerolls < was.rerolls) {
    return "a counter went down";
  }
  bool fell = is.fast_hits < was.fast_hits || is.holds_skipped < was.holds_skipped ||
              is.connections_used < was.connections_used || Fell(was.fast_waits.histogram, is.fast_waits.histogram) ||
              Fell(was.holds.histogram, is.holds.histogram) || Fell(was.connects, is.connects) ||
              Fell(was.failed_connects, is.failed_connects);
  for (int i = 0; i < kAcquireOutcomes; ++i) fell |= Fell(was.slow_waits[i], is.slow_waits[i]);
  if (fell) return "a histogram went down";
  const bool stayed_inactive = !InService(was.state) && !InService(is.state) && !after.may_resume;
  if (stayed_inactive && is.acquired > was.acquired) return "granted by a pool that drains";
  if (stayed_inactive && is.opened > was.opened) return "opened by a pool that drains";
  const bool stayed_paused = was.state == PoolAdminState::kPaused && is.state == PoolAdminState::kPaused;
  if (stayed_paused && is.acquired > was.acquired) return "granted by a pool that is paused";
  if ((stayed_paused || stayed_inactive) && is.rerolls > was.rerolls) return "dialled anew by a pool that rests";
  if (was.state == PoolAdminState::kDestroyed && is.state != PoolAdminState::kDestroyed) return "came back from death";

  const bool failing = was.retry_at != absl::InfinitePast() && is.retry_at != absl::InfinitePast();
  if (failing && after.opened_reports == before.opened_reports) {
    for (const ConnectionStats& row : after.connections) {
      if (Dials(after, row.endpoint) <= std::max(1, Dials(before, row.endpoint))) continue;
      return "more than one dial at a time while the target fails";
    }
    const bool same_wait = is.retry_at == was.retry_at;  // Each failure draws a new one.
    if (!after.may_insist && !after.may_dial_others && !SomeReturned(before, after) && same_wait &&
        after.now < is.retry_at && after.dials > before.dials) {
      return "dialled before the back-off was over";
    }
  }
  return "";
}

}  // namespace

std::string Describe(const PoolView& view) {
  const PoolStats& s = view.stats;
  std::string text =
      absl::StrCat(ToString(s.state), ", ", s.connections_open, " open of max ", view.options.max_connections, ", ",
                   s.leases, " leases, ", s.free, " free, ", s.waiters, " waiting");
  for (const ConnectionStats& row : view.connections) {
    absl::StrAppend(&text, "\n    ", row.id.ToString(), " ", ToString(row.state), " ", row.leases, "/", row.limit);
  }
  return text;
}

std::string Violation(const PoolView& before, const PoolView& after) {
  for (std::string broken : {Gauges(after), Endpoints(after), Identities(after), Times(after), Ejections(before, after),
                             Changes(before, after)}) {
    if (!broken.empty()) return absl::StrCat(broken, "\n  ", Describe(after), "\n  before: ", Describe(before));
  }
  return "";
}

}  // namespace chanpool
