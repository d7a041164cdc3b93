// Real programs, as the demo and the tests run them: started, watched until they say something, signalled, waited for.
//
//   Program sidecar({"bazel-bin/server/chanpoold", "--config", path});
//   if (!sidecar.AwaitOutput("ready")) std::puts(sidecar.output().c_str());
//   sidecar.Signal(SIGTERM);
//   std::optional<int> exit = sidecar.AwaitExit();
//
//   Finished list = RunToEnd({FindTool("grpcurl"), "-plaintext", ...});
//
// Nothing waits without a limit.
#ifndef CHANPOOL_EXAMPLES_PROCESSES_PROGRAM_H_
#define CHANPOOL_EXAMPLES_PROCESSES_PROGRAM_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace chanpool {

// For anything that a busy machine may take long for.
inline constexpr absl::Duration kProgramLimit = absl::Seconds(30);

// One that scripts/install_tools.sh installs, or of that name in the path; empty when there is none.
std::string FindTool(const std::string& name);

// A program that runs. Its output, both streams, is collected as it comes. Killed, with what it started, by the
// destructor. One thread at a time.
class Program {
 public:
  // `environment` is added to this process's: "NAME=value".
  explicit Program(std::vector<std::string> arguments, std::vector<std::string> environment = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  // Both streams, so far.
  std::string output() const;
  // Whether it says `text`, from the character `from` on.
  bool AwaitOutput(const std::string& text, size_t from = 0, absl::Duration limit = kProgramLimit);
  void Signal(int signal);
  // Its exit code, 128 + signal when one killed it, or nothing when it still runs at the limit. Once it is known,
  // output() is complete.
  std::optional<int> AwaitExit(absl::Duration limit = kProgramLimit);

 private:
  void Read(int fd);

  pid_t pid_ = -1;
  std::optional<int> exit_;
  mutable absl::Mutex mu_;
  std::string output_ ABSL_GUARDED_BY(mu_);
  bool output_ended_ ABSL_GUARDED_BY(mu_) = false;
  std::thread reader_;
};

// A program that has ended.
struct Finished {
  int exit = -1;
  std::string out;
  std::string err;
};

// Killed at the limit: then `exit` is 137.
Finished RunToEnd(std::vector<std::string> arguments, std::vector<std::string> environment = {},
                  absl::Duration limit = kProgramLimit);

// A folder of one's own, 0700; gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }
  // A file in it with this text.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

}  // namespace chanpool
#endif  // CHANPOOL_EXAMPLES_PROCESSES_PROGRAM_H_
