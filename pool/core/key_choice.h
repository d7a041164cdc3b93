// Which connection serves a key: the first of the key's own order that is below its bound. The rule is in
// lease_options.h.
//
//   Slot* slot = LendByKey(StableHash("session 7"), each_open_slot, lend);
//
// Highest random weight instead of a ring: nothing to keep up to date when connections open and close, an exact 1/n of
// the keys moves, and the keys of a full connection spread instead of all falling on its one neighbour.
#ifndef CHANPOOL_POOL_CORE_KEY_CHOICE_H_
#define CHANPOOL_POOL_CORE_KEY_CHOICE_H_

#include <algorithm>
#include <cstdint>

#include "pool/core/slot_table.h"
#include "pool/core/slot_word.h"
#include "pool/core/stable_hash.h"

namespace chanpool {

// How far above the mean a connection may be before its keys go elsewhere, in quarters of the mean.
inline constexpr uint64_t kKeyBoundQuarters = 5;
// The part of its limit below which a connection takes its keys whatever the mean is: one quarter.
inline constexpr uint32_t kKeyFloorPart = 4;

// Different for different slots of one key.
constexpr uint64_t Rank(uint64_t key, uint32_t slot) { return Scramble(key ^ Scramble(slot + 1)); }

// `for_each(visit)` calls visit(Slot*, uint32_t index) for each open slot; one that is visited twice or does not lend
// does no harm, nor does an index that is another's for an instant. `lend(Slot*)` takes a place on it, or is false.
// Null when none could be taken.
template <typename ForEach, typename Lend>
Slot* LendByKey(uint64_t key, ForEach for_each, Lend lend) {
  // Most often the key's first is far below its bound, whatever the mean is. Then no other's word is read: those are in
  // the caches of the cores that wrote them.
  Slot* first = nullptr;
  uint64_t first_rank = 0;
  for_each([&](Slot* slot, uint32_t index) {
    const uint64_t rank = Rank(key, index);
    if (first == nullptr || rank > first_rank) first = slot, first_rank = rank;
  });
  if (first == nullptr) return nullptr;
  const SlotWord first_word = first->Load();
  if (LoadOf(first, first_word) < std::max<uint64_t>(1, first_word.limit() / kKeyFloorPart) && lend(first))
    return first;

  uint64_t leases = 0, connections = 0;
  for_each([&](Slot* slot, uint32_t) {
    const SlotWord word = slot->Load();
    if (word.state() != SlotState::kOpen) return;
    leases += LoadOf(slot, word);
    ++connections;
  });
  if (connections == 0) return nullptr;
  // Rounded up, with the lease that is asked for counted in.
  const uint64_t mean_bound = (kKeyBoundQuarters * (leases + 1) + 4 * connections - 1) / (4 * connections);
  // Whoever takes the last place before us makes a further look necessary; so many in a row are no accident.
  constexpr int kLooks = 4;
  for (int look = 0; look < kLooks; ++look) {
    Slot *best = nullptr, *any = nullptr;
    uint64_t best_rank = 0, any_rank = 0;
    for_each([&](Slot* slot, uint32_t index) {
      const SlotWord word = slot->Load();
      if (word.state() != SlotState::kOpen || word.leases() >= word.limit()) return;
      const uint64_t rank = Rank(key, index);
      if (any == nullptr || rank > any_rank) any = slot, any_rank = rank;
      if (LoadOf(slot, word) >= std::max<uint64_t>(mean_bound, word.limit() / kKeyFloorPart)) return;
      if (best == nullptr || rank > best_rank) best = slot, best_rank = rank;
    });
    // A free place above the bound is better than to wait: limits may differ while they change.
    if (best == nullptr) best = any;
    if (best == nullptr) return nullptr;
    if (lend(best)) return best;
  }
  return nullptr;
}

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_KEY_CHOICE_H_
