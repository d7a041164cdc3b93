// One resolved address of a target, and what a pool tells about it.
//
//   pool->SetEndpoints({{"10.0.0.1:50051"}, {"10.0.0.2:50051", /*weight=*/2}});
//   for (const EndpointStats& row : pool->Endpoints()) ... row.endpoint.address, row.state, row.why
//
// A pool that was never told its endpoints has one, without an address: the target itself.
#ifndef CHANPOOL_POOL_CORE_ENDPOINT_H_
#define CHANPOOL_POOL_CORE_ENDPOINT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace chanpool {

// A plain value.
struct Endpoint {
  std::string address;  // As the connector dials it; the pool only compares it.
  int weight = 1;       // Its share of connections and leases, beside the others'. 1 to kMaxWeight.
  // Given by the pool and never used again, also not for an address that went and came back. 0 where the pool is told.
  uint64_t id = 0;
  // For now one connection stands for all: to a name that has no address yet (then `address` is empty), or to the first
  // of several addresses that has answered.
  bool on_trial = false;
};
inline constexpr int kMaxWeight = 1000;

// What one call says of the endpoint that served it.
enum class CallOutcome {
  kAnswered,     // The server did its work, whether the caller likes the answer or not: NOT_FOUND is one.
  kFailed,       // The server's own failure: INTERNAL, UNKNOWN, DATA_LOSS, DEADLINE_EXCEEDED.
  kUnavailable,  // UNAVAILABLE: no server, or one that goes away.
  kOverloaded,   // RESOURCE_EXHAUSTED: it lives, and has no room.
  kUnknown,      // The caller gave up (CANCELLED): says nothing.
};

// The outcome that a call's status code stands for. DEADLINE_EXCEEDED counts as the server's failure: an endpoint that
// swallows calls shows nothing else.
CallOutcome OutcomeOf(absl::StatusCode code);

// The calls of one connection, or of one endpoint, since somebody last asked. A plain value.
struct CallCounts {
  uint64_t answered = 0;
  uint64_t failed = 0;  // kFailed and kUnavailable.
  uint64_t overloaded = 0;
  uint64_t failed_in_row = 0;  // Up to now: after the last that was answered.
  uint64_t latency_us = 0;     // Of those answered, added up.
  bool penalised = false;      // One was kUnavailable or kOverloaded.

  uint64_t calls() const { return answered + failed + overloaded; }
};

enum class EndpointState {
  kHealthy,
  kBackoff,  // Its last dial failed, or what it opened was lost at once: dialled again at `until`.
  kEjected,  // An outlier: takes no calls before `until`, unless nothing else is left.
  kSpare,    // Not in this client's subset: not dialled.
};

const char* ToString(EndpointState state);

// One endpoint, as an operator sees it.
struct EndpointStats {
  Endpoint endpoint;
  EndpointState state = EndpointState::kHealthy;
  std::string why;                          // For kBackoff and kEjected.
  absl::Time until = absl::InfinitePast();  // For kBackoff and kEjected, of the pool's clock.
  int connections = 0;                      // Those that take calls or soon will.
  int connections_open = 0;
  int64_t leases = 0;  // Out now, on connections in any state.
  // Counters. Calls are those that were reported, as of housekeeping's last look (at most 1 s ago, and exact for
  // connections that have closed).
  uint64_t calls = 0;
  uint64_t failures = 0;            // Of those, whatever was not answered.
  absl::Duration time_of_answered;  // What the others took, added up; of each, what is above 17 s is left out.
  uint64_t dial_failures = 0;       // As PoolStats::dial_failures.
  uint64_t ejections = 0;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_ENDPOINT_H_
