#include "pool/core/pool.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pool/core/async_acquire.h"
#include "pool/core/check.h"
#include "pool/core/fork_epoch.h"
#include "pool/core/pick_random.h"
#include "pool/core/slot_calls.h"

namespace chanpool {
namespace {

// As a person would say it: "51ms", not "51.034088ms".
std::string Rounded(absl::Duration d) {
  return absl::FormatDuration(
      absl::Trunc(d, d < absl::Milliseconds(10) ? absl::Microseconds(1) : absl::Milliseconds(1)));
}

}  // namespace

void AcquireHandle::Cancel() {
  if (acquire_ != nullptr) acquire_->pool->CancelAsync(acquire_);
}

void Place::ResetSlow() {
  if (note_ != nullptr) ForgetNote();
  Pool::Release(std::exchange(lent_, Lent()));
}

void Place::Suspect() {
  if (lent_) lent_.slot()->pool()->Suspect(id());
}

void Place::Discard() {
  if (lent_) lent_.slot()->pool()->Discard(id());
}

void Place::SetMaxIdle(absl::Duration max_idle) {
  if (lent_) lent_.slot()->pool()->SetMaxIdle(id(), max_idle);
}

void Place::ReportCall(CallOutcome outcome, absl::Duration latency) {
  if (lent_) Pool::ReportCall(lent_.slot(), outcome, latency);
}

// --- Beginning and end --------------------------------------------------------------------------------------------

Pool::Pool(Config config)
    : name_(std::move(config.name)),
      clock_(config.clock),
      closer_(config.closer),
      connector_(std::move(config.connector)),
      feed_(std::make_shared<EventFeed>(config.closer)),
      fork_epoch_(CountForks()),
      plain_epoch_(fork_epoch_),
      grow_above_(config.options.max_leases_per_connection),
      table_(this),
      state_(config.options, config.seed),
      sources_{config.options, nullptr} {}

Pool::~Pool() = default;

std::shared_ptr<Pool> Pool::Create(Config config) {
  const std::vector<Endpoint> endpoints = std::move(config.endpoints);
  const int rerolls_per_minute = config.rerolls_per_minute;
  std::shared_ptr<Pool> pool(new Pool(std::move(config)));
  std::unique_ptr<Alarm> alarm = pool->clock_->NewAlarm([weak = std::weak_ptr<Pool>(pool)] {
    if (const std::shared_ptr<Pool> alive = weak.lock()) alive->Housekeep();
  });
  Effects effects;
  {
    MutexLock lock(&pool->mu_);
    pool->alarm_ = std::move(alarm);
    for (Earlier& earlier : pool->earlier_) earlier.at = pool->clock_->Now();
    pool->ApplyOptions();
    pool->state_.SetRerolls(rerolls_per_minute);
    if (!endpoints.empty()) pool->state_.SetEndpoints(endpoints, pool->clock_->Now());
    pool->state_.Start(pool->clock_->Now());
    pool->RunActions(effects);
  }
  pool->Perform(effects);
  return pool;
}

absl::Status Pool::ForkedError() const {
  return absl::FailedPreconditionError(absl::StrCat("pool \"", name_, "\" was made before fork(): process ", getpid(),
                                                    " cannot use it; fork before the first pool is made, or exec"));
}

void Pool::Destroy() {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    state_.Destroy(clock_->Now());
    RunActions(effects);
    RefuseWaiters(AdminRefusal(), effects);
  }
  Perform(effects);
}

// --- The fast path ------------------------------------------------------------------------------------------------

// What most callers get: nobody else is on the slot that their thread used last. It calls nothing, so a function whose
// other way is a tail call saves no registers; that, and no more, is why both ways are apart.
inline Slot* Pool::LendLastUsed() {
  if (ForkEpoch() != plain_epoch_.load(std::memory_order_relaxed)) return nullptr;
  PickRandom& random = ThisThreadsRandom();
  if (random.SampleIsNext()) return nullptr;
  Slot* slot = table_.TryLendLastUsed();
  if (slot != nullptr) random.Skip();
  return slot;
}

void Pool::GrowAtPeak(Slot* slot) {
  const uint32_t leases = slot->Load().leases();
  if (SlotTable::RaisePeak(slot, leases) && leases > grow_above_.load(std::memory_order_relaxed)) Grow();
}

Lent Pool::LendFast() {
  PickRandom& random = ThisThreadsRandom();
  if (ABSL_PREDICT_FALSE(random.Sample())) return LendFastTimed(&random, std::nullopt);
  Slot* slot = table_.TryLend(&random);
  if (slot != nullptr) GrowAtPeak(slot);
  return slot;
}

