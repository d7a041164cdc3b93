#include "pool/core/pool_state.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pool/core/check.h"
#include "pool/core/slot_table.h"

namespace chanpool {
namespace {

// Replacements that begin within one longest period, however fast they end; max_surge may ask for more. 4,096
// connections of the default age and jitter need 6 a second, and a pool of the default size is rotated at once.
constexpr int kReplacementsPerPeriod = 10;

// Of ratios of small numbers: far above a double's error, far below what anybody could configure.
constexpr double kRounding = 1e-9;

// Housekeeping looks at least this often at a pool that has connections. Idle times are exact to one period.
constexpr absl::Duration kLongestPeriod = absl::Seconds(1);
constexpr absl::Duration kShortestPeriod = absl::Milliseconds(1);

int64_t MillisecondsUntil(absl::Time when, absl::Time now) {
  return std::max<int64_t>(0, absl::ToInt64Milliseconds(when - now));
}

// How long a call that found no server, or none with room, makes others preferred: what the Go, Rust and Java clients
// of Google's databases take (5 s), who add 2 to 10 leases. A part of the target here, in that range: what is too
// little to be felt among 80 leases each would shut a connection of 4 out.
// What one blow does to several connections and their calls is told within so much.
constexpr absl::Duration kSameBlow = absl::Seconds(1);
// Connections that are probed at once because another one was lost.
constexpr int kMostSuspected = 128;

constexpr absl::Duration kPenaltyLasts = absl::Seconds(5);
constexpr int kPenaltyPart = 8, kLeastPenalty = 2, kMostPenalty = 10;

absl::Status WithAddress(const Endpoint& endpoint, const absl::Status& why) {
  if (endpoint.address.empty()) return why;
  return absl::Status(why.code(), absl::StrCat(endpoint.address, ": ", why.message()));
}

}  // namespace

const char* ToString(PoolAdminState state) {
  switch (state) {
    case PoolAdminState::kActive:
      return "ACTIVE";
    case PoolAdminState::kPaused:
      return "PAUSED";
    case PoolAdminState::kDraining:
      return "DRAINING";
    case PoolAdminState::kDrained:
      return "DRAINED";
    case PoolAdminState::kDestroyed:
      return "DESTROYED";
  }
  return "UNKNOWN";
}

const char* ToString(Action::Kind kind) {
  switch (kind) {
    case Action::Kind::kOpen:
      return "open";
    case Action::Kind::kPublish:
      return "publish";
    case Action::Kind::kBackOff:
      return "back_off";
    case Action::Kind::kRedial:
      return "redial";
    case Action::Kind::kProbe:
      return "probe";
    case Action::Kind::kDrain:
      return "drain";
    case Action::Kind::kDrainIfUnused:
      return "drain_if_unused";
    case Action::Kind::kCancelCalls:
      return "cancel_calls";
    case Action::Kind::kSetLimit:
      return "set_limit";
    case Action::Kind::kPause:
      return "pause";
    case Action::Kind::kUnpause:
      return "unpause";
  }
  return "unknown";
}

PoolState::PoolState(const PoolOptions& options, uint64_t seed)
    : options_(options), random_(seed), endpoints_(options, seed) {}

int PoolState::target() const {
  return std::min(options_.target_leases_per_connection, options_.max_leases_per_connection);
}

int PoolState::grow_above() const { return static_cast<int>(target() / options_.preconnect_ratio + kRounding); }

// --- Counting ---------------------------------------------------------------------------------------------------

int PoolState::serving() const {
  int replacing = 0;
  for (const Record& r : records_) replacing += r.state == SlotState::kConnecting && r.replaces >= 0;
  return count(SlotState::kOpen) + count(SlotState::kChecking) + count(SlotState::kBackoff) +
         count(SlotState::kConnecting) - replacing;
}

int PoolState::replacements_under_way() const {
  int n = owed_;
  for (const Record& r : records_) {
    n += r.makes_up || (r.state == SlotState::kConnecting && r.replaces >= 0);
    n += r.state == SlotState::kDraining && r.by_choice && !r.lingering;
  }
  return n;
}

int PoolState::lingering() const {
  return static_cast<int>(std::count_if(records_.begin(), records_.end(), [](const Record& r) { return r.lingering; }));
}

// --- Moving -----------------------------------------------------------------------------------------------------

void PoolState::MoveTo(uint32_t slot, SlotState state, absl::Time now) {
  Record& r = records_[slot];
  --counts_[static_cast<int>(r.state)];
  ++counts_[static_cast<int>(state)];
  endpoints_.OnMoved(r.endpoint, r.state, state);
  r.state = state;
  r.since = now;
}

void PoolState::Act(Action::Kind kind, uint32_t slot, CloseReason reason) { actions_.push_back({kind, slot, reason}); }

void PoolState::Tell(PoolEvent::Kind kind, absl::Time now, std::string detail) {
  PoolEvent event;
  event.time = now;
  event.kind = kind;
  event.detail = std::move(detail);
  events_.push_back(std::move(event));
}

void PoolState::TellOf(PoolEvent::Kind kind, uint32_t slot, absl::Time now, std::string detail) {
  Tell(kind, now, std::move(detail));
  events_.back().connection = {slot, records_[slot].generation};
  events_.back().reason = records_[slot].reason;
}

std::vector<Action> PoolState::TakeActions() { return std::exchange(actions_, {}); }
std::vector<PoolEvent> PoolState::TakeEvents() { return std::exchange(events_, {}); }

// --- Opening ----------------------------------------------------------------------------------------------------

bool PoolState::OpenOne(int replaces, absl::Time now, std::string why, uint64_t to, bool insist) {
  uint32_t slot = 0;
  while (slot < records_.size() && records_[slot].state != SlotState::kClosed) ++slot;
  if (slot == SlotTable::kMaxSlots) return false;  // All of them drain: the calls on them must end first.
  const uint64_t from = replaces >= 0 ? records_[replaces].endpoint : 0;
  endpoints_.OnLeaving(from, 1);
  if (to == 0) to = endpoints_.PickForDial(now, insist).value_or(0);
  if (to == 0) {
    endpoints_.OnLeaving(from, -1);
    return false;
  }
  if (slot == records_.size()) {
    records_.emplace_back();
    ++counts_[static_cast<int>(SlotState::kClosed)];
  }
  Record fresh;
  fresh.generation = (records_[slot].generation + 1) & SlotWord::kMaxGeneration;
  fresh.replaces = replaces;
  fresh.dialled = now;
  fresh.endpoint = to;
  records_[slot] = fresh;
  if (replaces >= 0) records_[replaces].replaced_by = static_cast<int>(slot);
  MoveTo(slot, SlotState::kConnecting, now);
  Act(Action::Kind::kOpen, slot);
  TellOf(PoolEvent::Kind::kConnecting, slot, now, std::move(why));
  if (options_.max_connects_per_second > 0) {
    // Calls that insist go into debt, which never holds the next connection up for longer than the time of one.
    const double rate = options_.max_connects_per_second;
    paid_until_ =
        std::min(std::max(paid_until_, now) + absl::Seconds(1 / rate), now + absl::Seconds(std::max(1.0, rate) / rate));
  }
  return true;
}

std::string PoolState::Why(Decision::Cause cause) const {
  switch (cause) {
    case Decision::Cause::kDemand:
      return absl::StrCat("demand for ", demand_, " leases");
    case Decision::Cause::kCall:
      return "a call without a connection";
    case Decision::Cause::kFresh:
      return "a caller that wants a fresh connection";
    case Decision::Cause::kAsked:
      return "asked for";
    default:
      return "min_connections";
  }
}

// One that takes nobody's place. If one is owed, this is it: min_connections or the callers may have wanted it first.
bool PoolState::OpenOrdinary(Decision::Cause cause, absl::Time now) {
  const std::string why = owed_ > 0 ? "follows one that was closed first" : Why(cause);
  if (!OpenOne(/*replaces=*/-1, now, why, /*to=*/0, /*insist=*/cause == Decision::Cause::kCall)) return false;
  if (owed_ > 0) {
    --owed_;
    records_[actions_.back().slot].makes_up = true;
    return true;
  }
  if (cause != Decision::Cause::kMinConnections) {
    grew_at_ = now;
    BeginChecks(now);
  }
  const auto debtor = std::find_if(records_.begin(), records_.end(), [](const Record& r) { return r.owes_one; });
  if (debtor != records_.end()) debtor->owes_one = false;
  return true;
}

// A bucket of one second's worth of connections, at least one.
absl::Time PoolState::connect_at() const {
  const double rate = options_.max_connects_per_second;
  if (rate == 0) return absl::InfinitePast();
  return paid_until_ - absl::Seconds((std::max(1.0, rate) - 1) / rate);
}

bool PoolState::HeldBack(absl::Time now) const {
  return count(SlotState::kConnecting) >= options_.max_connecting || now < connect_at();
}

std::pair<Limit, int64_t> PoolState::NoDial(absl::Time now) const {
  if (BacksOff(now)) return {Limit::kBackOff, MillisecondsUntil(retry_at(), now)};
  if (count(SlotState::kConnecting) >= options_.max_connecting) return {Limit::kMaxConnecting, options_.max_connecting};
  if (now < connect_at()) return {Limit::kConnectRate, MillisecondsUntil(connect_at(), now)};
  return {Limit::kSlots, SlotTable::kMaxSlots};
}

void PoolState::OpenUpTo(int connections, Decision why, absl::Time now) {
  if (!in_service()) return;
  const int have = serving();
  if (connections <= have) return;
  const int wanted = std::min(connections, options_.max_connections);
  int n = have;
  while (n < wanted && MayDial(now) && OpenOrdinary(why.cause, now)) ++n;
  why.wanted = connections;
  why.have = have;
  if (n < wanted && !BacksOff(now) && HeldBack(now) && wanted > held_back_) {
    held_back_ = wanted;
    held_back_why_ = why;
  }
  if (n > have) {
    why.kind = Decision::Kind::kOpened;
    decisions_.Note(why, now);
  }
  if (n >= connections) return;
  why.kind = Decision::Kind::kNotOpened;
  why.have = n;
  if (n >= options_.max_connections) {
    why.limit = Limit::kMaxConnections;
    why.limit_value = options_.max_connections;
  } else {
    std::tie(why.limit, why.limit_value) = NoDial(now);
  }
  decisions_.Note(why, now);
}

void PoolState::NoteRefused(Limit limit, int64_t limit_value, int64_t demand, absl::Time now) {
  Decision refused;
  refused.kind = Decision::Kind::kRefused;
  refused.limit = limit;
  refused.limit_value = limit_value;
  refused.demand = demand;
  refused.have = count(SlotState::kOpen);
  decisions_.Note(refused, now);
}

void PoolState::NoteOvercommitted(int64_t demand, absl::Time now) {
  Decision over;
  over.kind = Decision::Kind::kOvercommitted;
  over.limit = Limit::kMaxLeasesPerConnection;
  over.limit_value = limit();
  over.demand = demand;
  over.have = count(SlotState::kOpen);
  decisions_.Note(over, now);
}

void PoolState::NoteReplaced(Decision::Cause cause, int due, int under_way, absl::Time now) {
  Decision replaced;
  replaced.kind = Decision::Kind::kReplaced;
  replaced.cause = cause;
  replaced.wanted = due;
  replaced.have = under_way;
  decisions_.Note(replaced, now);
}

void PoolState::NoteNotReplaced(Decision::Cause cause, Limit limit, int64_t limit_value, int due, int under_way,
                                absl::Time now) {
  Decision late;
  late.kind = Decision::Kind::kNotReplaced;
  late.cause = cause;
  late.limit = limit;
  late.limit_value = limit_value;
  late.wanted = due;
  late.have = under_way;
  decisions_.Note(late, now);
}

void PoolState::Start(absl::Time now) {
  BeginChecks(now);
  Maintain(now);
}

int PoolState::ConnectionsFor(int64_t leases) const {
  const double wanted = std::ceil(static_cast<double>(leases) * options_.preconnect_ratio / target() - kRounding);
  return static_cast<int>(std::min<double>(wanted, kMaxConnections));
}

int64_t PoolState::PeakBound(const std::vector<SlotUse>& use, int64_t demand) const {
  for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
    const SlotState state = records_[slot].state;
    if (state == SlotState::kClosed || state == SlotState::kDraining) continue;
    demand += std::max(use[slot].peak, use[slot].leases) - use[slot].leases;
  }
  return demand;
}

