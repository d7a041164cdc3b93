// The upstream as a child process: started, killed without warning, started again on the same port.
//
//   absl::StatusOr<std::unique_ptr<UpstreamProcess>> upstream =
//       UpstreamProcess::Start(PathBeside("upstream"), /*max_streams=*/100);
//   (*upstream)->Kill();          // or Stop(), which lets calls end
//   absl::Status listens_again = (*upstream)->Restart();
#ifndef CHANPOOL_EXAMPLES_DEMO_UPSTREAM_PROCESS_H_
#define CHANPOOL_EXAMPLES_DEMO_UPSTREAM_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace chanpool::demo {

// The path of a file by its place relative to this program's own, wherever the program was called from.
std::string PathBeside(const std::string& relative);

// One thread at a time. The destructor kills.
class UpstreamProcess {
 public:
  // Returns when the server listens. Fails when `path` cannot be run or prints no port. `more_flags`: of the program,
  // each time that it is started.
  static absl::StatusOr<std::unique_ptr<UpstreamProcess>> Start(std::string path, int max_streams,
                                                                std::vector<std::string> more_flags = {});
  ~UpstreamProcess();
  UpstreamProcess(const UpstreamProcess&) = delete;
  UpstreamProcess& operator=(const UpstreamProcess&) = delete;

  // kill -9. Returns when the process is gone, and its sockets with it. No effect on a dead one.
  void Kill();
  // Sends GOAWAY, lets the calls in progress end (the flag --grace_ms), and returns when the process is gone. No effect
  // on a dead one.
  void Stop();
  // On the same port; kills what runs. Returns when the server listens again.
  absl::Status Restart();

  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  // For a channel: "ipv4:127.0.0.1:40123".
  std::string target() const;

 private:
  UpstreamProcess(std::string path, int max_streams, std::vector<std::string> more_flags)
      : path_(std::move(path)), max_streams_(max_streams), more_flags_(std::move(more_flags)) {}
  absl::Status Spawn();
  void AwaitEnd();

  const std::string path_;
  const int max_streams_;
  const std::vector<std::string> more_flags_;
  int port_ = 0;
  pid_t pid_ = -1;
  int stdin_ = -1;  // The child serves until this closes, so it ends with us however we end.
};

}  // namespace chanpool::demo
#endif  // CHANPOOL_EXAMPLES_DEMO_UPSTREAM_PROCESS_H_
