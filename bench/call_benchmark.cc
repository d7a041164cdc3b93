// Real calls through the pool beside the same calls without it, against a server in a process of its own.
//
//   call_benchmark [--rounds=N] [--only=wall|robin|cpu]
//
// Every comparison is made of pairs of turns, one of each side, the order changing from pair to pair (AB BA AB ...):
// what the machine does to one side it does to the other, and a pair gives one difference or ratio. Connections are
// made before the first turn. The processor time is this process's alone: the client's.
#include <grpcpp/grpcpp.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/statistics.h"
#include "examples/demo/closed_loop.h"
#include "examples/demo/upstream_process.h"
#include "pool/grpc/channel_pool.h"

namespace chanpool::bench {
namespace {

using Channels = std::vector<std::shared_ptr<grpc::ChannelInterface>>;

// --- Sides ---------------------------------------------------------------------------------------------------------

[[noreturn]] void GiveUp(const absl::Status& why) {
  std::fprintf(stderr, "call_benchmark: %s\n", why.ToString().c_str());
  std::exit(1);
}

std::unique_ptr<demo::UpstreamProcess> StartServer(int max_streams) {
  auto server = demo::UpstreamProcess::Start(demo::PathBeside("../examples/demo/upstream"), max_streams);
  if (!server.ok()) GiveUp(server.status());
  return *std::move(server);
}

// So many plain channels, each with a connection of its own, as a careful author makes them.
Channels PlainChannels(const std::string& target, int n) {
  Channels channels;
  for (int i = 0; i < n; ++i) {
    grpc::ChannelArguments arguments;
    if (n > 1) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Else they share one connection.
    auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
      GiveUp(absl::UnavailableError("a plain channel did not connect"));
    }
    channels.push_back(std::move(channel));
  }
  return channels;
}

std::shared_ptr<ChannelPool> MakePool(const std::string& target, const PoolOptions& options) {
  ChannelPoolOptions all;
  all.target = target;
  all.pool = options;
  auto pool = ChannelPool::Create(all);
  if (!pool.ok()) GiveUp(pool.status());
  const absl::Status ready = (*pool)->WaitForReady(options.min_connections, absl::Now() + absl::Seconds(10));
  if (!ready.ok()) GiveUp(ready);
  return *std::move(pool);
}

// --- Turns ---------------------------------------------------------------------------------------------------------

struct Load {
  int callers;
  absl::Duration delay;    // In the server.
  absl::Duration warm_up;  // Not measured.
  absl::Duration measured;
};

struct Turn {
  double calls_per_second = 0;
  double cpu_us_per_call = 0;
};

absl::Duration CpuOfThisProcess() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

Turn Take(const Channels& channels, const Load& load) {
  demo::ClosedLoop loop(channels, load.callers, load.delay);
  absl::SleepFor(load.warm_up);
  const int64_t ended = loop.ended();
  const absl::Duration cpu = CpuOfThisProcess();
  const absl::Time begun = absl::Now();
  do {
    absl::SleepFor(load.measured);
  } while (loop.ended() == ended);  // On a machine so busy that this process did not run, the turn is longer.
  const auto calls = static_cast<double>(loop.ended() - ended);
  const absl::Duration cpu_used = CpuOfThisProcess() - cpu;
  const absl::Duration took = absl::Now() - begun;
  for (const demo::CallRecord& call : loop.Stop()) {
    if (call.code != grpc::StatusCode::OK) GiveUp(absl::InternalError("a call failed: " + call.error));
  }
  return {calls / absl::ToDoubleSeconds(took), absl::ToDoubleMicroseconds(cpu_used) / calls};
}

struct Side {
  const char* name;
  Channels channels;
  std::vector<Turn> turns = {};
};

void TakeTurns(Side& a, Side& b, int pairs, const Load& load) {
  for (int pair = 0; pair < pairs; ++pair) {
    Side* const first = pair % 2 == 0 ? &a : &b;
    Side* const second = pair % 2 == 0 ? &b : &a;
    first->turns.push_back(Take(first->channels, load));
    second->turns.push_back(Take(second->channels, load));
  }
}

// --- Comparing -----------------------------------------------------------------------------------------------------

using Figure = std::function<double(const Turn&)>;

double CallsPerSecond(const Turn& turn) { return turn.calls_per_second; }
double CpuPerCall(const Turn& turn) { return turn.cpu_us_per_call; }

std::vector<double> OfTurns(const Side& side, const Figure& figure) {
  std::vector<double> values;
  for (const Turn& turn : side.turns) values.push_back(figure(turn));
  return values;
}

// One value for each pair of turns.
std::vector<double> OfPairs(const Side& a, const Side& b,
                            const std::function<double(const Turn&, const Turn&)>& figure) {
  std::vector<double> values;
  for (size_t i = 0; i < a.turns.size(); ++i) values.push_back(figure(a.turns[i], b.turns[i]));
  return values;
}

std::vector<double> Ratios(const Side& a, const Side& b) {
  return OfPairs(a, b, [](const Turn& x, const Turn& y) { return x.calls_per_second / y.calls_per_second; });
}

std::vector<double> ExtraCpu(const Side& a, const Side& b) {
  return OfPairs(a, b, [](const Turn& x, const Turn& y) { return x.cpu_us_per_call - y.cpu_us_per_call; });
}

void PrintSide(const Side& side, const Figure& figure, const char* unit) {
  const std::vector<double> values = OfTurns(side, figure);
  const Interval spread = Spread(values);
  std::printf("  %-20s %10.1f %s (%.1f - %.1f)\n", side.name, Median(values), unit, spread.low, spread.high);
}

void PrintPairs(const char* name, const std::vector<double>& values, const char* unit) {
  const Interval spread = Spread(values);
  const Interval interval = MedianInterval(values);
  std::printf("  %-20s %10.3f %s (%.3f - %.3f)", name, Median(values), unit, spread.low, spread.high);
  if (values.size() >= 6) {  // See MedianInterval.
    std::printf(", 95 %% interval of the median %.3f to %.3f", interval.low, interval.high);
  }
  std::printf("\n");
}

// --- The three comparisons -----------------------------------------------------------------------------------------

// More calls than one connection has streams. Returns how many times more the pool carries.
double CompareWall(int pairs) {
  const auto server = StartServer(/*max_streams=*/100);
  PoolOptions options;
  options.max_connections = 10;
  options.max_leases_per_connection = 100;
  const auto pool = MakePool(server->target(), options);
  Side pooled{"pool", {pool->channel()}};
  Side plain{"plain channel", PlainChannels(server->target(), 1)};
  std::printf("\n1,000 calls of 50 ms in flight, 100 streams per connection, %d pairs\n", pairs);
  TakeTurns(pooled, plain, pairs, {1000, absl::Milliseconds(50), absl::Seconds(1), absl::Seconds(3)});
  PrintSide(plain, CallsPerSecond, "calls/s");
  PrintSide(pooled, CallsPerSecond, "calls/s");
  PrintPairs("pool / plain", Ratios(pooled, plain), "times");
  return Median(Ratios(pooled, plain));
}

// One connection on both sides, so that only the pool's own work differs. Returns microseconds per call.
double CompareCpu(const std::string& target, int callers, int pairs) {
  PoolOptions options;
  options.max_connections = 1;
  options.max_leases_per_connection = 1000;  // As the server: nobody queues on either side.
  const auto pool = MakePool(target, options);
  Side pooled{"pool", {pool->channel()}};
  Side plain{"plain channel", PlainChannels(target, 1)};
  std::printf("\nOne connection, %d in flight, %d pairs: processor time of the client per call\n", callers, pairs);
  TakeTurns(pooled, plain, pairs, {callers, absl::ZeroDuration(), absl::Milliseconds(10), absl::Milliseconds(60)});
  PrintSide(plain, CpuPerCall, "us");
  PrintSide(pooled, CpuPerCall, "us");
  PrintPairs("pool - plain", ExtraCpu(pooled, plain), "us");
  return Median(ExtraCpu(pooled, plain));
}

void CompareRoundRobin(const std::string& target, int pairs) {
  constexpr int kConnections = 4;
  constexpr int kCallers = 128;
  PoolOptions options;
  options.min_connections = kConnections;
  options.max_connections = kConnections;
  const auto pool = MakePool(target, options);
  Side pooled{"pool of 4", {pool->channel()}};
  Side by_hand{"round robin over 4", PlainChannels(target, kConnections)};
  std::printf("\nFour connections, %d in flight, %d pairs\n", kCallers, pairs);
  TakeTurns(pooled, by_hand, pairs, {kCallers, absl::ZeroDuration(), absl::Milliseconds(50), absl::Milliseconds(300)});
  PrintSide(by_hand, CallsPerSecond, "calls/s");
  PrintSide(pooled, CallsPerSecond, "calls/s");
  PrintPairs("pool / round robin", Ratios(pooled, by_hand), "times");
}

struct Flags {
  int rounds = 0;          // 0: as each comparison needs.
  absl::string_view only;  // Empty: all three.

