// All decisions of a pool, and nothing else: events and `now` in, actions out. One thread, no lock, no clock, no I/O.
//
//   PoolState state(options, seed);
//   state.Start(now);                                      // wants min_connections
//   for (const Action& action : state.TakeActions()) ...   // kOpen slot 0
//   state.OnOpened(0, now);                                // kPublish slot 0
//
// The pool (pool.h) holds its lock, tells the events, and performs the actions: those on a slot's word at once, those
// that leave the pool (dial, probe, cancel) after it has unlocked. Leases are not known here: they live in the slots'
// words, and come in with the events that need them.
#ifndef CHANPOOL_POOL_CORE_POOL_STATE_H_
#define CHANPOOL_POOL_CORE_POOL_STATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pool/core/decision_log.h"
#include "pool/core/diversity.h"
#include "pool/core/endpoint_set.h"
#include "pool/core/events.h"
#include "pool/core/histogram.h"
#include "pool/core/options.h"
#include "pool/core/slot_word.h"

namespace chanpool {

// What the operator or owner has decided about the whole pool.
enum class PoolAdminState {
  kActive,
  kPaused,     // Lends nothing for a while: callers wait. What is out goes on, and connections are kept as ever.
  kDraining,   // Refuses callers; leases are still out.
  kDrained,    // Refuses callers; nothing is out, no connection is left.
  kDestroyed,  // For ever.
};

const char* ToString(PoolAdminState state);

// Takes callers, now or when its pause ends: it keeps the connections that they need.
constexpr bool InService(PoolAdminState state) {
  return state == PoolAdminState::kActive || state == PoolAdminState::kPaused;
}

// The longest that a pause may hold callers back.
inline constexpr absl::Duration kLongestPause = absl::Minutes(10);

// What the pool must do now.
struct Action {
  enum class Kind {
    kOpen,           // Make a connection in this CLOSED slot, under its next generation, and dial.
    kPublish,        // Make the slot OPEN: waiters first, then everybody.
    kBackOff,        // Its dial failed: BACKOFF, until kRedial.
    kRedial,         // Dial again on the connection that is in BACKOFF.
    kProbe,          // Make it CHECKING, and ask the peer for a sign of life.
    kDrain,          // Make it DRAINING; at zero leases close it.
    kDrainIfUnused,  // The same, if no call has used it meanwhile; then tell OnUnusedDrained.
    kCancelCalls,    // It was found dead: end its calls.
    kSetLimit,       // Give it the present max_leases_per_connection.
    kPause,          // No slot: lend nothing more.
    kUnpause,        // No slot: waiters first, then everybody.
  };
  Kind kind;
  uint32_t slot;
  CloseReason reason = CloseReason::kIdle;  // For kDrainIfUnused.
};
inline constexpr int kActionKinds = 11;

const char* ToString(Action::Kind kind);

// How busy one slot is, read from its word.
struct SlotUse {
  uint32_t leases = 0;
  bool used = false;   // A lease was granted since the last tick.
  uint32_t peak = 0;   // The most leases at one time since the last tick; what is below `leases` counts as that.
  bool fresh = false;  // No lease was ever granted on it.
};

// One thread at a time.
class PoolState {
 public:
  // What the state knows of one connection.
  struct Record {
    SlotState state = SlotState::kClosed;
    uint32_t generation = 0;
    absl::Time dialled = absl::InfinitePast();    // CONNECTING, BACKOFF: the dial whose end has not been told.
    absl::Time since = absl::InfinitePast();      // Entered this state.
    absl::Time opened_at = absl::InfinitePast();  // First OPEN.
    absl::Time last_used =
        absl::InfinitePast();  // Exact to one tick; of a replacement that was not used, the old one's.
    double age_draw = 0;       // -1..1, drawn once: redrawing at each check would bias ages down.
    bool recycle = false;      // Replace it as soon as max_surge allows.
    bool old_target = false;   // Made before the last Redirected: its endpoint need not be in the list.
    int replaces = -1;         // CONNECTING: the slot whose place it will take.
    int replaced_by = -1;      // OPEN, CHECKING: the slot that will take its place.
    bool by_choice = false;    // DRAINING: replaced, so it takes a max_surge place...
    bool routine = false;      // CHECKING, and nobody suspects it.
    bool lingering = false;    // ...until drain_grace is over.
    bool owes_one = false;     // DRAINING, closed first (max_surge 0): one is to be opened after it.
    bool makes_up = false;     // CONNECTING, BACKOFF: it is the one that was owed.
    bool outdated = false;     // CONNECTING: made with another back-off than the present one.
    bool rebalance = false;    // Its replacement is at another endpoint, which has too few, or is to land elsewhere.
    uint64_t endpoint = 0;     // Not CLOSED: its id.
    uint32_t handicap = 0;     // OPEN: leases that are added when slots are compared.
    absl::Time penalised_until = absl::InfinitePast();
    CloseReason reason = CloseReason::kIdle;           // DRAINING: why.
    std::optional<absl::Duration> max_idle;            // Its own, instead of options.max_idle.
    absl::Time carried_at = absl::InfinitePast();      // When it was last seen to carry a call: unlike last_used.
    absl::Time answered_at = absl::InfinitePast();     // When it opened, or last answered a probe.
    absl::Duration connect_time;                       // How long its last dial took to open it.
    absl::Time heard_at = absl::InfinitePast();        // When a call was last answered, or none was owed an answer.
    bool failed_unheard = false;                       // A call has failed since, and none was answered.
    absl::Time unavailable_at = absl::InfinitePast();  // When a call on it, of those told, last found no server.
    bool on_checkout = false;                          // CHECKING, because somebody wanted it after silence.
    std::string backend;                               // Where it ends; empty while that is not known.

