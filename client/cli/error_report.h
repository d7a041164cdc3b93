// What a person and a script learn from an error: text on standard error, and the exit code.
//
//   return ReportError(status, session.settings().talk_colour, *env.err);
#ifndef CHANPOOL_CLIENT_CLI_ERROR_REPORT_H_
#define CHANPOOL_CLIENT_CLI_ERROR_REPORT_H_

#include <ostream>

#include "absl/status/status.h"

namespace chanpool::cli {

// Scripts rely on these. 1 is kept for a "no", as in diff and grep; poolctl gives it nowhere yet.
enum ExitCode : int {
  kExitOk = 0,
  kExitNegative = 1,
  kExitUsage = 2,
  kExitCannotConnect = 3,
  kExitDenied = 4,
  kExitNotFound = 5,
  kExitInvalid = 6,
  kExitConflict = 7,
  kExitDeadline = 8,
  kExitServerError = 10,
  kExitInterrupted = 130,
};

// Whether the server says that an attached application, which was asked through it, is gone or silent.
bool IsOfApplication(const absl::Status& status);

// kUnavailable is kExitCannotConnect; but kExitServerError if it is an answer, and kExitConflict if it is of an
// attached application: a condition that does not hold.
int ExitCodeOf(const absl::Status& status);

// Prints `poolctl: <message>`, what the server said is wrong with which field, the diagnostics of a configuration file,
// the nearest right answer, and the reason as a constant for those who look it up; nothing twice. Returns the exit
// code.
int ReportError(const absl::Status& status, bool colour, std::ostream& err);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_ERROR_REPORT_H_
