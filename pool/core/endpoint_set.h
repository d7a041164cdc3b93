// Which endpoints a pool uses, and how: the next dial's, those that fail to dial, those that answer badly. Decisions
// only: events and `now` in; no lock, clock, thread or I/O.
//
//   EndpointSet set(options, seed);
//   EndpointSet::Diff diff = set.Update({{"10.0.0.1:50051"}, {"10.0.0.2:50051"}});   // connections of diff.left go
//   std::optional<uint64_t> id = set.PickForDial(now, /*insist=*/false);
//   set.OnMoved(*id, SlotState::kClosed, SlotState::kConnecting);
//
// Spread: the next connection goes where connections / weight is lowest, so that each endpoint has one before any has
// two for its weight; ties are broken by the client's own order of the endpoints. That order is weighted rendezvous
// hashing: each endpoint scores -weight / ln(u), where u in (0, 1) is a hash of the client's seed and the address, and
// the highest come first. The first subset_size of it are the subset. Each client draws alone, so no client needs to
// know how many others there are or which number it is; an endpoint that comes or goes changes at most one member of
// each subset (slices of a shuffled list are more even and change nearly all of them). With N clients of k endpoints
// out of m the clients of one endpoint are binomial: N k / m of them, with a deviation of sqrt(N k / m (1 - k / m)).
//
// Outliers: an endpoint is ejected for failures in a row, for a success rate or for a latency far from the others'
// (the constants are in endpoint_set.cc, each with its source), for a time that grows with each ejection. At most
// max_ejected of the endpoints at a time, and never one without which no healthy one is open.
#ifndef CHANPOOL_POOL_CORE_ENDPOINT_SET_H_
#define CHANPOOL_POOL_CORE_ENDPOINT_SET_H_

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/endpoint.h"
#include "pool/core/options.h"
#include "pool/core/slot_word.h"

namespace chanpool {

// One thread at a time.
class EndpointSet {
 public:
  // What an Update or a Configure changed among the endpoints in use.
  struct Diff {
    std::vector<uint64_t> added;       // Dialled from now on.
    std::vector<uint64_t> left;        // Out of the list, or of the subset: their connections go.
    std::vector<uint64_t> reweighted;  // The same endpoint with another weight.
    bool empty() const { return added.empty() && left.empty() && reweighted.empty(); }
  };
  // One connection that should be at another endpoint.
  struct Move {
    uint64_t from, to;
  };
  struct Ejection {
    uint64_t id;
    std::string why;
  };

  // Begins with one endpoint that has no address. `seed` is what makes this client another than the fleet's others.
  EndpointSet(const PoolOptions& options, uint64_t seed);

  // OK, or kInvalidArgument: no endpoint, an address twice, or a weight that is none.
  static absl::Status Validate(const std::vector<Endpoint>& endpoints);

  // --- Events -----------------------------------------------------------------------------------------------------

  // The whole list from now on; valid. An address that stays keeps its id, its failures and its ejection.
  Diff Update(const std::vector<Endpoint>& endpoints);
  Diff Configure(const PoolOptions& options, absl::Time now);

  // A connection of this endpoint changes its state; kClosed is none. Ids that are not in the list are ignored here and
  // below: their connections only end.
  void OnMoved(uint64_t id, SlotState from, SlotState to);
  // A replacement for one of its connections is on its way (+1), or is not any more (-1).
  void OnLeaving(uint64_t id, int change);

  // A dial that began at `began` has failed. Many that fail at once are one failure: what began before the last one was
  // noticed says nothing new.
  void OnDialFailed(uint64_t id, const absl::Status& why, absl::Time began, absl::Time now);
  // It is dialled again after its back-off, on the connection that has waited: counts as failed until it opens.
  void OnRedial(uint64_t id, absl::Time now);
  void OnOpened(uint64_t id, absl::Time now);
  void OnLost(uint64_t id);
  // The addresses stand for other servers now: no back-off, ejection or row of failures holds any more.
  void ForgetFailures();

  void AddCalls(uint64_t id, const CallCounts& calls);
  // Looks at the calls; ends ejections that are over. Those that are ejected now: their connections go.
  std::vector<Ejection> Tick(absl::Time now);

  // --- Decisions --------------------------------------------------------------------------------------------------

