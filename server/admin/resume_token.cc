#include "server/admin/resume_token.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace chanpool::admin {
namespace {

constexpr char kVersion[] = "1";

}  // namespace

std::string WriteResumeToken(const ResumePoint& point) {
  return absl::WebSafeBase64Escape(absl::StrCat(kVersion, "/", point.instance_id, "/", point.seq));
}

std::optional<ResumePoint> ReadResumeToken(absl::string_view token) {
  std::string text;
  if (!absl::WebSafeBase64Unescape(token, &text)) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  ResumePoint point;
  if (parts.size() != 3 || parts[0] != kVersion || parts[1].empty() || !absl::SimpleAtoi(parts[2], &point.seq)) {
    return std::nullopt;
  }
  point.instance_id = parts[1];
  return point;
}

}  // namespace chanpool::admin
