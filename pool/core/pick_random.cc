#include "pool/core/pick_random.h"

#include <atomic>

namespace chanpool {

namespace {

uint64_t SeedForThisThread() {
  static std::atomic<uint64_t> threads{0};
  // Far apart, so that two threads do not draw the same sequence one step shifted. Odd times less than 2^64: not null.
  return (threads.fetch_add(1, std::memory_order_relaxed) + 1) * 0xd1342543de82ef95ull;
}

}  // namespace

void PickRandom::Seed() { *this = PickRandom(SeedForThisThread()); }

bool PickRandom::DrawGap() {
  if (next_gap_ == 0) {
    Seed();
    return Sample();
  }
  weight_ = next_weight_;
  next_weight_ = fast_ ? kSparse : 1;
  gap_ = next_gap_;
  until_sample_ = next_gap_ = 1 + Below(2 * kSampling * next_weight_ - 1);
  return true;
}

void PickRandom::SetPace(absl::Time now) {
  fast_ = now - last_ < kFastCall * gap_;
  last_ = now;
}

}  // namespace chanpool
