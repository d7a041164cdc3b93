// Real calls through the pool beside the same calls without it, against a server in a process of its own.
//
//   call_benchmark [--rounds=N] [--only=wall|robin|cpu]
//
// Every comparison is made of pairs of turns, one of each side, as call_turns.h has it. Connections are made before the
// first turn. The processor time is this process's alone: the client's. More comparisons are in call_ratios.cc.
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "bench/call_sides.h"
#include "bench/call_turns.h"
#include "bench/statistics.h"
#include "pool/core/options.h"

namespace chanpool::bench {
namespace {

void PrintSide(const Side& side, Figure figure, const char* unit) {
  const std::vector<double> values = OfTurns(side, figure);
  const Interval spread = Spread(values);
  std::printf("  %-20s %10.1f %s (%.1f - %.1f)\n", side.name.c_str(), Median(values), unit, spread.low, spread.high);
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
  TakeTurns({&pooled, &plain}, pairs, {1000, absl::Milliseconds(50), absl::Seconds(1), absl::Seconds(3)});
  PrintSide(plain, &CallTurn::calls_per_second, "calls/s");
  PrintSide(pooled, &CallTurn::calls_per_second, "calls/s");
  PrintPairs("pool / plain", Ratios(pooled, plain, &CallTurn::calls_per_second), "times");
  return Median(Ratios(pooled, plain, &CallTurn::calls_per_second));
}

// Returns microseconds per call.
double ShowCpu(const std::string& target, int callers, int pairs) {
  std::printf("\nOne connection, %d in flight, %d pairs: processor time of the client per call\n", callers, pairs);
  const CpuSides sides = CompareCpu(target, callers, pairs);
  const std::vector<double> extra = Differences(sides.pooled, sides.plain, &CallTurn::cpu_us_per_call);
  PrintSide(sides.plain, &CallTurn::cpu_us_per_call, "us");
  PrintSide(sides.pooled, &CallTurn::cpu_us_per_call, "us");
  PrintPairs("pool - plain", extra, "us");
  return Median(extra);
}

void CompareRoundRobin(const std::string& target, int pairs) {
  constexpr int kConnections = 4;
  constexpr int kCallers = 128;
  const auto pool = MakePool(target, PoolOf(kConnections));
  Side pooled{"pool of 4", {pool->channel()}};
  Side by_hand{"round robin over 4", PlainChannels(target, kConnections)};
  std::printf("\nFour connections, %d in flight, %d pairs\n", kCallers, pairs);
  TakeTurns({&pooled, &by_hand}, pairs,
            {kCallers, absl::ZeroDuration(), absl::Milliseconds(50), absl::Milliseconds(300)});
  PrintSide(by_hand, &CallTurn::calls_per_second, "calls/s");
  PrintSide(pooled, &CallTurn::calls_per_second, "calls/s");
  PrintPairs("pool / round robin", Ratios(pooled, by_hand, &CallTurn::calls_per_second), "times");
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
    for (const int callers : {1, 16, 128}) extra.push_back(ShowCpu(server->target(), callers, flags.Rounds(301)));
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