void PoolState::OnDemand(int64_t leases, absl::Time now) {
  if (leases == 0) return;
  demand_ = leases;
  if (!paused()) {
    peak_ = std::max(peak_, leases);
    peak_bound_ = std::max(peak_bound_, leases);
  }
  Decision why;
  why.demand = leases;
  why.ratio = options_.preconnect_ratio;
  why.target = target();
  why.extra = count(SlotState::kChecking);
  // A suspected connection counts for max_connections, and not for what callers want: it may be dead.
  OpenUpTo(ConnectionsFor(leases) + count(SlotState::kChecking), why, now);
}

void PoolState::OnFreshDemand(int callers, const std::vector<SlotUse>& use, absl::Time now) {
  if (!in_service()) return;
  int on_way = count(SlotState::kConnecting) + count(SlotState::kBackoff);
  int await_surge = 0;
  for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
    const Record& r = records_[slot];
    if (!r.is_up() || r.replaced_by >= 0) continue;
    // One that has not lent is there: it is probed, or waits for the end of a pause.
    if (use[slot].fresh) {
      ++on_way;
    } else if (r.recycle) {
      ++await_surge;
    }
  }
  Decision why;
  why.cause = Decision::Cause::kFresh;
  why.wanted = callers;
  why.have = on_way;
  while (on_way < callers && serving() < options_.max_connections && MayDial(now) && OpenOrdinary(why.cause, now)) {
    ++on_way;
  }
  if (on_way > why.have) {
    why.kind = Decision::Kind::kOpened;
    decisions_.Note(why, now);
  }
  if (on_way < callers) {
    why.kind = Decision::Kind::kNotOpened;
    why.have = on_way;
    const bool may_grow = serving() < options_.max_connections;
    std::tie(why.limit, why.limit_value) =
        may_grow ? NoDial(now) : std::pair<Limit, int64_t>(Limit::kMaxConnections, options_.max_connections);
    decisions_.Note(why, now);
    if (may_grow) return;
  }
  // What waits for a surge place comes too, if who knows when: good enough only where there is no room for another.
  on_way += await_surge;
  for (; on_way < callers; ++on_way) {
    std::optional<uint32_t> least;
    for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
      const Record& r = records_[slot];
      if (r.state != SlotState::kOpen || r.recycle || r.replaced_by >= 0 || use[slot].fresh) continue;
      if (!least || use[slot].leases < use[*least].leases) least = slot;
    }
    if (!least) break;
    records_[*least].recycle = true;
  }
  StartReplacements(now);
}

