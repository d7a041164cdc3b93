// What the microservice may be told on its command line.
//
//   absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
//   if (!flags.ok()) std::cerr << flags.status().message();
#ifndef CHANPOOL_EXAMPLES_MICROSERVICE_FLAGS_H_
#define CHANPOOL_EXAMPLES_MICROSERVICE_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"

namespace chanpool::microservice {

struct Flags {
  std::string orders;
  std::string payments;
  std::string name = "shop";
  std::string attach;  // Empty: the default places.
  int rate = 100;
  int delay_ms = 5;
  int deadline_ms = 30'000;
  int max_connections = 4;
  int max_leases = 100;
  bool quiet = false;
  bool help = false;
};

// kInvalidArgument says which flag is wrong, and what would be right.
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

// For --help.
std::string HelpText();

}  // namespace chanpool::microservice
#endif  // CHANPOOL_EXAMPLES_MICROSERVICE_FLAGS_H_
