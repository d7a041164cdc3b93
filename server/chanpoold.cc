// chanpoold: the sidecar's command line and its signals.
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/version.h"
#include "pool/core/clock.h"
#include "server/config/config_error.h"
#include "server/config/config_reader.h"
#include "server/config/diagnostics.h"
#include "server/sidecar/file_config.h"
#include "server/sidecar/sidecar.h"
#include "server/sidecar/tls_check.h"
#include "server/socket/unix_listener.h"

namespace chanpool::sidecar {
namespace {

// As poolctl's, where they mean the same.
constexpr int kExitOk = 0;
constexpr int kExitCannotStart = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInvalidConfig = 6;
constexpr int kExitInterrupted = 130;
constexpr int kGoOn = -1;

// How long SIGTERM waits for calls in flight before it ends all the same.
constexpr absl::Duration kDrainGrace = absl::Seconds(30);
constexpr timespec kEndingLook = {0, 20'000'000};
constexpr timespec kNoWait = {0, 0};

void Log(absl::string_view line) {
  const std::string text = absl::StrCat(
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", RealClock()->WallNow(), absl::UTCTimeZone()), " chanpoold ", line, "\n");
  // One write, so that lines of several threads do not mix.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

int CheckConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadConfigFile(path);
  if (!text.ok()) {
    std::fprintf(stderr, "chanpoold: %s\n", std::string(text.status().message()).c_str());
    return kExitInvalidConfig;
  }
  const config::ReadResult result = config::ReadConfig(*text, path, LooksAtTlsFiles(RealClock()));
  for (const auto& error : result.diagnostics) std::fprintf(stderr, "%s\n", config::FormatDiagnostic(error).c_str());
  for (const auto& warning : result.warnings) {
    std::fprintf(stderr, "warning: %s\n", config::FormatDiagnostic(warning).c_str());
  }
  if (!result.diagnostics.empty()) {
    std::fprintf(stderr, "%s: %zu error%s\n", path.c_str(), result.diagnostics.size(),
                 result.diagnostics.size() == 1 ? "" : "s");
    return kExitInvalidConfig;
  }
  std::printf("%s: ok, %d pool%s\n", path.c_str(), result.config.pools_size(),
              result.config.pools_size() == 1 ? "" : "s");
  return kExitOk;
}

// From the first SIGTERM on. Signals stay with this thread to the last, while another one ends the sidecar: SIGHUP must
// not kill what ends, and whoever asks twice has waited enough.
int End(std::unique_ptr<Sidecar> sidecar, const sigset_t& signals) {
  const std::vector<std::shared_ptr<SocketFile>> sockets = sidecar->socket_files();
  const auto serve_signal = [&](timespec wait) {
    const int signal = sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGHUP) Log("SIGHUP: not while ending");
    if (signal != SIGTERM && signal != SIGINT) return;
    Log("ending at once");
    for (const auto& socket : sockets) socket->Remove();
    // Nothing is worth waiting for: not destructors either.
    _exit(kExitInterrupted);
  };
  sidecar->BeginDrain();
  const absl::Time deadline = RealClock()->Now() + kDrainGrace;
  while (!sidecar->Drained() && RealClock()->Now() < deadline) serve_signal(kEndingLook);
  Log(sidecar->Drained()
          ? "drained, ending"
          : absl::StrCat("not drained within ", absl::FormatDuration(kDrainGrace), ", ending all the same"));
  std::atomic<bool> ended = false;
  std::thread ending([&sidecar, &ended] {
    sidecar = nullptr;
    ended = true;
  });
  while (!ended) serve_signal(kEndingLook);
  ending.join();
  // One that came during the last look still says how it ended; later ones stay blocked.
  serve_signal(kNoWait);
  return kExitOk;
}

int Serve(const std::string& path, const sigset_t& signals) {
  if (!path.empty() && !ReadConfigFile(path).ok()) return CheckConfig(path);
  absl::StatusOr<std::unique_ptr<Sidecar>> sidecar = Sidecar::Start({path, Log});
  if (!sidecar.ok()) {
    for (const auto& diagnostic : config::DiagnosticsOf(sidecar.status())) Log(config::FormatDiagnostic(diagnostic));
    Log(absl::StrCat("cannot start: ", sidecar.status().message()));
    return absl::IsInvalidArgument(sidecar.status()) ? kExitInvalidConfig : kExitCannotStart;
  }
  // Any number of SIGHUPs that come while one is served are one: that is what a blocked signal does.
  for (;;) {
    const int signal = sigwaitinfo(&signals, nullptr);
    if (signal == SIGHUP) {
      Log("SIGHUP: reading the configuration again");
      (*sidecar)->Reload();
    } else if (signal == SIGTERM || signal == SIGINT) {
      Log(absl::StrCat(signal == SIGTERM ? "SIGTERM" : "SIGINT", ": draining; once more to end at once"));
      break;
    }
  }
  return End(*std::move(sidecar), signals);
}

// kGoOn, or what to end with: help and errors are printed already.
int Parse(CLI::App& app, int argc, char** argv) {
  CLI11_PARSE(app, argc, argv);
  return kGoOn;
}

int Main(int argc, char** argv) {
  CLI::App app{
      "The sidecar of chanpool: keeps connection pools, shows the pools of applications that attach, and serves\n"
      "PoolAdmin (poolctl, grpcurl) and /metrics.\n\n"
      "Without --config it listens at the first of /run/chanpool, $XDG_RUNTIME_DIR/chanpool, /tmp/chanpool-UID that "
      "it\n"
      "may write to, where poolctl finds it, and on http://127.0.0.1:9402/metrics.\n",
      "chanpoold"};
  app.footer(
      "Signals: SIGHUP reads the configuration again; SIGTERM or SIGINT drains and ends, once more ends at once.\n"
      "Exit codes: 0 ok, 1 cannot start, 2 wrong arguments, 6 the configuration is wrong, 130 ended at once.\n\n"
      "Examples:\n"
      "  chanpoold --config /etc/chanpool/chanpoold.yaml\n"
      "  chanpoold --config chanpoold.yaml --check-config\n"
      "  poolctl get pools\n");
  std::string config;
  bool check = false;
  app.add_option("-c,--config", config, "The configuration file (YAML); docs/config.md has every key")
      ->type_name("FILE");
  app.add_flag("--check-config", check, "Read FILE, print every error with its line and column, and end");
  app.set_version_flag("--version", absl::StrCat("chanpoold ", admin::kVersion));
  if (const int code = Parse(app, argc, argv); code != kGoOn) return code == kExitOk ? kExitOk : kExitUsage;
  if (check) {
    if (config.empty()) {
      std::fprintf(stderr, "chanpoold: --check-config needs --config FILE\n");
      return kExitUsage;
    }
    return CheckConfig(config);
  }

  // Before any thread starts: all inherit it, so that signals come to Serve alone.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Absolute: operators ask from elsewhere where it is.
  return Serve(config.empty() ? "" : std::filesystem::absolute(config).string(), signals);
}

}  // namespace
}  // namespace chanpool::sidecar

int main(int argc, char** argv) { return chanpool::sidecar::Main(argc, argv); }
