#include "examples/demo/operators.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/processes/program.h"

namespace chanpool::demo {
namespace {

constexpr int kRate = 500;     // Calls a second on each of the microservice's two pools.
constexpr int kDelayMs = 40;   // Of each call: 20 are in flight on each pool.
constexpr int kMaxLeases = 8;  // Calls on one connection: so that 20 need three.

// What the microservice has counted, from its last line.
struct Calls {
  int64_t ok = 0;
  int64_t failed = 0;
  int64_t refused = 0;
};

int64_t NumberOf(absl::string_view line, absl::string_view name) {
  for (const absl::string_view word : absl::StrSplit(line, ' ')) {
    int64_t number = 0;
    if (absl::StartsWith(word, name) && absl::SimpleAtoi(word.substr(name.size()), &number)) return number;
  }
  return 0;
}

// One sidecar, one microservice, and the two programs with which an operator looks at them.
class Stage {
 public:
  Stage(const UpstreamProcess& upstream, std::string grpcurl) : upstream_(upstream), grpcurl_(std::move(grpcurl)) {}

  absl::Status Start() {
    WriteConfig("max_connections: 2");
    sidecar_ = std::make_unique<Program>(
        std::vector<std::string>{PathBeside("../../server/chanpoold"), "--config", config_path()});
    if (!sidecar_->AwaitOutput(" ready")) {
      return absl::UnavailableError(absl::StrCat("chanpoold does not start: ", sidecar_->output()));
    }
    service_ = std::make_unique<Program>(std::vector<std::string>{
        PathBeside("../microservice/microservice"), absl::StrCat("--orders=", upstream_.target()),
        absl::StrCat("--attach=", attach_socket()), absl::StrCat("--rate=", kRate),
        absl::StrCat("--delay_ms=", kDelayMs), absl::StrCat("--max_leases=", kMaxLeases), "--name=shop"});
    const absl::Time deadline = absl::Now() + kProgramLimit;
    while (!absl::StrContains(Poolctl({"get", "pools", "-o", "name"}).out, "processes/shop/pools/orders")) {
      if (absl::Now() > deadline) {
        return absl::UnavailableError(absl::StrCat("the microservice does not attach: ", service_->output()));
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    return absl::OkStatus();
  }

  // The pool of the sidecar's own, with these options.
  void WriteConfig(const std::string& options) const {
    folder_.Write(
        "chanpoold.yaml",
        absl::StrCat("version: 1\n"
                     "admin: {listeners: [{uds: {path: ",
                     admin_socket(), "}}]}\nhttp: {listen: {port: 0}}\nattach: {uds: {path: ", attach_socket(),
                     "}}\npools:\n  - name: warehouse\n    target: \"", upstream_.target(), "\"\n    ", options, "\n"));
  }

  Finished Poolctl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), PathBeside("../../client/poolctl"));
    return RunToEnd(std::move(arguments), {"POOLCTL_ENDPOINT=unix:" + admin_socket(), "NO_COLOR=1"});
  }

