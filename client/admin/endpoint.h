// Where PoolAdmin is: the address that was given, or the first of the places where it is by default.
//
//   absl::StatusOr<std::string> endpoint = FindEndpoint(DefaultSockets("admin.sock"));   // "unix:/run/chanpool/..."
//   absl::StatusOr<std::string> target = TargetOf("127.0.0.1:7400");                     // what gRPC dials
//
// A socket file without a process behind it is no place: each candidate is connected to, once.
#ifndef CHANPOOL_CLIENT_ADMIN_ENDPOINT_H_
#define CHANPOOL_CLIENT_ADMIN_ENDPOINT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace chanpool::admin {

// "unix:<path>" of the first of `sockets` that somebody listens on and that this user may open. kUnavailable lists
// every place with what is wrong with it, and says what to do. Does not block: a UNIX socket answers or refuses at
// once.
absl::StatusOr<std::string> FindEndpoint(const std::vector<std::string>& sockets);

// The gRPC name of `endpoint`: unix:/path, unix:relative/path or host:port, which may begin with tcp: as
// GetInstance lists it. kInvalidArgument says which forms there are.
absl::StatusOr<std::string> TargetOf(absl::string_view endpoint);

}  // namespace chanpool::admin
#endif  // CHANPOOL_CLIENT_ADMIN_ENDPOINT_H_
