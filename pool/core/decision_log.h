// What a pool decided about its size and its callers, from which numbers, and why not more: the last few of it.
//
//   log.Note({Decision::Kind::kNotOpened, Decision::Cause::kDemand, Limit::kMaxConnections, ...}, now);
//   for (const Decision& decision : log.All()) puts(decision.ToString().c_str());
//   // "not opened (callers): wanted 4 = ceil(312 / 80), have 3: max_connections 3 is the limit"
//
// A decision that repeats is one entry with a count: a pool that is full says so once, and since when, however many
// callers it turns away. The text is made when somebody reads it.
#ifndef CHANPOOL_POOL_CORE_DECISION_LOG_H_
#define CHANPOOL_POOL_CORE_DECISION_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace chanpool {

// What keeps a pool from doing more.
enum class Limit {
  kNothing,
  kMaxConnections,
  kMaxLeasesPerConnection,
  kMaxWaiters,
  kMaxSurge,
  kBackOff,          // The target fails, and the next dial waits.
  kSlots,            // Too many connections drain: SlotTable::kMaxSlots.
  kInactive,         // The pool drains, or its owner has destroyed it.
  kConnecting,       // Connections are on their way, and nothing else is in it.
  kMaxConnecting,    // As many as may dial at one time do.
  kConnectRate,      // max_connects_per_second: the next dial waits.
  kReplacementRate,  // As many replacements as may begin in one period have.
  kPaused,           // An operator holds callers back.
  kChecking,         // Connections are being probed, and lend nothing until they have answered.
  kRerollBudget,     // As many re-rolls as may begin in a minute have; 0: none may (diversity.h).
  kNoGain,           // Re-rolls gained nothing, many in a row: the next one waits.
};
inline constexpr int kLimits = 16;

const char* ToString(Limit limit);

// A plain value. Which of the numbers mean something depends on the kind: see ToString.
struct Decision {
  enum class Kind {
    kOpened,       // Connections were opened: `wanted` by `demand`, beside `have`.
    kNotOpened,    // They were wanted, and not opened.
    kReplaced,     // One was replaced: max_age or a recycle; of kBackends, one of `wanted` on a backend, `have` in use.
    kNotReplaced,  // `wanted` are due to be replaced, `have` are under way.
    kClosedIdle,   // `wanted` carried nothing for max_idle, and are above min_connections.
    kShrunk,       // `wanted` were above max_connections after it was lowered, or too many for the load.
    kRefused,      // A caller was: `demand` wait or hold.
    kOvercommitted,  // A caller got a place above the limit.
    kBackedOff,      // A dial failed, `demand` in a row; the next one waits.
  };
  enum class Cause {
    kDemand,  // Callers.
    kMinConnections,
    kCall,   // One that found no connection.
    kFresh,  // Callers that want a connection which has not lent.
    kAsked,  // WaitForReady.
    kAge,
    kRecycle,
    kReconfigured,
    kHousekeeping,
    kLoad,  // shrink_below.
    kDial,
    kSpread,    // Another endpoint has too few.
    kBackends,  // Connections share a backend (diversity.h).
  };

  Kind kind = Kind::kOpened;
  Cause cause = Cause::kDemand;
  Limit limit = Limit::kNothing;  // Why not, or why not more.
  // What that was set to; of a wait (kBackOff, kConnectRate, kPaused, kNoGain) its milliseconds.
  int64_t limit_value = 0;
  int64_t demand = 0;  // Leases and waiters.
  double ratio = 1;    // preconnect_ratio.
  int64_t target = 0;  // Leases at which a connection counts as full.
  int64_t extra = 0;   // Connections that callers cannot count on: suspected ones.
  int64_t wanted = 0;
  int64_t have = 0;

  // Filled by the log: of the numbers above the latest are kept.
  uint64_t sequence = 0;  // Counts the entries from 1.
  uint64_t count = 0;
  absl::Time first = absl::InfinitePast();  // Of the pool's clock.
  absl::Time last = absl::InfinitePast();

  // The formula with its numbers, the outcome, and why not.
  std::string ToString() const;
};
inline constexpr int kDecisionKinds = 9;

const char* ToString(Decision::Kind kind);
const char* ToString(Decision::Cause cause);

// One thread at a time: the pool's lock.
class DecisionLog {
 public:
  // Entries that are kept; the oldest make room. 120 bytes each, taken as they come: 60 KB at most.
  static constexpr int kMaxDecisions = 512;
  // A decision that repeats after a longer pause than this is a new one, so that `first` says since when it holds.
  static constexpr absl::Duration kPause = absl::Seconds(10);
  // A repetition is looked for among so many of the last entries, since several decisions may take turns.
  static constexpr int kLookBack = 8;

  // No allocation but for the entry itself; no text.
  void Note(const Decision& decision, absl::Time now);

  // The oldest first.
  std::vector<Decision> All() const;
  int size() const { return static_cast<int>(ring_.size()); }
  uint64_t forgotten() const { return noted_ - ring_.size(); }

 private:
  // The i-th newest; 0 is the last.
  Decision& Newest(int i) { return ring_[(next_ + 2 * size() - 1 - i) % size()]; }

  std::vector<Decision> ring_;
  int next_ = 0;        // Where the next one goes once it is full.
  uint64_t noted_ = 0;  // Entries, ever.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_DECISION_LOG_H_
