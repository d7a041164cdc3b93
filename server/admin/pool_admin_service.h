// PoolAdmin on the wire: add it to any gRPC server. Nothing is allowed unless `authorize` says so.
//
//   PoolAdminService service(admin, {.authorize = [](const CallFacts&) { return Caller{"me", Role::ROLE_OPERATOR}; }});
//   builder.RegisterService(&service);
//
// Requests are parsed here, not by gRPC, so that malformed bytes are INVALID_ARGUMENT with details instead of an empty
// INTERNAL. Several services may share one PoolAdmin: one for each kind of caller.
#ifndef CHANPOOL_SERVER_ADMIN_POOL_ADMIN_SERVICE_H_
#define CHANPOOL_SERVER_ADMIN_POOL_ADMIN_SERVICE_H_

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/service_type.h>

#include <memory>
#include <string>

#include "server/admin/caller.h"
#include "server/admin/denied_calls.h"
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

  // How a method is served; for pool_admin_service.cc.
  struct Row;

 private:
  // Who calls, if that caller may call this method. Before anything of the request is read.
  absl::StatusOr<Caller> Gate(const grpc::CallbackServerContext& context,
                              const google::protobuf::MethodDescriptor& method);
  // The same caller may ask for the same method again and again: once in a while.
  void TellDenied(const Caller& caller, const std::string& method, const std::string& needs);

  const std::shared_ptr<PoolAdmin> admin_;
  const PoolAdminServiceOptions options_;
  DeniedCalls denied_;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_ADMIN_SERVICE_H_
