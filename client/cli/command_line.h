// From words to a command: which one is meant, its flags and arguments, the global flags before or after it.
//
//   absl::StatusOr<CommandLine> line = ParseCommandLine(args, env);
//   if (!line.ok()) return line.status();       // A usage error that names the nearest right word.
#ifndef CHANPOOL_CLIENT_CLI_COMMAND_LINE_H_
#define CHANPOOL_CLIENT_CLI_COMMAND_LINE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/command_table.h"
#include "client/cli/environment.h"
#include "client/cli/session.h"

namespace chanpool::cli {

struct CommandLine {
  const Command* command = nullptr;  // Null when only help is asked for, of all or of `help_for`.
  std::string help_for;              // The words before --help: "get"; empty: all.
  bool help = false;
  Invocation invocation;
  Settings settings;
};

// The command whose words, or an alias of it, `words` begin with; null if there is none. `*used` is how many they are.
const Command* FindCommand(const std::vector<std::string>& words, size_t* used);

// `args` without the program's name.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& args, const Environment& environment);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_COMMAND_LINE_H_
