#include "pool/core/explain.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace chanpool {
namespace {

// As a person would say it: "1.234s", "35s", "20ms".
std::string Text(absl::Duration d) {
  if (d >= absl::Seconds(10)) d = absl::Trunc(d, absl::Seconds(1));
  if (d >= absl::Milliseconds(10)) d = absl::Trunc(d, absl::Milliseconds(1));
  if (d >= absl::Microseconds(10)) d = absl::Trunc(d, absl::Microseconds(1));
  return absl::FormatDuration(d);
}

std::string Count(uint64_t n, absl::string_view noun) { return absl::StrCat(n, " ", noun, n == 1 ? "" : "s"); }

// Looks for what binds, most urgent first.
class Search {
 public:
  Search(const PoolStats& stats, const PoolOptions& options, const PoolHistory& history, absl::Time now, int endpoints)
      : s_(stats), o_(options), h_(history), now_(now), endpoints_(endpoints) {
    target_ = std::min(o_.target_leases_per_connection, o_.max_leases_per_connection);
    waiting_ = s_.waiters - s_.waiters_fresh;
    demand_ = s_.leases + waiting_;
    serving_ = s_.connections_open + s_.connections_checking + s_.connections_backoff;
  }

  std::vector<Finding> All() {
    if (!InService(s_.state)) {
      LookAtState();
    } else {
      const bool paused = s_.state == PoolAdminState::kPaused;
      if (paused) LookAtPause();  // Whether places are free means nothing then.
      LookAtDials();
      LookAtWaiters();
      LookAtDialLimits(Decision::Kind::kNotOpened);
      if (!paused) LookAtPlaces();
      if (!paused) LookAtGrowth();
      if (!paused) LookAtFresh();
      LookAtDialLimits(Decision::Kind::kNotReplaced);
      LookAtReplacements();
      LookAtEndpoints();
    }
    if (found_.empty()) Find(Limit::kNothing, absl::StrCat("nothing binds: ", Places()));
    return std::move(found_);
  }

  int target() const { return target_; }

 private:
  Finding& Find(Limit limit, std::string evidence) {
    Finding finding;
    finding.limit = limit;
    finding.evidence = std::move(evidence);
    found_.push_back(std::move(finding));
    return found_.back();
  }

  // A shrink is over when it is decided. Who waits for a fresh connection has a finding of its own. Which backends
  // connections end at limits nobody.
  bool Holds(const Decision& d, Limit limit) const {
    const bool other = d.kind == Decision::Kind::kShrunk || d.cause == Decision::Cause::kBackends || IsForFresh(d);
    return d.limit == limit && !other && now_ - d.last <= DecisionLog::kPause;
  }
  static bool IsForFresh(const Decision& d) {
    return d.cause == Decision::Cause::kFresh && d.limit == Limit::kMaxConnections;
  }
  bool Found(Limit limit) const {
    return std::any_of(found_.begin(), found_.end(), [limit](const Finding& f) { return f.limit == limit; });
  }
  // The last decision of this limit, if it still holds.
  const Decision* Recent(Limit limit) const {
    for (auto d = h_.decisions.rbegin(); d != h_.decisions.rend(); ++d) {
      if (Holds(*d, limit)) return &*d;
    }
    return nullptr;
  }
  absl::Time Since(Limit limit) const {
    absl::Time since = absl::InfiniteFuture();
    for (const Decision& d : h_.decisions) {
      if (Holds(d, limit)) since = std::min(since, d.first);
    }
    return since == absl::InfiniteFuture() ? absl::InfinitePast() : since;
  }
  uint64_t Recently(uint64_t PoolStats::*counter) const {
    if (h_.earlier_at == absl::InfinitePast()) return 0;
    return s_.*counter - std::min(s_.*counter, h_.earlier.*counter);
  }

  std::string Places() const {
    return absl::StrCat(s_.leases, "/", s_.capacity, " leases on ", Count(s_.connections_open, "connection"), ", ",
                        s_.waiters, " waiting");
  }

  void LookAtState() {
    Finding& f = Find(Limit::kInactive, absl::StrCat("the pool is ", ToString(s_.state),
                                                     " and takes no callers: ", Count(s_.leases, "lease"), " out on ",
                                                     Count(s_.connections, "connection")));
    if (s_.state == PoolAdminState::kDestroyed) return;
    f.knob = "Resume";
    f.adds = absl::StrCat("up to ", int64_t{o_.max_connections} * o_.max_leases_per_connection, " places");
  }

  void LookAtPause() {
    Finding& f = Find(Limit::kPaused, absl::StrCat("the pool is paused for ", Text(s_.pause_left),
                                                   " more and lends nothing: ", Count(s_.leases, "lease"), " out, ",
                                                   s_.waiters, " waiting"));
    f.knob = "Unpause";
    f.adds = absl::StrCat(s_.free, " places now");
  }

