#include "pool/grpc/diversity_options.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace chanpool {
namespace {

bool IsKey(absl::string_view header) {
  for (const char c : header) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

}  // namespace

absl::Status Validate(const DiversityOptions& options) {
  const auto no_header = [&](absl::string_view problem) {
    return absl::InvalidArgumentError(absl::StrCat("diversity.backend_header: \"",
                                                   absl::CHexEscape(options.backend_header), "\" ", problem,
                                                   "; set a key such as x-backend"));
  };
  if (!IsKey(options.backend_header)) return no_header("is no metadata key (lower case, digits, \"-\", \"_\", \".\")");
  if (absl::EndsWith(options.backend_header, "-bin")) return no_header("is binary, and a name is text");
  if (absl::StartsWith(options.backend_header, "grpc-")) return no_header("is gRPC's own");
  if (!options.backend_header.empty() && options.backend_of != nullptr) {
    return absl::InvalidArgumentError("diversity: backend_header and backend_of are both set; leave one out");
  }
  if (options.rerolls_per_minute < 0 || options.rerolls_per_minute > kMaxRerollsPerMinute) {
    const bool below = options.rerolls_per_minute < 0;
    const int nearest = below ? 0 : kMaxRerollsPerMinute;
    return absl::InvalidArgumentError(absl::StrCat("diversity.rerolls_per_minute: ", options.rerolls_per_minute,
                                                   below ? " is below " : " is above ", nearest, "; set at ",
                                                   below ? "least " : "most ", nearest));
  }
  return absl::OkStatus();
}

}  // namespace chanpool
