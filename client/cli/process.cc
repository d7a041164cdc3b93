#include "client/cli/process.h"

#include <google/protobuf/stubs/logging.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "chanpool/admin/v1/default_socket.h"
#include "client/cli/environment.h"
#include "client/cli/error_report.h"
#include "client/cli/run.h"

namespace chanpool::cli {
namespace {

// Signal handlers have no other place to keep things.
volatile sig_atomic_t interrupts = 0;
volatile sig_atomic_t command_deals_with_it = 0;
volatile sig_atomic_t full_screen = 0;
termios keyboard_before = {};

constexpr char kEnterScreen[] = "\x1b[?1049h\x1b[?25l";  // The other screen, no cursor.
constexpr char kLeaveScreen[] = "\x1b[?25h\x1b[?1049l";

void WriteRaw(const char* text) {
  if (write(STDOUT_FILENO, text, std::strlen(text)) < 0) return;  // Then there is no terminal to put in order.
}

void LeaveFullScreen() {
  if (full_screen == 0) return;
  full_screen = 0;
  tcsetattr(STDIN_FILENO, TCSANOW, &keyboard_before);
  WriteRaw(kLeaveScreen);
}

void OnInterrupt(int /*signal*/) {
  interrupts = interrupts + 1;
  if (command_deals_with_it != 0 && interrupts == 1) return;
  LeaveFullScreen();
  _exit(kExitInterrupted);
}

// Stopped from outside: not without giving the screen back.
void OnTerminate(int signal) {
  LeaveFullScreen();
  _exit(128 + signal);
}

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

class RealTerminal : public Terminal {
 public:
  ~RealTerminal() override { LeaveFullScreen(); }

  ScreenSize size() override {
    winsize size = {};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
  }

  void BeginFullScreen() override {
    if (full_screen != 0 || tcgetattr(STDIN_FILENO, &keyboard_before) != 0) return;
    termios keys = keyboard_before;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // ISIG stays: Ctrl-C is still a signal.
    full_screen = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    WriteRaw(kEnterScreen);
  }

  void EndFullScreen() override { LeaveFullScreen(); }

  absl::optional<char> Key() override {
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    char key = 0;
    if (poll(&input, 1, 0) != 1 || (input.revents & POLLIN) == 0 || read(STDIN_FILENO, &key, 1) != 1) return {};
    return key;
  }
};

int ColumnsOf(int fd) {
  winsize size = {};
  if (isatty(fd) == 0) return 0;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// The wall, for ages that people read. Deadlines are gRPC's business.
absl::Time WallClock() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return absl::TimeFromTimespec(now);
}

}  // namespace

int RunProcess(int argc, char** argv) {
  Handle(SIGPIPE, SIG_DFL);  // `poolctl ... | head` ends like any other program.
  Handle(SIGINT, OnInterrupt);
  Handle(SIGTERM, OnTerminate);
  Handle(SIGHUP, OnTerminate);
  google::protobuf::SetLogHandler(nullptr);
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);  // Errors are reported once, by us.

  RealTerminal terminal;
  Environment environment;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.variable = [](const std::string& name) -> absl::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) return absl::nullopt;
    return value;
  };
  environment.now = &WallClock;
  environment.zone = absl::LocalTimeZone();
  environment.terminal = isatty(STDOUT_FILENO) != 0 ? &terminal : nullptr;
  environment.talk_columns = ColumnsOf(STDERR_FILENO);
  environment.interrupts = [] {
    command_deals_with_it = 1;
    return static_cast<int>(interrupts);
  };
  environment.default_sockets = chanpool::admin::DefaultSockets("admin.sock");
  return Run(std::vector<std::string>(argv + 1, argv + argc), environment);
}

}  // namespace chanpool::cli
