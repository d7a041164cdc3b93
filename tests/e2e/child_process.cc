#include "tests/e2e/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

extern char** environ;

namespace chanpool::testing {

// posix_spawn, not fork: this process has threads by now, and gRPC in a forked child is not to be touched.
ChildProcess::ChildProcess(std::vector<std::string> arguments) {
  int to_child[2], from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) return;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, to_child[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, from_child[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, from_child[1], STDERR_FILENO);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int error = posix_spawn(&pid_, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(to_child[0]);
  close(from_child[1]);
  stdin_ = to_child[1];
  stdout_ = from_child[0];
  if (error != 0) {
    std::fprintf(stderr, "cannot run %s: %s\n", argv[0], std::strerror(error));
    pid_ = -1;
  }
  collector_ = std::thread([this] { Collect(); });
}

ChildProcess::~ChildProcess() {
  Kill();
  if (collector_.joinable()) collector_.join();
  if (stdout_ >= 0) close(stdout_);
}

void ChildProcess::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

void ChildProcess::Kill() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  if (stdin_ >= 0) close(stdin_);
  stdin_ = -1;
}

int ChildProcess::AwaitExit(absl::Duration limit) {
  int status = 0;
  const bool ended = Eventually([&] { return pid_ < 0 || waitpid(pid_, &status, WNOHANG) == pid_; }, limit);
  if (!ended || pid_ < 0) return -1;
  pid_ = -1;
  collector_.join();  // All that it printed has arrived.
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool ChildProcess::AwaitLine(absl::string_view text, absl::Duration limit) {
  return Eventually([&] { return CountLines(text) > 0; }, limit);
}

std::string ChildProcess::output() const {
  std::lock_guard<std::mutex> lock(mu_);
  return output_;
}

int ChildProcess::CountLines(absl::string_view text) const {
  int count = 0;
  for (absl::string_view line : absl::StrSplit(output(), '\n')) count += absl::StrContains(line, text) ? 1 : 0;
  return count;
}

void ChildProcess::Collect() {
  char bytes[4096];
  ssize_t length = 0;
  while ((length = read(stdout_, bytes, sizeof bytes)) > 0) {
    std::lock_guard<std::mutex> lock(mu_);
    output_.append(bytes, static_cast<size_t>(length));
  }
}

}  // namespace chanpool::testing