    // It lends, or is probed: it has been dialled, and not been given up.
    bool is_up() const { return state == SlotState::kOpen || state == SlotState::kChecking; }
  };

  // `seed` draws ages and back-offs.
  PoolState(const PoolOptions& options, uint64_t seed);

  // --- Events -----------------------------------------------------------------------------------------------------

  void Start(absl::Time now);

  // Callers want `leases` places in all, those out included: opens what is missing at target_leases_per_connection,
  // and preconnect_ratio, beside those that are suspected. What max_connecting and max_connects_per_second hold back is
  // opened as soon as they allow, until the next tick has another opinion.
  void OnDemand(int64_t leases, absl::Time now);
  // Somebody wants at least `connections`, at most max_connections.
  void EnsureConnections(int connections, absl::Time now);
  // A call needs a connection, and there is none that is open or on its way: opens one if the back-off allows, or if
  // the call would rather wait than fail. False: it may not.
  bool OpenForCall(bool wait_for_ready, absl::Time now);

  // `callers` wait, each for a connection that has not lent: sees to it that as many are on their way, new ones while
  // max_connections allows, then in place of those that carry least (recycled, within max_surge). What the limits on
  // dials or on replacements hold back is for the next time: told again after each change and with each tick.
  void OnFreshDemand(int callers, const std::vector<SlotUse>& use, absl::Time now);

