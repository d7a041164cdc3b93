// Where gRPC goes on with a call whose connection is lost, if a retry policy has it sent again. Its retries stay on
// their channel, and a channel of ours has one address: that of the server that may just have died.
//
//   std::string target = WithFallbacks(endpoint.address, endpoints);   // "ipv4:10.0.0.1:50051,10.0.0.2:50051"
//   ...
//   if (!IsPeer(endpoint.address, peer_of_a_call)) ...   // the first could not be dialled, and gRPC took the next
//
// gRPC dials them in this order whenever it has no connection, so a new channel may come to be at a fallback as well:
// who counts connections by endpoint must look.
#ifndef CHANPOOL_POOL_GRPC_FALLBACK_ADDRESSES_H_
#define CHANPOOL_POOL_GRPC_FALLBACK_ADDRESSES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "pool/core/endpoint.h"

namespace chanpool {

// Beside the address itself. More would only be dialled when all of these are gone as well.
inline constexpr size_t kMaxFallbacks = 2;

// `address` and those after it in `endpoints`, from the beginning again at their end, that gRPC can have in one target:
// "ipv4:" or "ipv6:" like itself. `address` alone if there are none.
std::string WithFallbacks(const std::string& address, const std::vector<Endpoint>& endpoints);

// Whether a call whose peer is `peer`, as gRPC writes it, went to `address`, an "ipv4:" or "ipv6:" of one address.
bool IsPeer(absl::string_view address, absl::string_view peer);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_FALLBACK_ADDRESSES_H_
