// PoolStats: what a pool counts, as one value.
//
//   PoolStats stats = pool->Stats();
//   double used = double(stats.leases) / stats.capacity;
//
// Connections by state and waiters are of one instant. Leases are summed slot by slot, each slot read once. Counters
// only grow, and are exact once callers rest. By construction: acquired = hits + misses, connections = opened - closed
// + connections_extra.
#ifndef CHANPOOL_POOL_CORE_STATS_H_
#define CHANPOOL_POOL_CORE_STATS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/events.h"
#include "pool/core/pool_state.h"

namespace chanpool {

struct PoolStats {
  PoolAdminState state = PoolAdminState::kActive;
  absl::Duration pause_left;  // Zero unless PAUSED: until the pause ends by itself.

  // --- Gauges ---
  int connections = 0;             // Not destroyed yet, in any state: opened - closed + connections_extra.
  int connections_open = 0;        // Lend now.
  int connections_connecting = 0;  // Dial now.
  int connections_backoff = 0;     // Failed to dial, wait to dial again.
  int connections_checking = 0;    // Suspected, being probed.
  int connections_draining = 0;    // Lend no more, still carry calls.
  int connections_closing = 0;     // Carry nothing, about to be destroyed by the closer.
  int connections_lingering = 0;   // Of those draining: replaced, and over drain_grace.
  // Replacements on their way or owed, and those they replace that still drain and do not linger: at most max_surge, or
  // 1 where that is 0; more only after max_surge was lowered.
  int connections_replacing = 0;
  // Made by the transport itself: gRPC dials again when a call asks a connection that got GOAWAY, and keeps both until
  // the old one's calls have ended. An upper bound.
  int connections_extra = 0;
  int64_t leases = 0;             // Out now, on connections in any state.
  int64_t capacity = 0;           // The limits of the open connections, added up.
  int64_t leases_over_limit = 0;  // On open connections, above their limits: lent + free = capacity + over limit.
  int64_t free = 0;               // Places that could be lent now.
  // The most leases wanted at one time, waiters included, since the options were last changed. An upper bound: the
  // connections' peaks between two looks of housekeeping are added up, whenever each was.
  int64_t leases_peak_bound = 0;
  int waiters = 0;        // In Acquire, AcquireAsync and blocking_channel().
  int waiters_fresh = 0;  // Of those waiters: for a connection that has not lent. Other places may be free.

  int leaks_out = 0;  // Leases that were reported as out for longer than leak_after, and are still out.

  // --- Counters ---
  uint64_t acquired = 0;  // Leases granted: hits + misses.
  uint64_t released = 0;  // Leases back.
  uint64_t hits = 0;      // Granted at once on an open connection.
  uint64_t misses = 0;    // Granted after waiting, or on a connection that was not open yet.
  uint64_t opened = 0;    // Connections made, whether their dial succeeds or not.
  uint64_t closed = 0;    // Connections destroyed.
  // Dials that failed, and connections lost as soon as they opened. While a connection backs off, gRPC dials by itself
  // on a back-off of the same length as the pool's, and does not tell: counted are then the dials that the pool's calls
  // for, which may differ from gRPC's by a few in an outage.
  uint64_t dial_failures = 0;
  uint64_t overcommitted = 0;          // Of those acquired: above the connection's limit.
  uint64_t rejected = 0;               // Refused at once: all full (kReject), or max_waiters reached.
  uint64_t timed_out = 0;              // Waited until their deadline.
  uint64_t cancelled = 0;              // AcquireAsync that was cancelled.
  uint64_t unavailable = 0;            // Refused because the pool drains or is destroyed, or has no way to the target.
  uint64_t validations = 0;            // Probes before lending after silence: validate_after_idle.
  uint64_t validation_failures = 0;    // Of those, connections that gave no sign of life.
  uint64_t health_checks = 0;          // Other routine probes: validate_every, Pool::Check.
  uint64_t health_checks_removed = 0;  // Of those, connections that gave no sign of life.
  uint64_t leaks_suspected = 0;        // Leases that were reported as out for longer than leak_after.
  std::array<uint64_t, kCloseReasons>
      closed_by_reason{};  // Indexed by CloseReason; counted when the last lease is back.

  absl::Status last_dial_error;                // OK if there was none.
  absl::Time retry_at = absl::InfinitePast();  // Of the pool's clock: no dial before, unless a call insists.
};

// One connection, as an operator sees it.
struct ConnectionStats {
  ConnectionId id;
  SlotState state = SlotState::kClosed;
  CloseReason reason = CloseReason::kIdle;  // While draining.
  uint32_t leases = 0;
  uint32_t limit = 0;
  uint32_t peak_leases = 0;  // The most at one time since housekeeping last looked (at most 1 s ago).
  absl::Duration in_state;   // How long it has been in `state`.
  absl::Duration age;        // Since it first opened; zero before.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_STATS_H_
