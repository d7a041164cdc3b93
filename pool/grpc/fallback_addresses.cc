#include "pool/grpc/fallback_addresses.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace chanpool {

std::string WithFallbacks(const std::string& address, const std::vector<Endpoint>& endpoints) {
  const std::string scheme = address.substr(0, address.find(':') + 1);
  std::string target = address;
  if (scheme != "ipv4:" && scheme != "ipv6:") return target;
  const auto own = std::find_if(endpoints.begin(), endpoints.end(),
                                [&address](const Endpoint& endpoint) { return endpoint.address == address; });
  const size_t first = own == endpoints.end() ? 0 : static_cast<size_t>(own - endpoints.begin()) + 1;
  size_t added = 0;
  for (size_t i = 0; i < endpoints.size() && added < kMaxFallbacks; ++i) {
    const std::string& other = endpoints[(first + i) % endpoints.size()].address;
    if (other == address || !absl::StartsWith(other, scheme)) continue;
    absl::StrAppend(&target, ",", other.substr(scheme.size()));
    ++added;
  }
  return target;
}

bool IsPeer(absl::string_view address, absl::string_view peer) {
  // A peer is a URI, in which brackets are escaped.
  return absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%5b", "["}, {"%5d", "]"}}) == address;
}

}  // namespace chanpool
