// The protocol of the slot word as little step machines, for the search of interleaving.h.
//
//   Scenario scenario{"two callers", {open_word}, {caller_plan, caller_plan}};
//   Exploration found = Explore(SlotModel(scenario), 1'000'000);                            // finds none
//   Exploration without = Explore(SlotModel(scenario, Rule::kLookAfterMark), 1'000'000);   // finds a harm
//
// An actor is one thread that runs a few operations of Pool, mirrored step by step: each load, each compare-and-swap,
// lock, unlock, wake-up and reference dropped is a step of its own, between which any other actor may do any step. The
// words are changed by the product's own functions (pool/core/slot_word.h) and by nothing else, unless the rule that
// they keep is the one switched off. What only the holder of the lock sees (the queue, the records, the list of open
// slots: all guarded by it) is changed together with the step before it. Two things are left out: a compare-and-swap
// that fails for no reason, which leads back to the same state; and the second load in the search for the least loaded
// slot, which decides only how well it chooses.
#ifndef CHANPOOL_TESTS_CORE_SLOT_MODEL_H_
#define CHANPOOL_TESTS_CORE_SLOT_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "pool/core/slot_word.h"

namespace chanpool {

// What can be switched off, one at a time. The comment says what the product does, and then what the model does
// instead.
enum class Rule : uint8_t {
  kNone,
  // Rule 1.
  kMark,           // Who must wait sets SLOW. Off: it only queues.
  kMarkFirst,      // It sets SLOW before it looks. Off: looks, then sets SLOW, then queues.
  kLookAfterMark,  // It looks again after it has set SLOW. Off: it queues at once.
  kLendHeedsSlow,  // Nobody is lent a place past SLOW without the lock. Off: the fast path ignores SLOW.
  // Rule 2.
  kHandOverOnOpenOnly,   // A hand-over is for OPEN slots. Off: a DRAINING one is handed over, too.
  kHandOverWithinLimit,  // ...whose leases do not exceed the limit. Off: the limit is not looked at.
  // Rule 3.
  kLastLeaseCloses,    // Who brings a DRAINING slot to zero closes it. Off: nobody does.
  kDrainAtZeroCloses,  // Who drains a slot at zero closes it. Off: it waits for a lease that never comes back.
  // Rule 4.
  kClearWhenEmpty,      // Who empties the queue clears SLOW. Off: it stays.
  kNeverClearDraining,  // ...but not in a DRAINING word. Off: there, too.
  // Rule 5.
  kOpenGrantsFirst,   // A slot opens by granting to waiters. Off: it just opens.
  kOpenWithSlow,      // It opens with SLOW if some still wait. Off: without.
  kRaiseGrantsFirst,  // A higher limit is granted to waiters. Off: it is just set.
  // Rule 6.
  kTimeOutTakesLock,   // A waiter that times out leaves the queue under the lock. Off: it just goes.
  kTimeOutKeepsLease,  // A lease granted meanwhile goes to the caller. Off: it is forgotten.
  kCancelGivesBack,    // A lease granted to a cancelled waiter is given back. Off: it is forgotten.
  // Rule 7.
  kOvercommitLooksFirst,  // A call goes over the limit only when no place is free. Off: on the first OPEN slot it
                          // finds.
  kOvercommitLocked,      // It takes the lock and compares and swaps. Off: it adds one to a word that it knew as OPEN.
  // Rule 8.
  kForcedCloseWaits,  // A forced drain cancels calls and leaves the slot DRAINING. Off: it closes the slot at once.
  kReuseClosedOnly,   // Only a CLOSED slot is reused. Off: any.
  kNewGeneration,     // It is reused under a new generation. Off: under the old one.
  // Rule 9.
  kUnlockThenDrop,    // References are dropped after the lock. Off: before.
  kActThenDrop,       // What is to be done after the lock is done before references are dropped. Off: after.
  kGiveBackUnlocked,  // A lease is given back with the lock released. Off: under it.
  // A pause.
  kPauseMarks,         // It sets SLOW in every OPEN word. Off: it only says that it is on.
  kPauseKeepsSlow,     // Nobody clears SLOW while it is on. Off: whoever empties the queue does.
  kPauseOpensSlow,     // A slot opens with SLOW and grants nothing. Off: as if there were no pause.
  kPauseHandsNothing,  // A release lowers the count. Off: it hands its place over.
  kUnpauseGrants,      // Its end grants to waiters before it clears SLOW. Off: it clears it.
  // The references of the table.
  kSlotKeepsTable,     // A slot that is not CLOSED holds one. Off: it does not.
  kCallerKeepsTable,   // A caller holds one until its acquire has ended. Off: it does not.
  kReleaseKeepsTable,  // A slow release holds one until it has unlocked. Off: it does not.
  // The fast way back.
  kReturnHeedsSlow,     // A release finds SLOW and takes the lock. Off: it lowers the count whatever SLOW says.
  kLockBeforeLowering,  // It takes the lock while it holds its lease. Off: the obvious scheme: it lowers the count,
                        // then looks whether somebody waits.
};

// One call of an actor into the pool.
struct Operation {
  enum class Kind : uint8_t {
    kAcquire,           // Pool::Acquire. A place, or a refusal.
    kAcquireNow,        // Pool::AcquireNow, with overcommit.
    kRelease,           // Of the lease it holds, if any.
    kReleaseCancelled,  // The same, once its call was cancelled.
    kDropPool,          // It lets go of its reference.
    kUpgrade,           // As std::weak_ptr::lock: a reference, or its operations end here.
    kDrainPool,         // BeginDrain.
    kDestroy,           // Destroy.
    kCancelCalls,       // The deadline of a drain that cancels.
    kDrainSlot,         // One connection: age, shrink, loss.
    kSetLimit,          // Reconfigure with another max_leases_per_connection.
    kReuse,             // Opens a connection in a CLOSED slot.
    kPublish,           // It is open: the one of its kReuse, or the given slot.
    kBackOff,           // The dial failed.
    kSuspect,           // CHECKING.
    kTick,              // Clears USED everywhere.
    kDrainIfUnused,     // An idle connection.
    kReportLoss,        // Of the connection that the slot had at the start.
    kPause,
    kUnpause,  // By somebody, or because its time is over.
  };
  Kind kind;
  uint8_t argument = 0;  // The slot, or the limit.
  bool may_time_out = false;
  bool may_be_cancelled = false;
};

struct ActorPlan {
  std::string name;
  std::vector<Operation> operations;
  bool keeps_pool = false;  // It begins with a reference to the pool: a caller.
  bool owns_pool = false;   // The same, and no rule takes it away: an owner.
  int holds = -1;           // It begins with a lease on this slot.
};

struct Scenario {
  std::string name;
  std::vector<SlotWord> slots;
  std::vector<ActorPlan> actors;
};

// Immutable.
class SlotModel {
 public:
  static constexpr int kSlots = 2;
  static constexpr int kActors = 5;
  static constexpr uint8_t kNobody = 0xff;

