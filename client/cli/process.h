// poolctl as a process: Run() with the real terminal, signals, clock and variables.
#ifndef CHANPOOL_CLIENT_CLI_PROCESS_H_
#define CHANPOOL_CLIENT_CLI_PROCESS_H_

namespace chanpool::cli {

// Call it once, from main().
int RunProcess(int argc, char** argv);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_PROCESS_H_
