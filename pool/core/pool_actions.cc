// What the state decides, done: on the words under the lock, and in the outer world after it. Also what the outer
// world and the clock tell the state.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pool/core/async_acquire.h"
#include "pool/core/check.h"
#include "pool/core/pool.h"

namespace chanpool {
namespace {

// Of the connect_timeout after which the state takes silence for death: the transport's own verdict must come first,
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
  while (Waiter* waiter = waiters_.PopFront()) {
    ++counted_.unavailable;
    Decide(waiter, nullptr, why, effects);
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
  const auto change = SlotTable::Update(slot, [waiting, paused](SlotWord word) {
    const uint32_t room = word.limit() > word.leases() ? word.limit() - word.leases() : 0;
    const uint32_t granted = paused ? 0 : std::min(room, waiting);
    return slot::Open(word, granted, /*some_still_wait=*/granted < waiting || paused);
  });
  CHANPOOL_CHECK(change.has_value());
  for (uint32_t leases = change->before.leases(); leases < change->after.leases(); ++leases) {
    if (waiters_.empty()) break;
    Decide(waiters_.PopFront(), slot, absl::OkStatus(), effects);
  }
  table_.List(slot);
  if (waiting > 0) ClearSlowIfNobodyWaits();
}

// After a pause. One on each in turn: the first slot must not get them all.
void Pool::GrantAll(Effects& effects) {
  for (bool granted = true; granted && !waiters_.empty();) {
    granted = false;
    for (Slot* slot : table_.listed()) {
      if (waiters_.empty()) break;
      if (!SlotTable::Update(slot, slot::LendLocked)) continue;
      Decide(waiters_.PopFront(), slot, absl::OkStatus(), effects);
      granted = true;
    }
  }
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
  if (held.connection != nullptr) effects.closed.push_back(std::move(held.connection));
  effects.references.push_back(std::move(held.self));
  held = Held();
  state_.OnClosed(slot->index, clock_->Now());
}

void Pool::RunActions(Effects& effects) {
  bool changed = false;
  for (;;) {
    std::vector<Action> actions = state_.TakeActions();
    if (actions.empty()) {
      // Whatever just happened may have taken what the waiters wait for: each change asks again for enough.
      if (!changed || waiters_.empty()) break;
      state_.OnDemand(Demand(), clock_->Now());
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
        held_[action.slot].self = shared_from_this();
        ++counted_.opened;
        effects.calls.push_back({Effects::Call::Kind::kCreate, id, nullptr});
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
          effects.calls.push_back({Effects::Call::Kind::kProbe, id, connection});
          break;
        case Action::Kind::kDrain: {
          const auto change = SlotTable::Update(slot, slot::Drain);
          CHANPOOL_CHECK(change.has_value());
          table_.Unlist(slot);
          CloseIfEmpty(slot, change->after, effects);
          break;
        }
        case Action::Kind::kDrainIfUnused: {
          // What was done since it was asked may have decided otherwise.
          if (state_.record(action.slot).state != SlotState::kOpen) break;
          const auto change = SlotTable::Update(slot, slot::DrainIfUnused);
          if (!change) break;
          table_.Unlist(slot);
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
  // New connections first: the other calls may run users' code in this thread (gRPC runs interceptors when it cancels),
  // and if that acquires, it must not wait for a connection that this thread was about to make.
  for (const Effects::Call& call : effects.calls) {
    if (call.kind == Effects::Call::Kind::kCreate) CreateConnection(call.id);
  }
  for (const Effects::Call& call : effects.calls) {
    switch (call.kind) {
      case Effects::Call::Kind::kCreate:
        break;
      case Effects::Call::Kind::kRedial:
        call.connection->Redial();
        break;
      case Effects::Call::Kind::kProbe:
        call.connection->Probe(kProbePart * options().connect_timeout);
        break;
      case Effects::Call::Kind::kCancelCalls:
        call.connection->CancelCalls(absl::UnavailableError(absl::StrCat(
            call.why, ": pool \"", name_, "\" gave up connection ", call.id.ToString(), " with its calls")));
        break;
    }
  }
  if (effects.tell) feed_->Flush();
  effects.calls.clear();
  effects.closed.clear();  // Each posts its own destruction to the closer: see CreateConnection.
  effects.references.clear();
}

void Pool::CreateConnection(ConnectionId id) {
  std::shared_ptr<Connection> connection(connector_->Create(id, options(), weak_from_this()).release(),
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

void Pool::OnProbed(ConnectionId id, absl::Status result) {
  Report(id, [&](PoolState& state, absl::Time now) { state.OnProbed(id.slot, result, now); });
}

void Pool::Suspect(ConnectionId id) {
  Report(id, [id](PoolState& state, absl::Time now) { state.OnSuspected(id.slot, now); });
}

void Pool::Check(ConnectionId id) {
  Report(id, [id](PoolState& state, absl::Time now) { state.OnSuspected(id.slot, now, /*routine=*/true); });
}

// --- Housekeeping -------------------------------------------------------------------------------------------------

int64_t Pool::Demand() const {
  int64_t leases = waiters_.size();
  for (uint32_t i = 0; i < state_.size(); ++i) {
    const SlotState state = state_.record(i).state;
    if (state != SlotState::kClosed && state != SlotState::kDraining) leases += table_.Get(i)->Load().leases();
  }
  return leases;
}

std::vector<SlotUse> Pool::ReadUse(bool clear) {
  std::vector<SlotUse> use(state_.size());
  for (uint32_t i = 0; i < state_.size(); ++i) {
    Slot* slot = table_.Get(i);
    const SlotWord word = slot->Load();
    use[i] = {word.leases(), word.used(), slot->peak.load(std::memory_order_relaxed)};
    if (!clear) continue;
    SlotTable::Update(slot, slot::ClearUsed);
    slot->peak.store(word.leases(), std::memory_order_relaxed);
  }
  return use;
}

void Pool::SetAlarm() {
  absl::Time next = state_.NextTick(clock_->Now());
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
      waiters_.Remove(waiter);
      ++counted_.timed_out;
      Decide(waiter, nullptr,
             absl::DeadlineExceededError(
                 WithDialError(absl::StrCat("acquire from \"", name_, "\": no place in time (", Numbers(), ")"))),
             effects);
    }
    ClearSlowIfNobodyWaits();
    state_.OnTick(ReadUse(/*clear=*/true), Demand(), now);
    RunActions(effects);
    // A back-off that is over changes nothing by itself, but WaitForReady may ask for its connections again.
    WakeAll(idlers_, effects);
    SetAlarm();
  }
  Perform(effects);
}

}  // namespace chanpool