  // A function of slot_word.h, being applied by load and compare-and-swap.
  enum class Change : uint8_t {
    kLend,
    kReturn,
    kMarkSlow,
    kClearSlow,
    kLendLocked,
    kGrant,
    kOvercommit,
    kLendUnready,
    kReturnLocked,
    kClose,
    kForceClose,
    kDrain,
    kDrainIfUnused,
    kSetLimit,
    kReuse,
    kOpen,
    kCheck,
    kBackOff,
    kClearUsed,
  };
  // What an actor does next.
  enum class At : uint8_t {
    kEnd,
    kLoad,
    kCompareAndSwap,
    kLock,
    kLook,
    kSeeWhetherToHandOver,
    kUnlock,
    kLeave,
    kWake,
    kCancel,
    kAct,
    kDrop,
    kParked,
    kLockAfterPark,
    kAwaitWake,
    kAwaitCancel,
    kKeep,
    kDropPool,
    kUpgrade,
    kBlindAdd,
  };
  enum class Then : uint8_t { kUnlock, kDrainNext, kSetLimitNext };
  enum class Admin : uint8_t { kActive, kPaused, kDraining, kDestroyed };

  // One thread: where it is, and its local variables.
  struct Actor {
    uint64_t seen;  // The word it compares with.
    At at;
    Change change;
    Then then;
    uint8_t operation;
    uint8_t slot;  // Of `change`.
    uint8_t i, j;  // Loops over slots, the outer and the inner.
    uint8_t best;
    uint8_t tried;           // By the fast path.
    uint8_t lease;           // A slot, or kNobody.
    uint8_t opened;          // By kReuse: a slot.
    uint8_t free_all_along;  // Slots that had room at each instant since it took the lock for an overcommit.
    // As a waiter.
    uint8_t queued, woken, refused, gave_up, decisions;
    uint8_t waits;    // Until its acquire ends, or it has left the queue.
    uint8_t ends;     // Of acquires: each has one.
    uint8_t granted;  // A slot, or kNobody.
    // Effects: what it does after unlocking.
    uint8_t wake;    // Actors.
    uint8_t cancel;  // Slots.
    uint8_t act;     // There is something to tell, which takes the table.
    uint8_t drop;    // References.
    uint8_t self;    // Its index.
    uint8_t unused[7];
  };

