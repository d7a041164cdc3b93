// What --help prints: from the table of commands, 80 columns wide, with examples.
#ifndef CHANPOOL_CLIENT_CLI_HELP_TEXT_H_
#define CHANPOOL_CLIENT_CLI_HELP_TEXT_H_

#include <string>

#include "client/cli/command_table.h"

namespace chanpool::cli {

// Of one command.
std::string HelpOf(const Command& command);
// Of all commands, or of those that begin with `first_word`.
std::string HelpOfAll(const std::string& first_word);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_HELP_TEXT_H_
