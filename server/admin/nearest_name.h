// What somebody who mistyped probably meant.
//
//   NearestName("order", {"billing", "orders"})   // "orders"
#ifndef CHANPOOL_SERVER_ADMIN_NEAREST_NAME_H_
#define CHANPOOL_SERVER_ADMIN_NEAREST_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace chanpool::admin {

// The one of `names` that takes the fewest letters added, left out or changed; the first of equals. Empty when that is
// more than a third of the longer one. Looks at the first 64 bytes of each.
std::string NearestName(absl::string_view name, const std::vector<std::string>& names);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_NEAREST_NAME_H_
