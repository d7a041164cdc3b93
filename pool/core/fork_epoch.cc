#include "pool/core/fork_epoch.h"

#include <pthread.h>

namespace chanpool {

std::atomic<uint64_t> internal::fork_epoch{0};

uint64_t CountForks() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { internal::fork_epoch.fetch_add(1, std::memory_order_relaxed); });
  (void)registered;
  return ForkEpoch();
}

}  // namespace chanpool
