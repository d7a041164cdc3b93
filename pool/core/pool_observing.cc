// What can be seen of a pool: its statistics, connections and events, and whether its invariants hold.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pool/core/pool.h"

namespace chanpool {

PoolOptions Pool::options() const {
  if (Forked()) return PoolOptions();
  MutexLock lock(&mu_);
  return state_.options();
}

PoolOptions Pool::owner_options() const {
  if (Forked()) return PoolOptions();
  MutexLock lock(&mu_);
  return sources_.owner;
}

std::vector<std::string> Pool::Warnings() const {
  if (Forked()) return {};
  MutexLock lock(&mu_);
  std::vector<std::string> warnings = chanpool::Warnings(state_.options(), state_.peak_bound());
  const std::string of_endpoints = state_.endpoints().Warning();
  if (!of_endpoints.empty()) warnings.push_back(of_endpoints);
  return warnings;
}

std::optional<CertificateState> Pool::Certificate() const {
  if (Forked()) return std::nullopt;
  return connector_->certificate();
}

void Pool::Publish(PoolEvent::Kind kind, std::string detail) {
  if (Forked()) return;
  PoolEvent event;
  event.kind = kind;
  event.detail = std::move(detail);
  {
    MutexLock lock(&mu_);
    event.time = clock_->Now();
    feed_->Append(std::move(event));
  }
  feed_->Flush();
}

PoolAdminState Pool::state() const {
  if (Forked()) return PoolAdminState::kDestroyed;
  MutexLock lock(&mu_);
  return state_.admin();
}

PoolStats Pool::Stats() const {
  if (Forked()) {
    PoolStats nothing;
    nothing.state = PoolAdminState::kDestroyed;
    nothing.health = PoolHealth::kUnavailable;
    return nothing;
  }
  PoolStats stats;
  std::vector<std::shared_ptr<Connection>> connections;
  {
    MutexLock lock(&mu_);
    stats = StatsLocked();
    for (const Held& held : held_) {
      if (held.connection != nullptr) connections.push_back(held.connection);
    }
  }
  for (const auto& connection : connections) stats.connections_extra += connection->extra_transports();
  stats.connections += stats.connections_extra;
  return stats;
}

PoolStats Pool::StatsLocked() const {
  PoolStats stats = counted_;
  stats.state = state_.admin();
  if (state_.paused()) stats.pause_left = std::max(absl::ZeroDuration(), state_.paused_until() - clock_->Now());
  stats.connections_open = state_.count(SlotState::kOpen);
  stats.connections_connecting = state_.count(SlotState::kConnecting);
  stats.connections_backoff = state_.count(SlotState::kBackoff);
  stats.connections_checking = state_.count(SlotState::kChecking);
  stats.connections_draining = state_.count(SlotState::kDraining);
  stats.connections_lingering = state_.lingering();
  stats.connections_replacing = state_.replacements_under_way();
  stats.distinct_backends = state_.distinct_backends();
  stats.rerolls = state_.rerolls();
  stats.connections = static_cast<int>(stats.opened - stats.closed);
  stats.connections_closing = stats.connections - (static_cast<int>(state_.size()) - state_.count(SlotState::kClosed));
  if (watch_owner_ != nullptr) stats.leaks_out = watch_owner_->told();
  stats.waiters = Waiting();
  stats.waiters_fresh = fresh_waiters_.size();
  for (uint32_t i = 0; i < table_.size(); ++i) {
    const Slot* slot = table_.Get(i);
    // The count first: it is raised after the word, so what is counted is in the word, or back already.
    stats.fast_hits += FastLeasesEver(*slot);
    const SlotWord word = slot->Load();
    stats.connections_used += word.state() != SlotState::kClosed && (held_[i].has_lent || word.used());
    stats.leases += word.leases();
    if (word.state() != SlotState::kOpen) continue;
    stats.capacity += word.limit();
    if (word.leases() > word.limit()) {
      stats.leases_over_limit += word.leases() - word.limit();
    } else {
      stats.free += word.limit() - word.leases();
    }
  }
  stats.hits += stats.fast_hits;
  stats.acquired = stats.hits + stats.misses;
  // Derived, since a release may touch nothing after its compare-and-swap; exact once callers rest.
  // What was told once stays told: a lease seen before its count would make a counter go down.
  released_ = std::max(released_, stats.acquired - std::min<uint64_t>(stats.acquired, stats.leases));
  stats.released = released_;
  stats.fast_waits = {fast_waits_.Read(), PickRandom::kSampling};
  for (int i = 0; i < kAcquireOutcomes; ++i) stats.slow_waits[i] = slow_waits_[i].Read();
  stats.holds.one_in = PickRandom::kSampling;
  for (uint32_t i = 0; i < table_.size(); ++i) stats.holds.histogram += table_.Get(i)->tally->holds.Read();
  stats.holds_skipped = holds_.skipped();
  stats.connects = state_.connects();
  stats.failed_connects = state_.failed_connects();
  stats.leases_peak_bound = state_.peak_bound();
  stats.dial_failures = state_.dial_failures();
  stats.validations = state_.probes().validations;
  stats.validation_failures = state_.probes().validation_failures;
  stats.health_checks = state_.probes().checks;
  stats.health_checks_removed = state_.probes().checks_failed;
  stats.last_dial_error = state_.last_dial_error();
  stats.retry_at = state_.retry_at();
  stats.failing_since = state_.failing_since();
  stats.health = HealthOf(stats, clock_->Now());
  return stats;
}

std::vector<ConnectionStats> Pool::Connections() const {
  if (Forked()) return {};
  std::vector<std::shared_ptr<Connection>> connections;
  std::vector<ConnectionStats> rows = ConnectionRows(&connections);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (connections[i] != nullptr) rows[i].calls = connections[i]->EndedCalls();
  }
  return rows;
}

