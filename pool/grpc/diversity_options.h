// How a pool learns which backend each of its connections landed on, behind a balancer that hides them, and how many it
// dials anew when two share one.
//
//   options.diversity.backend_header = "x-backend";   // What each backend sets on its responses: its own name.
//
// A layer-4 balancer has one address and many backends, and a connection stays where it landed: all of a pool's may be
// on one backend. The peer's address is the balancer's, so only a response tells. A balancer that spreads calls (layer
// 7) needs nothing of this. What is decided from it is in pool/core/diversity.h.
#ifndef CHANPOOL_POOL_GRPC_DIVERSITY_OPTIONS_H_
#define CHANPOOL_POOL_GRPC_DIVERSITY_OPTIONS_H_

#include <grpcpp/client_context.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "pool/core/diversity.h"

namespace chanpool {

// A plain value. One thread at a time.
struct DiversityOptions {
  // The key of a backend's name in the metadata of its responses, the initial or the trailing: lower case, not binary
  // ("-bin"). The first response with it on a connection says where that is; later ones are not looked at.
  // Default "": backends are not known.
  std::string backend_header = "";

  // Instead of a header: the backend's name, from the context of a call that has ended; "" if that does not tell, and
  // then the next call is asked. May look at the context's trailing metadata, peer and auth_context(). Runs on threads
  // of gRPC's and of callers, in several at a time, before the call's status is seen: it must not block.
  // Default none.
  std::function<std::string(const grpc::ClientContext& context)> backend_of = nullptr;

  // Connections that are dialled anew in any minute because they share a backend, one at a time, new before old, within
  // max_surge. Count, 0 to 60; 0 only shows who shares what.
  // Default 6. More: an even spread comes sooner, with more handshakes.
  int rerolls_per_minute = kDefaultRerollsPerMinute;

  bool on() const { return !backend_header.empty() || backend_of != nullptr; }
};

// OK, or kInvalidArgument: what makes no sense, and the nearest that does.
absl::Status Validate(const DiversityOptions& options);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_DIVERSITY_OPTIONS_H_
