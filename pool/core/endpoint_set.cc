#include "pool/core/endpoint_set.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pool/core/stable_hash.h"

namespace chanpool {
namespace {

// gRPC's connection-backoff.md.
constexpr double kBackoffMultiplier = 1.6;
constexpr double kBackoffJitter = 0.2;

// Envoy's slow start, whose smallest share of a new host is 10 %.
constexpr double kColdShare = 0.1;

// gRFC A50 (outlier detection), its default values.
constexpr absl::Duration kCheckInterval = absl::Seconds(10);
constexpr absl::Duration kLongestEjection = absl::Minutes(5);
constexpr double kDeviations = 1.9;
constexpr int kRateCohort = 5;
constexpr uint64_t kRateCalls = 100;

// Envoy's consecutive_5xx, its default value.
constexpr uint64_t kFailuresInRow = 5;

// Bigtable's Go client: slow is what takes three times the cohort's median, and long enough to matter.
constexpr double kTimesMedian = 3;
constexpr double kSlowUs = 20'000;
constexpr size_t kLatencyCohort = 3;
// Ours: one slow call among few says nothing of the endpoint.
constexpr uint64_t kLatencyCalls = 20;

constexpr int kMaxEndpoints = 100'000;  // Of a list: a thousand times what DNS answers carry.

std::string Percent(double ratio) { return absl::StrFormat("%.1f %%", 100 * ratio); }
std::string Milliseconds(double us) { return absl::StrFormat("%.1fms", us / 1000); }

}  // namespace

EndpointSet::EndpointSet(const PoolOptions& options, uint64_t seed) : options_(options), seed_(seed), random_(seed) {
  Entry target;
  target.endpoint.id = ++last_id_;
  target.used = true;
  entries_.push_back(target);
}

absl::Status EndpointSet::Validate(const std::vector<Endpoint>& endpoints) {
  if (endpoints.empty()) return absl::InvalidArgumentError("endpoints: none given; set at least one address");
  if (endpoints.size() > kMaxEndpoints) {
    return absl::InvalidArgumentError(absl::StrCat("endpoints: ", endpoints.size(), " are more than ", kMaxEndpoints));
  }
  std::unordered_set<std::string> seen;
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.address.empty()) return absl::InvalidArgumentError("endpoints: an address is empty");
    if (!seen.insert(endpoint.address).second) {
      return absl::InvalidArgumentError(absl::StrCat("endpoints: ", endpoint.address, " is there twice; set it once"));
    }
    if (endpoint.weight < 1 || endpoint.weight > kMaxWeight) {
      return absl::InvalidArgumentError(absl::StrCat("endpoints: weight ", endpoint.weight, " of ", endpoint.address,
                                                     " is no weight; set 1 to ", kMaxWeight));
    }
  }
  return absl::OkStatus();
}

// --- The list and the subset --------------------------------------------------------------------------------------

EndpointSet::Entry* EndpointSet::Find(uint64_t id) {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), id,
                                      [](const Entry& entry, uint64_t wanted) { return entry.endpoint.id < wanted; });
  return found != entries_.end() && found->endpoint.id == id ? &*found : nullptr;
}

const EndpointSet::Entry* EndpointSet::Find(uint64_t id) const { return const_cast<EndpointSet*>(this)->Find(id); }

double EndpointSet::Score(const Endpoint& endpoint) const {
  const uint64_t hash = Scramble(StableHash(endpoint.address) ^ Scramble(seed_));
  const double u = (static_cast<double>(hash >> 11) + 0.5) / (uint64_t{1} << 53);
  return -endpoint.weight / std::log(u);
}