Lent Pool::LendFastTimed(PickRandom* random, std::optional<uint64_t> key) {
  const absl::Time begun = clock_->Now();
  Slot* slot = key.has_value() ? TryLendByKey(*key) : table_.TryLend(random);
  if (slot == nullptr) return Lent();
  const absl::Time now = clock_->Now();
  const uint32_t weight = random->weight();
  random->SetPace(now);
  fast_waits_.Record(now - begun, weight);
  GrowAtPeak(slot);
  return holds_.Begin(slot, weight, now);
}

Lent Pool::LendByWishes(const Wishes& wishes) {
  if (!wishes.fresh && !some_quiet_.load(std::memory_order_relaxed)) {
    return wishes.key.has_value() ? LendFastByKey(*wishes.key) : LendFast();
  }
  const absl::Time begun = clock_->Now();
  Effects effects;
  Slot* slot = nullptr;
  {
    MutexLock lock(&mu_);
    if (wishes.fresh || waiters_.empty()) slot = LendFree(wishes, effects);
    if (slot != nullptr) {
      ++counted_.hits;
      state_.OnDemand(Demand(), clock_->Now());
      RunActions(effects);
    }
  }
  Perform(effects);
  if (slot == nullptr) return Lent();
  RecordSlowWait(AcquireOutcome::kOk, begun);
  return Lend(slot);
}

ABSL_ATTRIBUTE_HOT Place Pool::TryAcquire() {
  if (Slot* slot = LendLastUsed()) return Place(slot);
  return TryAcquireFromAny();
}

Place Pool::TryAcquireFromAny() {
  if (ForkEpoch() == plain_epoch_.load(std::memory_order_relaxed)) return Place(LendFast());
  return Forked() ? Place() : Place(LendByWishes(Wishes()));
}

void Pool::EndHold(Lent lent) {
  Pool* pool = lent.slot()->pool();
  pool->holds_.End(lent.sample(), pool->clock_->Now(), &lent.slot()->tally->holds);
}

