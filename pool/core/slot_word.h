// One slot's life in one 64-bit word, and every change that the word may make: pure functions from word to word.
//
//   std::optional<SlotWord> next = Lend(word);                 // nullopt: not OPEN, full, or somebody must wait first
//   if (next) slot.word.compare_exchange_weak(word, *next);
//
// A word holds {generation 24, state 3, SLOW 1, USED 1, limit 16, leases 19} bits. Whoever changes a slot uses one of
// these functions inside a compare-and-swap; there is no other mover. The interleaving test (tests/core) runs these
// same functions through every order of the threads, and fails for each rule that is switched off. The rules are those
// of docs/decisions/0001-slot-word.md.
//
// SLOW means: whoever gives a lease back must take the pool's lock *while it still holds the lease*, because somebody
// waits (OPEN) or because the last one out closes (DRAINING). Without SLOW a release is one compare-and-swap and
// touches nothing afterwards, so the pool may be gone the instant after it.
#ifndef CHANPOOL_POOL_CORE_SLOT_WORD_H_
#define CHANPOOL_POOL_CORE_SLOT_WORD_H_

#include <cstdint>
#include <optional>

namespace chanpool {

enum class SlotState : uint8_t {
  kClosed = 0,      // No connection, no lease. Only such a slot is used again, under a new generation.
  kConnecting = 1,  // Dialling. Calls that cannot wait may queue on it (under the lock).
  kOpen = 2,        // Lends.
  kChecking = 3,    // Suspected: no new lease until a probe has answered. Leases out go on.
  kBackoff = 4,     // Its dial failed; it waits to dial again. Calls that cannot wait may queue on it (under the lock).
  kDraining = 5,    // Lends no more; closes when the last lease is back. Never opens again.
};
inline constexpr int kSlotStates = 6;

const char* ToString(SlotState state);

// An immutable value.
class SlotWord {
 public:
  static constexpr int kLeaseBits = 19, kLimitBits = 16, kGenerationBits = 24;
  static constexpr uint32_t kMaxLeases = (1u << kLeaseBits) - 1;  // Overcommit beyond is refused.
  static constexpr uint32_t kMaxGeneration = (1u << kGenerationBits) - 1;

  constexpr SlotWord() = default;  // CLOSED, generation 0.
  constexpr explicit SlotWord(uint64_t bits) : bits_(bits) {}

  constexpr uint64_t bits() const { return bits_; }
  constexpr uint32_t leases() const { return bits_ & kMaxLeases; }
  constexpr uint32_t limit() const { return (bits_ >> kLimitShift) & ((1u << kLimitBits) - 1); }
  constexpr bool used() const { return (bits_ >> kUsedShift) & 1; }
  constexpr bool slow() const { return (bits_ >> kSlowShift) & 1; }
  constexpr SlotState state() const { return static_cast<SlotState>((bits_ >> kStateShift) & 7); }
  constexpr uint32_t generation() const { return bits_ >> kGenerationShift; }

  // As state() == kOpen && !slow(), in one comparison.
  constexpr bool open_and_not_slow() const {
    constexpr uint64_t kMask = (uint64_t{7} << kStateShift) | (uint64_t{1} << kSlowShift);
    return (bits_ & kMask) == static_cast<uint64_t>(SlotState::kOpen) << kStateShift;
  }

  constexpr SlotWord with_leases(uint32_t n) const { return Replace(0, kLeaseBits, n); }
  constexpr SlotWord with_limit(uint32_t n) const { return Replace(kLimitShift, kLimitBits, n); }
  constexpr SlotWord with_used(bool on) const { return Replace(kUsedShift, 1, on); }
  constexpr SlotWord with_slow(bool on) const { return Replace(kSlowShift, 1, on); }
  constexpr SlotWord with_state(SlotState s) const { return Replace(kStateShift, 3, static_cast<uint64_t>(s)); }
  constexpr SlotWord with_next_generation() const {
    return Replace(kGenerationShift, kGenerationBits, (generation() + 1) & kMaxGeneration);
  }

  friend constexpr bool operator==(SlotWord a, SlotWord b) { return a.bits_ == b.bits_; }
  friend constexpr bool operator!=(SlotWord a, SlotWord b) { return a.bits_ != b.bits_; }

 private:
  static constexpr int kLimitShift = kLeaseBits;
  static constexpr int kUsedShift = kLimitShift + kLimitBits;
  static constexpr int kSlowShift = kUsedShift + 1;
  static constexpr int kStateShift = kSlowShift + 1;
  static constexpr int kGenerationShift = kStateShift + 3;
  static_assert(kGenerationShift + kGenerationBits == 64, "the word is full");

  constexpr SlotWord Replace(int shift, int bits, uint64_t value) const {
    const uint64_t mask = ((uint64_t{1} << bits) - 1) << shift;
    return SlotWord((bits_ & ~mask) | (value << shift));
  }

