// PoolAdmin on the wire: add it to any gRPC server. Nothing is allowed unless `authorize` says so.
//
//   PoolAdminService service(admin, {.authorize = [](const CallFacts&) { return Caller{"me", Role::ROLE_OPERATOR}; }});
//   builder.RegisterService(&service);
//
// Requests are parsed here, not by gRPC, so that malformed bytes are INVALID_ARGUMENT with details instead of an empty
// INTERNAL. Several services may share one PoolAdmin: one for each kind of caller.
#ifndef CHANPOOL_SERVER_ADMIN_POOL_ADMIN_SERVICE_H_
#define CHANPOOL_SERVER_ADMIN_POOL_ADMIN_SERVICE_H_

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "server/admin/caller.h"
#include "server/admin/pool_admin.h"

namespace chanpool::admin {

struct PoolAdminServiceOptions {
  // Null: everybody is refused with PERMISSION_DENIED.
  Authorize authorize = nullptr;
};

// Thread-safe. Outlives the server that it is registered with.
class PoolAdminService : public grpc::Service {
 public:
  PoolAdminService(std::shared_ptr<PoolAdmin> admin, PoolAdminServiceOptions options);
  ~PoolAdminService() override;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_ADMIN_SERVICE_H_