EndpointSet::Diff EndpointSet::ChooseSubset() {
  std::vector<Entry*> order;
  for (Entry& entry : entries_) order.push_back(&entry);
  const size_t wanted = options_.subset_size == 0 ? order.size() : static_cast<size_t>(options_.subset_size);
  if (wanted < order.size()) {
    std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->score > b->score; });
  }
  Diff diff;
  weights_differ_ = false;
  for (size_t i = 0; i < order.size(); ++i) {
    Entry& entry = *order[i];
    const bool use = i < wanted;
    if (use && !entry.used) diff.added.push_back(entry.endpoint.id);
    if (!use && entry.used) {
      diff.left.push_back(entry.endpoint.id);
      if (entry.ejected) Return(entry);
      entry.cold = true;
    }
    entry.used = use;
    weights_differ_ |= use && entry.endpoint.weight != order[0]->endpoint.weight;
  }
  ReturnIfNothingIsLeft();
  return diff;
}

EndpointSet::Diff EndpointSet::Update(const std::vector<Endpoint>& endpoints) {
  std::unordered_map<std::string, const Endpoint*> wanted;
  for (const Endpoint& endpoint : endpoints) wanted.emplace(endpoint.address, &endpoint);
  std::vector<uint64_t> gone, reweighted;
  std::vector<Entry> kept;
  for (Entry& entry : entries_) {
    const auto found = wanted.find(entry.endpoint.address);
    if (found == wanted.end()) {
      if (entry.used) gone.push_back(entry.endpoint.id);
      continue;
    }
    if (entry.endpoint.weight != found->second->weight) {
      entry.endpoint.weight = found->second->weight;
      entry.score = Score(entry.endpoint);
      reweighted.push_back(entry.endpoint.id);
    }
    entry.endpoint.on_trial = found->second->on_trial;
    kept.push_back(std::move(entry));
    wanted.erase(found);
  }
  for (const Endpoint& endpoint : endpoints) {
    if (wanted.count(endpoint.address) == 0) continue;
    Entry entry;
    entry.endpoint = endpoint;
    entry.endpoint.id = ++last_id_;
    entry.score = Score(entry.endpoint);
    kept.push_back(std::move(entry));
  }
  entries_ = std::move(kept);
  Diff diff = ChooseSubset();
  diff.left.insert(diff.left.begin(), gone.begin(), gone.end());
  for (const uint64_t id : reweighted) {
    if (Uses(id)) diff.reweighted.push_back(id);
  }
  return diff;
}

EndpointSet::Diff EndpointSet::Configure(const PoolOptions& options, absl::Time now) {
  options_ = options;
  for (Entry& entry : entries_) {
    // A shorter back-off holds for the present wait too, and no ejection outlives its option.
    entry.retry_at = std::min(entry.retry_at, now + options_.backoff_max);
    if (entry.ejected && options_.max_ejected == 0) Return(entry);
  }
  return ChooseSubset();
}

// --- Connections --------------------------------------------------------------------------------------------------

int EndpointSet::Entry::serving() const {
  return count(SlotState::kConnecting) + count(SlotState::kOpen) + count(SlotState::kChecking) +
         count(SlotState::kBackoff) - leaving;
}

void EndpointSet::OnMoved(uint64_t id, SlotState from, SlotState to) {
  Entry* entry = Find(id);
  if (entry == nullptr) return;
  if (from != SlotState::kClosed) --entry->counts[static_cast<int>(from)];
  if (to != SlotState::kClosed) ++entry->counts[static_cast<int>(to)];
  if (from == SlotState::kOpen || from == SlotState::kChecking) ReturnIfNothingIsLeft();
}

void EndpointSet::OnLeaving(uint64_t id, int change) {
  if (Entry* entry = Find(id)) entry->leaving += change;
}

// The failures in a row end with a connection that has lasted, not with one that opened: a server that accepts and
// hangs up at once must not be redialled at full speed. `failing` means that the last one has not.
void EndpointSet::BackOffFurther(Entry& entry, absl::Time now) {
  if (!entry.failing && now - entry.last_opened >= options_.backoff_initial) entry.failures = 0;
  ++entry.failures;
  const double steps = std::pow(kBackoffMultiplier, std::min(entry.failures, 64) - 1);
  const absl::Duration base = std::min(options_.backoff_initial * steps, options_.backoff_max);
  entry.retry_at = now + base * std::uniform_real_distribution<double>(1 - kBackoffJitter, 1 + kBackoffJitter)(random_);
}

