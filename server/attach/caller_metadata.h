// Who asked the sidecar, as it tells an attached application: two entries of a call's metadata.
//
//   SetCaller({"uid:1000", Role::ROLE_OPERATOR}, context);                      // the sidecar
//   PoolAdminService service(admin, {.authorize = CallerFromMetadata});         // the application
//
// The application may believe them: nobody but the sidecar is on the connection, and who runs it was checked before.
#ifndef CHANPOOL_SERVER_ATTACH_CALLER_METADATA_H_
#define CHANPOOL_SERVER_ATTACH_CALLER_METADATA_H_

#include <grpcpp/client_context.h>

#include "absl/status/statusor.h"
#include "server/admin/caller.h"

namespace chanpool::attach {

inline constexpr char kCallerKey[] = "chanpool-caller";
inline constexpr char kRoleKey[] = "chanpool-role";

// What HTTP/2 does not allow in a header of text becomes '?'; an identity has at most 256 bytes.
void SetCaller(const admin::Caller& caller, grpc::ClientContext& context);

// An admin::Authorize. kUnauthenticated without both entries, or with a role that this version does not know.
absl::StatusOr<admin::Caller> CallerFromMetadata(const admin::CallFacts& call);

}  // namespace chanpool::attach
#endif  // CHANPOOL_SERVER_ATTACH_CALLER_METADATA_H_