  struct State {
    uint64_t words[kSlots];
    Actor actors[kActors];
    uint8_t listed[kSlots];
    uint8_t opened[kSlots], closed[kSlots];
    uint8_t queue[kActors];
    uint8_t waiting;  // In the queue.
    uint8_t lock;     // An actor, or kNobody.
    uint8_t references;
    uint8_t freed;
    Admin admin;
    uint8_t limit;
    uint8_t cancelled;  // Slots whose calls were cancelled.
    uint8_t harm;       // A Harm that a step did.
    uint8_t paused;     // Nothing may be lent now: the pause has begun, and not ended.
    uint8_t unused[4];
  };

  explicit SlotModel(Scenario scenario, Rule off = Rule::kNone);

  State Start() const;
  template <typename Visit>
  void ForEachNext(const State& state, Visit visit) const {
    if (state.harm != 0) return;
    for (int actor = 0; actor < static_cast<int>(scenario_.actors.size()); ++actor) {
      for (int choice = 0; choice < Choices(state, actor); ++choice) {
        if (!IsPossible(state, actor, choice)) continue;
        State next = state;
        Step(next, actor, choice);
        visit(next, actor);
      }
    }
  }
  std::string Harm(const State& state, bool nobody_can_move) const;
  std::string Describe(const State& before, const State& after, int actor) const;

 private:
  bool On(Rule rule) const { return off_ != rule; }
  const Operation& OperationOf(const Actor& a) const;
  SlotWord WordOf(const State& s, int slot) const { return SlotWord(s.words[slot]); }
  int Slots() const { return static_cast<int>(scenario_.slots.size()); }
  int Choices(const State& s, int actor) const;
  bool IsPossible(const State& s, int actor, int choice) const;
  void Step(State& s, int actor, int choice) const;

  slot::Next Apply(const State& s, const Actor& a, SlotWord word) const;
  void Changed(State& s, Actor& a, bool done, SlotWord before, SlotWord after) const;
  void StartUpdate(Actor& a, Change change, int slot) const;
  void NextOperation(Actor& a) const;
  void Locked(State& s, Actor& a) const;
  void LockedAfterPark(State& s, Actor& a) const;
  void Mark(State& s, Actor& a) const;
  void Look(State& s, Actor& a, Change change) const;
  void LookNext(State& s, Actor& a) const;
  void Found(State& s, Actor& a) const;
  void NotFound(State& s, Actor& a) const;
  void Enqueue(State& s, Actor& a) const;
  void ClearIfNobodyWaits(State& s, Actor& a, Then then) const;
  void ClearNext(State& s, Actor& a) const;
  void DrainNext(State& s, Actor& a) const;
  void SetLimitNext(State& s, Actor& a) const;
  void GrantNext(State& s, Actor& a) const;
  void TickNext(Actor& a) const;
  void Continue(State& s, Actor& a, Then then) const;
  void Unlock(Actor& a) const;
  void Perform(Actor& a) const;
  void Performed(Actor& a) const;
  void AcquireEnds(Actor& a) const;
  uint8_t PopFront(State& s) const;
  void Decide(State& s, Actor& a, uint8_t waiter, int slot) const;
  void DropReferences(State& s, uint8_t n) const;
  std::string HarmOfWords(const State& s) const;
  std::string HarmAtRest(const State& s) const;
  std::string HarmAtEnd(const State& s) const;

  const Scenario scenario_;
  const Rule off_;
};

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_CORE_SLOT_MODEL_H_