void EndpointSet::OnDialFailed(uint64_t id, const absl::Status& why, absl::Time began, absl::Time now) {
  Entry* entry = Find(id);
  if (entry == nullptr) return;
  if (!entry->failing || began > entry->failed_at) {
    BackOffFurther(*entry, now);
    entry->failed_at = now;
  }
  if (!entry->failing) entry->failing_since = now;
  entry->failing = true;
  ++entry->dial_failures;
  entry->dial_error = std::string(why.message());
  if (entry->count(SlotState::kOpen) == 0) entry->cold = true;
  ReturnIfNothingIsLeft();
}

void EndpointSet::OnRedial(uint64_t id, absl::Time now) {
  if (Entry* entry = Find(id)) BackOffFurther(*entry, now);
}

void EndpointSet::OnOpened(uint64_t id, absl::Time now) {
  Entry* entry = Find(id);
  if (entry == nullptr) return;
  entry->failing = false;
  entry->last_opened = now;
  if (std::exchange(entry->cold, false)) entry->warm_since = now;
}

void EndpointSet::OnLost(uint64_t id) {
  Entry* entry = Find(id);
  if (entry != nullptr && entry->count(SlotState::kOpen) <= 1) entry->cold = true;  // Most likely it restarts.
}

void EndpointSet::ForgetFailures() {
  for (Entry& entry : entries_) {
    entry.failing = false;
    entry.failures = 0;
    entry.retry_at = absl::InfinitePast();
    Return(entry);
    entry.times_ejected = 0;
  }
}

bool EndpointSet::MayDial(const Entry& entry, absl::Time now) const {
  if (!entry.used || entry.ejected) return false;
  if (entry.endpoint.on_trial && entry.serving() > 0) return false;
  if (!entry.failing) return true;
  return now >= entry.retry_at && entry.count(SlotState::kConnecting) == 0 && entry.count(SlotState::kBackoff) == 0;
}

std::optional<uint64_t> EndpointSet::PickForDial(absl::Time now, bool insist) const {
  const Entry* best = nullptr;
  // One that fails is tried again by a move (NextMove), which nobody waits for. Without surge a move would close a good
  // connection first, so there it takes its turn.
  const auto last = [this](const Entry& entry) { return entry.failing && options_.max_surge > 0; };
  const auto better = [&](const Entry& a, const Entry& b) {
    if (last(a) != last(b)) return last(b);
    const int64_t load_a = int64_t{a.serving()} * b.endpoint.weight;
    const int64_t load_b = int64_t{b.serving()} * a.endpoint.weight;
    return std::make_pair(load_a, -a.score) < std::make_pair(load_b, -b.score);
  };
  for (const Entry& entry : entries_) {
    if (MayDial(entry, now) && (best == nullptr || better(entry, *best))) best = &entry;
  }
  for (const Entry& entry : entries_) {
    if (best != nullptr && MayDial(*best, now)) break;
    if (!insist || !entry.used || entry.ejected) continue;
    if (best == nullptr || entry.retry_at < best->retry_at) best = &entry;
  }
  if (best == nullptr) return std::nullopt;
  return best->endpoint.id;
}

std::optional<EndpointSet::Move> EndpointSet::NextMove(absl::Time now) const {
  const Entry* from = nullptr;
  const Entry* to = nullptr;
  const auto product = [](int connections, const Entry& other) { return int64_t{connections} * other.endpoint.weight; };
  for (const Entry& entry : entries_) {
    if (entry.used && entry.count(SlotState::kOpen) > entry.leaving &&
        (from == nullptr || product(entry.serving() - 1, *from) > product(from->serving() - 1, entry))) {
      from = &entry;
    }
    if (MayDial(entry, now) && !(entry.failing && options_.max_surge == 0) &&
        (to == nullptr || product(entry.serving(), *to) < product(to->serving(), entry))) {
      to = &entry;
    }
  }
  // What the fuller one keeps is more per weight than what the emptier one had: no move is taken back by the next.
  if (from == nullptr || to == nullptr || product(from->serving() - 1, *to) <= product(to->serving(), *from)) {
    return std::nullopt;
  }
  return Move{from->endpoint.id, to->endpoint.id};
}

