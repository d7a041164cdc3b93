// Everything of the outside world that a command touches, handed in: so that tests run commands without a terminal, and
// without waiting.
//
//   std::ostringstream out, err;
//   Environment env{.out = &out, .err = &err, .now = [] { return kNoon; }, ...};
//   int exit_code = Run({"get", "pools"}, env);
#ifndef CHANPOOL_CLIENT_CLI_ENVIRONMENT_H_
#define CHANPOOL_CLIENT_CLI_ENVIRONMENT_H_

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace chanpool::cli {

struct ScreenSize {
  int columns = 80;
  int rows = 24;
};

// The terminal that standard output and the keyboard are. Used by one thread.
class Terminal {
 public:
  virtual ~Terminal() = default;
  virtual ScreenSize size() = 0;
  // Between these two keys arrive at once and unseen, and the screen before comes back at the end. Idempotent.
  virtual void BeginFullScreen() = 0;
  virtual void EndFullScreen() = 0;
  // A key that was pressed since; never waits.
  virtual absl::optional<char> Key() = 0;
};

struct Environment {
  std::ostream* out = nullptr;  // Data.
  std::ostream* err = nullptr;  // Talk.
  // Of the process; absent or empty counts as not set.
  std::function<absl::optional<std::string>(const std::string& name)> variable;
  // The wall: ages and "since when" are told from it.
  std::function<absl::Time()> now;
  absl::TimeZone zone = absl::UTCTimeZone();
  // Null unless standard output is one.
  Terminal* terminal = nullptr;
  // Columns of the terminal that standard error is; 0: it is none, and nothing is redrawn in place.
  int talk_columns = 0;
  // How often Ctrl-C was pressed since the first call, which says that the command deals with it from now on. Before
  // that, and at the second time, it ends the process.
  std::function<int()> interrupts;
  // How long a stream is waited for before interrupts, keys and the clock are looked at again.
  absl::Duration poll = absl::Milliseconds(50);
  // Where PoolAdmin is when no endpoint is given.
  std::vector<std::string> default_sockets;
};

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_ENVIRONMENT_H_