  void OnOpened(uint32_t slot, absl::Time now);
  void OnFailed(uint32_t slot, const absl::Status& why, absl::Time now);
  void OnLost(uint32_t slot, const absl::Status& why, absl::Time now);
  // A call on it found no server, told once a tick or so. Together with the loss of the connection, in whatever order
  // the two are told, it means that the connection went without a word, so perhaps others with it, of which one would
  // hear only when their own pings are due: those to the same endpoint are probed.
  void OnUnavailable(uint32_t slot, absl::Time now);
  // A `routine` probe is told as an event only if the peer does not answer.
  void OnSuspected(uint32_t slot, absl::Time now, bool routine = false);
  // Somebody wants a place on it, and IsQuiet: a routine probe first.
  void OnWantedQuiet(uint32_t slot, absl::Time now);
  void OnProbed(uint32_t slot, const absl::Status& result, absl::Time now);
  // Somebody wants no more of it, whatever it does: it drains.
  void OnDiscarded(uint32_t slot, absl::Time now);
  // A response has told where it ends. The first that says so holds.
  void OnBackend(uint32_t slot, absl::string_view name, absl::Time now);
  // How long this connection may be idle, from now on and until it closes; at least 1 ms.
  void SetMaxIdle(uint32_t slot, absl::Duration max_idle);
  // A kDrainIfUnused found nobody on it.
  void OnUnusedDrained(uint32_t slot, CloseReason reason, absl::Time now);
  // A DRAINING slot came to zero leases, and is CLOSED.
  void OnClosed(uint32_t slot, absl::Time now);

  // Housekeeping: `use[i]` is slot i's; `demand` is leases and waiters together. Due by NextTick() at the latest. Grows
  // by what was wanted since the last tick: `demand`, with each slot's peak instead of its leases. Slots peak at
  // different times, so this is an upper bound of the true peak.
  void OnTick(const std::vector<SlotUse>& use, int64_t demand, absl::Time now);

  // The calls of one connection since the last time. Before OnTick, and before its OnClosed.
  void OnCalls(uint32_t slot, const CallCounts& calls, absl::Time now);
  // The target's endpoints from now on; valid (EndpointSet::Validate).
  void SetEndpoints(const std::vector<Endpoint>& endpoints, absl::Time now);

  void Recycle(absl::Time now);
  // What is dialled from now on is another target: nothing that was learnt by failing at the old one holds. Its
  // endpoints, unless they are the same as before; the old target's connections lend until they are replaced.
  void Redirected(const std::vector<Endpoint>& endpoints, absl::Time now);
  void StopRecycle();
  // How many connections that share a backend are dialled anew, at most: Diversity::SetBudget.
  void SetRerolls(int per_minute) { diversity_.SetBudget(per_minute); }
  void Reconfigure(const PoolOptions& options, const std::vector<SlotUse>& use, absl::Time now);
  // Until `max_hold` from now, or the end of the present pause if that is later. Only while in_service().
  void Pause(absl::Duration max_hold, absl::Time now);
  void Unpause(absl::Time now);
  void Drain(absl::Time now);
  void Resume(absl::Time now);
  void Destroy(absl::Time now);

  // --- Results ----------------------------------------------------------------------------------------------------

  // The actions since the last call, in the order in which they must be performed.
  std::vector<Action> TakeActions();
  // The events since the last call, without sequence numbers.
  std::vector<PoolEvent> TakeEvents();
  // When OnTick is due.
  absl::Time NextTick(absl::Time now) const;

  const PoolOptions& options() const { return options_; }
  // max_leases_per_connection, and target_leases_per_connection where that is lower.
  int limit() const { return options_.max_leases_per_connection; }
  int target() const;
  // More leases than this on each connection, and another one is wanted.
  int grow_above() const;

  PoolAdminState admin() const { return admin_; }
  bool in_service() const { return InService(admin_); }
  bool paused() const { return admin_ == PoolAdminState::kPaused; }
  absl::Time paused_until() const { return paused_until_; }  // While paused().
  const Record& record(uint32_t slot) const { return records_[slot]; }
  uint32_t size() const { return static_cast<uint32_t>(records_.size()); }
  int count(SlotState state) const { return counts_[static_cast<int>(state)]; }
  // Those that take calls or soon will: not replacements on their way, not the draining ones.
  int serving() const;
  // By choice: replacements on their way or owed, and replaced ones that still lend and do not linger.
  int replacements_under_way() const;
  int lingering() const;
  // Of the connections that lend or are probed: how many backends they are known to end at.
  int distinct_backends() const;
  uint64_t rerolls() const { return diversity_.rerolls(); }
  bool can_grow() const { return in_service() && serving() < options_.max_connections; }