  // The endpoint of the next dial; nullopt while all of them back off. `insist` takes one whose back-off is not over,
  // the first to be due.
  std::optional<uint64_t> PickForDial(absl::Time now, bool insist) const;
  // The next repair of the spread: a connection of `from` is worth more at `to`, which may be dialled now.
  std::optional<Move> NextMove(absl::Time now) const;
  // No endpoint may be dialled now: while one fails, one dial at a time stands for all of its own.
  bool BacksOff(absl::Time now) const;
  // Another endpoint than this one may be dialled now.
  bool MayDialAnother(uint64_t id, absl::Time now) const;

  // --- What holds now ---------------------------------------------------------------------------------------------

  bool Uses(uint64_t id) const;
  bool IsEjected(uint64_t id) const;
  // Empty for an unknown one.
  Endpoint Get(uint64_t id) const;
  // Of the one that is due first, if all of them fail; else InfinitePast.
  absl::Time retry_at() const;
  absl::Time retry_at(uint64_t id) const;
  bool all_fail() const;
  // Since when all of them do; InfinitePast while one does not.
  absl::Time failing_since() const;
  // Dials that failed in a row, and what opened and was lost at once; 0 for an unknown one.
  int failures(uint64_t id) const;
  // How much of an equal connection's leases one of this endpoint's should carry now: its weight by its connections,
  // where weights differ, and less while it starts slowly. Only the ratio of two means something.
  double Share(uint64_t id, absl::Time now) const;
  // How full it would be, beside the others, with `fewer` of its connections gone.
  double ConnectionsPerWeight(uint64_t id, int fewer) const;
  // Somebody's Share is not everybody's.
  bool SharesDiffer(absl::Time now) const;
  // When Tick, PickForDial or NextMove may have another answer, with no event before.
  absl::Time NextChange(absl::Time now) const;
  // How many are dialled, if there are connections for all: the whole list, or the subset.
  int used() const;
  // Empty, or what is hardly meant.
  std::string Warning() const;
  // In the order of their ids. Without leases.
  std::vector<EndpointStats> Stats(absl::Time now) const;

 private:
  struct Entry {
    Endpoint endpoint;
    double score = 0;  // In this client's order.
    bool used = false;
    std::array<int, kSlotStates> counts{};
    int leaving = 0;

    bool failing = false;  // The last dial failed, or what it opened was lost at once.
    absl::Time failing_since = absl::InfinitePast();
    int failures = 0;  // In a row; sets the back-off.
    absl::Time retry_at = absl::InfinitePast();
    absl::Time last_opened = absl::InfinitePast();
    absl::Time failed_at = absl::InfinitePast();  // When `failures` was last raised.
    std::string dial_error;

    bool cold = true;  // Its next connection begins a slow start.
    absl::Time warm_since = absl::InfinitePast();

    bool ejected = false;
    absl::Time ejected_until = absl::InfinitePast();
    std::string ejected_why;
    int times_ejected = 0;  // Lowered again by each interval without.
    absl::Time returned_at = absl::InfinitePast();
    uint64_t ejections = 0;
    CallCounts since_tick, since_check;
    bool all_ended_badly = true;  // Of the connections that reported since the last tick.
    uint64_t failed_in_row = 0;
    uint64_t calls = 0, failures_seen = 0, dial_failures = 0;
    absl::Duration time_of_answered;

    int count(SlotState state) const { return counts[static_cast<int>(state)]; }
    int serving() const;  // Those that take calls or soon will, and stay.
    bool healthy() const { return used && !ejected && count(SlotState::kOpen) > 0; }
  };

  Entry* Find(uint64_t id);
  const Entry* Find(uint64_t id) const;
  double Score(const Endpoint& endpoint) const;
  Diff ChooseSubset();
  bool MayDial(const Entry& entry, absl::Time now) const;
  void BackOffFurther(Entry& entry, absl::Time now);
  double Warmth(const Entry& entry, absl::Time now) const;

  void NoteCalls(Entry& entry);
  bool MayEject(const Entry& entry) const;
  void Eject(Entry& entry, std::string why, absl::Time now, std::vector<Ejection>& ejected);
  void Return(Entry& entry);
  void ReturnIfNothingIsLeft();
  void CheckInRow(absl::Time now, std::vector<Ejection>& ejected);
  void CheckSuccessRates(absl::Time now, std::vector<Ejection>& ejected);
  void CheckLatencies(absl::Time now, std::vector<Ejection>& ejected);

  PoolOptions options_;
  uint64_t seed_;
  std::mt19937_64 random_;
  uint64_t last_id_ = 0;
  std::vector<Entry> entries_;   // In the order of their ids.
  bool weights_differ_ = false;  // Among the used.
  absl::Time checked_at_ = absl::InfinitePast();
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_ENDPOINT_SET_H_
