// What operators wait for: a reload of many pools, and an answer while the process is busy.
//
//   admin_benchmark [--rounds=N]
//
// The reload changes an option of each of 100 pools, or makes and removes 100 pools, and stands beside the time that
// reading the same text takes. The answers are ListPools over a UNIX socket, as poolctl asks, from a process that has
// 1,000 calls in flight, beside the same process at rest.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/pool_admin.grpc.pb.h"
#include "examples/demo/closed_loop.h"
#include "examples/demo/upstream_process.h"
#include "examples/processes/program.h"
#include "pool/core/clock.h"
#include "pool/grpc/channel_pool.h"
#include "server/admin/event_log.h"
#include "server/admin/pool_admin.h"
#include "server/admin/pool_registry.h"
#include "server/config/config_reader.h"
#include "server/sidecar/admin_server.h"
#include "server/sidecar/file_config.h"
#include "server/sidecar/pool_set.h"

namespace chanpool::bench {
namespace {

constexpr int kPools = 100;
constexpr int kCallsInFlight = 1'000;
constexpr int kAnswers = 1'000;

[[noreturn]] void GiveUp(const absl::Status& why) {
  std::fprintf(stderr, "admin_benchmark: %s\n", why.ToString().c_str());
  std::exit(1);
}

// Of durations, in milliseconds.
struct Spread {
  explicit Spread(std::vector<absl::Duration> all) : count(all.size()) {
    std::sort(all.begin(), all.end());
    median = absl::ToDoubleMilliseconds(all[all.size() / 2]);
    p99 = absl::ToDoubleMilliseconds(all[all.size() * 99 / 100]);
    most = absl::ToDoubleMilliseconds(all.back());
  }
  size_t count;
  double median, p99, most;
};

// --- Reload --------------------------------------------------------------------------------------------------------

std::string Config(const std::string& target, int pools, int max_connections) {
  std::string text = "version: 1\npools:\n";
  if (pools == 0) return "version: 1\n";
  for (int i = 0; i < pools; ++i) {
    absl::StrAppend(&text, "  - name: pool-", i, "\n    target: \"", target,
                    "\"\n    max_connections: ", max_connections, "\n");
  }
  return text;
}

// Swaps between two files; the times of parsing and of applying the first of them.
void Reload(const char* what, const std::string& one, const std::string& other, int rounds, double* median) {
  const TemporaryFolder folder;
  admin::EventLog events(RealClock());
  admin::PoolRegistry registry(RealClock(), &events);
  sidecar::PoolSet pools(&registry);
  const std::string path = folder.Write("c.yaml", other);
  sidecar::FileConfig config({path, {}}, &pools, &events, RealClock());
  if (absl::Status loaded = config.Load(); !loaded.ok()) GiveUp(loaded);
  std::vector<absl::Duration> parse, apply;
  for (int round = 0; round < rounds; ++round) {
    for (const std::string* text : {&one, &other}) {
      folder.Write("c.yaml", *text);
      const absl::Time begun = absl::Now();
      if (!config::ReadConfig(*text, path).diagnostics.empty()) GiveUp(absl::InternalError("a wrong configuration"));
      const absl::Duration parsing = absl::Now() - begun;
      const auto reload = config.Reload({}, {"bench", admin::Role::ROLE_OPERATOR});
      if (!reload.ok()) GiveUp(reload.status());
      if (text != &one) continue;
      parse.push_back(parsing);
      apply.push_back(absl::Seconds(reload->apply_duration().seconds()) +
                      absl::Nanoseconds(reload->apply_duration().nanos()));
    }
  }
  const Spread parsed(parse), applied(apply);
  std::printf("%-28s n=%zu   parse: median %6.2f ms, most %6.2f   apply: median %6.2f ms, most %6.2f\n", what,
              applied.count, parsed.median, parsed.most, applied.median, applied.most);
  *median = applied.median;
}

// --- Answers -------------------------------------------------------------------------------------------------------

Spread Answers(const std::string& socket) {
  const auto stub = chanpool::admin::v1::PoolAdmin::NewStub(
      grpc::CreateChannel(absl::StrCat("unix:", socket), grpc::InsecureChannelCredentials()));
  std::vector<absl::Duration> took;
  for (int i = 0; i < kAnswers; ++i) {
    grpc::ClientContext context;
    chanpool::admin::v1::ListPoolsResponse response;
    const absl::Time begun = absl::Now();
    const grpc::Status status = stub->ListPools(&context, {}, &response);
    if (!status.ok()) GiveUp(absl::InternalError(status.error_message()));
    took.push_back(absl::Now() - begun);
  }
  return Spread(took);
}

Spread BusyAnswers(const std::string& target, Spread* at_rest) {
  ChannelPoolOptions options;
  options.name = "orders";
  options.target = target;
  options.pool.min_connections = options.pool.max_connections = 10;
  auto pool = ChannelPool::Create(options);
  if (!pool.ok()) GiveUp(pool.status());
  const TemporaryFolder folder;
  admin::EventLog events(RealClock());
  admin::PoolRegistry registry(RealClock(), &events);
  if (absl::Status added = registry.Add({"orders", target, (*pool)->engine()}); !added.ok()) GiveUp(added);
  const auto admin = std::make_shared<admin::PoolAdmin>(
      admin::PoolAdmin::Options{&registry, &events, nullptr, nullptr, RealClock(), "bench", {}});
  chanpool::config::v1::Admin listeners;
  listeners.add_listeners()->mutable_uds()->set_path(folder.path() + "/admin.sock");
  const auto server = sidecar::AdminServer::Start(listeners, admin);
  if (!server.ok()) GiveUp(server.status());
  *at_rest = Answers(folder.path() + "/admin.sock");
  demo::ClosedLoop load({(*pool)->channel()}, kCallsInFlight, absl::Milliseconds(50));
  absl::SleepFor(absl::Seconds(1));
  const Spread busy = Answers(folder.path() + "/admin.sock");
  load.Stop();
  admin->BeginShutdown();
  return busy;
}

int Run(int rounds) {
  const auto upstream = demo::UpstreamProcess::Start(demo::PathBeside("../examples/demo/upstream"), 100);
  if (!upstream.ok()) GiveUp(upstream.status());
  const std::string target = (*upstream)->target();
  double changed = 0, made = 0;
  Reload("reload: 100 pools change", Config(target, kPools, 20), Config(target, kPools, 10), rounds, &changed);
  Reload("reload: 100 pools are made", Config(target, kPools, 10), Config(target, 0, 10), rounds, &made);
  Spread at_rest({absl::ZeroDuration()});
  const Spread busy = BusyAnswers(target, &at_rest);
  std::printf("ListPools, at rest             n=%zu   median %.2f ms, p99 %.2f, most %.2f\n", at_rest.count,
              at_rest.median, at_rest.p99, at_rest.most);
  std::printf("ListPools, 1,000 in flight     n=%zu   median %.2f ms, p99 %.2f, most %.2f\n", busy.count, busy.median,
              busy.p99, busy.most);
  std::printf(
      "admin: reload of 100 pools %.1f ms changed, %.1f ms made; p99 %.1f ms with 1,000 calls in flight (goals: 50)\n",
      changed, made, busy.p99);
  return 0;
}

}  // namespace
}  // namespace chanpool::bench

int main(int argc, char** argv) {
  int rounds = 21;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (!absl::ConsumePrefix(&argument, "--rounds=") || !absl::SimpleAtoi(argument, &rounds) || rounds < 1) {
      std::fprintf(stderr, "admin_benchmark: %s is not --rounds=N\n", argv[i]);
      return 2;
    }
  }
  return chanpool::bench::Run(rounds);
}
