// What became of calls, and which are in flight: what a transport that sees calls tells of them, as plain values.
//
//   for (const MethodStats& row : pool->Methods()) {
//     row.calls.requests(), row.calls.errors(), row.calls.ErrorRate().value(), row.calls.times.QuantileUpperBound(0.99)
//   }
//   for (const CallInFlight& call : pool->Calls(10)) ... call.method, call.age ...
//
// An error is every end but OK: which of them speak against a server is another question (OutcomeOf, endpoint.h), and
// by_code has them apart.
#ifndef CHANPOOL_POOL_CORE_CALL_STATS_H_
#define CHANPOOL_POOL_CORE_CALL_STATS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/connection_id.h"
#include "pool/core/histogram.h"
#include "pool/core/ratio.h"

namespace chanpool {

// absl::StatusCode's, which are gRPC's: 0 to 16. What a peer makes up beyond them counts as UNKNOWN.
inline constexpr int kStatusCodes = 17;

// Calls that have ended. Counters: they only grow. A plain value.
struct CallTotals {
  // By absl::StatusCode. One that its caller dropped, and whose status nobody will read, counts as CANCELLED; one that
  // was never started does not count.
  std::array<uint64_t, kStatusCodes> by_code{};
  // From their start to their status. Every call is timed.
  Histogram times;

  uint64_t requests() const;
  // Of those: ended with another code than OK.
  uint64_t errors() const { return requests() - by_code[0]; }
  Ratio ErrorRate() const { return {errors(), requests()}; }

  CallTotals& operator+=(const CallTotals& other);
};

// The name under which the methods above a transport's maximum are counted together.
inline constexpr char kOtherMethods[] = "other";

// One method of one pool. A plain value.
struct MethodStats {
  std::string method;  // "/orders.Orders/Get", or kOtherMethods.
  CallTotals calls;
};

// All of them as one.
CallTotals Total(const std::vector<MethodStats>& methods);

// A call that has not ended. A plain value.
struct CallInFlight {
  ConnectionId connection;
  std::string method;  // As MethodStats.
  absl::Duration age;  // Since it was started.
  // Of the wall; InfiniteFuture if it has none.
  absl::Time deadline = absl::InfiniteFuture();
};

// The oldest first, and no more than `most`.
void KeepOldest(size_t most, std::vector<CallInFlight>* calls);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_CALL_STATS_H_