void PoolState::EnsureConnections(int connections, absl::Time now) {
  Decision why;
  why.cause = Decision::Cause::kAsked;
  OpenUpTo(connections, why, now);
}

bool PoolState::OpenForCall(bool wait_for_ready, absl::Time now) {
  if (!in_service() || serving() >= options_.max_connections) return false;
  if (count(SlotState::kConnecting) >= options_.max_connecting) return false;
  if (!wait_for_ready && now < std::max(retry_at(), connect_at())) return false;
  Decision opened;
  opened.cause = Decision::Cause::kCall;
  opened.wanted = 1;
  opened.have = serving();
  if (!OpenOrdinary(opened.cause, now)) return false;
  decisions_.Note(opened, now);
  return true;
}

// --- What dials and connections report --------------------------------------------------------------------------

absl::Duration PoolState::DialEnded(uint32_t slot, Histogram& times, absl::Time now) {
  const absl::Time began = std::exchange(records_[slot].dialled, absl::InfinitePast());
  if (began == absl::InfinitePast()) return absl::ZeroDuration();
  times.Add(now - began);
  return now - began;
}

void PoolState::NoteFailure(uint32_t slot, const absl::Status& why, absl::Time began, absl::Time now) {
  const uint64_t endpoint = records_[slot].endpoint;
  endpoints_.OnDialFailed(endpoint, why, began, now);
  Decision backed_off;
  backed_off.kind = Decision::Kind::kBackedOff;
  backed_off.cause = Decision::Cause::kDial;
  backed_off.limit = Limit::kBackOff;
  backed_off.limit_value = MillisecondsUntil(endpoints_.retry_at(endpoint), now);
  backed_off.demand = endpoints_.failures(endpoint);
  decisions_.Note(backed_off, now);
  last_dial_error_ = WithAddress(endpoints_.Get(endpoint), why);
  ++dial_failures_;
}

void PoolState::OnOpened(uint32_t slot, absl::Time now) {
  Record& r = records_[slot];
  if (r.state != SlotState::kConnecting && r.state != SlotState::kBackoff) return;
  r.connect_time = DialEnded(slot, connects_, now);
  endpoints_.OnOpened(r.endpoint, now);
  // A rotation is no use: else a pool with max_age below max_idle would never shrink.
  r.last_used = std::exchange(r.makes_up, false) ? owed_last_used_ : now;
  if (r.replaces >= 0) {
    // The old one stops before the new one starts, under one lock: never more than max_connections take calls.
    const uint32_t old = static_cast<uint32_t>(std::exchange(r.replaces, -1));
    records_[old].replaced_by = -1;
    endpoints_.OnLeaving(records_[old].endpoint, -1);
    r.last_used = records_[old].last_used;
    BeginDrain(old, ReasonToReplace(records_[old]), /*by_choice=*/true, "", now);
  }
  MoveTo(slot, SlotState::kOpen, now);
  r.opened_at = r.answered_at = now;
  r.failed_unheard = false;
  r.unavailable_at = absl::InfinitePast();
  r.handicap = HandicapOf(r, now);
  r.age_draw = std::uniform_real_distribution<double>(-1, 1)(random_);
  Act(Action::Kind::kPublish, slot);
  TellOf(PoolEvent::Kind::kOpened, slot, now);
  if (!r.backend.empty()) Landed(slot, now);  // A call was queued on it, and answered before we heard that it opened.
  Maintain(now);
}

void PoolState::OnFailed(uint32_t slot, const absl::Status& why, absl::Time now) {
  Record& r = records_[slot];
  if (r.state == SlotState::kBackoff) {
    DialEnded(slot, failed_connects_, now);
    last_dial_error_ =
        WithAddress(endpoints_.Get(r.endpoint), why);  // Its kRedial has drawn the next back-off already.
    ++dial_failures_;
    TellOf(PoolEvent::Kind::kConnectFailed, slot, now, std::string(why.message()));
    return;
  }
  if (r.state != SlotState::kConnecting) return;
  DialEnded(slot, failed_connects_, now);
  NoteFailure(slot, why, r.since, now);
  TellOf(PoolEvent::Kind::kConnectFailed, slot, now, std::string(why.message()));
  const bool only_way = count(SlotState::kOpen) + count(SlotState::kChecking) + count(SlotState::kBackoff) == 0 &&
                        !MayDialAnother(r.endpoint, now);
  if (r.replaces < 0 && only_way && !r.outdated) {
    // One connection stays for calls that must queue somewhere, and dials for all.
    MoveTo(slot, SlotState::kBackoff, now);
    Act(Action::Kind::kBackOff, slot);
  } else {
    BeginDrain(slot, CloseReason::kConnectFailed, /*by_choice=*/false, std::string(why.message()), now);
  }
  Maintain(now);
}

void PoolState::OnLost(uint32_t slot, const absl::Status& why, absl::Time now) {
  const Record& r = records_[slot];
  if (r.state == SlotState::kConnecting || r.state == SlotState::kBackoff) return OnFailed(slot, why, now);
  if (!r.is_up()) return;
  if (now - r.opened_at < options_.backoff_initial)
    NoteFailure(slot, why, r.opened_at, now);  // No better than a dial that failed.
  endpoints_.OnLost(r.endpoint);
  BeginDrain(slot, CloseReason::kLost, /*by_choice=*/false, std::string(why.message()), now);
  if (now - r.unavailable_at <= kSameBlow) SuspectOthersThere(slot, now);
  Maintain(now);
}

void PoolState::OnUnavailable(uint32_t slot, absl::Time now) {
  Record& r = records_[slot];
  r.unavailable_at = now;
  if (r.state != SlotState::kDraining || r.reason != CloseReason::kLost) return;
  SuspectOthersThere(slot, now);
  Maintain(now);
}

