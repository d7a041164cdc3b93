#include "pool/core/pick_random.h"

#include <atomic>

namespace chanpool {

PickRandom& ThisThreadsRandom() {
  static std::atomic<uint64_t> threads{0};
  // Far apart, so that two threads do not draw the same sequence one step shifted.
  thread_local PickRandom random(threads.fetch_add(1, std::memory_order_relaxed) * 0xd1342543de82ef95ull);
  return random;
}

}  // namespace chanpool