  void LookAtDials() {
    if (s_.connections_backoff == 0 && s_.retry_at <= now_) return;
    std::string evidence = absl::StrCat("the target fails: ", Count(s_.dial_failures, "dial"), " failed so far");
    if (s_.retry_at > now_) absl::StrAppend(&evidence, ", the next in ", Text(s_.retry_at - now_));
    if (!s_.last_dial_error.ok()) absl::StrAppend(&evidence, "; last: ", s_.last_dial_error.message());
    Finding& f = Find(Limit::kBackOff, evidence);
    f.since = s_.failing_since;
    const absl::Duration shorter = std::max(o_.backoff_initial, o_.backoff_max / 2);
    if (shorter >= o_.backoff_max) return;
    f.knob = "backoff_max";
    f.value = Text(shorter);
    f.adds =
        absl::StrCat("dials, and notices a return of the target up to ", Text(o_.backoff_max - shorter), " sooner");
  }

  void LookAtWaiters() {
    const bool refused = Recent(Limit::kMaxWaiters) != nullptr;
    if (!refused && (o_.max_waiters == 0 || s_.waiters < o_.max_waiters)) return;
    std::string evidence = absl::StrCat(s_.waiters, " wait, max_waiters is ", o_.max_waiters);
    if (const uint64_t n = Recently(&PoolStats::rejected); n > 0) {
      absl::StrAppend(&evidence, ", ", Count(n, "caller"), " refused in ", Text(now_ - h_.earlier_at));
    }
    Finding& f = Find(Limit::kMaxWaiters, evidence);
    f.since = Since(Limit::kMaxWaiters);
    const int more = std::min(kMaxWaiters, std::max(1, 2 * o_.max_waiters));
    if (more <= o_.max_waiters) return;
    f.knob = "max_waiters";
    f.value = absl::StrCat(more);
    f.adds = absl::StrCat(more - o_.max_waiters, " callers that wait instead of being refused; no place");
  }

  // Connections that are wanted, and would be dialled if the limits on dials were higher.
  void LookAtDialLimits(Decision::Kind kind) {
    const auto missing = [kind](const Decision& d) {
      return kind == Decision::Kind::kNotOpened
                 ? absl::StrCat("wanted ", Count(d.wanted, "connection"), ", have ", d.have)
                 : absl::StrCat(Count(d.wanted, "connection"), " due to be replaced, ", d.have, " under way");
    };
    const Decision* d = Recent(Limit::kMaxConnecting);
    if (d != nullptr && d->kind == kind && s_.connections_connecting >= o_.max_connecting) {
      Finding& f = Find(Limit::kMaxConnecting, absl::StrCat(missing(*d), ", ", s_.connections_connecting,
                                                            " on the way, max_connecting is ", o_.max_connecting));
      f.since = Since(Limit::kMaxConnecting);
      const int more = std::min(kMaxConnections, 2 * o_.max_connecting);
      if (more > o_.max_connecting) {
        f.knob = "max_connecting";
        f.value = absl::StrCat(more);
        f.adds = absl::StrCat(more - o_.max_connecting, " dials at a time");
      }
    }
    d = Recent(Limit::kConnectRate);
    // When the wait was over it was asked again.
    if (d == nullptr || d->kind != kind || now_ > d->last + absl::Milliseconds(d->limit_value + 1)) return;
    Finding& f = Find(Limit::kConnectRate,
                      absl::StrCat(missing(*d), ", max_connects_per_second is ", o_.max_connects_per_second));
    f.since = Since(Limit::kConnectRate);
    f.knob = "max_connects_per_second";
    f.value = absl::StrCat(2 * o_.max_connects_per_second);
    f.adds = absl::StrCat(o_.max_connects_per_second, " connections a second");
  }

