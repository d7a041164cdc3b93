#include "server/admin/nearest_name.h"

#include <algorithm>
#include <limits>

namespace chanpool::admin {
namespace {

constexpr size_t kMaxCompared = 64;

// Levenshtein's distance, one row at a time.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestName(absl::string_view name, const std::vector<std::string>& names) {
  name = name.substr(0, kMaxCompared);
  size_t least = std::numeric_limits<size_t>::max();
  std::string nearest;
  for (const std::string& candidate : names) {
    const absl::string_view compared = absl::string_view(candidate).substr(0, kMaxCompared);
    const size_t distance = Distance(name, compared);
    if (distance < least && distance * 3 <= std::max(name.size(), compared.size())) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace chanpool::admin