void PoolState::SuspectOthersThere(uint32_t lost, absl::Time now) {
  const std::string why = absl::StrCat("connection ", ConnectionId{lost, records_[lost].generation}.ToString(),
                                       " to the same server was lost");
  int suspected = 0;
  for (uint32_t slot = 0; slot < records_.size() && suspected < kMostSuspected; ++slot) {
    const Record& r = records_[slot];
    if (r.state != SlotState::kOpen || r.endpoint != records_[lost].endpoint) continue;
    if (now - r.answered_at <= kSameBlow) continue;
    BeginCheck(slot, /*routine=*/false, now, why);
    ++suspected;
  }
}

void PoolState::OnSuspected(uint32_t slot, absl::Time now, bool routine) {
  if (records_[slot].state != SlotState::kOpen) return;
  BeginCheck(slot, routine, now);
  probes_.checks += routine;
}

void PoolState::OnWantedQuiet(uint32_t slot, absl::Time now) {
  if (records_[slot].state != SlotState::kOpen) return;
  BeginCheck(slot, /*routine=*/true, now);
  records_[slot].on_checkout = true;
  ++probes_.validations;
}

void PoolState::BeginCheck(uint32_t slot, bool routine, absl::Time now, std::string why) {
  MoveTo(slot, SlotState::kChecking, now);
  records_[slot].routine = routine;
  records_[slot].on_checkout = false;
  Act(Action::Kind::kProbe, slot);
  if (!routine) TellOf(PoolEvent::Kind::kChecking, slot, now, std::move(why));
}

void PoolState::OnProbed(uint32_t slot, const absl::Status& result, absl::Time now) {
  if (records_[slot].state != SlotState::kChecking) return;
  if (result.ok()) {
    MoveTo(slot, SlotState::kOpen, now);
    records_[slot].handicap = HandicapOf(records_[slot], now);
    Act(Action::Kind::kPublish, slot);
    records_[slot].answered_at = now;
    records_[slot].failed_unheard = false;
    if (!records_[slot].routine) TellOf(PoolEvent::Kind::kOpened, slot, now, "answered the probe");
    return;
  }
  if (records_[slot].routine) ++(records_[slot].on_checkout ? probes_.validation_failures : probes_.checks_failed);
  BeginDrain(slot, CloseReason::kProbeFailed, /*by_choice=*/false, std::string(result.message()), now);
  // Without room for a probe nothing is known: a full connection is most often a busy one, so its calls go on.
  if (!absl::IsResourceExhausted(result)) Act(Action::Kind::kCancelCalls, slot);
  Maintain(now);
}

void PoolState::OnDiscarded(uint32_t slot, absl::Time now) {
  const SlotState state = records_[slot].state;
  if (state == SlotState::kClosed || state == SlotState::kDraining) return;
  BeginDrain(slot, CloseReason::kDiscarded, /*by_choice=*/false, "", now);
  Maintain(now);
}

void PoolState::SetMaxIdle(uint32_t slot, absl::Duration max_idle) {
  if (records_[slot].state == SlotState::kClosed) return;
  records_[slot].max_idle = std::max(max_idle, kShortestPeriod);
}

// --- Draining and closing ---------------------------------------------------------------------------------------

void PoolState::EnterDraining(uint32_t slot, CloseReason reason, bool by_choice, const std::string& detail,
                              absl::Time now) {
  Record& r = records_[slot];
  diversity_.OnLeft(slot, r.backend, reason == CloseReason::kLost || reason == CloseReason::kProbeFailed, now);
  if (r.replaces >= 0) {
    Record& old = records_[r.replaces];
    old.replaced_by = -1;
    old.rebalance = false;
    endpoints_.OnLeaving(old.endpoint, -1);
  }
  if (r.replaced_by >= 0) {
    records_[r.replaced_by].replaces = -1;  // The replacement is now an ordinary connection.
    endpoints_.OnLeaving(r.endpoint, -1);
  }
  r.replaces = r.replaced_by = -1;
  if (std::exchange(r.makes_up, false) && reason == CloseReason::kConnectFailed) ++owed_;
  r.reason = reason;
  r.by_choice = by_choice;
  MoveTo(slot, SlotState::kDraining, now);
  TellOf(PoolEvent::Kind::kDraining, slot, now, detail);
}

void PoolState::BeginDrain(uint32_t slot, CloseReason reason, bool by_choice, const std::string& detail,
                           absl::Time now) {
  EnterDraining(slot, reason, by_choice, detail, now);
  Act(Action::Kind::kDrain, slot);
}

void PoolState::OnUnusedDrained(uint32_t slot, CloseReason reason, absl::Time now) {
  EnterDraining(slot, reason, /*by_choice=*/false, "", now);
}

void PoolState::OnClosed(uint32_t slot, absl::Time now) {
  Record& r = records_[slot];
  CHANPOOL_CHECK(r.state == SlotState::kDraining);
  TellOf(PoolEvent::Kind::kClosed, slot, now);
  if (std::exchange(r.owes_one, false)) ++owed_;
  r.by_choice = r.lingering = false;
  MoveTo(slot, SlotState::kClosed, now);
  const bool all_closed = count(SlotState::kClosed) == static_cast<int>(records_.size());
  if (admin_ == PoolAdminState::kDraining && all_closed) {
    admin_ = PoolAdminState::kDrained;
    Tell(PoolEvent::Kind::kPoolDrained, now);
  }
  Maintain(now);
}

void PoolState::DrainAll(CloseReason reason, absl::Time now) {
  owed_ = held_back_ = 0;
  for (uint32_t slot = 0; slot < records_.size(); ++slot) {
    const SlotState state = records_[slot].state;
    records_[slot].owes_one = false;
    if (state == SlotState::kClosed || state == SlotState::kDraining) continue;
    BeginDrain(slot, reason, /*by_choice=*/false, "", now);
  }
}

void PoolState::Pause(absl::Duration max_hold, absl::Time now) {
  if (!in_service()) return;
  const absl::Time until = now + max_hold;
  paused_until_ = paused() ? std::max(paused_until_, until) : until;
  if (!paused()) Act(Action::Kind::kPause, 0);
  admin_ = PoolAdminState::kPaused;
  Tell(PoolEvent::Kind::kPoolPaused, now, absl::StrCat("for ", absl::FormatDuration(paused_until_ - now)));
}

void PoolState::Unpause(absl::Time now) {
  if (!paused()) return;
  admin_ = PoolAdminState::kActive;
  Act(Action::Kind::kUnpause, 0);
  Tell(PoolEvent::Kind::kPoolUnpaused, now, now < paused_until_ ? "" : "its time was over");
  BeginChecks(now);
  Maintain(now);
}

