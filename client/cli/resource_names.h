// Names of pools and operations: what people type, what PoolAdmin calls them, what a table shows.
//
//   PoolName("orders")          // "pools/orders"
//   PoolName("shop/orders")     // "processes/shop/pools/orders"
//   OperationName("4")          // "operations/4"
//   ShortName("pools/orders")   // "orders"
#ifndef CHANPOOL_CLIENT_CLI_RESOURCE_NAMES_H_
#define CHANPOOL_CLIENT_CLI_RESOURCE_NAMES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace chanpool::cli {

// orders, pools/orders, shop/orders, processes/shop/pools/orders. kInvalidArgument lists these forms.
absl::StatusOr<std::string> PoolName(absl::string_view typed);
// 4, operations/4, shop/4, processes/shop/operations/4. kInvalidArgument lists these forms.
absl::StatusOr<std::string> OperationName(absl::string_view typed);

// As short as PoolName or OperationName understands it: orders, shop/orders, 4, shop/4. Any other name as it is.
std::string ShortName(absl::string_view name);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_RESOURCE_NAMES_H_
