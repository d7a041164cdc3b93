#include "pool/core/slot_table.h"

#include <algorithm>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "pool/core/check.h"

namespace chanpool {

namespace {

uint64_t NewId() {
  static std::atomic<uint64_t> made{0};
  return made.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

SlotTable::SlotTable(Pool* pool) : id_(NewId()), pool_(pool) {
  hints_of_all_times_.push_back(std::make_unique<Hints>(kChunk));
  hints_.store(hints_of_all_times_.back().get(), std::memory_order_release);
}

SlotTable::~SlotTable() = default;

ABSL_ATTRIBUTE_HOT bool SlotTable::TryLendOn(Slot* slot, SlotWord seen) {
  uint64_t bits = seen.bits();
  while (slot::MayLend(SlotWord(bits))) {
    if (TryTake(slot, &bits)) return true;
  }
  return false;
}

void SlotTable::SetSelection(SelectionPolicy policy, uint32_t pack_up_to) {
  pack_up_to_.store(pack_up_to, std::memory_order_relaxed);
  selection_.store(policy, std::memory_order_relaxed);
}

Slot* SlotTable::TryLendFirst(SelectionPolicy policy) {
  const Hints* hints = hints_.load(std::memory_order_acquire);
  const uint32_t count = hints->count.load(std::memory_order_acquire);
  const uint64_t turn = policy == SelectionPolicy::kPack ? 0 : turns_.fetch_add(1, std::memory_order_relaxed) + 1;
  const uint64_t pack_up_to = pack_up_to_.load(std::memory_order_relaxed);
  // The lower, the sooner.
  const auto rank = [&](const Slot& slot, SlotWord word, uint64_t load, uint32_t i) -> uint64_t {
    switch (policy) {
      case SelectionPolicy::kPack:
        return load == word.leases() && load < pack_up_to ? slot.index : kMaxSlots + load;
      case SelectionPolicy::kRoundRobin:
        return (i + count - turn % count) % count;
      case SelectionPolicy::kLeastRecentlyUsed:
        return slot.turn.load(std::memory_order_relaxed);
      case SelectionPolicy::kMostRecentlyUsed:
      case SelectionPolicy::kLeastLoaded:
        break;
    }
    return ~slot.turn.load(std::memory_order_relaxed);
  };
  // Whoever takes the place first makes us look again. After this many times we were unlucky: then it is the lock's
  // turn.
  constexpr int kLooks = 8;
  for (int look = 0; look < kLooks; ++look) {
    // Where there are turns, one with a handicap takes its own once it carries, with that added, no more than the
    // lightest one without.
    constexpr uint64_t kNone = ~uint64_t{0};
    Slot *first = nullptr, *late = nullptr;
    uint64_t lowest = 0, lightest = kNone;
    auto lowest_late = std::make_pair(kNone, kNone);
    for (uint32_t i = 0; i < count; ++i) {
      Slot* slot = hints->at(i);
      const SlotWord word = slot->Load();
      if (!slot::Lend(word)) continue;
      const uint64_t load = LoadOf(slot, word), ranked = rank(*slot, word, load, i);
      if (turn != 0 && load > word.leases()) {
        if (late != nullptr && std::make_pair(load, ranked) >= lowest_late) continue;
        late = slot;
        lowest_late = {load, ranked};
        continue;
      }
      lightest = std::min(lightest, load);
      if (first != nullptr && ranked >= lowest) continue;
      first = slot;
      lowest = ranked;
    }
    if (late != nullptr && lowest_late < std::make_pair(lightest, lowest)) first = late;
    if (first == nullptr) return nullptr;
    if (!TryLendOn(first, first->Load())) continue;
    if (turn != 0) first->turn.store(turn, std::memory_order_relaxed);
    return first;
  }
  return nullptr;
}

ABSL_ATTRIBUTE_HOT Slot* SlotTable::TryLend(PickRandom* random) {
  const SelectionPolicy selection = selection_.load(std::memory_order_relaxed);
  if (ABSL_PREDICT_FALSE(selection != SelectionPolicy::kLeastLoaded)) return TryLendFirst(selection);
  LastUsed& last = LastUsedOf(id_);
  if (last.table == id_) {
    const SlotWord word = last.slot->Load();
    // Nobody carries fewer than none: then no other slot is looked at, nor the list of them.
    if (LoadOf(last.slot, word) == 0 && TryLendOn(last.slot, word)) return last.slot;
  }
  Slot* chosen = TryLendListed(last.table == id_ ? last.slot : nullptr, random);
  if (chosen != nullptr) last = {id_, chosen};
  return chosen;
}

Slot* SlotTable::TryLendListed(Slot* remembered, PickRandom* random) {
  const Hints* hints = hints_.load(std::memory_order_acquire);
  const uint32_t count = hints->count.load(std::memory_order_acquire);
  if (count == 0) return nullptr;
  if (count == 1) {
    Slot* only = hints->at(0);  // Read once: by now another may be the only one.
    return TryLendOn(only, only->Load()) ? only : nullptr;
  }
  // Two different ones; which comes first is chance, so a tie is broken by chance. But the remembered one comes first.
  for (int misses = 0; misses < 2; ++misses, remembered = nullptr) {
    const uint32_t i = random->Below(count);
    uint32_t j = random->Below(count - 1);
    if (j >= i) ++j;
    Slot* a = remembered != nullptr ? remembered : hints->at(i);
    Slot* b = hints->at(j);
    if (b == a) b = hints->at(i);
    SlotWord word_a = a->Load(), word_b = b->Load();
    if (!slot::Lend(word_a) || (slot::Lend(word_b) && LoadOf(b, word_b) < LoadOf(a, word_a))) {
      std::swap(a, b);
      std::swap(word_a, word_b);
    }
    if (TryLendOn(a, word_a)) return a;
  }
  const uint32_t start = random->Below(count);
  for (uint32_t i = 0; i < count; ++i) {
    Slot* slot = hints->at((start + i) % count);
    if (TryLendOn(slot, slot->Load())) return slot;
  }
  return nullptr;
}

Slot* SlotTable::GetOrAdd(uint32_t index) {
  CHANPOOL_CHECK(index < kMaxSlots && index <= size_);
  if (index == size_) {
    if (size_ % kChunk == 0) {
      chunks_.push_back(std::make_unique<Slot[]>(kChunk));
      tallies_.push_back(std::make_unique<SlotTally[]>(kChunk));
    }
    Slot* added = &chunks_.back()[size_ % kChunk];
    added->index = index;
    added->tally = &tallies_.back()[size_ % kChunk];
    added->tally->pool = pool_;
    ++size_;
  }
  return Get(index);
}

Slot* SlotTable::Get(uint32_t index) const {
  CHANPOOL_CHECK(index < size_);
  return &chunks_[index / kChunk][index % kChunk];
}

void SlotTable::List(Slot* slot) {
  if (std::find(listed_.begin(), listed_.end(), slot) != listed_.end()) return;
  listed_.push_back(slot);
  Hints* hints = hints_.load(std::memory_order_relaxed);
  const auto count = static_cast<uint32_t>(listed_.size());
  if (count > hints->capacity) {
    hints_of_all_times_.push_back(std::make_unique<Hints>(2 * hints->capacity));
    hints = hints_of_all_times_.back().get();
    for (uint32_t i = 0; i < count; ++i) hints->Set(i, listed_[i]);
    hints->count.store(count, std::memory_order_release);
    hints_.store(hints, std::memory_order_release);
    return;
  }
  hints->Set(count - 1, slot);
  hints->count.store(count, std::memory_order_release);
}

void SlotTable::Unlist(Slot* slot) {
  const auto found = std::find(listed_.begin(), listed_.end(), slot);
  if (found == listed_.end()) return;
  // The last one takes the hole. A reader that still sees the old count reads a slot twice, or one that lends no more.
  *found = listed_.back();
  listed_.pop_back();
  Hints* hints = hints_.load(std::memory_order_relaxed);
  const auto hole = static_cast<uint32_t>(found - listed_.begin());
  if (hole < listed_.size()) hints->Set(hole, listed_[hole]);
  hints->count.store(static_cast<uint32_t>(listed_.size()), std::memory_order_release);
}

}  // namespace chanpool
