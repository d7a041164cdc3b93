// One case of FaultCases() under load: four loads at once, so that each has the very same faults: a pool and a plain
// channel, each with a retry policy and without one.
//
//   absl::StatusOr<CaseResult> result = RunCase(info, {.strikes = 20, .calls = 10'000}, on_strike);
//   for (const std::string& broken : result->broken) ...
#ifndef CHANPOOL_TESTS_FAULT_CASE_RUN_H_
#define CHANPOOL_TESTS_FAULT_CASE_RUN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "examples/demo/closed_loop.h"
#include "tests/fault/fault_cases.h"

namespace chanpool::fault {

struct CaseSize {
  int strikes = 20;
  int64_t calls = 10'000;  // At least, of the pool with a retry policy.
};

// What became of one load.
struct LoadResult {
  int64_t calls = 0;
  int64_t lost = 0;              // Did not end OK.
  int64_t beyond_in_flight = 0;  // Of those lost: beyond what their strike may take, as Promise has it.
  absl::Duration recovery_median, recovery_max;
  absl::Duration gap;                // The longest time between two calls that ended OK.
  int64_t never_recovered = 0;       // Strikes after which no call succeeded before the next.
  std::vector<std::string> reasons;  // A few of the errors, with how many had them.
};

struct CaseResult {
  int strikes = 0;
  LoadResult pool_with_retry, pool, plain_with_retry, plain;
  int64_t lost_where_none_was_promised = 0;
  // Each promise that was not kept, in one sentence.
  std::vector<std::string> broken;
};

// Takes about strikes x (the case's own time + 0.2 s), or what `calls` take. `on_strike` is told how many there were.
// Fails if the case itself does.
absl::StatusOr<CaseResult> RunCase(const FaultCaseInfo& info, const CaseSize& size,
                                   const std::function<void(int strikes)>& on_strike);

// What became of `calls`, ordered or not, of so many callers under `strikes`, which are in order.
LoadResult Judge(std::vector<demo::CallRecord> calls, const std::vector<Strike>& strikes, int callers);

}  // namespace chanpool::fault
#endif  // CHANPOOL_TESTS_FAULT_CASE_RUN_H_
