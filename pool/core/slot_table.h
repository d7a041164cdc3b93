// The slots of one pool, and the lock-free fast path over them.
//
//   SlotTable table(pool);
//   if (Slot* slot = table.TryLend(&random)) {          // no lock, no clock, no allocation
//     ... slot->connection ...
//     if (!SlotTable::TryReturn(slot)) slot->pool()->ReleaseSlow(slot);   // SLOW: the lock, while the lease is held
//   }
//
// Slots live in chunks that are added as max_connections grows and are freed with the table only, so a Slot* never
// dangles while its pool lives. Which slots are open is kept in a dense list of hints: two random draws over a sparse
// array of 4,096 with 4 open would miss 99.8 % of the time; a stale hint costs one failed compare-and-swap.
#ifndef CHANPOOL_POOL_CORE_SLOT_TABLE_H_
#define CHANPOOL_POOL_CORE_SLOT_TABLE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pool/core/histogram.h"
#include "pool/core/options.h"
#include "pool/core/pick_random.h"
#include "pool/core/slot_calls.h"
#include "pool/core/slot_word.h"

namespace chanpool {

class Connection;
class Pool;

// What of one slot its acquirers do not touch, in lines of its own.
struct alignas(64) SlotTally {
  Pool* pool = nullptr;  // Whose slot it is.
  SlotCalls calls;
  // How long the sampled leases on it were held, ever: written when one of them goes back.
  HistogramRecorder holds;
  // Leases granted under the lock, ever.
  std::atomic<uint64_t> lent_slow{0};
};

// One place for one connection: a cache line of its own, so that two connections never contend for one.
struct alignas(64) Slot {
  std::atomic<uint64_t> word{0};
  // Leases granted by the fast path, ever. Written by every acquirer of this slot, whose cache line this is already:
  // the first at a limit above 1, by all who come; the second at a limit of 1, by the only one that has a lease, to
  // whom a locked addition would be a fifth of the cost of its lease. A limit that changes meanwhile changes nothing:
  // whoever still has the lease of the old limit keeps others from one under a limit of 1.
  std::atomic<uint64_t> lent{0};
  std::atomic<uint64_t> lent_alone{0};
  // The most leases at one time since housekeeping last looked. A lost race makes it one acquire too low.
  std::atomic<uint32_t> peak{0};
  uint32_t index = 0;
  // When the fast path last lent it, by the table's own count of such times. Kept by the policies that take turns.
  std::atomic<uint64_t> turn{0};
  // Set before the slot lends and until it is CLOSED: whoever holds a lease may read it.
  std::atomic<Connection*> connection{nullptr};
  // Leases that are added to the word's when slots are compared: a hint, kept by housekeeping, raised by reports.
  std::atomic<uint32_t> handicap{0};
  SlotTally* tally = nullptr;  // Null in a slot without a table.

  Pool* pool() const { return tally->pool; }
  SlotWord Load() const { return SlotWord(word.load(std::memory_order_acquire)); }
};
static_assert(sizeof(Slot) == 64, "one cache line");

// Granted by the fast path. Exact while nobody is about to take a place.
inline uint64_t FastLeasesEver(const Slot& slot) {
  return slot.lent.load(std::memory_order_acquire) + slot.lent_alone.load(std::memory_order_acquire);
}
// On either path. Under the lock.
inline uint64_t LeasesEver(const Slot& slot) {
  return FastLeasesEver(slot) + slot.tally->lent_slow.load(std::memory_order_relaxed);
}

// What two slots are compared by; `word` is the slot's.
inline uint64_t LoadOf(const Slot* slot, SlotWord word) {
  return uint64_t{word.leases()} + slot->handicap.load(std::memory_order_relaxed);
}

// A word before and after a change that succeeded.
struct SlotChange {
  SlotWord before, after;
};

// TryLend and TryReturn: any thread. Everything else: one thread at a time (the pool's lock).
class SlotTable {
 public:
  // What one table holds at most: the highest max_connections, and three times as many again for those that drain
  // beside it. With all of them taken, nothing opens until one that drains has closed.
  static constexpr uint32_t kMaxSlots = 4 * 4096;