  Finished Grpcurl(std::vector<std::string> arguments) const {
    std::vector<std::string> all = {grpcurl_, "-plaintext", "-unix"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunToEnd(std::move(all));
  }

  // Its next line: what it counts from now on is in the one after.
  Calls NextCount() {
    const size_t from = service_->output().size();
    service_->AwaitOutput("in_flight=", from);
    const std::string output = service_->output();
    const size_t begin = output.rfind('\n', output.rfind("in_flight="));
    const absl::string_view line = absl::string_view(output).substr(begin == std::string::npos ? 0 : begin + 1);
    const absl::string_view first = line.substr(0, line.find('\n'));
    return {NumberOf(first, "ok="), NumberOf(first, "failed="), NumberOf(first, "refused=")};
  }

  std::string config_path() const { return folder_.path() + "/chanpoold.yaml"; }
  std::string admin_socket() const { return folder_.path() + "/admin.sock"; }
  std::string attach_socket() const { return folder_.path() + "/attach.sock"; }
  Program& sidecar() { return *sidecar_; }
  Program& service() { return *service_; }

 private:
  const UpstreamProcess& upstream_;
  const std::string grpcurl_;
  const TemporaryFolder folder_;
  std::unique_ptr<Program> sidecar_;
  std::unique_ptr<Program> service_;
};

// A command as it is typed, and what it printed; the first `lines` of it.
void Show(const std::string& command, const std::string& output, size_t lines, Report& report) {
  report.Note(absl::StrCat("$ ", command));
  const std::vector<std::string> all = absl::StrSplit(output, '\n', absl::SkipEmpty());
  for (size_t i = 0; i < all.size() && i < lines; ++i) report.Note("  " + all[i]);
  if (all.size() > lines) report.Note(absl::StrCat("  ... ", all.size() - lines, " more lines"));
}

// --- Acts ----------------------------------------------------------------------------------------------------------

void Look(Stage& stage, Report& report) {
  report.Act("An operator looks", absl::StrCat("a microservice makes ", 2 * kRate, " calls/s over two embedded pools"));
  const Finished list = stage.Grpcurl({stage.admin_socket(), "list"});
  Show("grpcurl -plaintext -unix $SOCKET list", list.out, 4, report);
  report.Promise(absl::StrContains(list.out, "chanpool.admin.v1.PoolAdmin"), "grpcurl sees PoolAdmin by reflection");
  const Finished describe = stage.Grpcurl({stage.admin_socket(), "describe", "chanpool.admin.v1.PoolAdmin.DrainPool"});
  Show("grpcurl ... describe chanpool.admin.v1.PoolAdmin.DrainPool", describe.out, 4, report);
  report.Promise(absl::StrContains(describe.out, "// Refuses callers"), "and its comments: describe is the manual");
  const Finished watch =
      stage.Grpcurl({"-d", R"({"pools": ["processes/shop/pools/orders"], "max_responses": 2, "interval": "2s"})",
                     stage.admin_socket(), "chanpool.admin.v1.PoolAdmin/WatchStats"});
  const std::string name = "\"acquired\": \"";
  const size_t first = watch.out.find(name), second = watch.out.rfind(name);
  int64_t before = 0, after = 0;
  if (first != std::string::npos) {
    before = std::atoll(watch.out.c_str() + first + name.size());
    after = std::atoll(watch.out.c_str() + second + name.size());
  }
  report.Note(absl::StrCat("grpcurl ... WatchStats: ", Count(before), " leases granted, and 2 s later ", Count(after)));
  report.Promise(after > before, "statistics of the embedded pool arrive live");
  const Finished pools = stage.Poolctl({"get", "pools"});
  Show("poolctl get pools", pools.out, 10, report);
  report.Promise(pools.exit == 0 && absl::StrContains(pools.out, "shop/orders"),
                 "poolctl shows the pools of the sidecar and of the microservice");
}

void Reload(Stage& stage, Report& report) {
  report.Act("The configuration is changed while calls run", "first rightly, then wrongly");
  const auto may_have_twelve = [&stage] {
    const Finished pool = stage.Grpcurl(
        {"-d", R"({"name": "pools/warehouse"})", stage.admin_socket(), "chanpool.admin.v1.PoolAdmin/GetPool"});
    return absl::StrContains(pool.out, "\"maxConnections\": 12");
  };
  const Calls before = stage.NextCount();
  stage.WriteConfig("max_connections: 12");
  const Finished reload = stage.Poolctl({"reload"});
  Show("poolctl reload", reload.out + reload.err, 4, report);
  report.Promise(reload.exit == 0 && may_have_twelve(), "a reload raises max_connections from 2 to 12");
  const Finished set = stage.Poolctl({"set", "shop/orders", "max_connections=12", "--ttl", "30m"});
  Show("poolctl set shop/orders max_connections=12 --ttl 30m", set.out + set.err, 3, report);
  report.Promise(set.exit == 0, "and an operator raises that of the microservice's pool, for 30 minutes");

  stage.WriteConfig("max_conections: 12");
  const Finished broken = stage.Poolctl({"reload"});
  Show("poolctl reload    # max_conections", broken.out + broken.err, 3, report);
  report.Promise(broken.exit == 6 && absl::StrContains(broken.err, absl::StrCat(stage.config_path(), ":8:5:")),
                 "a broken file is refused with its line and column");
  report.Promise(may_have_twelve(), "and changes nothing");
  stage.WriteConfig("max_connections: 12");
  const Calls after = stage.NextCount();
  report.Promise(
      after.failed == 0 && after.refused == before.refused && after.ok > before.ok,
      absl::StrCat("no call failed or was refused meanwhile: ", Count(after.ok - before.ok), " were answered"));
}

void Drain(Stage& stage, Report& report) {
  report.Act("An operator drains a pool of the microservice, and undrains it", absl::StrCat(kRate, " calls/s on it"));
  const Calls before = stage.NextCount();
  const Finished drain = stage.Poolctl({"drain", "shop/orders", "--deadline", "20s", "--reason", "demo"});
  Show("poolctl drain shop/orders --deadline 20s", drain.err + drain.out, 6, report);
  const Calls drained = stage.NextCount();
  const Finished undrain = stage.Poolctl({"undrain", "shop/orders"});
  Show("poolctl undrain shop/orders", undrain.out + undrain.err, 2, report);
  stage.NextCount();
  const Calls undrained = stage.NextCount();
  const Calls later = stage.NextCount();
  report.Table({"", "answered", "accepted and failed", "refused"},
               {{"until drained", Count(drained.ok - before.ok), Count(drained.failed - before.failed),
                 Count(drained.refused - before.refused)},
                {"until undrained", Count(undrained.ok - drained.ok), Count(undrained.failed - drained.failed),
                 Count(undrained.refused - drained.refused)},
                {"afterwards", Count(later.ok - undrained.ok), Count(later.failed - undrained.failed),
                 Count(later.refused - undrained.refused)}});
  report.Promise(drain.exit == 0 && undrain.exit == 0, "the drain ends by itself, and is taken back");
  report.Promise(later.failed == 0, "no call that was accepted failed");
  report.Promise(undrained.refused > before.refused, "calls were refused while it drained, and counted apart");
  report.Promise(later.refused == undrained.refused && later.ok > undrained.ok, "none is refused afterwards");
}

void Invite(Stage& stage) {
  std::printf("\nEverything keeps running until Ctrl-C. In another terminal:\n\n");
  std::printf("  export POOLCTL_ENDPOINT=unix:%s\n", stage.admin_socket().c_str());
  // As one would type it where `make demo` was typed, or else as it is.
  const std::string here = "bazel-bin/client/poolctl";
  const std::string poolctl = access(here.c_str(), X_OK) == 0 ? here : PathBeside("../../client/poolctl");
  for (const char* command :
       {"get pools", "describe pool shop/orders", "top", "events -f", "drain shop/orders", "undrain shop/orders",
        "recycle shop/payments", "set shop/orders max_connections=20 --ttl 10m"}) {
    std::printf("  %s %s\n", poolctl.c_str(), command);
  }
  std::printf("  %s -plaintext -unix %s chanpool.admin.v1.PoolAdmin/ListPools\n", FindTool("grpcurl").c_str(),
              stage.admin_socket().c_str());
  std::fflush(stdout);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  int signal = 0;
  sigwait(&ends, &signal);
}

}  // namespace

absl::Status ShowOperators(const UpstreamProcess& upstream, bool keep, Report& report) {
  std::string grpcurl = FindTool("grpcurl");
  if (grpcurl.empty()) {
    return absl::NotFoundError("grpcurl is not installed; run scripts/install_tools.sh grpcurl");
  }
  Stage stage(upstream, std::move(grpcurl));
  if (absl::Status started = stage.Start(); !started.ok()) return started;
  Look(stage, report);
  Reload(stage, report);
  Drain(stage, report);
  if (keep) Invite(stage);
  stage.service().Signal(SIGTERM);
  stage.sidecar().Signal(SIGTERM);
  const std::optional<int> service = stage.service().AwaitExit(), sidecar = stage.sidecar().AwaitExit();
  report.Promise(service == 0 && sidecar == 0, "both end by SIGTERM, with success");
  return absl::OkStatus();
}

}  // namespace chanpool::demo