  // The most leases that callers wanted at one time since the options were last changed, those out included: an upper
  // bound (OnTick). What piles up in a pause does not count.
  int64_t peak_bound() const { return peak_bound_; }

  const absl::Status& last_dial_error() const { return last_dial_error_; }  // OK if none since the pool began.
  // No dial before this, unless a call insists; InfinitePast when the last dial went well.
  absl::Time retry_at() const { return endpoints_.retry_at(); }
  // Since when every endpoint fails; InfinitePast while one does not.
  absl::Time failing_since() const { return endpoints_.failing_since(); }
  // The same for max_connects_per_second; not after now when it allows one.
  absl::Time connect_at() const;
  uint64_t dial_failures() const { return dial_failures_; }
  // How long the dials took. Those that a transport begins by itself while it backs off are not known, nor counted.
  const Histogram& connects() const { return connects_; }
  const Histogram& failed_connects() const { return failed_connects_; }
  const EndpointSet& endpoints() const { return endpoints_; }
  // What a call that found no server adds to its connection's leases for a while, when slots are compared.
  uint32_t penalty() const;

  // It is open, and has neither carried a call nor answered for validate_after_idle.
  bool IsQuiet(uint32_t slot, absl::Time now) const;
  struct Probes {
    uint64_t validations = 0, validation_failures = 0;  // On checkout.
    uint64_t checks = 0, checks_failed = 0;             // Other routine ones.
  };
  const Probes& probes() const { return probes_; }

  // What was decided, and why not. The pool notes here what it refuses.
  const DecisionLog& decisions() const { return decisions_; }
  // Why no dial may begin now, as Decision's limit and limit_value.
  std::pair<Limit, int64_t> NoDial(absl::Time now) const;
  void NoteRefused(Limit limit, int64_t limit_value, int64_t demand, absl::Time now);
  void NoteOvercommitted(int64_t demand, absl::Time now);