bool EndpointSet::BacksOff(absl::Time now) const { return !MayDialAnother(0, now); }

bool EndpointSet::MayDialAnother(uint64_t id, absl::Time now) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.endpoint.id != id && MayDial(entry, now); });
}

double EndpointSet::ConnectionsPerWeight(uint64_t id, int fewer) const {
  const Entry* entry = Find(id);
  return entry == nullptr ? 0 : static_cast<double>(entry->serving() - fewer) / entry->endpoint.weight;
}

bool EndpointSet::Uses(uint64_t id) const {
  const Entry* entry = Find(id);
  return entry != nullptr && entry->used;
}

bool EndpointSet::IsEjected(uint64_t id) const {
  const Entry* entry = Find(id);
  return entry != nullptr && entry->ejected;
}

Endpoint EndpointSet::Get(uint64_t id) const {
  const Entry* entry = Find(id);
  return entry == nullptr ? Endpoint() : entry->endpoint;
}

bool EndpointSet::all_fail() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return !entry.used || entry.ejected || entry.failing; });
}

absl::Time EndpointSet::failing_since() const {
  if (!all_fail()) return absl::InfinitePast();
  absl::Time last = absl::InfinitePast();
  for (const Entry& entry : entries_) {
    if (entry.used && !entry.ejected) last = std::max(last, entry.failing_since);
  }
  return last;
}

int EndpointSet::failures(uint64_t id) const {
  const Entry* entry = Find(id);
  return entry == nullptr ? 0 : entry->failures;
}

absl::Time EndpointSet::retry_at() const {
  if (!all_fail()) return absl::InfinitePast();
  absl::Time first = absl::InfiniteFuture();
  for (const Entry& entry : entries_) {
    if (entry.used && !entry.ejected) first = std::min(first, entry.retry_at);
  }
  return first;
}

absl::Time EndpointSet::retry_at(uint64_t id) const {
  const Entry* entry = Find(id);
  return entry == nullptr ? absl::InfinitePast() : entry->retry_at;
}

// --- Shares -------------------------------------------------------------------------------------------------------

double EndpointSet::Warmth(const Entry& entry, absl::Time now) const {
  const absl::Duration warm = now - entry.warm_since;
  if (options_.slow_start <= absl::ZeroDuration() || warm >= options_.slow_start) return 1;
  return std::max(kColdShare, absl::FDivDuration(warm, options_.slow_start));
}

double EndpointSet::Share(uint64_t id, absl::Time now) const {
  const Entry* entry = Find(id);
  if (entry == nullptr) return 1;
  // With equal weights the connections are as even as they can be, and the least loaded connection is the best one.
  const double weight =
      weights_differ_ ? static_cast<double>(entry->endpoint.weight) / std::max(1, entry->count(SlotState::kOpen)) : 1;
  return weight * Warmth(*entry, now);
}

bool EndpointSet::SharesDiffer(absl::Time now) const {
  return weights_differ_ || std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
           return entry.count(SlotState::kOpen) > 0 && Warmth(entry, now) < 1;
         });
}

// --- Outliers -----------------------------------------------------------------------------------------------------

void EndpointSet::AddCalls(uint64_t id, const CallCounts& calls) {
  Entry* entry = Find(id);
  if (entry == nullptr || calls.calls() == 0) return;
  for (CallCounts* counts : {&entry->since_tick, &entry->since_check}) {
    counts->answered += calls.answered;
    counts->failed += calls.failed;
    counts->overloaded += calls.overloaded;
    counts->failed_in_row += calls.failed_in_row;
    counts->latency_us += calls.latency_us;
  }
  if (calls.answered + calls.failed > 0) entry->all_ended_badly &= calls.failed_in_row > 0;
  entry->calls += calls.calls();
  entry->failures_seen += calls.calls() - calls.answered;
  entry->time_of_answered += absl::Microseconds(calls.latency_us);
}

