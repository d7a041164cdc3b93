#include "client/cli/run.h"

#include "absl/status/statusor.h"
#include "client/cli/command_line.h"
#include "client/cli/completion.h"
#include "client/cli/error_report.h"
#include "client/cli/help_text.h"
#include "client/cli/session.h"

namespace chanpool::cli {

int Run(const std::vector<std::string>& args, Environment& environment) {
  if (!args.empty() && args[0] == "__complete") {
    Complete({args.begin() + 1, args.end()}, environment);
    return kExitOk;
  }
  const absl::StatusOr<CommandLine> line = ParseCommandLine(args, environment);
  if (!line.ok()) return ReportError(line.status(), environment.talk_columns > 0, *environment.err);
  int exit_code = kExitOk;
  if (line->help) {
    *environment.out << (line->command != nullptr ? HelpOf(*line->command) : HelpOfAll(line->help_for));
  } else {
    Session session(environment, line->settings);
    const absl::StatusOr<int> ran = line->command->run(session, line->invocation);
    exit_code = ran.ok() ? *ran : ReportError(ran.status(), line->settings.talk_colour, *environment.err);
  }
  if (!environment.out->flush()) {  // A full disk: what was asked for is not there.
    *environment.err << "poolctl: cannot write to standard output\n";
    return exit_code == kExitOk ? kExitServerError : exit_code;
  }
  return exit_code;
}

}  // namespace chanpool::cli