  explicit SlotTable(Pool* pool);
  ~SlotTable();
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  // --- The fast path ---

  // A place on an open slot; null when none has room, or when somebody waits. Which one is SetSelection's choice; at
  // first, and with kLeastLoaded:
  //   - the slot that this thread used last, unless it carries somebody (its handicap counts) and another, drawn at
  //     random, carries fewer. So a caller alone stays on one warm connection, whose words its core already has; as
  //     many connections are in use as there are calls at a time; and loads stay level (two choices, one of them
  //     remembered);
  //   - without such a slot, or when it has no room: the less loaded of two random ones, ties by chance;
  //   - after two misses the first one with room.
  Slot* TryLend(PickRandom* random);

  // As TryLend, but only the first of its choices, and only if nothing beside the word is to be done: no peak to raise,
  // no slot to remember. Null says nothing. With kLeastLoaded only, which is the caller's to know.
  Slot* TryLendLastUsed() {
    const LastUsed& last = LastUsedOf(id_);
    if (last.table != id_) return nullptr;
    Slot* slot = last.slot;
    const SlotWord word = slot->Load();
    if (LoadOf(slot, word) != 0 || slot->peak.load(std::memory_order_relaxed) == 0) return nullptr;
    uint64_t bits = word.bits();
    return slot::MayLend(word) && TryTake(slot, &bits) ? slot : nullptr;
  }

  // A place on this slot, if its word allows it; `seen` is what the word was a moment ago.
  static bool TryLendOn(Slot* slot, SlotWord seen);

  // Calls visit(Slot*, index of the slot) for each open slot, touching none of them. What opens or closes meanwhile may
  // be left out or come twice, or with the index of the other.
  template <typename Visit>
  void ForEachHint(Visit visit) const {
    const Hints* hints = hints_.load(std::memory_order_acquire);
    const uint32_t count = hints->count.load(std::memory_order_acquire);
    for (uint32_t i = 0; i < count; ++i) visit(hints->at(i), hints->indexes[i].load(std::memory_order_relaxed));
  }

  // Gives a lease back. False, and nothing changed, when SLOW is set: the caller takes the pool's lock first.
  static bool TryReturn(Slot* slot) {
    uint64_t bits = slot->word.load(std::memory_order_relaxed);
    while (slot::MayReturn(SlotWord(bits))) {
      if (slot->word.compare_exchange_weak(bits, slot::WithoutLease(SlotWord(bits)).bits(), std::memory_order_acq_rel,
                                           std::memory_order_relaxed)) {
        return true;  // Touch nothing: the slot, and its pool, may be gone.
      }
    }
    return false;
  }

  // --- Under the pool's lock ---

  // How TryLend chooses from now on. kPack fills a slot to `pack_up_to` leases before it looks at the next.
  void SetSelection(SelectionPolicy policy, uint32_t pack_up_to);

  // Makes `change` (a function of slot_word.h) on the slot's word; nullopt when the word does not allow it.
  template <typename Change>
  static std::optional<SlotChange> Update(Slot* slot, Change change) {
    uint64_t bits = slot->word.load(std::memory_order_acquire);
    for (;;) {
      const slot::Next next = change(SlotWord(bits));
      if (!next) return std::nullopt;
      if (slot->word.compare_exchange_weak(bits, next->bits(), std::memory_order_acq_rel, std::memory_order_acquire)) {
        if (next->leases() > SlotWord(bits).leases()) {
          slot->tally->lent_slow.fetch_add(next->leases() - SlotWord(bits).leases(), std::memory_order_relaxed);
          RaisePeak(slot, next->leases());
        }
        return SlotChange{SlotWord(bits), *next};
      }
    }
  }

  // Whoever has just raised the leases tells how far. True: more than at any time since housekeeping last looked.
  static bool RaisePeak(Slot* slot, uint32_t leases) {
    if (leases <= slot->peak.load(std::memory_order_relaxed)) return false;
    slot->peak.store(leases, std::memory_order_relaxed);
    return true;
  }

  // The slot at `index`, made with its chunk when new. Below kMaxSlots.
  Slot* GetOrAdd(uint32_t index);
  Slot* Get(uint32_t index) const;
  uint32_t size() const { return size_; }

