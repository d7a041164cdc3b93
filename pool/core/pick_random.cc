#include "pool/core/pick_random.h"

#include <atomic>

namespace chanpool {

bool PickRandom::DrawGap() {
  if (!seeded_) {
    static std::atomic<uint64_t> threads{0};
    // Far apart, so that two threads do not draw the same sequence one step shifted.
    *this = PickRandom(threads.fetch_add(1, std::memory_order_relaxed) * 0xd1342543de82ef95ull);
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
