// What a shell offers after TAB: the hidden command `poolctl __complete -- WORDS...`, whose last word is being typed.
//
//   poolctl __complete -- drain o         -> orders
//
// Never says anything but words, one a line, and never waits longer than 300 ms for a server.
#ifndef CHANPOOL_CLIENT_CLI_COMPLETION_H_
#define CHANPOOL_CLIENT_CLI_COMPLETION_H_

#include <string>
#include <vector>

#include "client/cli/environment.h"

namespace chanpool::cli {

// Writes to standard output; errors end it silently. `args` is what follows __complete.
void Complete(const std::vector<std::string>& args, Environment& environment);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_COMPLETION_H_
