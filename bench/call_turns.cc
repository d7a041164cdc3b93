#include "bench/call_turns.h"

#include <grpcpp/support/status.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "examples/demo/closed_loop.h"

namespace chanpool::bench {
namespace {

using demo::CallRecord;
using demo::ClosedLoop;

std::vector<CallRecord> EndAll(ClosedLoop& loop) {
  std::vector<CallRecord> calls = loop.Stop();
  for (const CallRecord& call : calls) {
    if (call.code != grpc::StatusCode::OK) GiveUp(absl::InternalError(absl::StrCat("a call failed: ", call.error)));
  }
  return calls;
}

std::vector<double> OfRounds(const Side& a, const Side& b, Figure figure, double (*of)(double, double)) {
  std::vector<double> values;
  for (size_t i = 0; i < a.turns.size(); ++i) values.push_back(of(a.turns[i].*figure, b.turns[i].*figure));
  return values;
}

}  // namespace

absl::Duration CpuOfThisProcess() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

CallTurn TakeCallTurn(const Channels& channels, const Load& load) {
  const auto begin = [&channels, &load](int callers, int response_bytes) {
    return std::make_unique<ClosedLoop>(channels, callers, load.delay, demo::Patience::kFailFast,
                                        absl::InfiniteDuration(), response_bytes);
  };
  const auto loop = begin(load.callers, load.response_bytes);
  const auto bulk = load.bulk_callers > 0 ? begin(load.bulk_callers, kMebibyte) : nullptr;
  absl::SleepFor(load.warm_up);
  const int64_t ended = loop->ended();
  const absl::Duration cpu = CpuOfThisProcess();
  const absl::Time begun = absl::Now();
  do {
    absl::SleepFor(load.measured);
  } while (loop->ended() == ended);  // On a machine so busy that this process did not run, the turn is longer.
  const auto calls = static_cast<double>(loop->ended() - ended);
  const absl::Duration cpu_used = CpuOfThisProcess() - cpu;
  const absl::Time over = absl::Now();

  const std::vector<CallRecord> records = EndAll(*loop);
  std::vector<absl::Time> ends;
  for (const CallRecord& call : records) {
    if (call.end >= begun && call.end < over) ends.push_back(call.end);
  }
  const demo::LoadFigures figures = demo::Figures(records, begun, over);
  CallTurn turn;
  turn.calls_per_second = PerSecond(ends, load.callers, over - begun);
  turn.cpu_us_per_call = absl::ToDoubleMicroseconds(cpu_used) / calls;
  turn.p50_ms = absl::ToDoubleMilliseconds(figures.p50);
  turn.p99_ms = absl::ToDoubleMilliseconds(figures.p99);
  if (bulk != nullptr) turn.bulk_per_second = demo::Figures(EndAll(*bulk), begun, over).per_second;
  return turn;
}

double PerSecond(std::vector<absl::Time> ends, int callers, absl::Duration window) {
  const size_t rounds = ends.empty() ? 0 : (ends.size() - 1) / callers;
  if (rounds == 0) return static_cast<double>(ends.size()) / absl::ToDoubleSeconds(window);
  std::sort(ends.begin(), ends.end());
  const size_t calls = rounds * callers;
  return static_cast<double>(calls) / absl::ToDoubleSeconds(ends[calls] - ends[0]);
}

void Alternate(int rounds, const std::vector<std::function<void()>>& turns) {
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < turns.size(); ++i) turns[round % 2 == 0 ? i : turns.size() - 1 - i]();
  }
}

void TakeTurns(const std::vector<Side*>& sides, int rounds, const Load& load) {
  std::vector<std::function<void()>> turns;
  for (Side* side : sides) {
    turns.push_back([side, &load] { side->turns.push_back(TakeCallTurn(side->channels, load)); });
  }
  Alternate(rounds, turns);
}

std::vector<double> OfTurns(const Side& side, Figure figure) {
  std::vector<double> values;
  for (const CallTurn& turn : side.turns) values.push_back(turn.*figure);
  return values;
}

std::vector<double> Ratios(const Side& a, const Side& b, Figure figure) {
  return OfRounds(a, b, figure, [](double x, double y) { return x / y; });
}

std::vector<double> Differences(const Side& a, const Side& b, Figure figure) {
  return OfRounds(a, b, figure, [](double x, double y) { return x - y; });
}

CpuSides CompareCpu(const std::string& target, int callers, int rounds) {
  PoolOptions options = PoolOf(1);
  options.max_leases_per_connection = 1000;  // As the server: nobody queues on either side.
  const auto pool = MakePool(target, options);
  CpuSides sides{{"plain channel", PlainChannels(target, 1)}, {"pool", {pool->channel()}}};
  TakeTurns({&sides.pooled, &sides.plain}, rounds,
            {callers, absl::ZeroDuration(), absl::Milliseconds(5), absl::Milliseconds(25)});
  sides.pooled.channels.clear();  // After the pool it would take no call.
  return sides;
}

}  // namespace chanpool::bench
