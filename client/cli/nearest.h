// The right word for a wrong one.
//
//   Nearest("gte", {"get", "set", "top"}) -> "get"
#ifndef CHANPOOL_CLIENT_CLI_NEAREST_H_
#define CHANPOOL_CLIENT_CLI_NEAREST_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace chanpool::cli {

// The one of `words` with the fewest letters to change; empty if it would take more than a third of them. Neighbours
// that changed places count as one change.
std::string Nearest(absl::string_view word, const std::vector<std::string>& words);

// "; did you mean X?", or nothing if nothing is near.
std::string DidYouMean(absl::string_view word, const std::vector<std::string>& words);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_NEAREST_H_
