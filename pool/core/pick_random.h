// The random draws of the fast path: which two connections to compare, and who wins a tie.
//
//   uint32_t i = ThisThreadsRandom().Below(count);
//
// One generator a thread, so that a draw shares nothing. A simulation that must replay seeds its own thread's:
// ThisThreadsRandom() = PickRandom(seed).
#ifndef CHANPOOL_POOL_CORE_PICK_RANDOM_H_
#define CHANPOOL_POOL_CORE_PICK_RANDOM_H_

#include <cstdint>

namespace chanpool {

// SplitMix64 without its last step: quality matters little here, cost matters. One thread at a time.
class PickRandom {
 public:
  explicit PickRandom(uint64_t seed) : state_(seed) {}
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

// Begins at a different point in each thread.
PickRandom& ThisThreadsRandom();

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_PICK_RANDOM_H_