bool Pool::CountCall(Slot* slot, CallOutcome outcome, absl::Duration latency) {
  if (!slot->tally->calls.Report(outcome, latency)) return false;
  // Housekeeping makes it last. Until then at most one is added to what is there.
  slot->handicap.fetch_add(slot->pool()->penalty_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  return outcome == CallOutcome::kUnavailable;
}

void Pool::ReportCall(Slot* slot, CallOutcome outcome, absl::Duration latency) {
  if (CountCall(slot, outcome, latency)) slot->pool()->OnUnavailable({slot->index, slot->Load().generation()});
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
    if (slot::HandsOver(slot->Load(), !waiters_.empty() && !state_.paused())) {
      slot->tally->lent_slow.fetch_add(1, std::memory_order_relaxed);  // Its word stays as it is.
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

Lent Pool::Lend(Slot* slot) {
  PickRandom& random = ThisThreadsRandom();
  if (!random.Sample()) return slot;
  const absl::Time now = clock_->Now();
  random.SetPace(now);
  return holds_.Begin(slot, random.weight(), now);
}

void Pool::RecordSlowWait(AcquireOutcome outcome, absl::Time begun) {
  slow_waits_[static_cast<int>(outcome)].Record(clock_->Now() - begun);
}

absl::StatusOr<Place> Pool::Ended(absl::Time begun, absl::StatusOr<Place> result) {
  RecordSlowWait(OutcomeOf(result.status()), begun);
  return result;
}

absl::Status Pool::AdminRefusal() const {
  switch (state_.admin()) {
    case PoolAdminState::kActive:
    case PoolAdminState::kPaused:
      return absl::OkStatus();
    case PoolAdminState::kDraining:
    case PoolAdminState::kDrained:
      return absl::UnavailableError(absl::StrCat("pool \"", name_, "\" is draining (", Numbers(), ")"));
    case PoolAdminState::kDestroyed:
      return absl::UnavailableError(absl::StrCat("pool \"", name_, "\" was destroyed"));
  }
  return absl::InternalError("unknown state");
}

absl::Status Pool::PausedError() const {
  return absl::UnavailableError(absl::StrCat("pool \"", name_, "\" is paused for ",
                                             Rounded(state_.paused_until() - clock_->Now()), " more (", Numbers(),
                                             ")"));
}

std::string Pool::Numbers() const {
  int64_t leases = 0, capacity = 0;
  for (const Slot* slot : table_.listed()) {
    const SlotWord word = slot->Load();
    leases += word.leases();
    capacity += word.limit();
  }
  return absl::StrFormat("%d/%d connections open, %d/%d leases, %d waiting", state_.count(SlotState::kOpen),
                         state_.options().max_connections, leases, capacity, Waiting());
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
  if (!waiters_.empty() || state_.paused()) return;
  for (Slot* slot : table_.listed()) SlotTable::Update(slot, slot::ClearSlow);
}

Slot* Pool::LendOrQueue(Waiter* waiter, absl::Status* why, Effects& effects) {
  *why = AdminRefusal();
  if (!why->ok()) {
    ++counted_.unavailable;
    state_.NoteRefused(Limit::kInactive, 0, Demand(), clock_->Now());
    return nullptr;
  }
  if (waiter->wishes.fresh || waiters_.empty()) {
    if (!waiter->wishes.fresh)
      MarkSlowAll();  // From here every release comes to this lock; the look sees those before.
    if (Slot* slot = LendFree(waiter->wishes, effects)) {
      ClearSlowIfNobodyWaits();
      ++counted_.hits;
      state_.OnDemand(Demand(), clock_->Now());  // The fast path no longer sees this peak as its own.
      RunActions(effects);
      return slot;
    }
  }
  if (Waiting() >= state_.options().max_waiters) {
    ClearSlowIfNobodyWaits();
    ++counted_.rejected;
    state_.NoteRefused(Limit::kMaxWaiters, state_.options().max_waiters, Demand(), clock_->Now());
    *why = FullError(absl::StrCat("max_waiters (", state_.options().max_waiters, ") already wait"));
    return nullptr;
  }
  waiter->arrival = ++arrivals_;
  LineOf(waiter).PushBack(waiter);
  state_.OnDemand(Demand(), clock_->Now());
  AskForFresh();
  RunActions(effects);
  return nullptr;
}

ABSL_ATTRIBUTE_HOT absl::StatusOr<Place> Pool::Acquire(absl::Time deadline, BorrowSite site) {
  if (Slot* slot = LendLastUsed()) return Place(slot);
  return AcquireFromAny(deadline, site);
}

absl::StatusOr<Place> Pool::AcquireFromAny(absl::Time deadline, BorrowSite site) {
  if (ForkEpoch() != plain_epoch_.load(std::memory_order_relaxed)) return AcquireWatched(deadline, Wishes(), site);
  if (const Lent lent = LendFast()) return Place(lent);
  Waiter waiter;
  return AwaitPlace(&waiter, deadline);
}

absl::StatusOr<Place> Pool::AwaitPlace(Waiter* waiter, absl::Time deadline) {
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  const absl::Time begun = clock_->Now();
  waiter->deadline = clock_->FromWall(deadline);
  // With more threads than cores a place is often held by one that is not running. Who stood in line for it at once
  // would be handed it asleep, and so would all who come meanwhile: each lease then costs a change of threads, long
  // after the shortage is over. So the others get one turn first. Not more: who keeps looking, and is not in line, is
  // overtaken.
  std::this_thread::yield();
  Effects effects;
  Slot* slot = nullptr;
  absl::Status refusal;
  {
    MutexLock lock(&mu_);
    slot = LendOrQueue(waiter, &refusal, effects);
  }
  Perform(effects);
  if (slot != nullptr) return Ended(begun, Place(Lend(slot)));
  if (!refusal.ok()) return Ended(begun, refusal);

  if (!clock_->Park(waiter->wakeup, waiter->deadline)) {
    bool decided = false;
    {
      MutexLock lock(&mu_);
      decided = !waiter->queued;
      if (!decided) {
        LineOf(waiter).Remove(waiter);
        ClearSlowIfNobodyWaits();
        ++counted_.timed_out;
        waiter->refusal = absl::DeadlineExceededError(WithDialError(absl::StrCat(
            "acquire from \"", name_, "\": no place within ", Rounded(clock_->Now() - begun), " (", Numbers(), ")")));
      }
    }
    // Whoever decided is about to wake us: this frame must stay until then.
    if (decided) clock_->Park(waiter->wakeup, absl::InfiniteFuture());
  }
  if (waiter->granted != nullptr) return Ended(begun, Place(Lend(waiter->granted)));
  return Ended(begun, waiter->refusal);
}

AcquireHandle Pool::AcquireAsync(absl::Time deadline, std::function<void(absl::StatusOr<Place>)> callback,
                                 BorrowSite site) {
  return AcquireAsync(deadline, LeaseOptions(), std::move(callback), site);
}

AcquireHandle Pool::AcquireAsync(absl::Time deadline, const LeaseOptions& options,
                                 std::function<void(absl::StatusOr<Place>)> callback, BorrowSite site) {
  CHANPOOL_CHECK(callback != nullptr);
  const auto acquire =
      std::make_shared<AsyncAcquire>(shared_from_this(), std::move(callback), options.site.value_or(site));
  if (Forked()) {
    // The closer's thread does not exist in this process.
    std::thread([acquire, refusal = ForkedError()] { acquire->callback(refusal); }).detach();
    return AcquireHandle(acquire);
  }
  NoteKey(options);
  acquire->waiter.wishes = WishesOf(options);
  if (const Lent lent = LendByWishes(acquire->waiter.wishes)) {
    // Nobody else knows of it yet, but Cancel may as soon as the handle is out. It is held from its delivery on.
    if (lent.sample() != 0) holds_.Drop(lent.sample());
    acquire->waiter.granted = lent.slot();
    Deliver(acquire);
    return AcquireHandle(acquire);
  }
  acquire->begun = clock_->Now();
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
      LineOf(&waiter).Remove(&waiter);
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
    Pool& pool = *acquire->pool;
    absl::StatusOr<Place> result =
        slot != nullptr ? absl::StatusOr<Place>(pool.Watched(Place(pool.Lend(slot)), acquire->site)) : refusal;
    const bool timed = acquire->begun != absl::InfinitePast();
    callback(timed ? pool.Ended(acquire->begun, std::move(result)) : std::move(result));
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
    if (best == nullptr && *being_created) return nullptr;  // In microseconds it is there, and better than the rest.
    if (best == nullptr) continue;
    *over_limit = best->Load().leases() >= best->Load().limit();
    if (*over_limit && state_.options().overflow == OverflowPolicy::kReject) return nullptr;
    return SlotTable::Update(best, slot::LendUnready) ? best : nullptr;
  }
  return nullptr;
}

Pool::Attempt Pool::TryNow(bool wait_for_ready, Wakeup* made, Effects& effects) {
  Attempt attempt;
  attempt.refusal = state_.paused() ? PausedError() : AdminRefusal();
  if (!attempt.refusal.ok()) {
    ++counted_.unavailable;
    if (state_.paused()) {
      state_.NoteRefused(Limit::kPaused, absl::ToInt64Milliseconds(state_.paused_until() - clock_->Now()), Demand(),
                         clock_->Now());
    } else {
      state_.NoteRefused(Limit::kInactive, 0, Demand(), clock_->Now());
    }
    return attempt;
  }
  if (waiters_.empty()) {
    attempt.slot = LendFree(Wishes(), effects);
    counted_.hits += attempt.slot != nullptr;
  }
  state_.OnDemand(Demand() + (attempt.slot == nullptr), clock_->Now());
  RunActions(effects);
  if (attempt.slot != nullptr) return attempt;
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
    if (over_limit) state_.NoteOvercommitted(Demand(), clock_->Now());
  } else if (full) {
    ++counted_.rejected;
    state_.NoteRefused(Limit::kMaxLeasesPerConnection, state_.limit(), Demand(), clock_->Now());
    attempt.refusal = FullError("every connection is full");
  } else if (being_created) {
    await_made_.push_back(made);
    attempt.await_made = true;
  } else if (attempt.dialled = state_.OpenForCall(wait_for_ready, clock_->Now()); !attempt.dialled) {
    ++counted_.unavailable;
    const auto [limit, limit_value] = state_.NoDial(clock_->Now());
    state_.NoteRefused(limit, limit_value, Demand(), clock_->Now());
    attempt.refusal = absl::UnavailableError(WithDialError(absl::StrCat(
        "pool \"", name_, "\" has no connection and dials again in ",
        Rounded(std::max(absl::ZeroDuration(), std::max(state_.retry_at(), state_.connect_at()) - clock_->Now())))));
  }
  RunActions(effects);
  return attempt;
}

absl::StatusOr<Place> Pool::AcquireNow(bool wait_for_ready) {
  if (Place place = TryAcquire()) return place;
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  const absl::Time begun = clock_->Now();
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
    if (attempt.slot != nullptr) return Ended(begun, Place(Lend(attempt.slot)));
    if (!attempt.refusal.ok()) return Ended(begun, attempt.refusal);
    if (attempt.await_made) clock_->Park(made, absl::InfiniteFuture());
    // A call insists once: a server that accepts and hangs up at once is not dialled again and again for it.
    if (attempt.dialled) wait_for_ready = false;
  }
  {
    MutexLock lock(&mu_);
    ++counted_.unavailable;
  }
  return Ended(
      begun, absl::UnavailableError(absl::StrCat("pool \"", name_, "\": no connection after ", kRounds, " attempts")));
}

}  // namespace chanpool
