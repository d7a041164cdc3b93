#include "client/cli/resource_names.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace chanpool::cli {
namespace {

bool IsId(absl::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') return false;
  }
  return text != "." && text != "..";
}

// `noun` is "pools" or "operations".
absl::StatusOr<std::string> FullName(absl::string_view typed, absl::string_view noun, absl::string_view example) {
  const std::vector<absl::string_view> parts = absl::StrSplit(typed, '/');
  bool ids = true;
  for (const absl::string_view part : parts) ids = ids && IsId(part);
  if (ids && parts.size() == 1 && parts[0] != noun) return absl::StrCat(noun, "/", typed);
  if (ids && parts.size() == 2 && parts[0] == noun) return std::string(typed);
  if (ids && parts.size() == 2 && parts[0] != "pools" && parts[0] != "operations" && parts[0] != "processes") {
    return absl::StrCat("processes/", parts[0], "/", noun, "/", parts[1]);
  }
  if (ids && parts.size() == 4 && parts[0] == "processes" && parts[2] == noun) return std::string(typed);
  return absl::InvalidArgumentError(
      absl::StrCat("\"", typed, "\" is no name of ", noun == "pools" ? "a pool" : "an operation", "; write ", example,
                   ", ", noun, "/", example, ", or PROCESS/", example, " for one of an attached application"));
}

}  // namespace

absl::StatusOr<std::string> PoolName(absl::string_view typed) { return FullName(typed, "pools", "orders"); }
absl::StatusOr<std::string> OperationName(absl::string_view typed) { return FullName(typed, "operations", "4"); }

std::string ShortName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  const auto is_noun = [](absl::string_view part) { return part == "pools" || part == "operations"; };
  if (parts.size() >= 2 && is_noun(parts[0])) return std::string(name.substr(parts[0].size() + 1));
  if (parts.size() == 4 && parts[0] == "processes" && is_noun(parts[2])) return absl::StrCat(parts[1], "/", parts[3]);
  return std::string(name);
}

}  // namespace chanpool::cli
