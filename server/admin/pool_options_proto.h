// PoolOptions as a message, and back.
//
//   chanpool::config::v1::PoolOptions complete = ToProto(pool->options());
//   absl::StatusOr<PoolOptions> options = FromProto(file.pools(0).options(), /*defaults=*/PoolOptions());
//   FieldText(complete, "max_idle")   // "5m"
//
// FromProto reads what is there; whether it makes sense together, PoolOptions::Validate says.
#ifndef CHANPOOL_SERVER_ADMIN_POOL_OPTIONS_PROTO_H_
#define CHANPOOL_SERVER_ADMIN_POOL_OPTIONS_PROTO_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "chanpool/config/v1/pool_options.pb.h"
#include "pool/core/options.h"

namespace chanpool::admin {

// Every field is set.
chanpool::config::v1::PoolOptions ToProto(const PoolOptions& options);

// `defaults` with what is set in `proto` in its place. OVERFLOW_POLICY_UNSPECIFIED is not set. kInvalidArgument:
// "max_idle: ..." for the first field that no PoolOptions can hold: a duration out of its range, a count above an
// int's, a policy that this version does not know.
absl::StatusOr<PoolOptions> FromProto(const chanpool::config::v1::PoolOptions& proto, const PoolOptions& defaults);

// The same for one field, named as in the message: `options` gets it if it is set in `proto`. Nothing for another name.
absl::Status ApplyField(const chanpool::config::v1::PoolOptions& proto, absl::string_view field, PoolOptions& options);

// One field, named as in the message, as a person writes it: "10s", "infinite", "overcommit", "0.1", "40". Empty when
// it is not set, or no field.
std::string FieldText(const chanpool::config::v1::PoolOptions& proto, absl::string_view field);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_OPTIONS_PROTO_H_
