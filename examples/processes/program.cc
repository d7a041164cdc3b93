#include "examples/processes/program.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "pool/core/check.h"

namespace chanpool {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(5);
// For the last output of one that has ended. Only what it started, and left with its streams, makes this long.
constexpr absl::Duration kLastOutput = absl::Seconds(5);

// Starts it with these as its streams; both are closed here.
pid_t Spawn(const std::vector<std::string>& arguments, const std::vector<std::string>& environment, int out, int err) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  for (const std::string& variable : environment) variables.push_back(const_cast<char*>(variable.c_str()));
  variables.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    // gRPC's threads have none of these blocked, but a test may.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execve(argv[0], argv.data(), variables.data());
    _exit(127);
  }
  // Here as well: whoever kills the group at once finds it.
  setpgid(pid, pid);
  close(out);
  if (err != out) close(err);
  return pid;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t length = 0;
  while ((length = read(fd, buffer, sizeof(buffer))) > 0) text.append(buffer, length);
  close(fd);
  return text;
}

int ExitOf(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

std::pair<int, int> Pipe() {
  int ends[2] = {-1, -1};
  CHANPOOL_CHECK(pipe2(ends, O_CLOEXEC) == 0);
  return {ends[0], ends[1]};
}

}  // namespace

std::string FindTool(const std::string& name) {
  std::vector<std::string> folders;
  // As scripts/install_tools.sh is told, and then where it installs: not by HOME, Bazel gives tests another one.
  const char* const cache = std::getenv("CHANPOOL_CACHE");
  if (cache != nullptr) folders.push_back(absl::StrCat(cache, "/bin"));
  const passwd* const user = getpwuid(getuid());
  if (user != nullptr) folders.push_back(absl::StrCat(user->pw_dir, "/.cache/chanpool/bin"));
  const char* const path = std::getenv("PATH");
  for (const absl::string_view folder : absl::StrSplit(path == nullptr ? "" : path, ':')) {
    folders.push_back(std::string(folder));
  }
  for (const std::string& folder : folders) {
    std::string tool = absl::StrCat(folder, "/", name);
    if (access(tool.c_str(), X_OK) == 0) return tool;
  }
  return "";
}

Program::Program(std::vector<std::string> arguments, std::vector<std::string> environment) {
  const auto [read_end, write_end] = Pipe();
  pid_ = Spawn(arguments, environment, write_end, write_end);
  reader_ = std::thread([this, fd = read_end] { Read(fd); });
}

Program::~Program() {
  if (!exit_.has_value()) {
    kill(-pid_, SIGKILL);
    kill(pid_, SIGCONT);
    AwaitExit();
  }
  kill(-pid_, SIGKILL);  // What it started, and left.
  reader_.join();
}

void Program::Read(int fd) {
  char buffer[4096];
  ssize_t length = 0;
  while ((length = read(fd, buffer, sizeof(buffer))) > 0) {
    absl::MutexLock lock(&mu_);
    output_.append(buffer, length);
  }
  close(fd);
  absl::MutexLock lock(&mu_);
  output_ended_ = true;
}

std::string Program::output() const {
  absl::MutexLock lock(&mu_);
  return output_;
}

bool Program::AwaitOutput(const std::string& text, size_t from, absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  for (;;) {
    // In this order: what it said before it ended counts.
    const bool ended = AwaitExit(absl::ZeroDuration()).has_value();
    if (output().find(text, from) != std::string::npos) return true;
    if (ended || absl::Now() > deadline) return false;
    absl::SleepFor(kLook);
  }
}

void Program::Signal(int signal) {
  if (!exit_.has_value()) kill(pid_, signal);
}

std::optional<int> Program::AwaitExit(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  while (!exit_.has_value()) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_ = ExitOf(status);
      // The reader may be behind: whoever knows of the end has the whole output.
      absl::MutexLock lock(&mu_);
      mu_.AwaitWithTimeout(absl::Condition(&output_ended_), kLastOutput);
    } else if (absl::Now() >= deadline) {
      break;
    } else {
      absl::SleepFor(kLook);
    }
  }
  return exit_;
}

Finished RunToEnd(std::vector<std::string> arguments, std::vector<std::string> environment, absl::Duration limit) {
  const auto [out_read, out_write] = Pipe();
  const auto [err_read, err_write] = Pipe();
  const pid_t pid = Spawn(arguments, environment, out_write, err_write);
  Finished finished;
  std::thread out([&finished, fd = out_read] { finished.out = ReadAll(fd); });
  std::thread err([&finished, fd = err_read] { finished.err = ReadAll(fd); });
  const absl::Time deadline = absl::Now() + limit;
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) != pid) {
    if (absl::Now() > deadline) kill(-pid, SIGKILL);
    absl::SleepFor(kLook);
  }
  kill(-pid, SIGKILL);
  finished.exit = ExitOf(status);
  out.join();
  err.join();
  return finished;
}

TemporaryFolder::TemporaryFolder() {
  std::string folder = "/tmp/chanpool_e2e.XXXXXX";
  CHANPOOL_CHECK(mkdtemp(folder.data()) != nullptr);
  path_ = folder;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::Write(const std::string& name, const std::string& text) const {
  const std::string path = absl::StrCat(path_, "/", name);
  std::ofstream(path, std::ios::trunc) << text;
  return path;
}

}  // namespace chanpool
