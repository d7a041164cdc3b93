// poolctl as a function: no process state is touched but what `environment` hands in.
//
//   Environment env = ...;
//   int exit_code = Run({"get", "pools", "-o", "json"}, env);
#ifndef CHANPOOL_CLIENT_CLI_RUN_H_
#define CHANPOOL_CLIENT_CLI_RUN_H_

#include <string>
#include <vector>

#include "client/cli/environment.h"

namespace chanpool::cli {

// `args` without the program's name. Returns the exit code of error_report.h. Blocks until the command has ended.
int Run(const std::vector<std::string>& args, Environment& environment);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_RUN_H_
