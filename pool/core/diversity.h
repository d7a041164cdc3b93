// Which backends a pool's connections landed on, behind a balancer that hides them, and which connection to dial anew.
//
//   diversity.SetBudget(/*rerolls_per_minute=*/6);
//   Diversity::Choice choice = diversity.Choose(placed, now);                  // housekeeping, each time
//   if (choice.slot.has_value()) diversity.OnBegun(replacement, choice, now);  // it was: a re-roll
//   diversity.OnLanded(replacement, "orders-7", /*others=*/0, now);            // where it came to
//
// A layer-4 balancer cannot be told where to connect: a re-roll is a throw of the dice. It is thrown while two
// connections share a backend, because another is known to have at least two fewer, or because there may be one that
// nobody has seen. Throws that gain nothing are given up for a while: after so many that a balancer which draws at
// random would, in 95 of 100 cases, have shown one backend more than are known.
#ifndef CHANPOOL_POOL_CORE_DIVERSITY_H_
#define CHANPOOL_POOL_CORE_DIVERSITY_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pool/core/decision_log.h"
#include "pool/core/options.h"

namespace chanpool {

// The most re-rolls in any minute that may be asked for: each is a handshake, and one connection's warm caches.
inline constexpr int kMaxRerollsPerMinute = 60;
inline constexpr int kDefaultRerollsPerMinute = 6;

// One thread at a time: the pool's lock.
class Diversity {
 public:
  // The longest name that is kept; what is beyond is cut off.
  static constexpr size_t kMaxBackendName = 128;
  // Backends that are remembered. A connection to one that is new beyond them counts, and is forgotten when it goes.
  static constexpr size_t kMaxBackends = kMaxConnections;
  // A backend without a connection counts as there for so long, unless its last one was lost: then it may be gone.
  static constexpr absl::Duration kRemembered = absl::Minutes(10);
  // The first wait after re-rolls that gained nothing, doubled each time, up to the longest.
  static constexpr absl::Duration kFirstWait = absl::Minutes(1), kLongestWait = absl::Minutes(10);
  // A re-roll whose new connection has not told where it is for so long gained nothing.
  static constexpr absl::Duration kLandsWithin = absl::Minutes(1);

  // A connection that lends or is probed, and whose backend is known.
  struct Placed {
    uint32_t slot = 0;
    const std::string* backend = nullptr;
    uint32_t leases = 0;
    absl::Time opened_at;
    bool may_go = true;  // False: it is being replaced already, or probed.
  };

  // What should be done now, and why not.
  struct Choice {
    bool wanted = false;           // Two share a backend. If not, nothing below means anything.
    std::optional<uint32_t> slot;  // The connection to replace; none if `limit` forbids it, or one is under way.
    std::string backend;           // The fullest.
    int sharing = 0;               // Connections on it.
    int distinct = 0;              // Backends that have one.
    bool evens = false;            // Another backend is known that has at least two fewer.
    Limit limit = Limit::kNothing;
    int64_t limit_value = 0;
  };

  // 0 to kMaxRerollsPerMinute; 0: nothing is chosen.
  void SetBudget(int rerolls_per_minute) { budget_ = rerolls_per_minute; }

  // A backend's name as it is kept: printable ASCII, at most kMaxBackendName.
  static std::string Kept(absl::string_view name);

  // Of those on the fullest backend the one with fewest leases, then the oldest.
  Choice Choose(const std::vector<Placed>& placed, absl::Time now);
  // The re-roll that was chosen has begun: `slot` dials.
  void OnBegun(uint32_t slot, const Choice& choice, absl::Time now);
  // A connection that lends is on `backend`, beside `others`.
  void OnLanded(uint32_t slot, const std::string& backend, int others, absl::Time now);
  // The connection lends no more, since it was `lost` or otherwise. `backend` is empty if it was not known.
  void OnLeft(uint32_t slot, const std::string& backend, bool lost, absl::Time now);
  // There is another target: its backends are others.
  void Forget();

  uint64_t rerolls() const { return rerolls_; }  // Begun, ever.

 private:
  // Throws of one kind.
  struct Row {
    int vain = 0;                            // In a row.
    absl::Time next = absl::InfinitePast();  // None before.
  };
  struct Reroll {
    uint32_t slot;
    bool evens;
    int sharing;  // On the backend that it is to leave, when it began.
    absl::Time began;
  };

  Row& RowOf(bool evens) { return evens ? evening_ : exploring_; }
  void EndInVain(absl::Time now);

  int budget_ = 0;
  std::map<std::string, absl::Time> known_;  // By name: when a connection was last on it.
  Row evening_, exploring_;
  std::optional<Reroll> under_way_;
  std::deque<absl::Time> begun_;  // In the last minute: at most kMaxRerollsPerMinute.
  uint64_t rerolls_ = 0;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_DIVERSITY_H_
