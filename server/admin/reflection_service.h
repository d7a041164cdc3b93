// grpc.reflection.v1 and v1alpha of our own, with the comments of the .proto files, so that `grpcurl describe` is the
// manual. The two versions are the same on the wire; register one object of each.
//
//   ReflectionService v1(ReflectionService::Version::kV1), v1alpha(ReflectionService::Version::kV1Alpha);
//   builder.RegisterService(&v1);
//   builder.RegisterService(&v1alpha);
//
// It shows the services of the admin side, and no others: not what the rest of the process may serve.
#ifndef CHANPOOL_SERVER_ADMIN_REFLECTION_SERVICE_H_
#define CHANPOOL_SERVER_ADMIN_REFLECTION_SERVICE_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/service_type.h>

namespace chanpool::admin {

// Thread-safe. Outlives the server that it is registered with.
class ReflectionService : public grpc::Service {
 public:
  enum class Version { kV1, kV1Alpha };
  explicit ReflectionService(Version version);
  ~ReflectionService() override;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_REFLECTION_SERVICE_H_
