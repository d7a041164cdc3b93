// Which chanpool this is, as Instance.version and --version say.
#ifndef CHANPOOL_SERVER_ADMIN_VERSION_H_
#define CHANPOOL_SERVER_ADMIN_VERSION_H_

namespace chanpool::admin {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_VERSION_H_
