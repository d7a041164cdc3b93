// What a pool may be called: in resource names, in configuration files, in metrics.
//
//   IsPoolName("orders-eu")   // true
#ifndef CHANPOOL_SERVER_ADMIN_POOL_NAME_H_
#define CHANPOOL_SERVER_ADMIN_POOL_NAME_H_

#include "absl/strings/string_view.h"

namespace chanpool::admin {

// [a-z]([a-z0-9-]{0,61}[a-z0-9])?
bool IsPoolName(absl::string_view name);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_NAME_H_
