// What chanpoold runs on when nobody gives it a configuration.
//
//   absl::StatusOr<chanpool::config::v1::Config> config = BuiltInConfig();
#ifndef CHANPOOL_SERVER_SIDECAR_BUILT_IN_CONFIG_H_
#define CHANPOOL_SERVER_SIDECAR_BUILT_IN_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "chanpool/config/v1/config.pb.h"

namespace chanpool::sidecar {

// Where /metrics is when nobody says otherwise.
inline constexpr int kDefaultHttpPort = 9402;

// The first of DefaultSockets("admin.sock") whose folder this process has, or can make, to write in; poolctl looks in
// the same places. kFailedPrecondition names them when there is none.
absl::StatusOr<std::string> DefaultAdminSocket();

// An admin socket at the default place, an attach socket beside it, HTTP on 127.0.0.1:9402, no pools.
absl::StatusOr<chanpool::config::v1::Config> BuiltInConfig();

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_BUILT_IN_CONFIG_H_
