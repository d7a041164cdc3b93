// What a caller may ask of its lease: a connection by key, a fresh one.
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

}  // namespace chanpool
