// The random draws of the fast path: which two connections to compare, and who wins a tie.
//
//   uint32_t i = ThisThreadsRandom().Below(count);
//
// One generator a thread, so that a draw shares nothing. A simulation that must replay seeds its own thread's:
// ThisThreadsRandom() = PickRandom(seed).
#ifndef CHANPOOL_POOL_CORE_PICK_RANDOM_H_
#define CHANPOOL_POOL_CORE_PICK_RANDOM_H_

#include <cstdint>

#include "absl/base/optimization.h"

namespace chanpool {

// SplitMix64 without its last step: quality matters little here, cost matters. One thread at a time.
class PickRandom {
 public:
  constexpr explicit PickRandom(uint64_t seed) : state_(seed) {}
  // 0 to n - 1. n is not 0.
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>((static_cast<uint64_t>(Next()) * n) >> 32); }

 private:
  uint32_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    return static_cast<uint32_t>(z >> 32);
  }
  uint64_t state_;
};

namespace internal {
// Far from every other thread's beginning, and not null.
uint64_t SeedForThisThread();
}  // namespace internal

// Begins at a different point in each thread.
inline PickRandom& ThisThreadsRandom() {
  thread_local uint64_t begun = 0;  // Both are constant at first: to reach them takes no guard and no call.
  thread_local PickRandom random(0);
  if (ABSL_PREDICT_FALSE(begun == 0)) random = PickRandom(begun = internal::SeedForThisThread());
  return random;
}

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_PICK_RANDOM_H_
