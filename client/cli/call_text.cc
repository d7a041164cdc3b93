#include "client/cli/call_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/units.h"

namespace chanpool::cli {

std::string ErrorsText(uint64_t errors, uint64_t requests) {
  if (errors == 0 || requests == 0) return absl::StrCat(errors);
  return absl::StrFormat("%d (%.1f%%)", errors, 100.0 * static_cast<double>(errors) / static_cast<double>(requests));
}

std::string DeadlineText(const chanpool::admin::v1::Call& call, absl::Time now) {
  if (!call.has_deadline()) return "none";
  const absl::Duration left = FromProto(call.deadline()) - now;
  return left < absl::ZeroDuration() ? absl::StrCat(Elapsed(-left), " ago") : absl::StrCat("in ", Elapsed(left));
}

}  // namespace chanpool::cli
