// Whether a server says that it serves: grpc.health.v1, where it has that.
//
//   options.health.check = HealthCheck::kWatch;
//   options.health.service = "orders.v1.Orders";
//
// A connection opens once its server has said SERVING, and takes no more calls once it says anything else, though it is
// still connected; those on it go on. A server without the health service (UNIMPLEMENTED) counts as well.
#ifndef CHANPOOL_POOL_GRPC_HEALTH_H_
#define CHANPOOL_POOL_GRPC_HEALTH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace chanpool {

enum class HealthCheck {
  kOff,    // A connection is well while it is connected.
  kCheck,  // Asked when it has connected, and by each probe (PoolOptions::validate_every, probe_after_silence, ...).
  kWatch,  // Asked once; the server tells of changes at once. Takes one of the connection's streams, as long as it
           // lives: let max_leases_per_connection be one less than the server's MAX_CONCURRENT_STREAMS.
};

// A plain value. Fixed when a connection is made.
struct HealthOptions {
  HealthCheck check = HealthCheck::kOff;
  // As the server knows it. Default "": the server as a whole.
  std::string service = "";
};

// --- Messages, by hand: generated ones would be registered twice in a program that has its own ----------------------

// A HealthCheckRequest.
std::string HealthRequest(absl::string_view service);

// OK for a HealthCheckResponse that says SERVING; else kUnavailable, with what it says.
absl::Status ServingOf(absl::string_view response);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_HEALTH_H_
