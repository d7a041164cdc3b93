// Which limit holds a pool back, how one knows, and what to turn.
//
//   Explanation why = pool->Explain();
//   for (const Finding& finding : why.findings) puts(finding.ToString().c_str());
//   // "max_connections: 400/400 leases on 4 connections, 12 waiting, max_connections is 4, for 35s; set
//   //  max_connections to 6: adds 200 places"
//
// A pure function of what was seen: the statistics, the options, the decisions, and the statistics of a while ago.
#ifndef CHANPOOL_POOL_CORE_EXPLAIN_H_
#define CHANPOOL_POOL_CORE_EXPLAIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "pool/core/decision_log.h"
#include "pool/core/options.h"
#include "pool/core/stats.h"

namespace chanpool {

// What happened before. A plain value.
struct PoolHistory {
  absl::Time earlier_at = absl::InfinitePast();  // InfinitePast: nothing is known of earlier.
  PoolStats earlier;                             // Of it are read: acquired, rejected, timed_out, holds.
  std::vector<Decision> decisions;               // The oldest first.
};

// One limit that binds. A plain value.
struct Finding {
  Limit limit = Limit::kNothing;
  // How one knows, with the numbers.
  std::string evidence;
  // Since when, of the pool's clock, as the decisions tell (never paused for longer than DecisionLog::kPause), or the
  // dials; InfinitePast if they do not.
  absl::Time since = absl::InfinitePast();
  std::string knob;   // The option to change, or the function to call; empty: none helps.
  std::string value;  // To what; empty for a function.
  std::string adds;   // What that gives.

  std::string ToString(absl::Time now) const;
};

// By Little's law: in flight = acquires per second x mean hold time. Nothing of it is guessed.
struct SizingAdvice {
  uint64_t acquired = 0;  // In `over`.
  absl::Duration over;
  double per_second = 0;
  absl::Duration mean_hold;  // Of `holds` that were timed in `over`.
  uint64_t holds = 0;
  double in_flight = 0;
  int target = 0;       // Leases at which a connection counts as full.
  int connections = 0;  // in_flight / target, rounded up; at least 1.
  // Callers waited or were refused, so the rate that they would have is higher than what was seen.
  bool understated = false;

  std::string ToString() const;
};

// What not to dial for each call has saved.
struct Savings {
  uint64_t acquired = 0;
  uint64_t opened = 0;
  uint64_t connections = 0;  // acquired - opened, or 0.
  // Only when a dial was measured: the mean of `dials`, and that times `connections`.
  uint64_t dials = 0;
  std::optional<absl::Duration> mean_connect;
  std::optional<absl::Duration> time;

  std::string ToString() const;
};

struct Explanation {
  absl::Time at;  // Of the pool's clock.
  PoolHealth health = PoolHealth::kHealthy;
  // What binds most comes first: what refuses callers, then what makes them wait, then what slows the pool's own work.
  // Never empty: limit kNothing says that nothing does.
  std::vector<Finding> findings;
  // Nothing when no rate or no hold time was measured.
  std::optional<SizingAdvice> sizing;
  Savings savings;

  // A line for each of the above.
  std::string ToString() const;
};

// `now` is of the pool's clock; `endpoints_used` are the addresses of the target that are dialled: all, or the subset.
Explanation Explain(const PoolStats& stats, const PoolOptions& options, const PoolHistory& history, absl::Time now,
                    int endpoints_used = 1);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_EXPLAIN_H_
