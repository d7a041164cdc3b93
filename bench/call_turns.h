// What each side gets done in turns that alternate: AB BA AB ..., so that what the machine does to one side it does to
// the other, and each round gives one difference or ratio.
//
//   Side plain{"plain channel", PlainChannels(target, 1)};
//   Side pooled{"pool", {pool->channel()}};
//   TakeTurns({&plain, &pooled}, /*rounds=*/7, {.callers = 16, .measured = absl::Seconds(1)});
//   double times = Median(Ratios(pooled, plain, &CallTurn::calls_per_second));
#ifndef CHANPOOL_BENCH_CALL_TURNS_H_
#define CHANPOOL_BENCH_CALL_TURNS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bench/call_sides.h"

namespace chanpool::bench {

inline constexpr int kMebibyte = 1 << 20;

struct Load {
  int callers;
  absl::Duration delay;    // In the server.
  absl::Duration warm_up;  // Not measured.
  absl::Duration measured;
  int response_bytes = 0;
  int bulk_callers = 0;  // Beside the callers: each fetches a mebibyte again and again.
};

struct CallTurn {
  double calls_per_second = 0;
  double cpu_us_per_call = 0;  // Of this process: the client. Calls beside are in it.
  double p50_ms = 0;
  double p99_ms = 0;
  double bulk_per_second = 0;  // Calls of the bulk callers.
};

// The processor time that this process has had.
absl::Duration CpuOfThisProcess();

// Begins anew, and ends with no call in flight. A failed call ends the program.
CallTurn TakeCallTurn(const Channels& channels, const Load& load);

// Ends of calls in a second, over as many whole rounds of all callers as `ends`, in any order, has room for. Callers
// that began together end together: in a given window one of their waves more or less would be up to 10 % of ten. Over
// `window` when there is not one round.
double PerSecond(std::vector<absl::Time> ends, int callers, absl::Duration window);

// Each of `turns` `rounds` times: first to last, then last to first, and so on.
void Alternate(int rounds, const std::vector<std::function<void()>>& turns);

struct Side {
  std::string name;
  Channels channels;
  std::vector<CallTurn> turns = {};
};

void TakeTurns(const std::vector<Side*>& sides, int rounds, const Load& load);

// --- Figures ------------------------------------------------------------------------------------------------------

using Figure = double CallTurn::*;

std::vector<double> OfTurns(const Side& side, Figure figure);
// One value for each round.
std::vector<double> Ratios(const Side& a, const Side& b, Figure figure);
std::vector<double> Differences(const Side& a, const Side& b, Figure figure);

// --- Processor time of a call -------------------------------------------------------------------------------------

struct CpuSides {
  Side plain, pooled;
};

// One connection to `target` on both sides, so that only the pool's own work differs.
CpuSides CompareCpu(const std::string& target, int callers, int rounds);

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_CALL_TURNS_H_
