// Whether this process is a fork()ed child of the one in which something was made.
//
//   const uint64_t born = ForkEpoch();
//   ...
//   if (ForkEpoch() != born) return ...;   // threads and lock holders of before do not exist here
#ifndef CHANPOOL_POOL_CORE_FORK_EPOCH_H_
#define CHANPOOL_POOL_CORE_FORK_EPOCH_H_

#include <atomic>
#include <cstdint>

namespace chanpool {

namespace internal {
extern std::atomic<uint64_t> fork_epoch;
}  // namespace internal

// How often this process was made by fork() since the first call of CountForks. One load of a word that never changes
// in a process: cheap enough for every acquire. Thread-safe, and safe in a child.
inline uint64_t ForkEpoch() { return internal::fork_epoch.load(std::memory_order_relaxed); }

// From the first call on, forks are counted. Returns ForkEpoch().
uint64_t CountForks();

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_FORK_EPOCH_H_