  void LookAtPlaces() {
    const bool full = s_.connections_open > 0 && s_.free == 0;
    if (!full && waiting_ == 0) return;
    if (s_.connections_checking > 0) {
      Find(Limit::kChecking,
           absl::StrCat(Places(), "; ", Count(s_.connections_checking, "connection"),
                        s_.connections_checking == 1 ? " is probed and lends" : " are probed and lend",
                        " nothing until it has answered"));
    }
    if (serving_ < o_.max_connections) {
      if (s_.connections_connecting > 0 && !Found(Limit::kMaxConnecting) && !Found(Limit::kConnectRate)) {
        Find(Limit::kConnecting, absl::StrCat(Places(), "; ", Count(s_.connections_connecting, "connection"),
                                              s_.connections_connecting == 1 ? " is" : " are", " on the way"));
      }
      return;
    }
    if (s_.connections_open == 0) return;  // No limit of ours: the target does not serve.
    Finding& more = Find(Limit::kMaxConnections, absl::StrCat(Places(), ", max_connections is ", o_.max_connections));
    more.since = Since(Limit::kMaxConnections);
    Raise(more);
    std::string evidence = absl::StrCat("every connection carries its ", o_.max_leases_per_connection);
    if (s_.leases_over_limit > 0) {
      absl::StrAppend(&evidence, ", and ", Count(s_.leases_over_limit, "lease"),
                      " above them, which the transport queues");
    }
    Finding& deeper = Find(Limit::kMaxLeasesPerConnection, evidence);
    deeper.since = Since(Limit::kMaxLeasesPerConnection);
    const int64_t each = (demand_ + s_.connections_open - 1) / s_.connections_open;
    const auto value =
        static_cast<int>(std::clamp<int64_t>(each, o_.max_leases_per_connection + 1, kMaxLeasesPerConnection));
    if (value <= o_.max_leases_per_connection) return;
    deeper.knob = "max_leases_per_connection";
    deeper.value = absl::StrCat(value);
    deeper.adds = absl::StrCat(int64_t{value - o_.max_leases_per_connection} * s_.connections_open,
                               " places, if the server allows as many streams on a connection");
  }

  // Places are free, but each connection carries more than it should.
  void LookAtGrowth() {
    const Decision* d = Recent(Limit::kMaxConnections);
    if (d == nullptr || d->kind != Decision::Kind::kNotOpened || serving_ < o_.max_connections) return;
    if (Found(Limit::kMaxConnections)) return;
    Finding& f = Find(Limit::kMaxConnections,
                      absl::StrCat("above the target: wanted ", d->wanted, " connections for ", d->demand,
                                   " leases at ", d->target, " each, max_connections is ", o_.max_connections));
    f.since = Since(Limit::kMaxConnections);
    Raise(f);
  }

  // Places may be free, but each is on a connection that has lent.
  void LookAtFresh() {
    if (s_.waiters_fresh == 0 || Found(Limit::kMaxConnections)) return;
    const auto d = std::find_if(h_.decisions.rbegin(), h_.decisions.rend(), IsForFresh);
    if (d == h_.decisions.rend() || now_ - d->last > DecisionLog::kPause) return;
    Finding& f =
        Find(Limit::kMaxConnections, absl::StrCat(s_.waiters_fresh, " waiting for a connection that has not lent, ",
                                                  d->have, " on the way, max_connections is ", o_.max_connections));
    f.since = d->first;
    const int value = std::min(kMaxConnections, o_.max_connections + s_.waiters_fresh);
    if (value <= o_.max_connections) return;
    f.knob = "max_connections";
    f.value = absl::StrCat(value);
    f.adds = absl::StrCat(Count(value - o_.max_connections, "fresh connection"), " for which none has to close");
  }

  void LookAtReplacements() {
    const Decision* d = Recent(Limit::kReplacementRate);
    if (d != nullptr) {
      Finding& rate =
          Find(Limit::kReplacementRate, absl::StrCat(Count(d->wanted, "connection"), " due to be replaced, ",
                                                     d->limit_value, " may begin in a second"));
      rate.since = Since(Limit::kReplacementRate);
      const auto more = std::min<int64_t>(o_.max_connections, 2 * d->limit_value);
      if (more > d->limit_value) {
        rate.knob = "max_surge";
        rate.value = absl::StrCat(more);
        rate.adds = absl::StrCat(more - d->limit_value, " replacements a second");
      }
    }
    d = Recent(Limit::kMaxSurge);
    if (d == nullptr) return;
    Finding& f = Find(Limit::kMaxSurge, absl::StrCat(Count(d->wanted, "connection"), " due to be replaced, ", d->have,
                                                     " under way, max_surge is ", o_.max_surge));
    f.since = Since(Limit::kMaxSurge);
    const int value = std::min<int>(o_.max_connections, std::max(o_.max_surge, 1) + 1);
    if (value <= o_.max_surge) return;
    f.knob = "max_surge";
    f.value = absl::StrCat(value);
    f.adds = absl::StrCat(value - std::max(o_.max_surge, 1), " replacement at a time more");
  }

  // Callers may all be served, and yet some servers get nothing.
  void LookAtEndpoints() {
    if (endpoints_ <= o_.max_connections || Found(Limit::kMaxConnections)) return;
    const int without = endpoints_ - o_.max_connections;
    Finding& f = Find(Limit::kMaxConnections,
                      absl::StrCat(endpoints_, " endpoints, max_connections is ", o_.max_connections, ", so ", without,
                                   without == 1 ? " of them gets no connection" : " of them get no connection"));
    if (endpoints_ <= kMaxConnections) {
      f.knob = "max_connections";
      f.value = absl::StrCat(endpoints_);
      f.adds = absl::StrCat("a connection for each endpoint, ", without, " more than now");
    } else {
      f.knob = "subset_size";
      f.value = absl::StrCat(o_.max_connections);
      f.adds = "a connection for each endpoint that is this client's; the others are those of other clients";
    }
  }

