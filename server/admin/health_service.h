// grpc.health.v1.Health of our own: gRPC's built-in one can't be described or called through reflection.
//
//   HealthService health(admin);      // "", "chanpool.admin.v1.PoolAdmin", "pools/orders",
//   "processes/shop/pools/orders" builder.RegisterService(&health);
//
// A pool is NOT_SERVING while it drains, has no open connection though callers need one, or is in an application that
// does not answer. Check and Watch are for everybody.
#ifndef CHANPOOL_SERVER_ADMIN_HEALTH_SERVICE_H_
#define CHANPOOL_SERVER_ADMIN_HEALTH_SERVICE_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "server/admin/pool_admin.h"
#include "server/admin/watch_limits.h"

namespace chanpool::admin {

// Thread-safe. Outlives the server that it is registered with.
class HealthService : public grpc::Service {
 public:
  explicit HealthService(std::shared_ptr<PoolAdmin> admin);
  ~HealthService() override;

 private:
  const std::shared_ptr<PoolAdmin> admin_;
  WatchLimits watches_;  // Of Watch, which asks nobody who they are: its own, so that it takes no operator's place.
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_HEALTH_SERVICE_H_