  uint64_t bits_ = 0;
};

namespace slot {

using Next = std::optional<SlotWord>;  // nullopt: the word may not make this change now.

// One more lease, below kMaxLeases; one less, above 0. The leases are the word's lowest bits.
constexpr SlotWord WithLease(SlotWord w) { return SlotWord(w.bits() + 1).with_used(true); }
constexpr SlotWord WithoutLease(SlotWord w) { return SlotWord(w.bits() - 1); }

// --- Without the lock -------------------------------------------------------------------------------------------

// Test and change are apart as well: g++ keeps an optional's flag in memory, which the fast path would pay for.

// The fast path: one more lease. Fails behind SLOW, so that nobody overtakes who waits.
constexpr bool MayLend(SlotWord w) { return w.open_and_not_slow() && w.leases() < w.limit(); }
constexpr Next Lend(SlotWord w) {
  if (!MayLend(w)) return std::nullopt;
  return WithLease(w);
}

// The fast way back. Fails with SLOW: then the lock comes first, and ReturnLocked or a hand-over.
constexpr bool MayReturn(SlotWord w) { return !w.slow() && w.leases() != 0; }
constexpr Next Return(SlotWord w) {
  if (!MayReturn(w)) return std::nullopt;
  return WithoutLease(w);
}

// --- Under the lock ---------------------------------------------------------------------------------------------

// One more lease for whoever is first in line, SLOW or not.
constexpr Next LendLocked(SlotWord w) {
  if (w.state() != SlotState::kOpen || w.leases() >= w.limit()) return std::nullopt;
  return WithLease(w);
}

// The first lease of a connection whose word shows none before. Whether housekeeping has cleared USED is the caller's
// to know.
constexpr Next LendFirst(SlotWord w) {
  if (w.leases() != 0 || w.used()) return std::nullopt;
  return LendLocked(w);
}

// One more lease above the limit (rule 7). Fails at 524,287: the field is full.
constexpr Next Overcommit(SlotWord w) {
  if (w.state() != SlotState::kOpen || w.leases() >= SlotWord::kMaxLeases) return std::nullopt;
  return WithLease(w);
}

// One more lease on a connection that does not lend, for a call that cannot wait when no other is there: the transport
// queues the call, or fails it.
constexpr Next LendUnready(SlotWord w) {
  const bool unready =
      w.state() == SlotState::kConnecting || w.state() == SlotState::kBackoff || w.state() == SlotState::kChecking;
  if (!unready || w.leases() >= SlotWord::kMaxLeases) return std::nullopt;
  return WithLease(w);
}

// Rule 2: a place that comes back goes to the first waiter only if it is one that may be lent.
constexpr bool HandsOver(SlotWord w, bool somebody_waits) {
  return somebody_waits && w.state() == SlotState::kOpen && w.leases() <= w.limit();
}

// One lease less. At zero while DRAINING, the caller closes the slot (rule 3).
constexpr Next ReturnLocked(SlotWord w) {
  if (w.leases() == 0) return std::nullopt;
  return WithoutLease(w);
}

// Rule 1: who must wait sets SLOW in every OPEN word, then looks again, then queues.
constexpr Next MarkSlow(SlotWord w) {
  if (w.state() != SlotState::kOpen || w.slow()) return std::nullopt;
  return w.with_slow(true);
}

// Rule 4: whoever empties the queue clears SLOW in every OPEN word, and never in a DRAINING one. Not during a pause
// (rule 10).
constexpr Next ClearSlow(SlotWord w) {
  if (w.state() != SlotState::kOpen || !w.slow()) return std::nullopt;
  return w.with_slow(false);
}

// A CLOSED slot begins a new life.
constexpr Next Reuse(SlotWord w, uint32_t limit) {
  if (w.state() != SlotState::kClosed) return std::nullopt;
  return w.with_next_generation()
      .with_state(SlotState::kConnecting)
      .with_slow(false)
      .with_used(false)
      .with_limit(limit);
}

// Rule 5: opened after the first waiters were granted `granted` places, with SLOW if some still wait (rule 10: all do
// while the pool is paused). To be open is not to be used: a replacement that nobody uses goes on with the idle time of
// the one before it.
constexpr Next Open(SlotWord w, uint32_t granted, bool some_still_wait) {
  const bool can =
      w.state() == SlotState::kConnecting || w.state() == SlotState::kBackoff || w.state() == SlotState::kChecking;
  if (!can) return std::nullopt;
  return w.with_leases(w.leases() + granted)
      .with_state(SlotState::kOpen)
      .with_slow(some_still_wait)
      .with_used(w.used() || granted > 0);
}

// A failed first dial: the slot waits to dial again.
constexpr Next BackOff(SlotWord w) {
  if (w.state() != SlotState::kConnecting) return std::nullopt;
  return w.with_state(SlotState::kBackoff);
}

// A suspected connection stops lending until it has been probed. Nobody can be handed its places: no SLOW.
constexpr Next Check(SlotWord w) {
  if (w.state() != SlotState::kOpen) return std::nullopt;
  return w.with_state(SlotState::kChecking).with_slow(false);
}

// Takes no new leases; the last one back must find SLOW and close. At zero leases the caller closes at once (rule 3).
constexpr Next Drain(SlotWord w) {
  if (w.state() == SlotState::kClosed || w.state() == SlotState::kDraining) return std::nullopt;
  return w.with_state(SlotState::kDraining).with_slow(true);
}

// As Drain, but only a connection that nobody uses: for idle ones, which a call may take at the last instant.
constexpr Next DrainIfUnused(SlotWord w) {
  if (w.state() != SlotState::kOpen || w.leases() != 0 || w.used()) return std::nullopt;
  return Drain(w);
}

// Rule 8: CLOSED is always at zero leases.
constexpr Next Close(SlotWord w) {
  if (w.state() != SlotState::kDraining || w.leases() != 0) return std::nullopt;
  return w.with_state(SlotState::kClosed).with_slow(false).with_used(false);
}

constexpr Next SetLimit(SlotWord w, uint32_t limit) {
  if (w.state() == SlotState::kClosed || w.limit() == limit) return std::nullopt;
  return w.with_limit(limit);
}

constexpr Next ClearUsed(SlotWord w) {
  if (!w.used()) return std::nullopt;
  return w.with_used(false);
}

}  // namespace slot
}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_SLOT_WORD_H_
