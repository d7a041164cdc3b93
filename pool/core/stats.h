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
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/call_stats.h"
#include "pool/core/endpoint.h"
#include "pool/core/events.h"
#include "pool/core/histogram.h"
#include "pool/core/pool_state.h"
#include "pool/core/ratio.h"

namespace chanpool {

// How an acquire ends.
enum class AcquireOutcome {
  kOk,
  kTimedOut,
  kRejected,     // All full (kReject), or max_waiters reached.
  kCancelled,    // An AcquireAsync.
  kUnavailable,  // The pool drains or is destroyed, or has no way to the target.
};
inline constexpr int kAcquireOutcomes = 5;

const char* ToString(AcquireOutcome outcome);
// By the codes that Pool::Acquire, AcquireAsync and AcquireNow return.
AcquireOutcome OutcomeOf(const absl::Status& status);

// Times that were taken of all that happened, or of a sample, and of how large a one. A plain value.
struct Measured {
  // What was taken. Of a thread that acquires every 160 ns or faster fewer are taken, and each counts so much more.
  Histogram histogram;
  uint32_t one_in = 1;  // What one count stands for: taken of one in so many, at random; 1: of all.

  bool sampled() const { return one_in > 1; }
  // What all together would be, as the sample has it.
  Histogram Estimate() const { return histogram.Times(one_in); }
};

// How a pool does, worst last. The first of these rules that holds, from the bottom up:
//   UNAVAILABLE  it lends to nobody (paused, draining, drained, destroyed), or no connection is open and either
//                somebody needs one (a waiter, a lease) or dials fail;
//   OVERLOADED   no place is free on the open connections;
//   DEGRADED     dials fail, or a connection is suspected, while others still serve;
//   HEALTHY      otherwise. A pool without connections that nobody asks is well: its first caller opens one.
// Dials fail: a connection backs off, or none may be dialled before retry_at.
enum class PoolHealth { kHealthy, kDegraded, kOverloaded, kUnavailable };

const char* ToString(PoolHealth health);

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

  // Of the connections that lend or are probed: how many backends they are known to end at, as responses tell
  // (ConnectionStats::backend). 0 where none does. Of several pools the sum, though they may share some.
  int distinct_backends = 0;

  int leaks_out = 0;  // Leases that were reported as out for longer than leak_after, and are still out.

  // --- Counters ---
  uint64_t acquired = 0;  // Leases granted: hits + misses.
  uint64_t released = 0;  // Leases back.
  uint64_t hits = 0;      // Granted at once on an open connection.
  uint64_t misses = 0;    // Granted after waiting, or on a connection that was not open yet.
  uint64_t rerolls = 0;   // Connections dialled anew since they shared a backend.
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
  uint64_t health_checks = 0;          // Other routine probes: validate_every, probe_after_silence, Pool::Check.
  uint64_t health_checks_removed = 0;  // Of those, connections that gave no sign of life.
  uint64_t leaks_suspected = 0;        // Leases that were reported as out for longer than leak_after.
  std::array<uint64_t, kCloseReasons>
      closed_by_reason{};  // Indexed by CloseReason; counted when the last lease is back.

  // How long acquires took, as their callers saw it, and connections. Those that the fast path granted, without a lock,
  // are timed for one in 64; all others always, each once, when it ends. An AcquireAsync ends when its callback begins;
  // one that found a place at once has ended there, whatever became of it. A TryAcquire in vain is no acquire.
  uint64_t fast_hits = 0;                              // Of the hits: granted by the fast path.
  Measured fast_waits;                                 // Of those.
  std::array<Histogram, kAcquireOutcomes> slow_waits;  // Of all others, by AcquireOutcome.
  // From the grant, for an AcquireAsync from its callback, until it was given back; of the leases that are back.
  Measured holds;
  uint64_t holds_skipped = 0;  // Chosen for the sample, and not timed, since 63 that were chosen were out.
  Histogram connects;          // From the dial until the connection opened.
  Histogram failed_connects;   // From the dial until it failed or took longer than connect_timeout.

  absl::Status last_dial_error;                // OK if there was none.
  absl::Time retry_at = absl::InfinitePast();  // Of the pool's clock: no dial before, unless a call insists.

  PoolHealth health = PoolHealth::kHealthy;  // HealthOf, when these numbers were taken.
  // Of the pool's clock: since when dials fail, without one that went well. InfinitePast when the last one did.
  absl::Time failing_since = absl::InfinitePast();
  uint64_t connections_used = 0;  // Of those opened, ever: have carried a lease.

  // --- Rates, each defined here and nowhere else. None is above 1, but where it says so. ---
  // Places that callers found free.
  Ratio HitRate() const { return {hits, acquired}; }
  // Leases on a connection that had carried one before.
  Ratio ReuseRate() const;
  // Not a rate: how many leases a connection has carried, in the mean of those that have carried any.
  Ratio UsesPerConnection() const { return {acquired, connections_used}; }
  // Leases on open connections, of the places there. Above 1 while calls are overcommitted.
  Ratio Utilisation() const;

  // As if both pools were one: counters and gauges are added up, histograms merged, so that each rate is of the sums
  // and no mean is a mean of means. `state` is the more active one's, pause_left that of the pause that ends first
  // where the total is PAUSED, `health` the worse, `retry_at` the later, failing_since the earlier of those that fail,
  // and last_dial_error the first that is one.
  PoolStats& operator+=(const PoolStats& other);
};

// By the rules of PoolHealth. `now` is of the pool's clock.
PoolHealth HealthOf(const PoolStats& stats, absl::Time now);

// One connection, as an operator sees it.
struct ConnectionStats {
  ConnectionId id;
  uint64_t endpoint = 0;  // Its id; of one that is not in the list any more while the connection drains.
  std::string address;    // As it was dialled; empty in a pool that was told no endpoints.
  std::string backend;    // What answers at its other end, as a response told; empty while none has.
  uint32_t handicap = 0;  // Leases that are added when it is compared with others: slow start, weight, penalty.
  SlotState state = SlotState::kClosed;
  CloseReason reason = CloseReason::kIdle;  // While draining.
  uint32_t leases = 0;
  uint32_t limit = 0;
  uint32_t peak_leases = 0;  // The most at one time since housekeeping last looked (at most 1 s ago).
  absl::Duration in_state;   // How long it has been in `state`.
  absl::Duration age;        // Since it first opened; zero before.
  // From the dial that opened it until it was open; zero before, and where the transport dialled by itself.
  absl::Duration connect_time;
  absl::Duration idle;    // Since it last carried a lease, or opened; exact to one look of housekeeping (1 s).
  uint64_t acquired = 0;  // Leases granted on it.
  Measured holds;         // How long the sampled ones of those that are back were held. They add up to the pool's.
  CallTotals calls;       // What became of the calls on it, where the transport sees calls.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_STATS_H_
