// What somebody probably meant.
//
//   NearestKey("max_conections", {"max_connections", "max_idle"})   // "max_connections"
#ifndef CHANPOOL_SERVER_CONFIG_NEAREST_KEY_H_
#define CHANPOOL_SERVER_CONFIG_NEAREST_KEY_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace chanpool::config {

// The one of `keys` that takes the fewest letters inserted, removed, replaced or swapped with their neighbour; empty
// when even that is more than a third of its letters. Capitals and hyphens count as small letters and underscores.
std::string NearestKey(absl::string_view key, const std::vector<std::string>& keys);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_NEAREST_KEY_H_
