// What can be seen of a pool from outside after each step of a simulation, and every rule that two views in a row must
// keep.
//
//   std::string broken = Violation(before, after);
//   ASSERT_EQ(broken, "");
//
// Nothing here looks into the pool: a rule that only the pool's own CheckInvariants knew would fail with it.
#ifndef CHANPOOL_TESTS_SIM_POOL_VIEW_H_
#define CHANPOOL_TESTS_SIM_POOL_VIEW_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "pool/core/options.h"
#include "pool/core/stats.h"

namespace chanpool {

// A plain value.
struct PoolView {
  // As the pool tells it.
  PoolStats stats;
  std::vector<ConnectionStats> connections;
  std::vector<EndpointStats> endpoints;
  PoolOptions options;
  int decisions = 0;  // That it can tell.

  // As the simulation knows it.
  absl::Time now;
  int64_t held = 0;              // Leases that callers hold.
  int pending = 0;               // AcquireAsyncs that have not ended.
  int pending_in_time = 0;       // Of those, the ones whose deadline has not come.
  uint64_t acquires = 0;         // Begun, in any style.
  uint64_t ended_cancelled = 0;  // Ended with kCancelled.
  int alive = 0;                 // Connection objects.
  int destroyed = 0;
  int dials = 0;
  int opened_reports = 0;  // That the pool was told, true or not.

  // What the last step did.
  bool may_overcommit = false;     // An AcquireNow under kOvercommit.
  bool may_change_limits = false;  // A Reconfigure.
  bool may_insist = false;         // A call that waits for ready may dial before the back-off is over.
  bool may_resume = false;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> returned;  // Leases given back: slot, generation, how many.
  bool may_dial_others = false;                                // The endpoints changed: a new one has no back-off.

  absl::Time paused_until = absl::InfinitePast();  // As the pauses ask: never later.

  // The most connections that may be replacing now: max(1, max_surge), or what was under way when it was lowered.
  int permitted_replacing = 1;
  // The most that may linger: max_connections, or what lingered when it was lowered.
  int permitted_lingering = 1;
  // The most that may wait: max_waiters, or what waited when it was lowered.
  int permitted_waiters = 1000000;
  // The most that may dial: max_connecting, or what dialled when it was lowered.
  int permitted_connecting = 1;
  // Since max_connects_per_second was last set.
  uint64_t opened_since = 0;
  absl::Duration rate_in_force;
  uint64_t insisted = 0;  // Calls that might go past it.
};

// Empty, or the first rule that `after` breaks, given what was before.
std::string Violation(const PoolView& before, const PoolView& after);

// The numbers of one view, for people: a line, and one more for each connection.
std::string Describe(const PoolView& view);

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_SIM_POOL_VIEW_H_
