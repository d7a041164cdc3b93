// The random draws of the fast path: which two connections to compare, who wins a tie, and which acquire is timed.
//
//   uint32_t i = ThisThreadsRandom().Below(count);
//   if (ThisThreadsRandom().Sample()) ...             // about one in 64, as weight() says
//
// One generator a thread, so that a draw shares nothing. A simulation that must replay seeds its own thread's:
// ThisThreadsRandom() = PickRandom(seed).
#ifndef CHANPOOL_POOL_CORE_PICK_RANDOM_H_
#define CHANPOOL_POOL_CORE_PICK_RANDOM_H_

#include <cstdint>

#include "absl/base/optimization.h"
#include "absl/time/time.h"

namespace chanpool {

// SplitMix64 without its last step: quality matters little here, cost matters. One thread at a time.
class PickRandom {
 public:
  // One call in kSampling is timed: two readings of the clock, 110 ns. For a thread that does nothing but acquire that
  // would be a tenth of its time, so one that calls faster than every kFastCall is timed at one call in
  // kSampling * kSparse, 1,024, and each of its samples counts kSparse times. So counts and means stay right, and only
  // the far tail of such a thread's times is coarser. A thread goes from one to the other by its own pace, each sample
  // telling how far apart those after the next are: weight() belongs to the sample at hand.
  static constexpr uint32_t kSampling = 64;
  static constexpr uint32_t kSparse = 16;
  static constexpr absl::Duration kFastCall = absl::Nanoseconds(160);

  constexpr explicit PickRandom(uint64_t seed)
      : state_(seed), until_sample_(1 + FirstGap(seed)), next_gap_(until_sample_) {}
  // A thread's own: seeds itself when it is first asked whether to sample. So the fast path, which asks that first of
  // all, tests one number, and not whether there is a seed as well.
  constexpr PickRandom() : state_(0), until_sample_(1), next_gap_(0) {}

  // 0 to n - 1. n is not 0.
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>((static_cast<uint64_t>(Next()) * n) >> 32); }

  // True once in n, for those who may ask before the first Sample().
  bool OneIn(uint32_t n) {
    if (ABSL_PREDICT_FALSE(next_gap_ == 0)) Seed();
    return Below(n) == 0;
  }

  // At distances that are drawn: with a fixed one, a caller whose calls have a rhythm of their own would always be
  // timed at the same beat. One decrement when false.
  bool Sample() { return ABSL_PREDICT_FALSE(--until_sample_ == 0) && DrawGap(); }
  // Whether the next Sample() may be true, and that it was asked when it may not: the same in two steps, for who knows
  // only in between whether there is something to count.
  bool SampleIsNext() const { return until_sample_ == 1; }
  void Skip() { --until_sample_; }
  // How many samples the last one counts for.
  uint32_t weight() const { return weight_; }
  // When the last one was taken, each time: sets how far apart those after the next are.
  void SetPace(absl::Time now);

 private:
  // 0 to 2 * kSampling - 2, without taking a draw from those who pick.
  static constexpr uint32_t FirstGap(uint64_t seed) {
    return static_cast<uint32_t>(((seed + 1) * 0x9e3779b97f4a7c15ull) >> 32) % (2 * kSampling - 1);
  }
  bool DrawGap();
  void Seed();

  uint32_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    return static_cast<uint32_t>(z >> 32);
  }

  uint64_t state_;
  uint32_t until_sample_;
  bool fast_ = false;
  uint32_t gap_ = 1;          // Of these calls, the last sample was the last.
  uint32_t next_gap_;         // The one that until_sample_ began with; 0 before there is a seed.
  uint32_t weight_ = 1;       // Of the last sample.
  uint32_t next_weight_ = 1;  // Of the one that until_sample_ counts down to.
  absl::Time last_ = absl::InfinitePast();
};

// Begins at a different point in each thread, at its first Sample().
inline PickRandom& ThisThreadsRandom() {
  thread_local PickRandom random;  // Constant at first: to reach it takes no guard and no call.
  return random;
}

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_PICK_RANDOM_H_