// One connection that fails beside one that works is no bad endpoint: only when each has ended with failures do they
// count as one row.
void EndpointSet::NoteCalls(Entry& entry) {
  const CallCounts seen = std::exchange(entry.since_tick, CallCounts());
  const bool badly = std::exchange(entry.all_ended_badly, true);
  if (seen.answered + seen.failed == 0) return;
  if (!badly) {
    entry.failed_in_row = 0;
  } else if (seen.answered == 0) {
    entry.failed_in_row += seen.failed;
  } else {
    entry.failed_in_row = seen.failed_in_row;
  }
}

bool EndpointSet::MayEject(const Entry& entry) const {
  if (!entry.used || entry.ejected || options_.max_ejected == 0) return false;
  int used = 0, ejected = 0;
  bool another = false;
  for (const Entry& other : entries_) {
    used += other.used;
    ejected += other.ejected;
    another |= &other != &entry && other.healthy();
  }
  return another && ejected < std::max(1, static_cast<int>(options_.max_ejected * used));
}

void EndpointSet::Eject(Entry& entry, std::string why, absl::Time now, std::vector<Ejection>& ejected) {
  if (!MayEject(entry)) return;
  ++entry.times_ejected;
  ++entry.ejections;
  entry.ejected = true;
  const absl::Duration longest = std::max(kLongestEjection, options_.ejection_time);
  entry.ejected_until = now + std::min(options_.ejection_time * entry.times_ejected, longest);
  entry.ejected_why = why;
  ejected.push_back({entry.endpoint.id, std::move(why)});
}

void EndpointSet::Return(Entry& entry) {
  entry.ejected = false;
  entry.ejected_why.clear();
  entry.cold = true;
  entry.failed_in_row = 0;
  entry.since_tick = entry.since_check = CallCounts();
}

void EndpointSet::ReturnIfNothingIsLeft() {
  for (const Entry& entry : entries_) {
    if (!entry.used || entry.ejected) continue;
    if (!entry.failing || entry.count(SlotState::kOpen) + entry.count(SlotState::kChecking) > 0) return;
  }
  for (Entry& entry : entries_) {
    if (entry.ejected) Return(entry);
  }
}

void EndpointSet::CheckInRow(absl::Time now, std::vector<Ejection>& ejected) {
  for (Entry& entry : entries_) {
    if (entry.failed_in_row < kFailuresInRow) continue;
    Eject(entry, absl::StrCat(entry.failed_in_row, " calls in a row failed"), now, ejected);
  }
}

void EndpointSet::CheckSuccessRates(absl::Time now, std::vector<Ejection>& ejected) {
  std::vector<std::pair<double, Entry*>> rates;
  double sum = 0, squares = 0;
  for (Entry& entry : entries_) {
    const CallCounts& seen = entry.since_check;
    if (!entry.used || entry.ejected || seen.calls() < kRateCalls) continue;
    rates.emplace_back(static_cast<double>(seen.answered) / static_cast<double>(seen.calls()), &entry);
    sum += rates.back().first;
  }
  if (rates.size() < kRateCohort) return;
  const double mean = sum / static_cast<double>(rates.size());
  for (const auto& rate : rates) squares += (rate.first - mean) * (rate.first - mean);
  const double threshold = mean - kDeviations * std::sqrt(squares / static_cast<double>(rates.size()));
  std::sort(rates.begin(), rates.end());  // The worst first: not all of them may be ejected.
  for (const auto& [rate, entry] : rates) {
    if (rate >= threshold) break;
    Eject(*entry,
          absl::StrCat(Percent(rate), " of ", entry->since_check.calls(), " calls succeeded, ", Percent(mean),
                       " in the mean of ", rates.size(), " endpoints"),
          now, ejected);
  }
}