void PoolState::Drain(absl::Time now) {
  if (!in_service()) return;
  admin_ = PoolAdminState::kDraining;
  Tell(PoolEvent::Kind::kPoolDraining, now);
  DrainAll(CloseReason::kDrained, now);
  if (count(SlotState::kClosed) == static_cast<int>(records_.size())) {
    admin_ = PoolAdminState::kDrained;
    Tell(PoolEvent::Kind::kPoolDrained, now);
  }
}

void PoolState::Resume(absl::Time now) {
  if (admin_ != PoolAdminState::kDraining && admin_ != PoolAdminState::kDrained) return;
  admin_ = PoolAdminState::kActive;
  Tell(PoolEvent::Kind::kPoolResumed, now);
  BeginChecks(now);
  Maintain(now);
}

void PoolState::Destroy(absl::Time now) {
  if (admin_ == PoolAdminState::kDestroyed) return;
  admin_ = PoolAdminState::kDestroyed;
  Tell(PoolEvent::Kind::kPoolDestroyed, now);
  DrainAll(CloseReason::kPoolDestroyed, now);
}

// --- Replacing --------------------------------------------------------------------------------------------------

absl::Time PoolState::AgeDue(const Record& r) const {
  return r.recycle ? absl::InfinitePast() : r.opened_at + options_.max_age * (1 + options_.max_age_jitter * r.age_draw);
}

void PoolState::StartReplacements(absl::Time now) {
  std::vector<uint32_t> due;
  for (uint32_t slot = 0; slot < records_.size(); ++slot) {
    const Record& r = records_[slot];
    if (r.state == SlotState::kOpen && r.replaced_by < 0 && AgeDue(r) <= now) due.push_back(slot);
  }
  std::sort(due.begin(), due.end(), [this](uint32_t a, uint32_t b) {
    return std::make_pair(AgeDue(records_[a]), a) < std::make_pair(AgeDue(records_[b]), b);
  });
  if (now - replacing_since_ >= kLongestPeriod) {
    replacing_since_ = now;
    replacements_begun_ = 0;
  }
  const int per_period = std::max(kReplacementsPerPeriod, options_.max_surge);
  const int at_once = std::max(1, options_.max_surge);
  int under_way = replacements_under_way();
  const int all = static_cast<int>(due.size());
  for (const uint32_t slot : due) {
    const auto cause = records_[slot].recycle ? Decision::Cause::kRecycle : Decision::Cause::kAge;
    if (under_way >= at_once) {
      return NoteNotReplaced(cause, Limit::kMaxSurge, options_.max_surge, all, under_way, now);
    }
    if (replacements_begun_ >= per_period) {
      return NoteNotReplaced(cause, Limit::kReplacementRate, per_period, all, under_way, now);
    }
    if (!MayDial(now) || !Replace(slot, /*to=*/0, now)) {
      const auto [limit, limit_value] = NoDial(now);
      return NoteNotReplaced(cause, limit, limit_value, all, under_way, now);
    }
    NoteReplaced(cause, all, under_way++, now);
    ++replacements_begun_;
  }
  // Then the spread, with what is left of the budget.
  while (under_way < at_once && replacements_begun_ < per_period && MayDial(now)) {
    const std::optional<EndpointSet::Move> move = endpoints_.NextMove(now);
    if (!move) return;
    std::optional<uint32_t> oldest;
    for (uint32_t slot = 0; slot < records_.size(); ++slot) {
      const Record& r = records_[slot];
      if (r.endpoint != move->from || r.state != SlotState::kOpen || r.replaced_by >= 0) continue;
      if (!oldest || r.opened_at < records_[*oldest].opened_at) oldest = slot;
    }
    if (!oldest) return;
    records_[*oldest].rebalance = true;
    if (!Replace(*oldest, move->to, now)) {
      records_[*oldest].rebalance = false;
      return;
    }
    NoteReplaced(Decision::Cause::kSpread, /*due=*/1, under_way++, now);
    ++replacements_begun_;
  }
}

CloseReason PoolState::ReasonToReplace(const Record& r) const {
  if (r.rebalance) return CloseReason::kRebalanced;
  return r.recycle ? CloseReason::kRecycled : CloseReason::kMaxAge;
}

// Begins to: with a surge its replacement is dialled, without one it goes first.
bool PoolState::Replace(uint32_t slot, uint64_t to, absl::Time now) {
  if (options_.max_surge > 0) {
    return OpenOne(static_cast<int>(slot), now,
                   absl::StrCat("replaces ", ConnectionId{slot, records_[slot].generation}.ToString()), to);
  }
  BeginDrain(slot, ReasonToReplace(records_[slot]), /*by_choice=*/true, "", now);
  records_[slot].owes_one = true;
  owed_last_used_ = std::max(owed_last_used_, records_[slot].last_used);
  return true;
}

// --- Backends ---------------------------------------------------------------------------------------------------

void PoolState::OnBackend(uint32_t slot, absl::string_view name, absl::Time now) {
  Record& r = records_[slot];
  if (r.state == SlotState::kClosed || !r.backend.empty()) return;
  r.backend = Diversity::Kept(name);
  if (r.is_up()) Landed(slot, now);
}

void PoolState::Landed(uint32_t slot, absl::Time now) {
  int others = 0;
  for (const Record& r : records_) {
    others += r.is_up() && &r != &records_[slot] && r.backend == records_[slot].backend;
  }
  diversity_.OnLanded(slot, records_[slot].backend, others, now);
}

int PoolState::distinct_backends() const {
  std::set<absl::string_view> distinct;
  for (const Record& r : records_) {
    if (r.is_up() && !r.backend.empty()) distinct.insert(r.backend);
  }
  return static_cast<int>(distinct.size());
}

void PoolState::TickBackends(const std::vector<SlotUse>& use, absl::Time now) {
  std::vector<Diversity::Placed> placed;
  for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
    const Record& r = records_[slot];
    if (r.backend.empty() || !r.is_up() || r.recycle) continue;  // A recycle throws its dice anyway.
    const bool may_go = r.state == SlotState::kOpen && r.replaced_by < 0;
    placed.push_back({slot, &r.backend, use[slot].leases, r.opened_at, may_go});
  }
  const Diversity::Choice choice = diversity_.Choose(placed, now);
  if (!choice.wanted || (!choice.slot.has_value() && choice.limit == Limit::kNothing)) return;
  if (choice.limit == Limit::kConnecting) return;  // One is under way: no news.
  Decision decision;
  decision.kind = Decision::Kind::kNotReplaced;
  decision.cause = Decision::Cause::kBackends;
  decision.wanted = choice.sharing;
  decision.have = choice.distinct;
  decision.limit = choice.limit;
  decision.limit_value = choice.limit_value;
  if (choice.slot.has_value()) {
    const std::string why =
        absl::StrCat("replaces ", ConnectionId{*choice.slot, records_[*choice.slot].generation}.ToString(), ", one of ",
                     choice.sharing, " on backend ", choice.backend);
    if (paused()) {
      decision.limit = Limit::kPaused;
      decision.limit_value = MillisecondsUntil(paused_until_, now);
    } else if (replacements_under_way() >= options_.max_surge) {
      decision.limit = Limit::kMaxSurge;  // With 0 the old one would go first, and the dice may fall as before.
      decision.limit_value = options_.max_surge;
    } else if (!MayDial(now) || !OpenOne(static_cast<int>(*choice.slot), now, why)) {
      std::tie(decision.limit, decision.limit_value) = NoDial(now);
    } else {
      decision.kind = Decision::Kind::kReplaced;
      records_[*choice.slot].rebalance = true;
      diversity_.OnBegun(actions_.back().slot, choice, now);
    }
  }
  decisions_.Note(decision, now);
}

