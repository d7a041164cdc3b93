// What a caller may ask of its lease: a connection by key, a fresh one, a notice when it starts draining.
#include <algorithm>
#include <memory>
#include <utility>

#include "pool/core/check.h"
#include "pool/core/key_choice.h"
#include "pool/core/pick_random.h"
#include "pool/core/pool.h"

namespace chanpool {
Wishes Pool::WishesOf(const LeaseOptions& options) {
  Wishes wishes;
  wishes.fresh = options.fresh;
  if (!options.affinity_key.empty()) wishes.key = HashOfKey(options.affinity_key);
  return wishes;
}

// --- Without waiting ----------------------------------------------------------------------------------------------

Place Pool::TryAcquireByKey(uint64_t key) {
  Slot* slot = LendByKey(
      key, [this](auto visit) { table_.ForEachHint(visit); },
      [](Slot* candidate) { return SlotTable::TryLendOn(candidate, candidate->Load()); });
  if (slot == nullptr) return Place();
  GrowAtPeak(slot);
  return Place(slot);
}

Place Pool::TryAcquire(const LeaseOptions& options) {
  if (Forked()) return Place();
  if (!options.fresh) {
    return options.affinity_key.empty() ? TryAcquire() : TryAcquireByKey(HashOfKey(options.affinity_key));
  }
  Effects effects;
  Slot* slot = nullptr;
  {
    MutexLock lock(&mu_);
    slot = LendFree(WishesOf(options));
    if (slot != nullptr) {
      ++counted_.hits;
      state_.OnDemand(Demand(), clock_->Now());
      RunActions(effects);
    }
  }
  Perform(effects);
  return Place(slot);
}

absl::StatusOr<Place> Pool::Acquire(absl::Time deadline, const LeaseOptions& options) {
  if (!options.fresh) {
    if (Place place = TryAcquire(options)) return place;
  }
  Waiter waiter;
  waiter.wishes = WishesOf(options);
  return AwaitPlace(&waiter, deadline);
}

// --- Under the lock -----------------------------------------------------------------------------------------------

WaiterQueue& Pool::LineOf(const Waiter* waiter) { return waiter->wishes.fresh ? fresh_waiters_ : waiters_; }

uint32_t Pool::OlderThanFirstFresh(uint32_t most) const {
  uint32_t older = 0;
  const uint64_t arrival = fresh_waiters_.first()->arrival;
  for (const Waiter* w = waiters_.first(); w != nullptr && older < most && w->arrival < arrival; w = w->next) ++older;
  return older;
}

Slot* Pool::LendFree(const Wishes& wishes) {
  if (wishes.fresh) {
    for (Slot* slot : table_.listed()) {
      if (!held_[slot->index].has_lent && SlotTable::Update(slot, slot::LendFirst)) return slot;
    }
    return nullptr;
  }
  if (!wishes.key.has_value()) return table_.LendLeastLoaded(slot::LendLocked);
  return LendByKey(
      *wishes.key,
      [this](auto visit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        for (Slot* slot : table_.listed()) visit(slot);
      },
      [](Slot* candidate) { return SlotTable::Update(candidate, slot::LendLocked).has_value(); });
}

void Pool::AskForFresh() {
  if (fresh_waiters_.empty()) return;
  state_.OnFreshDemand(fresh_waiters_.size(), ReadUse(/*clear=*/false), clock_->Now());
}

// --- Notices ------------------------------------------------------------------------------------------------------

void Place::OnDraining(std::function<void(absl::Duration)> callback) {
  CHANPOOL_CHECK(callback != nullptr);
  if (slot_ == nullptr || slot_->pool->Forked()) return;
  if (note_ == nullptr) note_ = new LeaseNote;
  slot_->pool->NotifyOfDraining(slot_, note_, std::move(callback));
}

void Place::ForgetNote() { slot_->pool->Forget(slot_, std::exchange(note_, nullptr)); }

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
