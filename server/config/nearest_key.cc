#include "server/config/nearest_key.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

namespace chanpool::config {
namespace {

// Longer ones are nobody's typing mistake: the work is the product of the lengths.
constexpr size_t kMaxKey = 64;

// Optimal string alignment.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before_last, last, row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last = std::move(last);
    last = std::move(row);
    row.assign(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestKey(absl::string_view key, const std::vector<std::string>& keys) {
  if (key.size() > kMaxKey) return "";
  const std::string wanted = absl::StrReplaceAll(absl::AsciiStrToLower(key), {{"-", "_"}});
  std::string nearest;
  size_t least = kMaxKey;
  for (const std::string& candidate : keys) {
    const size_t distance = Distance(wanted, candidate);
    if (distance > std::max<size_t>(1, candidate.size() / 3) || distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace chanpool::config
