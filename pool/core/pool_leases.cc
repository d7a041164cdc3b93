// What a caller may ask of its lease: a connection by key, a fresh one, one that lives, notices.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pool/core/check.h"
#include "pool/core/key_choice.h"
#include "pool/core/pool.h"

namespace chanpool {

Wishes Pool::WishesOf(const LeaseOptions& options) {
  Wishes wishes;
  wishes.fresh = options.fresh;
  if (!options.affinity_key.empty()) wishes.key = StableHash(options.affinity_key);
  return wishes;
}

void Pool::NoteKey(const LeaseOptions& options) {
  if (options.affinity_key.empty() || !ThisThreadsRandom().OneIn(HotKeys::kSampling)) return;
  keys_.Note(options.affinity_key, StableHash(options.affinity_key));
}

// --- Without waiting ----------------------------------------------------------------------------------------------

Slot* Pool::TryLendByKey(uint64_t key) {
  return LendByKey(
      key, [this](auto visit) { table_.ForEachHint(visit); },
      [](Slot* candidate) { return SlotTable::TryLendOn(candidate, candidate->Load()); });
}

Lent Pool::LendFastByKey(uint64_t key) {
  PickRandom& random = ThisThreadsRandom();
  if (random.Sample()) return LendFastTimed(&random, key);
  Slot* slot = TryLendByKey(key);
  if (slot != nullptr) GrowAtPeak(slot);
  return slot;
}

Place Pool::TryAcquire(const LeaseOptions& options, BorrowSite site) {
  if (Forked()) return Place();
  NoteKey(options);
  return Watched(Place(LendByWishes(WishesOf(options))), options.site.value_or(site));
}

absl::StatusOr<Place> Pool::Acquire(absl::Time deadline, const LeaseOptions& options, BorrowSite site) {
  if (!Forked()) NoteKey(options);  // After fork a thread that does not exist here may hold its lock.
  return AcquireWatched(deadline, WishesOf(options), options.site.value_or(site));
}

absl::StatusOr<Place> Pool::AcquireWatched(absl::Time deadline, const Wishes& wishes, BorrowSite site) {
  if (Forked()) return ForkedError();
  if (const Lent lent = LendByWishes(wishes)) return Watched(Place(lent), site);
  Waiter waiter;
  waiter.wishes = wishes;
  absl::StatusOr<Place> place = AwaitPlace(&waiter, deadline);
  if (!place.ok()) return place;
  return Watched(*std::move(place), site);
}

// --- Under the lock -----------------------------------------------------------------------------------------------

WaiterQueue& Pool::LineOf(const Waiter* waiter) { return waiter->wishes.fresh ? fresh_waiters_ : waiters_; }

uint32_t Pool::OlderThanFirstFresh(uint32_t most) const {
  uint32_t older = 0;
  const uint64_t arrival = fresh_waiters_.first()->arrival;
  for (const Waiter* w = waiters_.first(); w != nullptr && older < most && w->arrival < arrival; w = w->next) ++older;
  return older;
}

Slot* Pool::LendFree(const Wishes& wishes, Effects& effects) {
  if (state_.paused()) return nullptr;
  if (Slot* slot = LendAwake(wishes)) return slot;
  if (quiet_ == 0) return nullptr;
  WantQuiet(/*fresh=*/wishes.fresh);
  RunActions(effects);
  return nullptr;
}

// All of them: whoever queues now may do so only while no open connection has a free place.
void Pool::WantQuiet(bool fresh) {
  for (Slot* slot : table_.listed()) {
    const Held& held = held_[slot->index];
    if (held.quiet && !(fresh && held.has_lent)) state_.OnWantedQuiet(slot->index, clock_->Now());
  }
}

Slot* Pool::LendAwake(const Wishes& wishes) {
  if (wishes.fresh) {
    for (Slot* slot : table_.listed()) {
      const Held& held = held_[slot->index];
      if (!held.has_lent && !held.quiet && SlotTable::Update(slot, slot::LendFirst)) return slot;
    }
    return nullptr;
  }
  const Held* const held = held_.data();  // For the functions below, which run under the lock as this one does.
  const auto awake = [held](const Slot* slot) { return !held[slot->index].quiet; };
  if (!wishes.key.has_value()) return table_.LendLeastLoaded(slot::LendLocked, awake);
  const auto for_each_awake = [&](auto visit) {
    for (Slot* slot : table_.listed()) {
      if (awake(slot)) visit(slot, slot->index);
    }
  };
  return LendByKey(*wishes.key, for_each_awake,
                   [](Slot* candidate) { return SlotTable::Update(candidate, slot::LendLocked).has_value(); });
}

void Pool::SetQuiet(uint32_t slot, bool quiet) {
  if (held_[slot].quiet == quiet) return;
  held_[slot].quiet = quiet;
  quiet_ += quiet ? 1 : -1;
  if (quiet_ != (quiet ? 1 : 0)) return;
  some_quiet_.store(quiet, std::memory_order_relaxed);
  SetWatch();
}

void Pool::MarkQuiet() {
  if (quiet_ == 0 && state_.options().validate_after_idle == absl::InfiniteDuration()) return;
  const absl::Time now = clock_->Now();
  for (Slot* slot : table_.listed()) {
    const SlotWord word = slot->Load();
    SetQuiet(slot->index, word.leases() == 0 && !word.used() && state_.IsQuiet(slot->index, now));
  }
}

void Pool::AskForFresh() {
  if (fresh_waiters_.empty()) return;
  state_.OnFreshDemand(fresh_waiters_.size(), ReadUse(/*clear=*/false), clock_->Now());
}

// --- The watch ----------------------------------------------------------------------------------------------------

void Pool::SetWatch() {
  const bool watches = state_.options().leak_after != absl::InfiniteDuration();
  if (watches && watch_owner_ == nullptr) watch_owner_ = std::make_unique<LeaseWatch>();
  watch_.store(watches ? watch_owner_.get() : nullptr, std::memory_order_release);
  const bool plain = !watches && quiet_ == 0 && state_.options().selection == SelectionPolicy::kLeastLoaded;
  plain_epoch_.store(plain ? fork_epoch_ : kLookFirst, std::memory_order_relaxed);
}

Place Pool::Watched(Place place, BorrowSite site) {
  LeaseWatch* watch = watch_.load(std::memory_order_acquire);
  if (watch == nullptr || !place) return place;
  if (place.note_ == nullptr) place.note_ = new LeaseNote;
  LeaseNote* note = place.note_;
  note->watch = watch;
  note->connection = place.id();
  note->since = clock_->Now();
  note->site = site;
  watch->Add(note);
  return place;
}

void Pool::TellOfLease(PoolEvent::Kind kind, const LongLease& lease) {
  PoolEvent event;
  event.time = clock_->Now();
  event.kind = kind;
  event.connection = lease.connection;
  event.detail = absl::StrCat("out for ", absl::FormatDuration(event.time - lease.since), ", borrowed at ",
                              lease.site.file(), ":", lease.site.line());
  feed_->Append(std::move(event));
}

void Pool::TellLongLeases(Effects& effects) {
  if (watch_.load(std::memory_order_relaxed) == nullptr) return;
  // The rest in the next round, at once: each is an event for every subscriber, made under the lock.
  constexpr size_t kAtOnce = 256;
  for (const LongLease& lease : watch_owner_->TakeOverdue(clock_->Now() - state_.options().leak_after, kAtOnce)) {
    ++counted_.leaks_suspected;
    TellOfLease(PoolEvent::Kind::kLeaseLeaked, lease);
    effects.tell = true;
  }
}

std::vector<LongLease> Pool::LongLeases(size_t most) const {
  if (Forked()) return {};
  const LeaseWatch* watch = watch_.load(std::memory_order_acquire);
  if (watch == nullptr) return {};
  return watch->Oldest(clock_->Now() - options().leak_after, most);
}

// --- Notices ------------------------------------------------------------------------------------------------------

void Place::OnDraining(std::function<void(absl::Duration)> callback) {
  CHANPOOL_CHECK(callback != nullptr);
  if (!lent_ || lent_.slot()->pool()->Forked()) return;
  if (note_ == nullptr) note_ = new LeaseNote;
  lent_.slot()->pool()->NotifyOfDraining(lent_.slot(), note_, std::move(callback));
}

void Place::ForgetNote() { lent_.slot()->pool()->Forget(lent_.slot(), std::exchange(note_, nullptr)); }

void Pool::NotifyOfDraining(Slot* slot, LeaseNote* note, std::function<void(absl::Duration)> callback) {
  const auto notice = std::make_shared<DrainNotice>(std::move(callback));
  Effects effects;
  std::shared_ptr<DrainNotice> before;
  {
    MutexLock lock(&mu_);
    before = std::exchange(note->notice, notice);
    std::vector<std::shared_ptr<DrainNotice>>& notices = held_[slot->index].notices;
    if (state_.record(slot->index).state == SlotState::kDraining) {
      effects.notices.emplace_back(notice, GraceLeft(slot->index));
    } else if (before != nullptr) {
      notice->at = std::exchange(before->at, DrainNotice::kNowhere);
      notices[notice->at] = notice;
    } else {
      notice->at = notices.size();
      notices.push_back(notice);
    }
  }
  if (before != nullptr) before->Cancel();
  Perform(effects);
}

void Pool::Forget(Slot* slot, LeaseNote* note) {
  // In a child of fork the lists may be locked by a thread that does not exist here: it stays where it is.
  if (Forked()) return;
  const std::unique_ptr<LeaseNote> owned(note);
  if (note->watch != nullptr && note->watch->Remove(note)) {
    {
      MutexLock lock(&mu_);
      TellOfLease(PoolEvent::Kind::kLeaseReturned, {note->connection, note->since, note->site});
    }
    feed_->Flush();
  }
  if (note->notice == nullptr) return;
  {
    MutexLock lock(&mu_);
    std::vector<std::shared_ptr<DrainNotice>>& notices = held_[slot->index].notices;
    const size_t hole = std::exchange(note->notice->at, DrainNotice::kNowhere);
    if (hole != DrainNotice::kNowhere) {
      std::swap(notices[hole], notices.back());  // `note` keeps its own: no callback dies under the lock.
      notices.pop_back();
      if (hole < notices.size()) notices[hole]->at = hole;
    }
  }
  note->notice->Cancel();
}

absl::Duration Pool::GraceLeft(uint32_t slot) const {
  const PoolState::Record& record = state_.record(slot);
  switch (record.reason) {
    case CloseReason::kLost:
    case CloseReason::kConnectFailed:
    case CloseReason::kProbeFailed:
      return absl::ZeroDuration();  // Its calls end now, if they have not.
    default:
      break;
  }
  const bool has_deadline = record.reason == CloseReason::kDrained && drain_until_.has_value();
  const absl::Time until = has_deadline ? *drain_until_ : record.since + state_.options().drain_grace;
  return std::max(absl::ZeroDuration(), until - clock_->Now());
}

void Pool::NotifyHolders(Slot* slot, Effects& effects) {
  std::vector<std::shared_ptr<DrainNotice>>& notices = held_[slot->index].notices;
  if (notices.empty()) return;
  const absl::Duration grace = GraceLeft(slot->index);
  for (std::shared_ptr<DrainNotice>& notice : notices) {
    notice->at = DrainNotice::kNowhere;
    effects.notices.emplace_back(std::move(notice), grace);
  }
  notices.clear();
}

}  // namespace chanpool
