// Which chanpool this is: Instance.version, --version, and what an application says when it attaches.
#ifndef CHANPOOL_PROTO_CHANPOOL_ADMIN_V1_VERSION_H_
#define CHANPOOL_PROTO_CHANPOOL_ADMIN_V1_VERSION_H_

namespace chanpool::admin {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace chanpool::admin
#endif  // CHANPOOL_PROTO_CHANPOOL_ADMIN_V1_VERSION_H_
