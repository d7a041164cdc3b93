#include "examples/demo/upstream_process.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

extern char** environ;

namespace chanpool::demo {
namespace {

std::string ReadLine(int fd) {
  std::string line;
  char c = 0;
  while (read(fd, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

}  // namespace

std::string PathBeside(const std::string& relative) {
  char self[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, length < 0 ? 0 : static_cast<size_t>(length));
  return absl::StrCat(path.substr(0, path.rfind('/') + 1), relative);
}

absl::StatusOr<std::unique_ptr<UpstreamProcess>> UpstreamProcess::Start(std::string path, int max_streams,
                                                                        std::vector<std::string> more_flags) {
  std::unique_ptr<UpstreamProcess> process(new UpstreamProcess(std::move(path), max_streams, std::move(more_flags)));
  const absl::Status spawned = process->Spawn();
  if (!spawned.ok()) return spawned;
  return process;
}

UpstreamProcess::~UpstreamProcess() { Kill(); }

absl::Status UpstreamProcess::Restart() {
  Kill();
  return Spawn();
}

std::string UpstreamProcess::target() const { return absl::StrCat("ipv4:127.0.0.1:", port_); }

void UpstreamProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  AwaitEnd();
  close(stdin_);
}

void UpstreamProcess::Stop() {
  if (pid_ < 0) return;
  close(stdin_);
  AwaitEnd();
}

void UpstreamProcess::AwaitEnd() {
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

// posix_spawn, not fork: this process has threads by now, and gRPC in a forked child is not to be touched.
absl::Status UpstreamProcess::Spawn() {
  int to_child[2], from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  if (pipe2(from_child, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, to_child[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, from_child[1], STDOUT_FILENO);
  std::string program = path_;
  std::string port = absl::StrCat("--port=", port_);
  std::string streams = absl::StrCat("--max_streams=", max_streams_);
  std::vector<std::string> more_flags = more_flags_;
  std::vector<char*> arguments = {program.data(), port.data(), streams.data()};
  for (std::string& flag : more_flags) arguments.push_back(flag.data());
  arguments.push_back(nullptr);
  const int error = posix_spawn(&pid_, program.c_str(), &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(to_child[0]);
  close(from_child[1]);
  stdin_ = to_child[1];
  const std::string line = error == 0 ? ReadLine(from_child[0]) : "";
  close(from_child[0]);
  if (error != 0) {
    pid_ = -1;
    close(stdin_);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot run ", path_));
  }
  if (!absl::SimpleAtoi(line, &port_)) {
    Kill();
    return absl::UnavailableError(absl::StrCat(path_, " --port=", port_, " did not begin to serve"));
  }
  return absl::OkStatus();
}

}  // namespace chanpool::demo
