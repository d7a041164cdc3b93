// What the state decides, done: on the words under the lock, and in the outer world after it. Also what the outer
// world and the clock tell the state.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pool/core/async_acquire.h"
#include "pool/core/check.h"
#include "pool/core/pool.h"
#include "pool/core/slot_calls.h"

namespace chanpool {
namespace {

// Of the probe_timeout after which the state takes silence for death: the transport's own verdict must come first,
// since it can tell a peer without room from a dead one.
constexpr double kProbePart = 0.9;

}  // namespace

// --- Performing ---------------------------------------------------------------------------------------------------

void Pool::Decide(Waiter* waiter, Slot* slot, absl::Status refusal, Effects& effects) {
  waiter->granted = slot;
  waiter->refusal = std::move(refusal);
  counted_.misses += slot != nullptr;
  if (waiter->async == nullptr) {
    effects.wake.push_back(&waiter->wakeup);
  } else {
    async_deadlines_.erase({waiter->deadline, waiter->async});
    effects.deliver.push_back(std::exchange(waiter->async->self, nullptr));
  }
}

void Pool::RefuseWaiters(const absl::Status& why, Effects& effects) {
  for (WaiterQueue* line : {&waiters_, &fresh_waiters_}) {
    while (Waiter* waiter = line->PopFront()) {
      ++counted_.unavailable;
      Decide(waiter, nullptr, why, effects);
    }
  }
  ClearSlowIfNobodyWaits();
}

void Pool::WakeAll(std::vector<Wakeup*>& parked, Effects& effects) {
  effects.wake.insert(effects.wake.end(), parked.begin(), parked.end());
  parked.clear();
}

// A slot that opens serves the waiters first, and is published with SLOW if some still wait, or if all must.
void Pool::Publish(Slot* slot, Effects& effects) {
  const auto waiting = static_cast<uint32_t>(waiters_.size());
  const bool paused = state_.paused();
  const bool fresh = !paused && !fresh_waiters_.empty() && !held_[slot->index].has_lent;
  const uint32_t older = fresh ? OlderThanFirstFresh(/*most=*/state_.limit()) : 0;
  uint32_t first = 0;  // 1: its first place goes to whoever waits for a fresh connection.
  const auto change = SlotTable::Update(slot, [&first, fresh, older, waiting, paused](SlotWord word) {
    const uint32_t room = word.limit() > word.leases() ? word.limit() - word.leases() : 0;
    first = fresh && word.leases() == 0 && !word.used() && older < room;
    const uint32_t granted = paused ? 0 : std::min(room - first, waiting);
    return slot::Open(word, first + granted, /*some_still_wait=*/granted < waiting || paused);
  });
  CHANPOOL_CHECK(change.has_value());
  if (first > 0) Decide(fresh_waiters_.PopFront(), slot, absl::OkStatus(), effects);
  for (uint32_t leases = change->before.leases() + first; leases < change->after.leases(); ++leases) {
    if (waiters_.empty()) break;
    Decide(waiters_.PopFront(), slot, absl::OkStatus(), effects);
  }
  slot->handicap.store(state_.record(slot->index).handicap, std::memory_order_relaxed);
  table_.List(slot);
  if (waiting > 0) ClearSlowIfNobodyWaits();
}

// After a pause. Who waits for a fresh connection gets the first place of one, as long as enough places are left for
// those who came before.
void Pool::GrantAllFresh(Effects& effects) {
  uint64_t places = 0;
  for (Slot* slot : table_.listed()) {
    const SlotWord word = slot->Load();
    if (!held_[slot->index].quiet && word.limit() > word.leases()) places += word.limit() - word.leases();
  }
  Wishes wishes;
  wishes.fresh = true;
  uint64_t older = 0;
  for (const Waiter* w = waiters_.first(); !fresh_waiters_.empty(); --places) {
    const uint64_t arrival = fresh_waiters_.first()->arrival;
    for (; w != nullptr && w->arrival < arrival; w = w->next) ++older;
    Slot* slot = older < places ? LendAwake(wishes) : nullptr;
    if (slot == nullptr) return;
    Decide(fresh_waiters_.PopFront(), slot, absl::OkStatus(), effects);
  }
}

// One on each in turn: the first slot must not get them all.
void Pool::GrantAll(Effects& effects) {
  GrantAllFresh(effects);
  for (bool granted = true; granted && !waiters_.empty();) {
    granted = false;
    for (Slot* slot : table_.listed()) {
      if (waiters_.empty()) break;
      if (held_[slot->index].quiet || !SlotTable::Update(slot, slot::LendLocked)) continue;
      Decide(waiters_.PopFront(), slot, absl::OkStatus(), effects);
      granted = true;
    }
  }
  if (Waiting() > 0) WantQuiet(/*fresh=*/waiters_.empty());
  ClearSlowIfNobodyWaits();
}

void Pool::GrantOn(Slot* slot, Effects& effects) {
  if (state_.paused()) return;
  const bool some_waited = !waiters_.empty();
  while (!waiters_.empty() && SlotTable::Update(slot, slot::LendLocked)) {
    Decide(waiters_.PopFront(), slot, absl::OkStatus(), effects);
  }
  if (some_waited) ClearSlowIfNobodyWaits();
}

void Pool::CloseIfEmpty(Slot* slot, SlotWord word, Effects& effects) {
  if (word.state() != SlotState::kDraining || word.leases() != 0) return;
  CHANPOOL_CHECK(SlotTable::Update(slot, slot::Close).has_value());
  slot->connection.store(nullptr, std::memory_order_relaxed);
  Held& held = held_[slot->index];
  counted_.connections_used += held.has_lent || word.used();
  if (held.connection != nullptr) effects.closed.push_back(std::move(held.connection));
  effects.references.push_back(std::move(held.self));
  held = Held();
  state_.OnCalls(slot->index, slot->tally->calls.Take(), clock_->Now());
  state_.OnClosed(slot->index, clock_->Now());
}

void Pool::RunActions(Effects& effects) {
  bool changed = false;
  for (;;) {
    std::vector<Action> actions = state_.TakeActions();
    if (actions.empty()) {
      // Whatever just happened may have taken what the waiters wait for: each change asks again for enough.
      if (!changed || Waiting() == 0) break;
      if (!waiters_.empty()) state_.OnDemand(Demand(), clock_->Now());
      AskForFresh();
      actions = state_.TakeActions();
      if (actions.empty()) break;
    }
    changed = true;
    for (const Action& action : actions) {
      if (action.kind == Action::Kind::kPause) {
        MarkSlowAll();  // From here everybody comes to the lock, and finds the pause.
        continue;
      }
      if (action.kind == Action::Kind::kUnpause) {
        GrantAll(effects);
        continue;
      }
      const ConnectionId id{action.slot, state_.record(action.slot).generation};
      if (action.kind == Action::Kind::kOpen) {
        Slot* opened = table_.GetOrAdd(action.slot);
        if (held_.size() < table_.size()) held_.resize(table_.size());
        const auto limit = static_cast<uint32_t>(state_.limit());
        const auto change = SlotTable::Update(opened, [limit](SlotWord w) { return slot::Reuse(w, limit); });
        CHANPOOL_CHECK(change.has_value() && change->after.generation() == id.generation);
        opened->peak.store(0, std::memory_order_relaxed);
        opened->tally->calls.Reset();
        held_[action.slot].self = shared_from_this();
        held_[action.slot].lent_before = LeasesEver(*opened);
        held_[action.slot].holds_before = opened->tally->holds.Read();
        const Endpoint endpoint = state_.endpoints().Get(state_.record(action.slot).endpoint);
        held_[action.slot].address = endpoint.address;
        ++counted_.opened;
        effects.calls.push_back({Effects::Call::Kind::kCreate, id, nullptr, "", endpoint});
        continue;
      }
      Slot* slot = table_.Get(action.slot);
      const std::shared_ptr<Connection>& connection = held_[action.slot].connection;
      switch (action.kind) {
        case Action::Kind::kOpen:
        case Action::Kind::kPause:
        case Action::Kind::kUnpause:
          break;
        case Action::Kind::kPublish:
          Publish(slot, effects);
          break;
        case Action::Kind::kBackOff:
          CHANPOOL_CHECK(SlotTable::Update(slot, slot::BackOff).has_value());
          break;
        case Action::Kind::kRedial:
          if (connection != nullptr) effects.calls.push_back({Effects::Call::Kind::kRedial, id, connection});
          break;
        case Action::Kind::kProbe:
          CHANPOOL_CHECK(SlotTable::Update(slot, slot::Check).has_value());
          table_.Unlist(slot);
          SetQuiet(action.slot, false);
          effects.calls.push_back({Effects::Call::Kind::kProbe, id, connection});
          break;
        case Action::Kind::kDrain: {
          const auto change = SlotTable::Update(slot, slot::Drain);
          CHANPOOL_CHECK(change.has_value());
          table_.Unlist(slot);
          SetQuiet(action.slot, false);
          NotifyHolders(slot, effects);
          CloseIfEmpty(slot, change->after, effects);
          break;
        }
        case Action::Kind::kDrainIfUnused: {
          // What was done since it was asked may have decided otherwise.
          if (state_.record(action.slot).state != SlotState::kOpen) break;
          const auto change = SlotTable::Update(slot, slot::DrainIfUnused);
          if (!change) break;
          table_.Unlist(slot);
          SetQuiet(action.slot, false);
          state_.OnUnusedDrained(action.slot, action.reason, clock_->Now());
          CloseIfEmpty(slot, change->after, effects);
          break;
        }
        case Action::Kind::kCancelCalls:
          if (connection != nullptr)
            effects.calls.push_back({Effects::Call::Kind::kCancelCalls, id, connection, "connection found dead"});
          break;
        case Action::Kind::kSetLimit: {
          const auto limit = static_cast<uint32_t>(state_.limit());
          SlotTable::Update(slot, [limit](SlotWord w) { return slot::SetLimit(w, limit); });
          GrantOn(slot, effects);
          break;
        }
      }
    }
  }
  for (PoolEvent& event : state_.TakeEvents()) {
    changed = true;
    if (event.kind == PoolEvent::Kind::kClosed) ++counted_.closed_by_reason[static_cast<int>(event.reason)];
    feed_->Append(std::move(event));
    effects.tell = true;
  }
  if (!changed) return;
  grow_above_.store(state_.can_grow() ? static_cast<uint32_t>(state_.grow_above()) : SlotWord::kMaxLeases,
                    std::memory_order_relaxed);
  WakeAll(idlers_, effects);
  SetAlarm();
}

void Pool::Perform(Effects& effects) {
  for (Wakeup* wakeup : effects.wake) wakeup->Wake();
  for (const std::shared_ptr<AsyncAcquire>& acquire : effects.deliver) Deliver(acquire);
  for (auto& [notice, grace] : effects.notices) {
    closer_->Post([notice = std::move(notice), grace = grace] { notice->Deliver(grace); });
  }
  // New connections first: the other calls may run users' code in this thread (gRPC runs interceptors when it cancels),
  // and if that acquires, it must not wait for a connection that this thread was about to make.
  for (const Effects::Call& call : effects.calls) {
    if (call.kind == Effects::Call::Kind::kCreate) CreateConnection(call.id, call.endpoint);
  }
  for (const Effects::Call& call : effects.calls) {
    switch (call.kind) {
      case Effects::Call::Kind::kCreate:
        break;
      case Effects::Call::Kind::kRedial:
        call.connection->Redial();
        break;
      case Effects::Call::Kind::kProbe:
        call.connection->Probe(kProbePart * options().probe_timeout);
        break;
      case Effects::Call::Kind::kCancelCalls:
        call.connection->CancelCalls(absl::UnavailableError(absl::StrCat(
            call.why, ": pool \"", name_, "\" gave up connection ", call.id.ToString(), " with its calls")));
        break;
    }
  }
  if (effects.tell) feed_->Flush();
  effects.calls.clear();
  effects.notices.clear();
  effects.closed.clear();  // Each posts its own destruction to the closer: see CreateConnection.
  effects.references.clear();
}

void Pool::CreateConnection(ConnectionId id, const Endpoint& endpoint) {
  std::shared_ptr<Connection> connection(connector_->CreateTo(endpoint, id, options(), weak_from_this()).release(),
                                         [closer = closer_, weak = weak_from_this()](Connection* last) {
                                           closer->Post([last, weak] {
                                             delete last;
                                             if (const std::shared_ptr<Pool> pool = weak.lock()) {
                                               MutexLock lock(&pool->mu_);
                                               ++pool->counted_.closed;
                                             }
                                           });
                                         });
  Effects effects;
  bool current = false;
  {
    MutexLock lock(&mu_);
    current = IsCurrent(id) && state_.record(id.slot).state != SlotState::kClosed;
    if (current) {
      held_[id.slot].connection = connection;
      table_.Get(id.slot)->connection.store(connection.get(), std::memory_order_release);
    }
    WakeAll(await_made_, effects);
  }
  if (current) connection->Start();
  Perform(effects);
}

// --- Reports ------------------------------------------------------------------------------------------------------

bool Pool::IsCurrent(ConnectionId id) const {
  return id.slot < state_.size() && state_.record(id.slot).generation == id.generation;
}

template <typename Tell>
void Pool::Report(ConnectionId id, Tell tell) {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (IsCurrent(id)) tell(state_, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

void Pool::OnOpened(ConnectionId id) {
  Report(id, [id](PoolState& state, absl::Time now) { state.OnOpened(id.slot, now); });
}

void Pool::OnFailed(ConnectionId id, absl::Status why) {
  Report(id, [&](PoolState& state, absl::Time now) { state.OnFailed(id.slot, why, now); });
}

void Pool::OnLost(ConnectionId id, absl::Status why) {
  Report(id, [&](PoolState& state, absl::Time now) { state.OnLost(id.slot, why, now); });
}

void Pool::OnUnavailable(ConnectionId id) {
  Report(id, [id](PoolState& state, absl::Time now) { state.OnUnavailable(id.slot, now); });
}

void Pool::OnCallEnded(ConnectionId id, CallOutcome outcome, absl::Duration latency) {
  if (Forked()) return;
  {
    MutexLock lock(&mu_);  // Else the slot may close, and begin another life, under our hands.
    if (!IsCurrent(id) || state_.record(id.slot).state == SlotState::kClosed) return;
    if (!CountCall(table_.Get(id.slot), outcome, latency)) return;
  }
  OnUnavailable(id);
}

void Pool::OnBackend(ConnectionId id, absl::string_view backend) {
  if (backend.empty()) return;
  Report(id, [&](PoolState& state, absl::Time now) { state.OnBackend(id.slot, backend, now); });
}

void Pool::OnProbed(ConnectionId id, absl::Status result) {
  Report(id, [&](PoolState& state, absl::Time now) { state.OnProbed(id.slot, result, now); });
}

void Pool::Suspect(ConnectionId id) {
  Report(id, [id](PoolState& state, absl::Time now) { state.OnSuspected(id.slot, now); });
}

void Pool::Check(ConnectionId id) {
  Report(id, [id](PoolState& state, absl::Time now) { state.OnSuspected(id.slot, now, /*routine=*/true); });
}

void Pool::Discard(ConnectionId id) {
  Report(id, [&](PoolState& state, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    state.OnDiscarded(id.slot, now);
    state.OnDemand(Demand(), now);
  });
}

void Pool::SetMaxIdle(ConnectionId id, absl::Duration max_idle) {
  Report(id, [&](PoolState& state, absl::Time) { state.SetMaxIdle(id.slot, max_idle); });
}

// --- Housekeeping -------------------------------------------------------------------------------------------------

int64_t Pool::Demand() const {
  int64_t leases = waiters_.size();
  for (uint32_t i = 0; i < table_.size(); ++i) {  // What is decided on and not made yet has no leases.
    const SlotState state = state_.record(i).state;
    if (state != SlotState::kClosed && state != SlotState::kDraining) leases += table_.Get(i)->Load().leases();
  }
  return leases;
}

std::vector<SlotUse> Pool::ReadUse(bool clear) {
  std::vector<SlotUse> use(state_.size());
  for (uint32_t i = 0; i < table_.size(); ++i) {  // The state may have decided on slots that are not made yet.
    Slot* slot = table_.Get(i);
    const SlotWord word = slot->Load();
    const bool fresh = !held_[i].has_lent && !word.used() && word.leases() == 0;
    use[i] = {word.leases(), word.used(), slot->peak.load(std::memory_order_relaxed), fresh};
    if (!clear) continue;
    held_[i].has_lent |= SlotTable::Update(slot, slot::ClearUsed).has_value();
    slot->peak.store(word.leases(), std::memory_order_relaxed);
  }
  return use;
}

void Pool::KeepHistory(absl::Time now) {
  constexpr absl::Duration kApart = absl::Seconds(30);
  if (now - earlier_[1].at < kApart) return;
  earlier_[0] = earlier_[1];
  const PoolStats stats = StatsLocked();
  earlier_[1] = {now, stats.acquired, stats.rejected, stats.timed_out, stats.holds.histogram};
}

void Pool::CollectCalls() {
  const absl::Time now = clock_->Now();
  for (uint32_t i = 0; i < table_.size(); ++i) state_.OnCalls(i, table_.Get(i)->tally->calls.Take(), now);
}

void Pool::PublishHandicaps() {
  for (Slot* slot : table_.listed()) {
    const uint32_t handicap = state_.record(slot->index).handicap;
    if (slot->handicap.load(std::memory_order_relaxed) == handicap) continue;  // The line is the acquirers'.
    slot->handicap.store(handicap, std::memory_order_relaxed);
  }
}

void Pool::SetAlarm() {
  absl::Time next = state_.NextTick(clock_->Now());
  if (watch_.load(std::memory_order_relaxed) != nullptr) {
    next = std::min(next, watch_owner_->OldestUntold() + state_.options().leak_after);
  }
  if (!async_deadlines_.empty()) next = std::min(next, async_deadlines_.begin()->first);
  // A ring that comes too early finds nothing to do and sets the next one.
  if (next >= alarm_set_for_) return;
  alarm_set_for_ = next;
  alarm_->Set(next);
}

void Pool::Housekeep() {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    alarm_set_for_ = absl::InfiniteFuture();
    const absl::Time now = clock_->Now();
    while (!async_deadlines_.empty() && async_deadlines_.begin()->first <= now) {
      Waiter* waiter = &async_deadlines_.begin()->second->waiter;
      LineOf(waiter).Remove(waiter);
      ++counted_.timed_out;
      Decide(waiter, nullptr,
             absl::DeadlineExceededError(
                 WithDialError(absl::StrCat("acquire from \"", name_, "\": no place in time (", Numbers(), ")"))),
             effects);
    }
    ClearSlowIfNobodyWaits();
    CollectCalls();
    KeepHistory(now);
    state_.OnTick(ReadUse(/*clear=*/true), Demand(), now);
    AskForFresh();  // A back-off may be over.
    TellLongLeases(effects);
    RunActions(effects);
    MarkQuiet();
    PublishHandicaps();
    // A back-off that is over changes nothing by itself, but WaitForReady may ask for its connections again.
    WakeAll(idlers_, effects);
    SetAlarm();
  }
  Perform(effects);
}

}  // namespace chanpool
