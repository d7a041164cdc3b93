// Who calls, and what they may do.
//
//   Authorize authorize = [](const CallFacts& call) -> absl::StatusOr<Caller> {
//     return Caller{"uid:1000", Role::ROLE_OPERATOR};
//   };
#ifndef CHANPOOL_SERVER_ADMIN_CALLER_H_
#define CHANPOOL_SERVER_ADMIN_CALLER_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "chanpool/config/v1/config.pb.h"

namespace chanpool::admin {

using Role = chanpool::config::v1::Role;

// A plain value.
struct Caller {
  // As it stands in events, overrides and operations: "uid:1000", "tcp:127.0.0.1".
  std::string identity;
  // What it may do; ROLE_UNSPECIFIED: nothing.
  Role role = Role::ROLE_UNSPECIFIED;
};

// What is known of a call before its request is read.
struct CallFacts {
  std::string method;  // "GetPool"
  std::string peer;    // As gRPC has it: "unix:", "ipv4:127.0.0.1:4242".
  std::multimap<std::string, std::string> metadata;
};

// Says who calls, or why nobody may (kUnauthenticated). Whether the role suffices for the method is decided by the
// service, from the method's option required_role. Called on gRPC's threads, at the same time; must not block.
using Authorize = std::function<absl::StatusOr<Caller>(const CallFacts&)>;

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_CALLER_H_