  int Rounds(int needed) const { return rounds > 0 ? rounds : needed; }
  bool Wants(absl::string_view comparison) const { return only.empty() || only == comparison; }
};

void Run(const Flags& flags) {
  std::string summary;
  if (flags.Wants("wall")) absl::StrAppendFormat(&summary, "wall: pool/plain %.2f\n", CompareWall(flags.Rounds(7)));
  const auto server = StartServer(/*max_streams=*/1000);
  if (flags.Wants("robin")) CompareRoundRobin(server->target(), flags.Rounds(61));
  if (flags.Wants("cpu")) {
    std::vector<double> extra;
    for (const int callers : {1, 16, 128}) extra.push_back(CompareCpu(server->target(), callers, flags.Rounds(301)));
    absl::StrAppendFormat(&summary, "cpu per call: %+.1f us at 1, %+.1f at 16, %+.1f at 128\n", extra[0], extra[1],
                          extra[2]);
  }
  std::printf("\n%s", summary.c_str());
}

}  // namespace
}  // namespace chanpool::bench

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // Into a pipe too: some figures take a minute.
  chanpool::bench::Flags flags;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    const bool only = absl::ConsumePrefix(&argument, "--only=");
    if (only && (argument == "wall" || argument == "robin" || argument == "cpu")) {
      flags.only = argument;
    } else if (only || !absl::ConsumePrefix(&argument, "--rounds=") || !absl::SimpleAtoi(argument, &flags.rounds) ||
               flags.rounds < 1) {
      std::fprintf(stderr, "call_benchmark: %s is neither --rounds=N nor --only=wall, robin or cpu\n", argv[i]);
      return 2;
    }
  }
  chanpool::bench::Run(flags);
  return 0;
}