std::vector<MethodStats> Pool::Methods() const {
  if (Forked()) return {};
  return connector_->Methods();
}

std::vector<CallInFlight> Pool::Calls(size_t most) const {
  if (Forked()) return {};
  std::vector<CallInFlight> calls;
  for (const auto& connection : HeldConnections()) {
    for (CallInFlight& call : connection->OldestCalls(most)) calls.push_back(std::move(call));
    if (calls.size() > 2 * most) KeepOldest(most, &calls);  // Bounds what is held, whatever the connections' number.
  }
  KeepOldest(most, &calls);
  return calls;
}

std::vector<CallInFlight> Pool::CallsOn(ConnectionId id, size_t most) const {
  if (Forked()) return {};
  std::shared_ptr<Connection> connection;
  {
    MutexLock lock(&mu_);
    if (IsCurrent(id)) connection = held_[id.slot].connection;
  }
  if (connection == nullptr) return {};
  return connection->OldestCalls(most);
}

std::vector<std::shared_ptr<Connection>> Pool::HeldConnections() const {
  std::vector<std::shared_ptr<Connection>> connections;
  MutexLock lock(&mu_);
  for (const Held& held : held_) {
    if (held.connection != nullptr) connections.push_back(held.connection);
  }
  return connections;
}

std::vector<ConnectionStats> Pool::ConnectionRows(std::vector<std::shared_ptr<Connection>>* connections) const {
  MutexLock lock(&mu_);
  const absl::Time now = clock_->Now();
  std::vector<ConnectionStats> rows;
  for (uint32_t i = 0; i < state_.size(); ++i) {
    const PoolState::Record& record = state_.record(i);
    if (record.state == SlotState::kClosed) continue;
    const Slot* slot = table_.Get(i);
    const SlotWord word = slot->Load();
    ConnectionStats row;
    row.id = {i, record.generation};
    row.endpoint = record.endpoint;
    row.address = held_[i].address;
    row.backend = record.backend;
    row.handicap = slot->handicap.load(std::memory_order_relaxed);
    row.state = record.state;
    row.reason = record.reason;
    row.leases = word.leases();
    row.limit = word.limit();
    row.peak_leases = std::max(word.leases(), slot->peak.load(std::memory_order_relaxed));
    row.in_state = now - record.since;
    if (record.opened_at != absl::InfinitePast()) {
      row.age = now - record.opened_at;
      row.connect_time = record.connect_time;
      const bool carries = word.leases() > 0 || word.used();
      if (!carries) row.idle = now - std::max(record.opened_at, record.carried_at);
    }
    if (i < held_.size()) {
      row.acquired = LeasesEver(*slot) - held_[i].lent_before;
      row.holds = {slot->tally->holds.Read().Since(held_[i].holds_before), PickRandom::kSampling};
    }
    connections->push_back(i < held_.size() ? held_[i].connection : nullptr);
    rows.push_back(row);
  }
  return rows;
}

std::vector<Decision> Pool::Decisions() const {
  if (Forked()) return {};
  MutexLock lock(&mu_);
  return state_.decisions().All();
}

std::vector<KeyStats> Pool::Keys() const {
  if (Forked()) return {};
  return keys_.Read();
}

Explanation Pool::Explain() const {
  if (Forked()) return chanpool::Explain(Stats(), PoolOptions(), PoolHistory(), clock_->Now());
  const absl::Time now = clock_->Now();
  PoolStats stats;
  PoolOptions options;
  PoolHistory history;
  int endpoints_used = 1;
  {
    MutexLock lock(&mu_);
    stats = StatsLocked();
    endpoints_used = state_.endpoints().used();
    options = state_.options();
    history.decisions = state_.decisions().All();
    history.earlier_at = earlier_[0].at;
    history.earlier.acquired = earlier_[0].acquired;
    history.earlier.rejected = earlier_[0].rejected;
    history.earlier.timed_out = earlier_[0].timed_out;
    history.earlier.holds.histogram = earlier_[0].holds;
  }
  return chanpool::Explain(stats, options, history, now, endpoints_used);
}

