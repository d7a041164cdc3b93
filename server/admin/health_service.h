// grpc.health.v1.Health of our own: gRPC's built-in one can't be described or called through reflection.
//
//   HealthService health(admin);      // "", "chanpool.admin.v1.PoolAdmin", "pools/orders"
//   builder.RegisterService(&health);
//
// A pool is NOT_SERVING while it drains or has no open connection though callers need one. Check is for everybody.
#ifndef CHANPOOL_SERVER_ADMIN_HEALTH_SERVICE_H_
#define CHANPOOL_SERVER_ADMIN_HEALTH_SERVICE_H_

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "server/admin/pool_admin.h"

namespace chanpool::admin {

// Thread-safe. Outlives the server that it is registered with.
class HealthService : public grpc::Service {
 public:
  explicit HealthService(std::shared_ptr<PoolAdmin> admin);
  ~HealthService() override;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_HEALTH_SERVICE_H_
