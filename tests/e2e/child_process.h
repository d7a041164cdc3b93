// A program of ours as a child: started, stopped, continued, killed; what it printed.
//
//   ChildProcess sidecar({PathBeside("../attach/attach_host"), "--attach=/tmp/x"});
//   ASSERT_TRUE(sidecar.AwaitLine("ready"));
//   sidecar.Signal(SIGSTOP);
//
// Its standard input ends when this process does, so that it can end as well.
#ifndef CHANPOOL_TESTS_E2E_CHILD_PROCESS_H_
#define CHANPOOL_TESTS_E2E_CHILD_PROCESS_H_

#include <sys/types.h>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/fakes/eventually.h"

namespace chanpool::testing {

// One thread at a time.
class ChildProcess {
 public:
  // arguments[0] is the program's path. Standard output and error are kept, and shown when the child cannot be run.
  explicit ChildProcess(std::vector<std::string> arguments);
  ~ChildProcess();  // kill -9.
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // To this child alone.
  void Signal(int signal);
  // kill -9, and waits until it is gone.
  void Kill();
  // Waits for the child to end by itself; its exit code, or -1 if it does not within `limit` or was killed.
  int AwaitExit(absl::Duration limit = kLimit);
  // Whether a line that contains `text` was or is printed within `limit`.
  bool AwaitLine(absl::string_view text, absl::Duration limit = kLimit);
  // All that was printed so far.
  std::string output() const;
  // How many lines of it contain `text`.
  int CountLines(absl::string_view text) const;

 private:
  void Collect();

  pid_t pid_ = -1;
  int stdin_ = -1;
  int stdout_ = -1;
  mutable std::mutex mu_;
  std::string output_;  // Under mu_.
  std::thread collector_;
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_E2E_CHILD_PROCESS_H_
