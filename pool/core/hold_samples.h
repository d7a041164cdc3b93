// How long leases are held, from a sample of them, at no cost to the others.
//
//   Lent lent = holds.Begin(slot, random.weight(), clock->Now());     // one in 64: see PickRandom::Sample
//   ...
//   // While the lease still keeps the pool:
//   if (lent.sample() != 0) holds.End(lent.sample(), clock->Now(), &lent.slot()->tally->holds);
//
// A lease is a Slot* and has no room for the time at which it began. But a slot is aligned to 64 bytes, so its address
// has six bits free: they say which entry of a table in the pool has that time, and zero says that the lease is not
// among the sampled. A release that is not sampled pays for one test of a register.
#ifndef CHANPOOL_POOL_CORE_HOLD_SAMPLES_H_
#define CHANPOOL_POOL_CORE_HOLD_SAMPLES_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "pool/core/histogram.h"
#include "pool/core/slot_table.h"

namespace chanpool {

// A slot on which a place was lent, and as which sample, if at all. A plain value, as large as a pointer.
class Lent {
 public:
  Lent() = default;
  // Not sampled. A slot is one of these wherever nobody times it.
  Lent(Slot* slot) : Lent(slot, 0) {}  // NOLINT(google-explicit-constructor)
  Lent(Slot* slot, uint32_t sample) : bits_(reinterpret_cast<uintptr_t>(slot) | sample) {}

  explicit operator bool() const { return bits_ != 0; }
  Slot* slot() const { return reinterpret_cast<Slot*>(bits_ & ~kSampleBits); }
  // 1 to HoldSamples::kMaxSamples, or 0.
  uint32_t sample() const { return static_cast<uint32_t>(bits_ & kSampleBits); }

 private:
  static constexpr uintptr_t kSampleBits = alignof(Slot) - 1;
  uintptr_t bits_ = 0;
};

// Thread-safe, without a lock.
class HoldSamples {
 public:
  // Sampled leases that are out at a time: what six bits tell apart. One in 64 is sampled, so it takes about 4,000
  // leases at a time to need more; those beyond are not timed, and counted in skipped().
  static constexpr uint32_t kMaxSamples = alignof(Slot) - 1;

  // A sample that begins now and counts `weight` times, or none when all are out.
  Lent Begin(Slot* slot, uint32_t weight, absl::Time now) {
    uint64_t taken = taken_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t free = ~taken & ~uint64_t{1};  // Entry 0 means no sample.
      if (free == 0) {
        skipped_.fetch_add(weight, std::memory_order_relaxed);
        return Lent(slot);
      }
      const auto entry = static_cast<uint32_t>(__builtin_ctzll(free));
      // Acquires what End released: the entry's last reader is done with it.
      if (taken_.compare_exchange_weak(taken, taken | (uint64_t{1} << entry), std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        entries_[entry] = {now, weight};
        return Lent(slot, entry);
      }
    }
  }

  // Whoever gives the lease back, before it does: afterwards the pool may be gone. How long it was held goes to
  // `times`.
  void End(uint32_t sample, absl::Time now, HistogramRecorder* times) {
    const Entry entry = entries_[sample];
    Drop(sample);
    times->Record(now - entry.began, entry.weight);
  }

  // Ends it untimed: the lease goes on, and is not among the sampled any more.
  void Drop(uint32_t sample) { taken_.fetch_and(~(uint64_t{1} << sample), std::memory_order_release); }

  uint64_t skipped() const { return skipped_.load(std::memory_order_relaxed); }
  // Out now.
  int out() const { return __builtin_popcountll(taken_.load(std::memory_order_relaxed)); }

 private:
  struct Entry {
    absl::Time began;
    uint32_t weight = 1;
  };

  std::atomic<uint64_t> taken_{0};                // A bit for each entry.
  std::array<Entry, kMaxSamples + 1> entries_{};  // Each belongs to whoever holds its lease.
  std::atomic<uint64_t> skipped_{0};
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_HOLD_SAMPLES_H_