  void Raise(Finding& f) {
    const double for_load = std::ceil(static_cast<double>(demand_) * o_.preconnect_ratio / target_ - 1e-9);
    const double needed = std::max<double>(for_load, endpoints_);  // Else the next advice would be for the endpoints.
    const auto value = static_cast<int>(std::clamp<double>(needed, o_.max_connections + 1, kMaxConnections));
    if (value <= o_.max_connections) return;
    f.knob = "max_connections";
    f.value = absl::StrCat(value);
    f.adds = absl::StrCat(int64_t{value - o_.max_connections} * o_.max_leases_per_connection, " places");
  }

  const PoolStats& s_;
  const PoolOptions& o_;
  const PoolHistory& h_;
  const absl::Time now_;
  const int endpoints_;  // That are dialled, if there are connections for all.
  int target_ = 1;
  int64_t demand_ = 0;
  int serving_ = 0;
  int waiting_ = 0;  // For any place.
  std::vector<Finding> found_;
};

std::optional<SizingAdvice> Size(const PoolStats& s, const PoolHistory& h, int target, absl::Time now) {
  if (h.earlier_at == absl::InfinitePast() || now <= h.earlier_at || s.acquired <= h.earlier.acquired) {
    return std::nullopt;
  }
  const Histogram held = s.holds.histogram.Since(h.earlier.holds.histogram);
  if (!held.Mean()) return std::nullopt;
  SizingAdvice a;
  a.acquired = s.acquired - h.earlier.acquired;
  a.over = now - h.earlier_at;
  a.per_second = static_cast<double>(a.acquired) / absl::ToDoubleSeconds(a.over);
  a.mean_hold = *held.Mean();
  a.holds = held.count();
  a.in_flight = a.per_second * absl::ToDoubleSeconds(a.mean_hold);
  a.target = target;
  a.connections = static_cast<int>(std::clamp(std::ceil(a.in_flight / target), 1.0, double{kMaxConnections}));
  a.understated = s.waiters > 0 || s.rejected > h.earlier.rejected || s.timed_out > h.earlier.timed_out;
  return a;
}

Savings Save(const PoolStats& s) {
  Savings saved;
  saved.acquired = s.acquired;
  saved.opened = s.opened;
  saved.connections = s.acquired - std::min(s.acquired, s.opened);
  saved.dials = s.connects.count();
  saved.mean_connect = s.connects.Mean();
  if (saved.mean_connect) saved.time = *saved.mean_connect * static_cast<double>(saved.connections);
  return saved;
}

}  // namespace

std::string Finding::ToString(absl::Time now) const {
  std::string text = absl::StrCat(chanpool::ToString(limit), ": ", evidence);
  if (since != absl::InfinitePast()) absl::StrAppend(&text, ", for ", Text(now - since));
  if (knob.empty()) return text;
  if (value.empty()) return absl::StrCat(text, "; call ", knob, ": adds ", adds);
  return absl::StrCat(text, "; set ", knob, " to ", value, ": adds ", adds);
}

std::string SizingAdvice::ToString() const {
  std::string text = absl::StrFormat(
      "%.1f in flight = %.1f acquires/s (%d in %s) x %s mean hold (of %d timed); %d connections = ceil(%.1f / %d)",
      in_flight, per_second, acquired, Text(over), Text(mean_hold), holds, connections, in_flight, target);
  if (understated) absl::StrAppend(&text, "; callers waited or were refused, so more was wanted");
  return text;
}

std::string Savings::ToString() const {
  std::string text = absl::StrCat(connections, " connections saved = ", acquired, " acquired - ", opened, " opened");
  if (!time) return text;
  return absl::StrCat(text, "; ", Text(*time), " saved = ", connections, " x ", Text(*mean_connect),
                      " mean connect time (of ", dials, ")");
}

std::string Explanation::ToString() const {
  std::string text = absl::StrCat("health: ", chanpool::ToString(health), "\n");
  for (const Finding& finding : findings) absl::StrAppend(&text, finding.ToString(at), "\n");
  if (sizing) absl::StrAppend(&text, "sizing: ", sizing->ToString(), "\n");
  if (savings.connections > 0) absl::StrAppend(&text, "savings: ", savings.ToString(), "\n");
  return text;
}

Explanation Explain(const PoolStats& stats, const PoolOptions& options, const PoolHistory& history, absl::Time now,
                    int endpoints_used) {
  Explanation e;
  e.at = now;
  e.health = HealthOf(stats, now);
  Search search(stats, options, history, now, endpoints_used);
  e.findings = search.All();
  e.sizing = Size(stats, history, search.target(), now);
  e.savings = Save(stats);
  return e;
}

}  // namespace chanpool