 private:
  void MoveTo(uint32_t slot, SlotState state, absl::Time now);
  // `to` is the endpoint, 0 where it is to be picked; `insist` picks one whose back-off is not over.
  bool OpenOne(int replaces, absl::Time now, std::string why, uint64_t to = 0, bool insist = false);
  bool OpenOrdinary(Decision::Cause cause, absl::Time now);
  bool Replace(uint32_t slot, uint64_t to, absl::Time now);
  CloseReason ReasonToReplace(const Record& record) const;
  void OnEndpointsChanged(absl::Time now);
  bool MayDialAnother(uint64_t endpoint, absl::Time now) const;
  void TickHandicaps(const std::vector<SlotUse>& use, absl::Time now);
  uint32_t HandicapOf(const Record& record, absl::Time now) const;
  // Puts first those whose endpoints have most connections for their weight, and would with each that went before.
  // Those of one endpoint keep their order.
  void FullestFirst(std::vector<uint32_t>& slots) const;
  // `why` has the cause and the inputs of the decision.
  void OpenUpTo(int connections, Decision why, absl::Time now);
  int ConnectionsFor(int64_t leases) const;
  int64_t PeakBound(const std::vector<SlotUse>& use, int64_t demand) const;
  std::string Why(Decision::Cause cause) const;
  // One of those that are due was, beside `under_way`; or those that are due cannot be now.
  void NoteReplaced(Decision::Cause cause, int due, int under_way, absl::Time now);
  void NoteNotReplaced(Decision::Cause cause, Limit limit, int64_t limit_value, int due, int under_way, absl::Time now);
  bool BacksOff(absl::Time now) const { return endpoints_.BacksOff(now); }
  bool HeldBack(absl::Time now) const;
  bool MayDial(absl::Time now) const { return !BacksOff(now) && !HeldBack(now); }
  // How long it took; zero if that is not known.
  absl::Duration DialEnded(uint32_t slot, Histogram& times, absl::Time now);
  void NoteFailure(uint32_t slot, const absl::Status& why, absl::Time began, absl::Time now);
  void BeginDrain(uint32_t slot, CloseReason reason, bool by_choice, const std::string& detail, absl::Time now);
  void EnterDraining(uint32_t slot, CloseReason reason, bool by_choice, const std::string& detail, absl::Time now);
  void DrainAll(CloseReason reason, absl::Time now);
  void Maintain(absl::Time now);
  void StartReplacements(absl::Time now);
  uint32_t LeastMissed(const std::vector<SlotUse>& use) const;
  absl::Time AgeDue(const Record& record) const;
  void BeginChecks(absl::Time now);
  int NeededFor(int64_t peak) const;
  void TickShrink(const std::vector<SlotUse>& use, absl::Time now);
  absl::Duration MaxIdle(const Record& record) const { return record.max_idle.value_or(options_.max_idle); }
  void BeginCheck(uint32_t slot, bool routine, absl::Time now, std::string why = "");
  // Of `lost`, which is gone and had calls on it.
  void SuspectOthersThere(uint32_t lost, absl::Time now);
  absl::Duration Silence(const Record& record, absl::Time now) const;
  void TickSilence(const std::vector<SlotUse>& use, absl::Time now);
  void TickValidate(const std::vector<SlotUse>& use, absl::Time now);
  void TickIdle(const std::vector<SlotUse>& use, absl::Time now);
  void TickBackends(const std::vector<SlotUse>& use, absl::Time now);
  void Landed(uint32_t slot, absl::Time now);
  void Act(Action::Kind kind, uint32_t slot, CloseReason reason = CloseReason::kIdle);
  void Tell(PoolEvent::Kind kind, absl::Time now, std::string detail = "");
  void TellOf(PoolEvent::Kind kind, uint32_t slot, absl::Time now, std::string detail = "");

  PoolOptions options_;
  std::mt19937_64 random_;
  PoolAdminState admin_ = PoolAdminState::kActive;
  absl::Time paused_until_ = absl::InfinitePast();
  std::vector<Record> records_;
  std::array<int, kSlotStates> counts_{};

  Diversity diversity_;
  EndpointSet endpoints_;
  double level_ = 0;       // Leases for each unit of share; falls slowly.
  double best_share_ = 1;  // Of an open connection.

  absl::Status last_dial_error_;
  uint64_t dial_failures_ = 0;
  Probes probes_;
  Histogram connects_, failed_connects_;
  DecisionLog decisions_;

  // max_connects_per_second: each connection opened moves this on by the time that one takes.
  absl::Time paid_until_ = absl::InfinitePast();
  // As many connections are wanted as soon as the limits on dials allow; 0 if they hold none back. And why.
  int held_back_ = 0;
  Decision held_back_why_;
  int64_t demand_ = 0;  // As last told, for people.
  int64_t peak_bound_ = 0;

  // Shrinking by load. A check is one shrink_interval.
  static constexpr int kLowChecks = 3;
  std::array<int64_t, kLowChecks> check_peaks_{};  // The peaks of the last checks, an upper bound each.
  int checks_ = 0;                                 // Since something made them begin anew, at most kLowChecks.
  int64_t peak_ = 0;                               // Of the present one.
  absl::Time check_began_ = absl::InfinitePast();
  absl::Time grew_at_ = absl::InfinitePast();

  absl::Time replacing_since_ = absl::InfinitePast();  // A period in which only so many replacements begin...
  int replacements_begun_ = 0;                         // ...and how many have.

  int owed_ = 0;  // max_surge 0: connections that were closed first and are to be opened now.
  absl::Time owed_last_used_ = absl::InfinitePast();  // Of those, the one that was used last.
  std::vector<Action> actions_;
  std::vector<PoolEvent> events_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_POOL_STATE_H_
