#include "server/admin/page.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace chanpool::admin {
namespace {

// Between the request and the key; in neither.
constexpr char kSeparator = '\n';

}  // namespace

Page::Page(std::string request, int32_t page_size, absl::string_view page_token, RequestChecks& checks)
    : request_(std::move(request)) {
  if (page_size < 0) checks.Wrong("page_size", absl::StrCat(page_size, " is negative; give 0 to ", kMaxSize));
  room_ = page_size == 0 ? kDefaultSize : std::min<int>(page_size, kMaxSize);
  if (page_token.empty()) return;
  std::string token;
  absl::string_view key;
  if (absl::WebSafeBase64Unescape(page_token, &token)) key = token;
  if (!absl::ConsumePrefix(&key, absl::StrCat(request_, std::string(1, kSeparator))) || key.empty()) {
    checks.Wrong("page_token",
                 "it is not from a response to this request; give next_page_token as it came, or begin without");
    return;
  }
  after_ = std::string(key);
}

bool Page::Takes(absl::string_view key) {
  if (!after_.empty() && key <= after_) return false;
  if (room_ == 0) {
    more_ = true;
    return false;
  }
  --room_;
  last_ = std::string(key);
  return true;
}

std::string Page::next() const {
  if (!more_) return "";
  return absl::WebSafeBase64Escape(absl::StrCat(request_, std::string(1, kSeparator), last_));
}

}  // namespace chanpool::admin
