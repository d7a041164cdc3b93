#include "server/admin/pool_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace chanpool::admin {

bool IsPoolName(absl::string_view name) {
  constexpr size_t kMaxBytes = 63;
  return !name.empty() && name.size() <= kMaxBytes && absl::ascii_islower(name.front()) && name.back() != '-' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-'; });
}

}  // namespace chanpool::admin
