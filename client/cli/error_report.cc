#include "client/cli/error_report.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/admin/error_details.h"
#include "client/cli/session.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {

using chanpool::admin::DetailsOf;
using chanpool::admin::ErrorDetails;

namespace {

// "pool.options.max_idle: -1s is below 0": a description that begins with the field's own name needs it once.
std::string Text(const ErrorDetails::Violation& violation) {
  if (violation.subject.empty()) return Visible(violation.description);
  const absl::string_view field = absl::string_view(violation.subject).substr(violation.subject.rfind('.') + 1);
  return absl::StrCat(Visible(violation.subject), ": ",
                      Visible(absl::StripPrefix(violation.description, absl::StrCat(field, ": "))));
}

// What stands behind "poolctl: ". Most messages are the first of the details that follow, which then need no headline
// of their own; what was made here may have lines, what a server says is one.
std::string Headline(const absl::Status& status, const ErrorDetails& details) {
  if (!details.diagnostics.empty()) {
    return absl::StrCat(Count(details.diagnostics.size(), "error"), " in the configuration; nothing has changed");
  }
  if (!details.violations.empty()) {
    const ErrorDetails::Violation& first = details.violations[0];
    if (absl::StartsWith(status.message(), absl::StrCat(first.subject, ": ", first.description))) {
      return details.violations.size() == 1 ? Text(first)
                                            : absl::StrCat(details.violations.size(), " errors in what was asked");
    }
  }
  return details.reason.empty() ? VisibleLines(status.message()) : Visible(status.message());
}

}  // namespace

bool IsOfApplication(const absl::Status& status) {
  return absl::IsUnavailable(status) && DetailsOf(status).reason == "PROCESS_UNAVAILABLE";
}

int ExitCodeOf(const absl::Status& status) {
  if (IsUsageError(status)) return kExitUsage;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnavailable:
      if (IsOfApplication(status)) return kExitConflict;
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
  const std::string headline = Headline(status, details);
  err << Painted("poolctl:", Tone::kBad, colour) << " " << headline << "\n";
  // A configuration's diagnostics say the same, with the line.
  if (details.diagnostics.empty()) {
    for (const ErrorDetails::Violation& violation : details.violations) {
      if (Text(violation) != headline) err << "  " << Text(violation) << "\n";
    }
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
  if (details.retry_after > absl::ZeroDuration()) err << "  try again in " << Elapsed(details.retry_after) << "\n";
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
