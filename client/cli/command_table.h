// Every command of poolctl, once: its words, arguments, flags, help, examples and function. Parsing, help, completion,
// the documents' test and the golden tests all read this table, so that none of them can forget one.
#ifndef CHANPOOL_CLIENT_CLI_COMMAND_TABLE_H_
#define CHANPOOL_CLIENT_CLI_COMMAND_TABLE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace chanpool::cli {

class Session;

// A command as it was typed, checked against the table.
struct Invocation {
  std::map<std::string, std::string> flags;  // By long name without dashes; a switch that is on has "true".
  std::vector<std::string> args;

  bool Has(const std::string& flag) const { return flags.count(flag) > 0; }
  std::string Get(const std::string& flag) const { return Has(flag) ? flags.at(flag) : ""; }
};

struct Flag {
  std::string name;   // "deadline"
  char letter = 0;    // 'n', or 0.
  std::string value;  // "" for a switch, DURATION, N, a|b|c for a choice, or another word for any text.
  std::string help;
};

struct Example {
  std::string command;  // Without "poolctl".
  std::string what;
};

// What completion offers for the arguments. After a pool: options as they are set, max_idle=, or keys, max_idle.
enum class Names { kNone, kPools, kPoolAndSettings, kPoolAndKeys, kOperations, kShells };

struct Command {
  std::string words;  // "get pools"
  std::string group;  // Title in the list of commands.
  std::string args;   // "POOL", "[POOL...]"; empty: none.
  size_t min_args = 0;
  size_t max_args = 0;
  Names names = Names::kNone;
  std::string summary;  // One line.
  std::string details;  // Paragraphs; may be empty.
  std::string formats;  // What -o takes: "table|wide|json|yaml|name"; empty: there is nothing to choose.
  std::vector<Flag> flags;
  std::vector<Example> examples;
  std::vector<std::string> aliases;  // "show pools"
  // The exit code; or why it failed, which is reported and becomes the exit code.
  absl::StatusOr<int> (*run)(Session& session, const Invocation& invocation) = nullptr;
  // Understood as well, but neither listed nor offered: "get pool".
  std::vector<std::string> unlisted = {};
};

// In the order in which help lists them.
const std::vector<Command>& Commands();

// What every command takes.
const std::vector<Flag>& GlobalFlags();

// "POOLCTL_ENDPOINT" for "endpoint": where a global flag that is not given is looked for.
std::string VariableOf(const std::string& global_flag);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_COMMAND_TABLE_H_