std::vector<EndpointStats> Pool::Endpoints() const {
  if (Forked()) return {};
  MutexLock lock(&mu_);
  std::vector<EndpointStats> rows = state_.endpoints().Stats(clock_->Now());
  for (uint32_t i = 0; i < state_.size(); ++i) {
    const uint32_t leases = table_.Get(i)->Load().leases();
    if (leases == 0) continue;
    for (EndpointStats& row : rows) {
      if (row.endpoint.id == state_.record(i).endpoint) row.leases += leases;
    }
  }
  return rows;
}

PoolConnectivity Pool::Connectivity() const {
  if (Forked()) return PoolConnectivity::kShutdown;
  MutexLock lock(&mu_);
  if (state_.admin() == PoolAdminState::kDestroyed) return PoolConnectivity::kShutdown;
  if (state_.count(SlotState::kOpen) + state_.count(SlotState::kChecking) > 0) return PoolConnectivity::kReady;
  if (state_.count(SlotState::kConnecting) > 0) return PoolConnectivity::kConnecting;
  if (state_.count(SlotState::kBackoff) > 0) return PoolConnectivity::kTransientFailure;
  return PoolConnectivity::kIdle;
}

Subscription Pool::Subscribe(std::function<void(const PoolEvent&)> callback) {
  return feed_->Subscribe(std::move(callback));
}

absl::Status Pool::CheckInvariants() const {
  if (Forked()) return ForkedError();
  MutexLock lock(&mu_);
  const auto broken = [](uint32_t slot, absl::string_view what) {
    return absl::InternalError(absl::StrCat("slot ", slot, ": ", what));
  };
  uint64_t lent_slow = 0;
  for (uint32_t i = 0; i < table_.size(); ++i)
    lent_slow += table_.Get(i)->tally->lent_slow.load(std::memory_order_relaxed);
  if (lent_slow != counted_.hits + counted_.misses) return absl::InternalError("the slots' leases are not the pool's");
  const bool somebody_waits = !waiters_.empty();
  const auto quiet = std::count_if(held_.begin(), held_.end(), [](const Held& held) { return held.quiet; });
  if (quiet != quiet_ || some_quiet_.load(std::memory_order_relaxed) != (quiet_ > 0)) {
    return absl::InternalError("quiet connections are miscounted");
  }
  for (uint32_t i = 0; i < state_.size(); ++i) {
    const SlotWord word = table_.Get(i)->Load();
    const PoolState::Record& record = state_.record(i);
    if (word.state() != record.state)
      return broken(i, absl::StrCat("word ", ToString(word.state()), ", state ", ToString(record.state)));
    if (word.generation() != record.generation) return broken(i, "generations differ");
    const auto& listed = table_.listed();
    const bool is_listed = std::find(listed.begin(), listed.end(), table_.Get(i)) != listed.end();
    if (is_listed != (word.state() == SlotState::kOpen)) return broken(i, "listed and OPEN disagree");
    if (held_[i].quiet && word.state() != SlotState::kOpen) return broken(i, "quiet and not OPEN");
    switch (word.state()) {
      case SlotState::kClosed:
        if (word.leases() != 0) return broken(i, "CLOSED with leases");
        if (held_[i].self != nullptr || held_[i].connection != nullptr) return broken(i, "CLOSED but held");
        break;
      case SlotState::kDraining:
        if (word.leases() == 0) return broken(i, "DRAINING at zero leases");
        if (!word.slow()) return broken(i, "DRAINING without SLOW");
        break;
      case SlotState::kOpen:
        if (word.slow() != (somebody_waits || state_.paused()))
          return broken(i, word.slow() ? "SLOW, but nobody waits" : "waiters or a pause, but no SLOW");
        if (somebody_waits && !state_.paused() && word.leases() < word.limit())
          return broken(i, "somebody waits while a place is free");
        if (held_[i].connection == nullptr) return broken(i, "OPEN without a connection");
        if (!fresh_waiters_.empty() && !state_.paused() && !held_[i].has_lent && slot::LendFirst(word))
          return broken(i, "somebody waits for a fresh connection while one is open");
        break;
      default:
        if (word.slow()) return broken(i, "SLOW before it is open");
        break;
    }
  }
  if (state_.serving() > state_.options().max_connections)
    return absl::InternalError("more connections than max_connections");
  if (!state_.in_service() && (Waiting() > 0 || state_.serving() > 0)) {
    return absl::InternalError("a pool that drains still serves");
  }
  return absl::OkStatus();
}

}  // namespace chanpool
