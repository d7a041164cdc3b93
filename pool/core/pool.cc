#include "pool/core/pool.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pool/core/check.h"
#include "pool/core/pick_random.h"

namespace chanpool {
namespace {

// How often this process was made by fork(). A pool remembers the count at its birth: in a child it holds threads that
// do not exist and locks that may be held for ever.
std::atomic<uint64_t> forks{0};

uint64_t CountForks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  (void)registered;
  return forks.load(std::memory_order_relaxed);
}

// After CancelCalls: how long Drain waits for the cancelled calls to give their leases back.
constexpr absl::Duration kCancelSettle = absl::Seconds(1);

}  // namespace

// An acquire without a thread. Kept by whoever will deliver it: the queue, then the closer's task.
class AsyncAcquire {
 public:
  AsyncAcquire(std::shared_ptr<Pool> owner, std::function<void(absl::StatusOr<Place>)> then)
      : pool(std::move(owner)), callback(std::move(then)) {
    waiter.async = this;
  }

  const std::shared_ptr<Pool> pool;
  std::function<void(absl::StatusOr<Place>)> callback;  // Touched by the delivering task only.
  // Guarded by the pool's lock:
  Waiter waiter;
  std::shared_ptr<AsyncAcquire> self;  // While it is queued.
  bool delivered = false;
};

void AcquireHandle::Cancel() {
  if (acquire_ != nullptr) acquire_->pool->CancelAsync(acquire_);
}

void Place::Reset() {
  if (slot_ != nullptr) Pool::Release(std::exchange(slot_, nullptr));
}

void Place::Suspect() {
  if (slot_ != nullptr) slot_->pool->Suspect(id());
}

// --- Beginning and end --------------------------------------------------------------------------------------------

Pool::Pool(Config config)
    : name_(std::move(config.name)),
      clock_(config.clock),
      closer_(config.closer),
      connector_(std::move(config.connector)),
      forks_at_birth_(CountForks()),
      table_(this),
      grow_above_(config.options.max_leases_per_connection),
      state_(config.options, config.seed) {}

Pool::~Pool() = default;

std::shared_ptr<Pool> Pool::Create(Config config) {
  std::shared_ptr<Pool> pool(new Pool(std::move(config)));
  std::unique_ptr<Alarm> alarm = pool->clock_->NewAlarm([weak = std::weak_ptr<Pool>(pool)] {
    if (const std::shared_ptr<Pool> alive = weak.lock()) alive->Housekeep();
  });
  Effects effects;
  {
    MutexLock lock(&pool->mu_);
    pool->alarm_ = std::move(alarm);
    pool->state_.Start(pool->clock_->Now());
    pool->RunActions(effects);
  }
  pool->Perform(effects);
  return pool;
}

bool Pool::Forked() const { return forks.load(std::memory_order_relaxed) != forks_at_birth_; }

absl::Status Pool::ForkedError() const {
  return absl::FailedPreconditionError(
      absl::StrCat("pool \"", name_, "\" was made before fork(): process ", getpid(), " must make its own"));
}

void Pool::Destroy() {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    state_.Destroy(clock_->Now());
    RefuseWaiters(AdminRefusal(), effects);
    RunActions(effects);
  }
  Perform(effects);
}

// --- The fast path ------------------------------------------------------------------------------------------------

Place Pool::TryAcquire() {
  if (Forked()) return Place();
  Slot* slot = table_.TryLend(&ThisThreadsRandom());
  if (slot == nullptr) return Place();
  const uint32_t leases = slot->Load().leases();
  if (leases > slot->peak.load(std::memory_order_relaxed)) {
    slot->peak.store(leases, std::memory_order_relaxed);
    if (leases > grow_above_.load(std::memory_order_relaxed)) Grow();
  }
  return Place(slot);
}

