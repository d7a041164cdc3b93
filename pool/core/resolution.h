// How a target's name becomes addresses, as an operator sees it.
//
//   if (const std::optional<ResolutionStats> dns = pool->Resolution()) ... dns->name, dns->state, dns->last_error
#ifndef CHANPOOL_POOL_CORE_RESOLUTION_H_
#define CHANPOOL_POOL_CORE_RESOLUTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace chanpool {

enum class ResolutionState {
  kPending,   // The first answer is not here yet.
  kResolved,  // The last look-up was answered.
  kStale,     // It was not: the answer of the one before holds.
  kFailed,    // No look-up was ever answered: there is no address.
};

// A plain value. Times are of the pool's clock.
struct ResolutionStats {
  std::string name;
  std::vector<std::string> servers;  // Empty: those of the machine.
  ResolutionState state = ResolutionState::kPending;
  int addresses = 0;                              // In the last answer, of both families.
  absl::Time answered_at = absl::InfinitePast();  // InfinitePast: never.
  absl::Duration ttl;                             // Of the last answer, within the pool's bounds.
  absl::Time next_at = absl::InfiniteFuture();    // The next look-up, if nothing fails before.
  std::string last_error;                         // Of the last look-up that failed, however long ago.
  absl::Time failed_at = absl::InfinitePast();
  // Counters.
  uint64_t hits = 0;      // Dials that used an answer that was there.
  uint64_t misses = 0;    // Look-ups.
  uint64_t failures = 0;  // Of those: without any address.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_RESOLUTION_H_