// --- Endpoints --------------------------------------------------------------------------------------------------

void PoolState::SetEndpoints(const std::vector<Endpoint>& endpoints, absl::Time now) {
  if (admin_ == PoolAdminState::kDestroyed) return;
  endpoints_.Update(endpoints);
  OnEndpointsChanged(now);
  Maintain(now);
}

// Connections to endpoints that are not used any more go at once, and so does one that only waits to dial again, when
// there is another endpoint to dial.
void PoolState::OnEndpointsChanged(absl::Time now) {
  if (!endpoints_.SharesDiffer(now)) best_share_ = 1;  // Until the next tick: the old one may be of other weights.
  for (uint32_t slot = 0; slot < records_.size(); ++slot) {
    const Record& r = records_[slot];
    if (r.state == SlotState::kClosed || r.state == SlotState::kDraining) continue;
    if (!endpoints_.Uses(r.endpoint) && !r.old_target) {
      BeginDrain(slot, CloseReason::kEndpointRemoved, /*by_choice=*/false, "", now);
    } else if (r.state == SlotState::kBackoff && MayDialAnother(r.endpoint, now)) {
      BeginDrain(slot, CloseReason::kConnectFailed, /*by_choice=*/false, "another endpoint is dialled", now);
    }
  }
}

bool PoolState::MayDialAnother(uint64_t endpoint, absl::Time now) const {
  return endpoints_.MayDialAnother(endpoint, now) && now >= connect_at();
}

void PoolState::OnCalls(uint32_t slot, const CallCounts& calls, absl::Time now) {
  endpoints_.AddCalls(records_[slot].endpoint, calls);
  if (calls.penalised) records_[slot].penalised_until = now + kPenaltyLasts;
  // Refused for want of room is an answer as well.
  if (calls.answered + calls.overloaded > 0) {
    records_[slot].heard_at = now;
    records_[slot].failed_unheard = false;
  } else {
    records_[slot].failed_unheard |= calls.failed > 0;
  }
}

uint32_t PoolState::penalty() const {
  return static_cast<uint32_t>(std::clamp((target() + kPenaltyPart - 1) / kPenaltyPart, kLeastPenalty, kMostPenalty));
}

uint32_t PoolState::HandicapOf(const Record& r, absl::Time now) const {
  const uint32_t handicap = now < r.penalised_until ? penalty() : 0;
  const double behind = best_share_ - endpoints_.Share(r.endpoint, now);
  if (behind <= 0) return handicap;
  // With no load to speak of it is still one, so that ties go to the others.
  return handicap + static_cast<uint32_t>(std::clamp<double>(std::ceil(level_ * behind), 1, limit()));
}

// Leases come to rest where leases + handicap are alike: at level * share each, if the handicap is what the best one
// would carry more.
void PoolState::TickHandicaps(const std::vector<SlotUse>& use, absl::Time now) {
  const bool differ = endpoints_.SharesDiffer(now);
  double leases = 0, shares = 0;
  best_share_ = differ ? 0 : 1;
  for (uint32_t slot = 0; differ && slot < records_.size() && slot < use.size(); ++slot) {
    if (records_[slot].state != SlotState::kOpen) continue;
    const double share = endpoints_.Share(records_[slot].endpoint, now);
    leases += use[slot].leases;
    shares += share;
    best_share_ = std::max(best_share_, share);
  }
  // Up at once, down by half: one look between two calls says little.
  level_ = std::max(shares > 0 ? leases / shares : 0, level_ / 2);
  for (Record& r : records_) {
    if (r.state == SlotState::kOpen) r.handicap = HandicapOf(r, now);
  }
}

