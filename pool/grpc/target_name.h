// What a gRPC name says: a name to resolve, addresses, or something that gRPC alone understands.
//
//   const TargetName name = ParseTarget("dns:///orders:50051");
//   name.kind == TargetName::Kind::kName, name.host == "orders", name.port == "50051", name.authority == "orders:50051"
//
// Reads a target as gRPC does: without a scheme that gRPC knows it is a DNS name. What it does not understand in full
// is kOther, and stays gRPC's.
#ifndef CHANPOOL_POOL_GRPC_TARGET_NAME_H_
#define CHANPOOL_POOL_GRPC_TARGET_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace chanpool {

// A plain value.
struct TargetName {
  enum class Kind {
    kName,       // `host` and `port`: dns:, or no scheme.
    kAddresses,  // `addresses`, each a target of its own: ipv4:, ipv6:, unix:, or a numeric host.
    kOther,      // xds: and whatever else gRPC resolves.
  };
  Kind kind = Kind::kOther;
  std::string host;
  std::string port;
  std::string dns_server;  // Of dns://SERVER/HOST; else empty.
  std::vector<std::string> addresses;
  // What a plain channel to this target sends as :authority and checks a certificate against. Empty where that is not
  // the target's own text (unix:).
  std::string authority;
};

TargetName ParseTarget(absl::string_view target);

// As gRPC names one address: "ipv4:10.0.0.1:50051", "ipv6:[::1]:50051". Empty unless `ip` is a numeric address.
std::string AddressTarget(const std::string& ip, absl::string_view port);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_TARGET_NAME_H_
