#include "client/cli/error_report.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/admin/error_details.h"
#include "client/cli/session.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {

using chanpool::admin::DetailsOf;
using chanpool::admin::ErrorDetails;

int ExitCodeOf(const absl::Status& status) {
  if (IsUsageError(status)) return kExitUsage;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnavailable:
      return DetailsOf(status).reason.empty() ? kExitCannotConnect : kExitServerError;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return kExitDenied;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kInvalidArgument:
      return kExitInvalid;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return kExitConflict;
    case absl::StatusCode::kDeadlineExceeded:
      return kExitDeadline;
    default:
      return kExitServerError;
  }
}

int ReportError(const absl::Status& status, bool colour, std::ostream& err) {
  const ErrorDetails details = DetailsOf(status);
  // What was made here may have lines; what a server says is one.
  const std::string message = details.reason.empty() ? VisibleLines(status.message()) : Visible(status.message());
  // The first diagnostic is the message, and each is a violation as well: once is enough.
  const bool file = !details.diagnostics.empty();
  err << Painted("poolctl:", Tone::kBad, colour) << " "
      << (file ? absl::StrCat(Count(details.diagnostics.size(), "error"), " in the configuration; nothing has changed")
               : message)
      << "\n";
  for (const ErrorDetails::Violation& violation : details.violations) {
    if (!file)
      err << "  " << (violation.subject.empty() ? "" : Visible(violation.subject) + ": ")
          << Visible(violation.description) << "\n";
  }
  for (const auto& diagnostic : details.diagnostics) {
    err << "  " << Visible(diagnostic.file());
    if (diagnostic.line() > 0) err << ":" << diagnostic.line() << ":" << diagnostic.column();
    err << ": " << (diagnostic.path().empty() ? "" : Visible(diagnostic.path()) + ": ")
        << Visible(diagnostic.message());
    if (!diagnostic.hint().empty()) err << " (" << Visible(diagnostic.hint()) << ")";
    err << "\n";
  }
  const auto closest = details.facts.find("closest");
  // Most messages name it already.
  if (closest != details.facts.end() && !closest->second.empty() &&
      !absl::StrContains(status.message(), closest->second)) {
    err << "  did you mean " << Visible(closest->second) << "?\n";
  }
  if (details.retry_after > absl::ZeroDuration()) err << "  try again in " << Written(details.retry_after) << "\n";
  if (!details.reason.empty()) {
    std::vector<std::string> facts;
    for (const auto& [key, value] : details.facts) {
      if (key != "closest") facts.push_back(absl::StrCat(Visible(key), "=", Visible(value)));
    }
    err << "  reason: " << Visible(details.reason);
    if (!facts.empty()) err << " (" << absl::StrJoin(facts, ", ") << ")";
    err << "\n";
  }
  err.flush();
  return ExitCodeOf(status);
}

}  // namespace chanpool::cli