  // Puts a slot among those that TryLend looks at, or takes it away. Idempotent.
  void List(Slot* slot);
  void Unlist(Slot* slot);

  // The listed slot with the fewest leases, handicaps added, to which `change` applies, after applying it; null if
  // none.
  template <typename Change>
  Slot* LendLeastLoaded(Change change) {
    return LendLeastLoaded(change, [](const Slot*) { return true; });
  }
  // The same, of those for which `admits(const Slot*)` is true.
  template <typename Change, typename Admits>
  Slot* LendLeastLoaded(Change change, Admits admits) {
    for (;;) {
      Slot* best = nullptr;
      for (Slot* slot : listed_) {
        const SlotWord word = slot->Load();
        if (!change(word) || (best != nullptr && LoadOf(slot, word) >= LoadOf(best, best->Load()))) continue;
        if (admits(slot)) best = slot;
      }
      // Between the look and the change others may only have filled it up: each retry follows somebody's success.
      if (best == nullptr || Update(best, change)) return best;
    }
  }

  const std::vector<Slot*>& listed() const { return listed_; }

 private:
  static constexpr uint32_t kChunk = 4;

  // What a thread remembers of tables: the slot that it used last, of the few that it used last. A table is told by its
  // id, so the slot of one that is gone is never touched.
  struct LastUsed {
    uint64_t table = 0;
    Slot* slot = nullptr;
  };
  static LastUsed& LastUsedOf(uint64_t table) {
    constexpr uint64_t kRemembered = 8;  // A power of two. Two tables that fall on one place forget each other's.
    thread_local LastUsed remembered[kRemembered];
    return remembered[table % kRemembered];
  }

  // A place on a slot whose word MayLend. False: it is another by now, which is then in `bits`.
  static bool TryTake(Slot* slot, uint64_t* bits) {
    const SlotWord after = slot::WithLease(SlotWord(*bits));
    if (!slot->word.compare_exchange_weak(*bits, after.bits(), std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return false;
    }
    // After the word: see Pool::StatsLocked.
    if (after.limit() == 1) {
      slot->lent_alone.store(slot->lent_alone.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    } else {
      slot->lent.fetch_add(1, std::memory_order_release);
    }
    return true;
  }

  // A published copy of listed_. Readers may see an old one, so none is freed before the table; each is twice as large
  // as the one before, so all together cost no more than the largest.
  struct Hints {
    explicit Hints(uint32_t n) : capacity(n), slots(new std::atomic<Slot*>[n]), indexes(new std::atomic<uint32_t>[n]) {}
    Slot* at(uint32_t i) const { return slots[i].load(std::memory_order_relaxed); }
    void Set(uint32_t i, Slot* slot) {
      slots[i].store(slot, std::memory_order_relaxed);
      indexes[i].store(slot->index, std::memory_order_relaxed);
    }

    const uint32_t capacity;
    std::atomic<uint32_t> count{0};
    std::unique_ptr<std::atomic<Slot*>[]> slots;
    // The slots' own: to read one beside its slot's word would cost a cache miss.
    std::unique_ptr<std::atomic<uint32_t>[]> indexes;
  };

  // One of the listed, `remembered` among them unless it is null.
  Slot* TryLendListed(Slot* remembered, PickRandom* random);
  // The first of all the listed, as `policy` ranks them.
  Slot* TryLendFirst(SelectionPolicy policy);

  std::atomic<Hints*> hints_;
  std::atomic<SelectionPolicy> selection_{SelectionPolicy::kLeastLoaded};
  std::atomic<uint32_t> pack_up_to_{0};
  const uint64_t id_;  // Of this table alone, for ever: what a thread remembers outlives tables.
  Pool* const pool_;
  uint32_t size_ = 0;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
  std::vector<std::unique_ptr<SlotTally[]>> tallies_;  // As the chunks.
  std::vector<Slot*> listed_;
  std::vector<std::unique_ptr<Hints>> hints_of_all_times_;
  alignas(64) std::atomic<uint64_t> turns_{0};  // A line of its own: written by each call, of three policies.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_SLOT_TABLE_H_