void PoolState::FullestFirst(std::vector<uint32_t>& slots) const {
  std::map<uint64_t, int> gone;  // By endpoint.
  std::vector<std::pair<double, uint32_t>> ranked;
  for (const uint32_t slot : slots) {
    const uint64_t endpoint = records_[slot].endpoint;
    ranked.emplace_back(endpoints_.ConnectionsPerWeight(endpoint, gone[endpoint]++), slot);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::transform(ranked.begin(), ranked.end(), slots.begin(), [](const auto& one) { return one.second; });
}

void PoolState::Maintain(absl::Time now) {
  if (!in_service()) return;
  // Break before make: what is to follow a connection that still drains is not missing yet, unless callers want it.
  const auto owing = std::count_if(records_.begin(), records_.end(), [](const Record& r) { return r.owes_one; });
  Decision least;
  least.cause = Decision::Cause::kMinConnections;
  OpenUpTo(options_.min_connections - static_cast<int>(owing), least, now);
  OpenUpTo(held_back_, held_back_why_, now);
  if (serving() >= held_back_) held_back_ = 0;
  while (owed_ > 0 && serving() < options_.max_connections && MayDial(now) &&
         OpenOrdinary(Decision::Cause::kMinConnections, now)) {
  }
  if (serving() >= options_.max_connections) owed_ = 0;
  StartReplacements(now);
}

void PoolState::Recycle(absl::Time now) {
  for (Record& r : records_) r.recycle |= r.is_up();
  Maintain(now);
}

void PoolState::Redirected(const std::vector<Endpoint>& endpoints, absl::Time now) {
  if (admin_ == PoolAdminState::kDestroyed) return;
  // A replacement that is dropped leaves the connection it was to replace as it was: recycled below.
  for (uint32_t slot = 0; slot < records_.size(); ++slot) {
    if (records_[slot].state != SlotState::kConnecting && records_[slot].state != SlotState::kBackoff) continue;
    BeginDrain(slot, CloseReason::kRecycled, /*by_choice=*/false, "the pool has another target", now);
  }
  if (!endpoints.empty()) {
    endpoints_.Update(endpoints);
    for (Record& r : records_) r.old_target |= r.is_up();
  }
  endpoints_.ForgetFailures();
  diversity_.Forget();
  last_dial_error_ = absl::OkStatus();
  Recycle(now);
}

void PoolState::StopRecycle() {
  for (Record& r : records_) r.recycle &= r.replaced_by >= 0 || r.old_target;
}

void PoolState::Reconfigure(const PoolOptions& options, const std::vector<SlotUse>& use, absl::Time now) {
  if (admin_ == PoolAdminState::kDestroyed) return;
  const bool new_limit = options.max_leases_per_connection != options_.max_leases_per_connection;
  const auto dialling = [](const PoolOptions& o) {
    return std::make_tuple(o.backoff_initial, o.backoff_max, o.connect_timeout);
  };
  const bool new_backoff = dialling(options) != dialling(options_);
  const bool new_rate = options.max_connects_per_second != options_.max_connects_per_second;
  options_ = options;
  held_back_ = 0;
  peak_bound_ = 0;
  BeginChecks(now);
  if (new_rate) paid_until_ = std::min(paid_until_, now + absl::Seconds(1));  // A slower one was paid in longer times.
  Tell(PoolEvent::Kind::kReconfigured, now);
  endpoints_.Configure(options_, now);
  OnEndpointsChanged(now);
  for (uint32_t slot = 0; new_limit && slot < records_.size(); ++slot) {
    if (records_[slot].state != SlotState::kClosed) Act(Action::Kind::kSetLimit, slot);
  }
  // A transport that redials by itself does so on the back-off that its connection was made with. So one that backs off
  // goes, with the calls that queue on it, and the next dial, when its time has come, is a new connection's.
  for (uint32_t slot = 0; new_backoff && slot < records_.size(); ++slot) {
    Record& r = records_[slot];
    r.outdated = r.state == SlotState::kConnecting;
    if (r.state != SlotState::kBackoff) continue;
    BeginDrain(slot, CloseReason::kConnectFailed, /*by_choice=*/false, "its back-off was reconfigured", now);
  }
  // One at a time: when a connection that is being replaced goes, its replacement begins to count.
  if (in_service() && serving() > options_.max_connections) {
    Decision shrunk;
    shrunk.kind = Decision::Kind::kShrunk;
    shrunk.cause = Decision::Cause::kReconfigured;
    shrunk.limit = Limit::kMaxConnections;
    shrunk.limit_value = shrunk.have = options_.max_connections;
    shrunk.wanted = serving() - options_.max_connections;
    decisions_.Note(shrunk, now);
  }
  while (in_service() && serving() > options_.max_connections) {
    BeginDrain(LeastMissed(use), CloseReason::kShrunk, /*by_choice=*/false, "", now);
  }
  Maintain(now);
}

// Among the serving: those that do not carry calls yet go first, then those of the fullest endpoint, then those that
// carry fewest.
uint32_t PoolState::LeastMissed(const std::vector<SlotUse>& use) const {
  const auto rank = [&](uint32_t slot) {
    const Record& r = records_[slot];
    const double fullness = endpoints_.ConnectionsPerWeight(r.endpoint, /*fewer=*/0);
    return std::make_tuple(r.is_up(), -fullness, slot < use.size() ? use[slot].leases : 0);
  };
  std::optional<uint32_t> least;
  for (uint32_t slot = 0; slot < records_.size(); ++slot) {
    const Record& r = records_[slot];
    if (r.state == SlotState::kClosed || r.state == SlotState::kDraining || r.replaces >= 0) continue;
    if (!least || rank(slot) < rank(*least)) least = slot;
  }
  CHANPOOL_CHECK(least.has_value());
  return *least;
}

// --- Housekeeping -----------------------------------------------------------------------------------------------

// What was seen until now says nothing about the size of today.
void PoolState::BeginChecks(absl::Time now) {
  check_began_ = now;
  checks_ = 0;
  peak_ = 0;
}

// So many connections are filled to shrink_below of their target by `peak`. Never more than growth would open for it.
int PoolState::NeededFor(int64_t peak) const {
  const double full = options_.shrink_below * target();
  const double needed = std::ceil(static_cast<double>(peak) * options_.preconnect_ratio / full - kRounding);
  return std::max({options_.min_connections, 1, static_cast<int>(std::min<double>(needed, kMaxConnections))});
}

void PoolState::TickShrink(const std::vector<SlotUse>& use, absl::Time now) {
  if (options_.shrink_below == 0 || now - check_began_ < options_.shrink_interval) return;
  // A pause makes leases few, and so does a target that fails or hangs.
  const bool suspects = std::any_of(records_.begin(), records_.end(),
                                    [](const Record& r) { return r.state == SlotState::kChecking && !r.routine; });
  if (paused() || endpoints_.all_fail() || suspects) return BeginChecks(now);
  std::rotate(check_peaks_.begin(), check_peaks_.begin() + 1, check_peaks_.end());
  check_peaks_.back() = std::exchange(peak_, 0);
  check_began_ = now;
  checks_ = std::min(checks_ + 1, kLowChecks);
  const int64_t peak = *std::max_element(check_peaks_.begin(), check_peaks_.end());
  const int size = serving(), needed = NeededFor(peak);
  if (checks_ < kLowChecks || size <= needed || now - grew_at_ < options_.shrink_cooldown) return;
  std::vector<uint32_t> open;
  for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
    // One that is being replaced would leave its replacement behind.
    if (records_[slot].state == SlotState::kOpen && records_[slot].replaced_by < 0) open.push_back(slot);
  }
  const size_t step = std::min<size_t>(open.size(), std::min(options_.max_shrink_step, size - needed));
  // The oldest of those that are used alike: it would be replaced first.
  const auto use_of = [&](uint32_t slot) {
    return std::make_tuple(use[slot].leases, use[slot].peak, records_[slot].opened_at, slot);
  };
  std::sort(open.begin(), open.end(), [&](uint32_t a, uint32_t b) { return use_of(a) < use_of(b); });
  FullestFirst(open);
  Decision shrunk;
  shrunk.kind = Decision::Kind::kShrunk;
  shrunk.cause = Decision::Cause::kLoad;
  shrunk.demand = peak;
  shrunk.wanted = static_cast<int64_t>(step);
  shrunk.have = size - shrunk.wanted;
  if (step > 0) decisions_.Note(shrunk, now);
  const std::string why =
      absl::StrCat("at most ", peak, " leases in ", kLowChecks, " checks need ", needed, " of ", size, " connections");
  for (size_t i = 0; i < step; ++i) BeginDrain(open[i], CloseReason::kShrunk, /*by_choice=*/false, why, now);
}

absl::Duration PoolState::Silence(const Record& r, absl::Time now) const {
  return now - std::max(r.carried_at, r.answered_at);
}

bool PoolState::IsQuiet(uint32_t slot, absl::Time now) const {
  const Record& r = records_[slot];
  return r.state == SlotState::kOpen && Silence(r, now) >= options_.validate_after_idle;
}