void Pool::Grow() {
  Effects effects;
  {
    MutexLock lock(&mu_);
    state_.OnDemand(Demand(), clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

// --- The slow path: giving back -----------------------------------------------------------------------------------

void Pool::ReleaseSlow(Slot* slot) {
  if (Forked()) {
    SlotTable::Update(slot, slot::ReturnLocked);  // The lock may be held by a thread that does not exist here.
    return;
  }
  // The lease keeps its slot, which keeps the pool, until it is given back; then only this reference does: another
  // thread may give the last lease back before we have unlocked.
  const std::shared_ptr<Pool> keep = shared_from_this();
  Effects effects;
  {
    MutexLock lock(&mu_);
    // With SLOW set every release comes through here, so the word cannot lose a lease under our eyes.
    if (slot::HandsOver(slot->Load(), !waiters_.empty())) {
      Decide(waiters_.PopFront(), slot, absl::OkStatus(), effects);
      ClearSlowIfNobodyWaits();
    } else {
      const auto change = SlotTable::Update(slot, slot::ReturnLocked);
      CHANPOOL_CHECK(change.has_value());  // A place was given back twice.
      CloseIfEmpty(slot, change->after, effects);
    }
    RunActions(effects);
  }
  Perform(effects);
}

// --- The slow path: acquiring -------------------------------------------------------------------------------------

absl::Status Pool::AdminRefusal() const {
  switch (state_.admin()) {
    case PoolAdminState::kActive:
      return absl::OkStatus();
    case PoolAdminState::kDraining:
    case PoolAdminState::kDrained:
      return absl::UnavailableError(absl::StrCat("pool \"", name_, "\" is draining (", Numbers(), ")"));
    case PoolAdminState::kDestroyed:
      return absl::UnavailableError(absl::StrCat("pool \"", name_, "\" was destroyed"));
  }
  return absl::InternalError("unknown state");
}

std::string Pool::Numbers() const {
  int64_t leases = 0, capacity = 0;
  for (const Slot* slot : table_.listed()) {
    const SlotWord word = slot->Load();
    leases += word.leases();
    capacity += word.limit();
  }
  return absl::StrFormat("%d/%d connections open, %d/%d leases, %d waiting", state_.count(SlotState::kOpen),
                         state_.options().max_connections, leases, capacity, waiters_.size());
}

std::string Pool::WithDialError(std::string message) const {
  if (state_.count(SlotState::kOpen) == 0 && !state_.last_dial_error().ok()) {
    absl::StrAppend(&message, "; last dial error: ", state_.last_dial_error().message());
  }
  return message;
}

absl::Status Pool::FullError(absl::string_view what) const {
  return absl::ResourceExhaustedError(absl::StrCat("acquire from \"", name_, "\": ", what, " (", Numbers(), ")"));
}

void Pool::MarkSlowAll() {
  for (Slot* slot : table_.listed()) SlotTable::Update(slot, slot::MarkSlow);
}

void Pool::ClearSlowIfNobodyWaits() {
  if (!waiters_.empty()) return;
  for (Slot* slot : table_.listed()) SlotTable::Update(slot, slot::ClearSlow);
}

Slot* Pool::LendOrQueue(Waiter* waiter, absl::Status* why, Effects& effects) {
  *why = AdminRefusal();
  if (!why->ok()) {
    ++counted_.unavailable;
    return nullptr;
  }
  if (waiters_.empty()) {
    MarkSlowAll();  // From here every release comes to this lock; what came back before is seen by the look.
    if (Slot* slot = table_.LendLeastLoaded(slot::LendLocked)) {
      ClearSlowIfNobodyWaits();
      ++counted_.hits;
      return slot;
    }
  }
  if (waiters_.size() >= state_.options().max_waiters) {
    ClearSlowIfNobodyWaits();
    ++counted_.rejected;
    *why = FullError(absl::StrCat("max_waiters (", state_.options().max_waiters, ") already wait"));
    return nullptr;
  }
  waiters_.PushBack(waiter);
  state_.OnDemand(Demand(), clock_->Now());
  RunActions(effects);
  return nullptr;
}

absl::StatusOr<Place> Pool::Acquire(absl::Time deadline) {
  if (Place place = TryAcquire()) return place;
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  const absl::Time begun = clock_->Now();
  Waiter waiter;
  waiter.deadline = clock_->FromWall(deadline);
  Effects effects;
  Slot* slot = nullptr;
  absl::Status refusal;
  {
    MutexLock lock(&mu_);
    slot = LendOrQueue(&waiter, &refusal, effects);
  }
  Perform(effects);
  if (slot != nullptr) return Place(slot);
  if (!refusal.ok()) return refusal;

  if (!clock_->Park(waiter.wakeup, waiter.deadline)) {
    bool decided = false;
    {
      MutexLock lock(&mu_);
      decided = !waiter.queued;
      if (!decided) {
        waiters_.Remove(&waiter);
        ClearSlowIfNobodyWaits();
        ++counted_.timed_out;
        waiter.refusal = absl::DeadlineExceededError(
            WithDialError(absl::StrCat("acquire from \"", name_, "\": no place within ",
                                       absl::FormatDuration(clock_->Now() - begun), " (", Numbers(), ")")));
      }
    }
    // Whoever decided is about to wake us: this frame must stay until then.
    if (decided) clock_->Park(waiter.wakeup, absl::InfiniteFuture());
  }
  if (waiter.granted != nullptr) return Place(waiter.granted);
  return waiter.refusal;
}

AcquireHandle Pool::AcquireAsync(absl::Time deadline, std::function<void(absl::StatusOr<Place>)> callback) {
  const auto acquire = std::make_shared<AsyncAcquire>(shared_from_this(), std::move(callback));
  if (Forked()) {
    // The closer's thread does not exist in this process.
    std::thread([acquire, refusal = ForkedError()] { acquire->callback(refusal); }).detach();
    return AcquireHandle(acquire);
  }
  if (Place place = TryAcquire()) {
    // Nobody else knows of it yet, but Cancel may as soon as the handle is out.
    acquire->waiter.granted = place.Detach();
    Deliver(acquire);
    return AcquireHandle(acquire);
  }
  acquire->waiter.deadline = clock_->FromWall(deadline);
  Effects effects;
  {
    MutexLock lock(&mu_);
    acquire->self = acquire;
    const std::pair<absl::Time, AsyncAcquire*> due{acquire->waiter.deadline, acquire.get()};
    async_deadlines_.insert(due);
    absl::Status refusal;
    Slot* slot = LendOrQueue(&acquire->waiter, &refusal, effects);
    if (slot != nullptr || !refusal.ok()) {
      async_deadlines_.erase(due);
      acquire->self = nullptr;
      acquire->waiter.granted = slot;
      acquire->waiter.refusal = refusal;
      effects.deliver.push_back(acquire);
    } else {
      SetAlarm();
    }
  }
  Perform(effects);
  return AcquireHandle(acquire);
}

void Pool::CancelAsync(const std::shared_ptr<AsyncAcquire>& acquire) {
  if (Forked()) return;
  const auto cancelled = absl::CancelledError(absl::StrCat("acquire from \"", name_, "\" was cancelled"));
  Effects effects;
  Slot* give_back = nullptr;
  {
    MutexLock lock(&mu_);
    Waiter& waiter = acquire->waiter;
    if (acquire->delivered) return;
    if (waiter.queued) {
      waiters_.Remove(&waiter);
      ClearSlowIfNobodyWaits();
      ++counted_.cancelled;
      Decide(&waiter, nullptr, cancelled, effects);
    } else if (waiter.granted != nullptr) {
      give_back = std::exchange(waiter.granted, nullptr);
      waiter.refusal = cancelled;
      ++counted_.cancelled;
    }
  }
  if (give_back != nullptr) Release(give_back);
  Perform(effects);
}

void Pool::Deliver(const std::shared_ptr<AsyncAcquire>& acquire) {
  closer_->Post([acquire] {
    Slot* slot = nullptr;
    absl::Status refusal;
    {
      MutexLock lock(&acquire->pool->mu_);
      acquire->delivered = true;
      slot = std::exchange(acquire->waiter.granted, nullptr);
      refusal = acquire->waiter.refusal;
    }
    const auto callback = std::exchange(acquire->callback, nullptr);
    if (slot != nullptr) {
      callback(Place(slot));
    } else {
      callback(refusal);
    }
  });
}

Slot* Pool::LendUnready(bool* over_limit, bool* being_created) {
  // What is on its way first, then what waits to dial again, then what is suspected: all better than no connection.
  for (const SlotState wanted : {SlotState::kConnecting, SlotState::kBackoff, SlotState::kChecking}) {
    Slot* best = nullptr;
    for (uint32_t i = 0; i < state_.size(); ++i) {
      if (state_.record(i).state != wanted) continue;
      Slot* slot = table_.Get(i);
      if (held_[i].connection == nullptr) {
        *being_created = true;
      } else if (best == nullptr || slot->Load().leases() < best->Load().leases()) {
        best = slot;
      }
    }
    if (best == nullptr) continue;
    *over_limit = best->Load().leases() >= best->Load().limit();
    if (*over_limit && state_.options().overflow == OverflowPolicy::kReject) return nullptr;
    return SlotTable::Update(best, slot::LendUnready) ? best : nullptr;
  }
  return nullptr;
}

Pool::Attempt Pool::TryNow(bool wait_for_ready, Wakeup* made, Effects& effects) {
  Attempt attempt;
  attempt.refusal = AdminRefusal();
  if (!attempt.refusal.ok()) {
    ++counted_.unavailable;
    return attempt;
  }
  if (waiters_.empty()) {
    attempt.slot = table_.LendLeastLoaded(slot::LendLocked);
    counted_.hits += attempt.slot != nullptr;
    if (attempt.slot != nullptr) return attempt;
  }
  state_.OnDemand(Demand() + 1, clock_->Now());
  RunActions(effects);
  bool over_limit = false, being_created = false, full = false;
  if (!table_.listed().empty()) {
    if (state_.options().overflow == OverflowPolicy::kOvercommit) {
      // The last word asked about is the one that was changed: a later look would see what others gave back.
      attempt.slot = table_.LendLeastLoaded([&over_limit](SlotWord word) {
        over_limit = word.leases() >= word.limit();
        return slot::Overcommit(word);
      });
    }
    full = attempt.slot == nullptr;
    counted_.hits += attempt.slot != nullptr;
  } else {
    attempt.slot = LendUnready(&over_limit, &being_created);
    full = attempt.slot == nullptr && over_limit;
    counted_.misses += attempt.slot != nullptr;
  }
  if (attempt.slot != nullptr) {
    counted_.overcommitted += over_limit;
  } else if (full) {
    ++counted_.rejected;
    attempt.refusal = FullError("every connection is full");
  } else if (being_created) {
    await_made_.push_back(made);
    attempt.await_made = true;
  } else if (!state_.OpenForCall(wait_for_ready, clock_->Now())) {
    ++counted_.unavailable;
    attempt.refusal = absl::UnavailableError(WithDialError(
        absl::StrCat("pool \"", name_, "\" has no connection and dials again in ",
                     absl::FormatDuration(std::max(absl::ZeroDuration(), state_.retry_at() - clock_->Now())))));
  }
  RunActions(effects);
  return attempt;
}

absl::StatusOr<Place> Pool::AcquireNow(bool wait_for_ready) {
  if (Place place = TryAcquire()) return place;
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  // Each further round follows a connection that somebody made, in microseconds. A caller that finds none after this
  // many was unlucky beyond reason and is refused.
  constexpr int kRounds = 16;
  for (int round = 0; round < kRounds; ++round) {
    Effects effects;
    Wakeup made;
    Attempt attempt;
    {
      MutexLock lock(&mu_);
      attempt = TryNow(wait_for_ready, &made, effects);
    }
    Perform(effects);
    if (attempt.slot != nullptr) return Place(attempt.slot);
    if (!attempt.refusal.ok()) return attempt.refusal;
    if (attempt.await_made) clock_->Park(made, absl::InfiniteFuture());
  }
  MutexLock lock(&mu_);
  ++counted_.unavailable;
  return absl::UnavailableError(absl::StrCat("pool \"", name_, "\": no connection after ", kRounds, " attempts"));
}

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

// A slot that opens serves the waiters first, and is published with SLOW if some still wait.
void Pool::Publish(Slot* slot, Effects& effects) {
  const auto waiting = static_cast<uint32_t>(waiters_.size());
  const auto change = SlotTable::Update(slot, [waiting](SlotWord word) {
    const uint32_t room = word.limit() > word.leases() ? word.limit() - word.leases() : 0;
    const uint32_t granted = std::min(room, waiting);
    return slot::Open(word, granted, /*some_still_wait=*/granted < waiting);
  });
  CHANPOOL_CHECK(change.has_value());
  for (uint32_t leases = change->before.leases(); leases < change->after.leases(); ++leases) {
    if (waiters_.empty()) break;
    Decide(waiters_.PopFront(), slot, absl::OkStatus(), effects);
  }
  table_.List(slot);
  if (waiting > 0) ClearSlowIfNobodyWaits();
}

void Pool::GrantOn(Slot* slot, Effects& effects) {
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
          if (connection != nullptr) effects.calls.push_back({Effects::Call::Kind::kCancelCalls, id, connection});
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
    event.sequence = ++last_sequence_;
    if (event.kind == PoolEvent::Kind::kClosed) ++counted_.closed_by_reason[static_cast<int>(event.reason)];
    for (const std::shared_ptr<Subscriber>& subscriber : subscribers_) {
      if (subscriber->queue.size() >= kMaxQueuedEvents) continue;
      subscriber->queue.push_back(event);
      if (!std::exchange(subscriber->delivering, true)) effects.tell.push_back(subscriber);
    }
  }
  if (!changed) return;
  grow_above_.store(state_.can_grow() ? static_cast<uint32_t>(state_.target()) : SlotWord::kMaxLeases,
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
        call.connection->Probe(options().connect_timeout);
        break;
      case Effects::Call::Kind::kCancelCalls:
        call.connection->CancelCalls(absl::UnavailableError(
            absl::StrCat("pool \"", name_, "\" gave up connection ", call.id.ToString(), " with its calls")));
        break;
    }
  }
  for (const std::shared_ptr<Subscriber>& subscriber : effects.tell) {
    closer_->Post([self = shared_from_this(), subscriber] { self->DeliverEvents(subscriber); });
  }
  effects.calls.clear();
  effects.closed.clear();  // Each posts its own destruction to the closer: see CreateConnection.
  effects.references.clear();
}

void Pool::CreateConnection(ConnectionId id) {
  std::shared_ptr<Connection> connection(connector_->Create(id, weak_from_this()).release(),
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

void Pool::DeliverEvents(const std::shared_ptr<Subscriber>& subscriber) {
  std::deque<PoolEvent> events;
  {
    MutexLock lock(&mu_);
    events.swap(subscriber->queue);
  }
  for (const PoolEvent& event : events) {
    if (!subscriber->ended.load(std::memory_order_acquire)) subscriber->callback(event);
  }
  {
    MutexLock lock(&mu_);
    subscriber->delivering = !subscriber->queue.empty();
    if (!subscriber->delivering) return;
  }
  // Behind whatever else the closer has to do: a busy subscriber must not keep connections from closing.
  closer_->Post([self = shared_from_this(), subscriber] { self->DeliverEvents(subscriber); });
}

// --- Reports ------------------------------------------------------------------------------------------------------

bool Pool::IsCurrent(ConnectionId id) const {
  return id.slot < state_.size() && state_.record(id.slot).generation == id.generation;
}

void Pool::OnOpened(ConnectionId id) {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (IsCurrent(id)) state_.OnOpened(id.slot, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

void Pool::OnFailed(ConnectionId id, absl::Status why) {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (IsCurrent(id)) state_.OnFailed(id.slot, why, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

void Pool::OnLost(ConnectionId id, absl::Status why) {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (IsCurrent(id)) state_.OnLost(id.slot, why, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

void Pool::OnProbed(ConnectionId id, absl::Status result) {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (IsCurrent(id)) state_.OnProbed(id.slot, result, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

void Pool::Suspect(ConnectionId id) {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (IsCurrent(id)) state_.OnSuspected(id.slot, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
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
    use[i] = {word.leases(), word.used()};
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

// --- Steering -----------------------------------------------------------------------------------------------------

bool Pool::AwaitChange(Wakeup* wakeup, absl::Time deadline) {
  if (clock_->Park(*wakeup, deadline)) return true;
  {
    MutexLock lock(&mu_);
    const auto found = std::find(idlers_.begin(), idlers_.end(), wakeup);
    if (found != idlers_.end()) {
      idlers_.erase(found);
      return false;
    }
  }
  // Whoever took it off the list is about to wake it: it must stay until then.
  clock_->Park(*wakeup, absl::InfiniteFuture());
  return true;
}

absl::Status Pool::WaitForReady(int connections, absl::Time deadline) {
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  const absl::Time until = clock_->FromWall(deadline);
  for (;;) {
    Wakeup changed;
    Effects effects;
    {
      MutexLock lock(&mu_);
      if (connections > state_.options().max_connections || connections < 0) {
        return absl::InvalidArgumentError(absl::StrCat("WaitForReady(", connections, ") on pool \"", name_,
                                                       "\": set 0 to max_connections (",
                                                       state_.options().max_connections, ")"));
      }
      const absl::Status refusal = AdminRefusal();
      if (!refusal.ok()) return refusal;
      if (state_.count(SlotState::kOpen) >= connections) return absl::OkStatus();
      state_.EnsureConnections(connections, clock_->Now());
      RunActions(effects);
      idlers_.push_back(&changed);
    }
    Perform(effects);
    if (AwaitChange(&changed, until)) continue;
    MutexLock lock(&mu_);
    if (state_.count(SlotState::kOpen) >= connections) return absl::OkStatus();
    std::string message = absl::StrCat("pool \"", name_, "\": ", state_.count(SlotState::kOpen), " of ", connections,
                                       " connections open in time");
    if (!state_.last_dial_error().ok())
      absl::StrAppend(&message, "; last dial error: ", state_.last_dial_error().message());
    return absl::DeadlineExceededError(message);
  }
}

void Pool::BeginDrain() {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (state_.admin() == PoolAdminState::kActive) {
      state_.Drain(clock_->Now());
      RefuseWaiters(AdminRefusal(), effects);
      RunActions(effects);
    }
  }
  Perform(effects);
}

absl::Status Pool::Drain(absl::Time deadline, OnDeadline on_deadline) {
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  absl::Time until = clock_->FromWall(deadline);
  BeginDrain();
  for (bool cancelled = false;;) {
    Wakeup changed;
    {
      MutexLock lock(&mu_);
      if (state_.admin() == PoolAdminState::kDrained) return absl::OkStatus();
      if (state_.admin() == PoolAdminState::kActive) {
        return absl::AbortedError(absl::StrCat("drain of pool \"", name_, "\": resumed meanwhile"));
      }
      if (state_.admin() == PoolAdminState::kDestroyed) return AdminRefusal();
      idlers_.push_back(&changed);
    }
    if (AwaitChange(&changed, until)) continue;
    Effects effects;
    {
      MutexLock lock(&mu_);
      if (state_.admin() != PoolAdminState::kDraining) continue;
      if (on_deadline == OnDeadline::kLeave || cancelled) return StillOut();
      for (uint32_t i = 0; i < state_.size(); ++i) {
        if (state_.record(i).state != SlotState::kDraining || held_[i].connection == nullptr) continue;
        effects.calls.push_back(
            {Effects::Call::Kind::kCancelCalls, {i, state_.record(i).generation}, held_[i].connection});
      }
    }
    Perform(effects);
    cancelled = true;
    until = clock_->Now() + kCancelSettle;
  }
}

absl::Status Pool::StillOut() const {
  std::string who;
  int64_t leases = 0;
  int connections = 0;
  constexpr int kNamed = 5;
  for (uint32_t i = 0; i < state_.size(); ++i) {
    if (state_.record(i).state != SlotState::kDraining) continue;
    const SlotWord word = table_.Get(i)->Load();
    leases += word.leases();
    if (++connections <= kNamed) {
      absl::StrAppend(&who, who.empty() ? "" : ", ", ConnectionId{i, word.generation()}.ToString(), ": ",
                      word.leases());
    }
  }
  if (connections > kNamed) absl::StrAppend(&who, ", ...");
  return absl::DeadlineExceededError(absl::StrCat("drain of pool \"", name_, "\": ", leases, " leases still out on ",
                                                  connections, " connections (", who, ")"));
}

absl::Status Pool::Resume() {
  if (Forked()) return ForkedError();
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (state_.admin() == PoolAdminState::kDestroyed) {
      return absl::FailedPreconditionError(absl::StrCat("resume of pool \"", name_, "\": it was destroyed"));
    }
    state_.Resume(clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
  return absl::OkStatus();
}

absl::Status Pool::Reconfigure(const PoolOptions& options) {
  if (Forked()) return ForkedError();
  const absl::Status valid = options.Validate();
  if (!valid.ok()) return valid;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (state_.admin() == PoolAdminState::kDestroyed) {
      return absl::FailedPreconditionError(absl::StrCat("reconfigure of pool \"", name_, "\": it was destroyed"));
    }
    state_.Reconfigure(options, ReadUse(/*clear=*/false), clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
  return absl::OkStatus();
}

void Pool::Recycle() {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    state_.Recycle(clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

void Pool::TryToConnect() {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (state_.serving() == 0) state_.EnsureConnections(1, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
}

// --- Observing ----------------------------------------------------------------------------------------------------

PoolOptions Pool::options() const {
  if (Forked()) return PoolOptions();
  MutexLock lock(&mu_);
  return state_.options();
}

PoolStats Pool::Stats() const {
  if (Forked()) {
    PoolStats nothing;
    nothing.state = PoolAdminState::kDestroyed;
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
  stats.connections_open = state_.count(SlotState::kOpen);
  stats.connections_connecting = state_.count(SlotState::kConnecting);
  stats.connections_backoff = state_.count(SlotState::kBackoff);
  stats.connections_checking = state_.count(SlotState::kChecking);
  stats.connections_draining = state_.count(SlotState::kDraining);
  stats.connections_lingering = state_.lingering();
  stats.connections_replacing = state_.replacements_under_way();
  stats.connections = static_cast<int>(stats.opened - stats.closed);
  stats.connections_closing = stats.connections - (static_cast<int>(state_.size()) - state_.count(SlotState::kClosed));
  stats.waiters = waiters_.size();
  for (uint32_t i = 0; i < table_.size(); ++i) {
    const Slot* slot = table_.Get(i);
    const SlotWord word = slot->Load();
    stats.hits += slot->lent.load(std::memory_order_relaxed);
    stats.leases += word.leases();
    if (word.state() != SlotState::kOpen) continue;
    stats.capacity += word.limit();
    if (word.leases() > word.limit()) {
      stats.leases_over_limit += word.leases() - word.limit();
    } else {
      stats.free += word.limit() - word.leases();
    }
  }
  stats.acquired = stats.hits + stats.misses;
  // Derived, since a release may touch nothing after its compare-and-swap; exact once callers rest.
  stats.released = stats.acquired - std::min<uint64_t>(stats.acquired, stats.leases);
  stats.dial_failures = state_.dial_failures();
  stats.last_dial_error = state_.last_dial_error();
  stats.retry_at = state_.retry_at();
  return stats;
}

std::vector<ConnectionStats> Pool::Connections() const {
  if (Forked()) return {};
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
    row.state = record.state;
    row.reason = record.reason;
    row.leases = word.leases();
    row.limit = word.limit();
    row.peak_leases = std::max(word.leases(), slot->peak.load(std::memory_order_relaxed));
    row.in_state = now - record.since;
    if (record.opened_at != absl::InfinitePast()) row.age = now - record.opened_at;
    rows.push_back(row);
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
  if (Forked()) return Subscription();
  auto subscriber = std::make_shared<Subscriber>();
  subscriber->callback = std::move(callback);
  {
    MutexLock lock(&mu_);
    subscribers_.push_back(subscriber);
  }
  return Subscription([weak = weak_from_this(), subscriber] {
    subscriber->ended.store(true, std::memory_order_release);
    const std::shared_ptr<Pool> pool = weak.lock();
    if (pool == nullptr || pool->Forked()) return;
    MutexLock lock(&pool->mu_);
    auto& all = pool->subscribers_;
    all.erase(std::remove(all.begin(), all.end(), subscriber), all.end());
  });
}

absl::Status Pool::CheckInvariants() const {
  if (Forked()) return ForkedError();
  MutexLock lock(&mu_);
  const auto broken = [](uint32_t slot, absl::string_view what) {
    return absl::InternalError(absl::StrCat("slot ", slot, ": ", what));
  };
  const bool somebody_waits = !waiters_.empty();
  for (uint32_t i = 0; i < state_.size(); ++i) {
    const SlotWord word = table_.Get(i)->Load();
    const PoolState::Record& record = state_.record(i);
    if (word.state() != record.state)
      return broken(i, absl::StrCat("word ", ToString(word.state()), ", state ", ToString(record.state)));
    if (word.generation() != record.generation) return broken(i, "generations differ");
    const auto& listed = table_.listed();
    const bool is_listed = std::find(listed.begin(), listed.end(), table_.Get(i)) != listed.end();
    if (is_listed != (word.state() == SlotState::kOpen)) return broken(i, "listed and OPEN disagree");
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
        if (word.slow() != somebody_waits)
          return broken(i, somebody_waits ? "waiters, but no SLOW" : "SLOW, but nobody waits");
        if (somebody_waits && word.leases() < word.limit()) return broken(i, "somebody waits while a place is free");
        if (held_[i].connection == nullptr) return broken(i, "OPEN without a connection");
        break;
      default:
        if (word.slow()) return broken(i, "SLOW before it is open");
        break;
    }
  }
  if (state_.serving() > state_.options().max_connections)
    return absl::InternalError("more connections than max_connections");
  if (state_.admin() != PoolAdminState::kActive && (somebody_waits || state_.serving() > 0)) {
    return absl::InternalError("a pool that drains still serves");
  }
  return absl::OkStatus();
}

}  // namespace chanpool
