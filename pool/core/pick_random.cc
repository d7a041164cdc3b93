#include "pool/core/pick_random.h"

#include <atomic>

namespace chanpool::internal {

uint64_t SeedForThisThread() {
  static std::atomic<uint64_t> threads{0};
  // Far apart, so that two threads do not draw the same sequence one step shifted. Odd times less than 2^64: not null.
  return (threads.fetch_add(1, std::memory_order_relaxed) + 1) * 0xd1342543de82ef95ull;
}

}  // namespace chanpool::internal