void PoolState::TickValidate(const std::vector<SlotUse>& use, absl::Time now) {
  std::vector<uint32_t> due;
  for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
    const Record& r = records_[slot];
    if (r.state != SlotState::kOpen || r.replaced_by >= 0 || use[slot].used || use[slot].leases > 0) continue;
    if (Silence(r, now) >= options_.validate_every) due.push_back(slot);
  }
  if (due.empty()) return;
  std::sort(due.begin(), due.end(), [&](uint32_t a, uint32_t b) {
    return std::make_pair(-Silence(records_[a], now), a) < std::make_pair(-Silence(records_[b], now), b);
  });
  const int all = count(SlotState::kOpen) + count(SlotState::kChecking);
  for (const uint32_t slot : due) {
    if (count(SlotState::kChecking) >= std::max(1, all / 4)) return;
    OnSuspected(slot, now, /*routine=*/true);
  }
}

// Failures may be the peer's own, and then it answers the probe.
void PoolState::TickSilence(const std::vector<SlotUse>& use, absl::Time now) {
  if (options_.probe_after_silence == absl::InfiniteDuration()) return;
  for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
    Record& r = records_[slot];
    if (r.state != SlotState::kOpen) continue;
    if (use[slot].leases == 0 && !r.failed_unheard) {
      r.heard_at = now;
    } else if (now - std::max(r.heard_at, r.answered_at) >= options_.probe_after_silence) {
      OnSuspected(slot, now, /*routine=*/true);
    }
  }
}

void PoolState::TickIdle(const std::vector<SlotUse>& use, absl::Time now) {
  std::vector<uint32_t> idle;
  for (uint32_t slot = 0; slot < records_.size() && slot < use.size(); ++slot) {
    Record& r = records_[slot];
    if (r.state != SlotState::kOpen) continue;
    const bool carries = use[slot].used || use[slot].leases > 0;
    if (carries) r.carried_at = now;
    if (carries || paused()) {
      r.last_used = now;
    } else if (r.replaced_by < 0 && now - r.last_used >= MaxIdle(r)) {
      idle.push_back(slot);
    }
  }
  std::sort(idle.begin(), idle.end(), [this](uint32_t a, uint32_t b) {
    return std::make_pair(records_[a].last_used, a) < std::make_pair(records_[b].last_used, b);
  });
  FullestFirst(idle);
  int above_min = serving() - options_.min_connections;
  if (!idle.empty() && above_min > 0) {
    Decision closed;
    closed.kind = Decision::Kind::kClosedIdle;
    closed.cause = Decision::Cause::kHousekeeping;
    closed.wanted = std::min<int64_t>(above_min, static_cast<int64_t>(idle.size()));
    closed.have = serving();
    decisions_.Note(closed, now);
  }
  for (auto slot = idle.begin(); slot != idle.end() && above_min > 0; ++slot, --above_min) {
    Act(Action::Kind::kDrainIfUnused, *slot, CloseReason::kIdle);
  }
}

void PoolState::OnTick(const std::vector<SlotUse>& use, int64_t demand, absl::Time now) {
  const auto too_slow = [](absl::string_view option, absl::Duration value) {
    return absl::DeadlineExceededError(
        absl::StrCat("no answer within ", option, " (", absl::FormatDuration(value), ")"));
  };
  for (uint32_t slot = 0; slot < records_.size(); ++slot) {
    Record& r = records_[slot];
    const absl::Duration in_state = now - r.since;
    if (r.state == SlotState::kConnecting && in_state >= options_.connect_timeout) {
      OnFailed(slot, too_slow("connect_timeout", options_.connect_timeout), now);
    } else if (r.state == SlotState::kChecking && in_state >= options_.probe_timeout) {
      OnProbed(slot, too_slow("probe_timeout", options_.probe_timeout), now);
    } else if (r.state == SlotState::kBackoff && MayDialAnother(r.endpoint, now)) {
      BeginDrain(slot, CloseReason::kConnectFailed, /*by_choice=*/false, "another endpoint is dialled", now);
    } else if (r.state == SlotState::kBackoff && now >= endpoints_.retry_at(r.endpoint)) {
      endpoints_.OnRedial(r.endpoint, now);
      r.dialled = now;
      Act(Action::Kind::kRedial, slot);
    } else if (r.state == SlotState::kDraining && r.by_choice && !r.lingering && in_state >= options_.drain_grace &&
               lingering() < options_.max_connections) {
      r.lingering = true;
      if (std::exchange(r.owes_one, false)) ++owed_;
      TellOf(PoolEvent::Kind::kLingering, slot, now);
    }
  }
  if (!in_service()) return;
  if (paused() && now >= paused_until_) Unpause(now);
  held_back_ = 0;
  for (const EndpointSet::Ejection& ejection : endpoints_.Tick(now)) {
    for (uint32_t slot = 0; slot < records_.size(); ++slot) {
      const SlotState state = records_[slot].state;
      if (records_[slot].endpoint != ejection.id || state == SlotState::kClosed || state == SlotState::kDraining)
        continue;
      BeginDrain(slot, CloseReason::kEjected, /*by_choice=*/false, ejection.why, now);
    }
  }
  TickSilence(use, now);
  OnDemand(PeakBound(use, demand), now);  // After: it dials in the stead of those that are probed.
  Maintain(now);
  TickBackends(use, now);
  TickShrink(use, now);
  TickValidate(use, now);
  TickIdle(use, now);  // Last, so that none is both replaced and closed.
  TickHandicaps(use, now);
}

absl::Time PoolState::NextTick(absl::Time now) const {
  absl::Time next = absl::InfiniteFuture();
  absl::Duration shortest = std::min(
      {options_.max_idle, options_.validate_after_idle, options_.validate_every, options_.probe_after_silence});
  for (const Record& r : records_) {
    if (r.state == SlotState::kOpen) shortest = std::min(shortest, MaxIdle(r));
  }
  const absl::Duration period = std::clamp(shortest / 8, kShortestPeriod, kLongestPeriod);
  for (const Record& r : records_) {
    switch (r.state) {
      case SlotState::kClosed:
        break;
      case SlotState::kConnecting:
        next = std::min(next, r.since + options_.connect_timeout);
        break;
      case SlotState::kChecking:
        next = std::min(next, r.since + options_.probe_timeout);
        break;
      case SlotState::kBackoff:
        next = std::min(next, endpoints_.retry_at(r.endpoint));
        break;
      case SlotState::kOpen: {
        const absl::Time age_due = AgeDue(r);
        next = std::min(next, now + period);
        if (age_due > now)
          next = std::min(next, age_due);  // One that is overdue waits for a surge place, not for time.
        break;
      }
      case SlotState::kDraining:
        if (r.by_choice && !r.lingering) {
          const absl::Time grace_over = r.since + options_.drain_grace;
          next =
              std::min(next, grace_over > now ? grace_over : now + period);  // Overdue: max_connections linger already.
        }
        break;
    }
  }
  if (!in_service()) return next;
  if (paused()) next = std::min(next, paused_until_);
  next = std::min(next, endpoints_.NextChange(now));
  if (connect_at() > now) next = std::min(next, connect_at());
  if (options_.shrink_below > 0 && count(SlotState::kOpen) > 0) {
    next = std::min(next, check_began_ + options_.shrink_interval);
  }
  return next;
}

}  // namespace chanpool