void EndpointSet::CheckLatencies(absl::Time now, std::vector<Ejection>& ejected) {
  std::vector<std::pair<double, Entry*>> means;
  for (Entry& entry : entries_) {
    const CallCounts& seen = entry.since_check;
    if (!entry.used || entry.ejected || seen.answered < kLatencyCalls) continue;
    means.emplace_back(static_cast<double>(seen.latency_us) / static_cast<double>(seen.answered), &entry);
  }
  if (means.size() < kLatencyCohort) return;
  std::sort(means.begin(), means.end());
  const size_t half = means.size() / 2;
  const double median = means.size() % 2 == 1 ? means[half].first : (means[half - 1].first + means[half].first) / 2;
  for (auto slow = means.rbegin(); slow != means.rend(); ++slow) {
    const auto& [mean, entry] = *slow;
    if (mean <= kTimesMedian * median || mean <= kSlowUs) break;
    Eject(*entry,
          absl::StrCat(entry->since_check.answered, " calls took ", Milliseconds(mean),
                       " in the mean, the median endpoint ", Milliseconds(median)),
          now, ejected);
  }
}

std::vector<EndpointSet::Ejection> EndpointSet::Tick(absl::Time now) {
  std::vector<Ejection> ejected;
  for (Entry& entry : entries_) {
    if (entry.ejected && now >= entry.ejected_until) {
      Return(entry);
      entry.returned_at = now;
    }
    NoteCalls(entry);
  }
  CheckInRow(now, ejected);
  if (checked_at_ == absl::InfinitePast()) checked_at_ = now;
  if (now - checked_at_ < kCheckInterval) return ejected;
  checked_at_ = now;
  CheckSuccessRates(now, ejected);
  CheckLatencies(now, ejected);
  for (Entry& entry : entries_) {
    entry.since_check = CallCounts();
    if (!entry.ejected && now - entry.returned_at >= kCheckInterval) {
      entry.times_ejected = std::max(0, entry.times_ejected - 1);
    }
  }
  return ejected;
}

absl::Time EndpointSet::NextChange(absl::Time now) const {
  absl::Time next = absl::InfiniteFuture();
  for (const Entry& entry : entries_) {
    if (!entry.used) continue;
    if (entry.failing && entry.retry_at > now) next = std::min(next, entry.retry_at);
    if (entry.ejected) next = std::min(next, entry.ejected_until);
  }
  return next;
}

// --- What can be seen ---------------------------------------------------------------------------------------------

int EndpointSet::used() const {
  const auto used = std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.used; });
  return static_cast<int>(used);
}

std::string EndpointSet::Warning() const {
  if (used() <= options_.max_connections) return "";
  return absl::StrCat("max_connections: ", options_.max_connections, " is below the ", used(),
                      " endpoints in use, so some get no connection; set at least ", used(),
                      ", or a subset_size of at most ", options_.max_connections);
}

std::vector<EndpointStats> EndpointSet::Stats(absl::Time now) const {
  std::vector<EndpointStats> rows;
  for (const Entry& entry : entries_) {
    EndpointStats row;
    row.endpoint = entry.endpoint;
    if (!entry.used) {
      row.state = EndpointState::kSpare;
    } else if (entry.ejected) {
      row.state = EndpointState::kEjected;
      row.why = entry.ejected_why;
      row.until = entry.ejected_until;
    } else if (entry.failing) {
      row.state = EndpointState::kBackoff;
      row.why = entry.dial_error;
      row.until = std::max(entry.retry_at, now);
    }
    row.connections = entry.serving();
    row.connections_open = entry.count(SlotState::kOpen);
    row.calls = entry.calls;
    row.failures = entry.failures_seen;
    row.time_of_answered = entry.time_of_answered;
    row.dial_failures = entry.dial_failures;
    row.ejections = entry.ejections;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace chanpool
