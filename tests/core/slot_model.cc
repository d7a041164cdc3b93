#include "tests/core/slot_model.h"

#include <algorithm>
#include <utility>

#include "pool/core/check.h"

namespace chanpool {
namespace {

using Kind = Operation::Kind;

// What a step did that must never happen. What only shows in a state as a whole is in SlotModel::Harm.
enum StepHarm : uint8_t {
  kNoHarm,
  kUseAfterFree,
  kLentUnopened,
  kOverLimit,
  kOvertaken,
  kDecidedTwice,
  kClosedTwice,
  kWrongConnection,
  kNeedlessOvercommit,
  kRefusedChange,
  kLentPaused,
};

const char* const kStepHarms[] = {
    "",
    "use after free: the last reference was dropped before",
    "granted on a slot that does not lend",
    "granted above the limit",
    "overtook a caller who was waiting",
    "decided about a waiter that was decided before, or has left",
    "closed a slot twice",
    "ended another connection than the one reported lost",
    "went over the limit while a place was free",
    "a change that the pool relies on was refused",
    "granted by a pool that is paused",
};

const char* const kSteps[] = {
    "has ended",
    "loads for",
    "swaps for",
    "locks for",
    "looks for",
    "looks whether to hand over",
    "unlocks",
    "leaves the unlock",
    "wakes for",
    "cancels calls for",
    "acts for",
    "drops references for",
    "is parked in",
    "locks after its park in",
    "awaits its wake-up in",
    "awaits the end of its call in",
    "keeps the pool for",
    "lets go in",
    "upgrades in",
    "adds one blindly in",
};

const char* const kChanges[] = {
    "Lend",        "Return",       "MarkSlow", "ClearSlow",  "LendLocked", "LendLocked (grant)", "Overcommit",
    "LendUnready", "ReturnLocked", "Close",    "ForceClose", "Drain",      "DrainIfUnused",      "SetLimit",
    "Reuse",       "Open",         "Check",    "BackOff",    "ClearUsed",
};

const char* const kOperations[] = {
    "Acquire",       "AcquireNow", "Release",   "Release (cancelled)",
    "DropPool",      "Upgrade",    "DrainPool", "Destroy",
    "CancelCalls",   "DrainSlot",  "SetLimit",  "Reuse",
    "Publish",       "BackOff",    "Suspect",   "Tick",
    "DrainIfUnused", "ReportLoss", "Pause",     "Unpause",
};

constexpr uint64_t kGenerationMask = ~((uint64_t{1} << (64 - SlotWord::kGenerationBits)) - 1);

bool IsUnready(SlotWord word) {
  return word.state() == SlotState::kConnecting || word.state() == SlotState::kBackoff ||
         word.state() == SlotState::kChecking;
}

bool HasRoom(SlotWord word) { return word.state() == SlotState::kOpen && word.leases() < word.limit(); }

bool IsAcquire(Kind kind) { return kind == Kind::kAcquire || kind == Kind::kAcquireNow; }

bool InService(SlotModel::Admin admin) {
  return admin == SlotModel::Admin::kActive || admin == SlotModel::Admin::kPaused;
}

bool IsRelease(Kind kind) { return kind == Kind::kRelease || kind == Kind::kReleaseCancelled; }

}  // namespace

SlotModel::SlotModel(Scenario scenario, Rule off) : scenario_(std::move(scenario)), off_(off) {
  CHANPOOL_CHECK(scenario_.slots.size() <= kSlots && scenario_.actors.size() <= kActors);
}

SlotModel::State SlotModel::Start() const {
  State s{};
  s.lock = kNobody;
  for (int i = 0; i < Slots(); ++i) {
    const SlotWord word = scenario_.slots[i];
    s.words[i] = word.bits();
    s.listed[i] = word.state() == SlotState::kOpen;
    s.opened[i] = word.state() != SlotState::kClosed;
    if (On(Rule::kSlotKeepsTable)) s.references += s.opened[i];
    s.limit = std::max<uint8_t>(s.limit, word.limit());
  }
  for (uint8_t i = 0; i < kActors; ++i) {
    Actor& a = s.actors[i];
    a.self = i;
    a.lease = a.granted = a.opened = kNobody;
    if (i >= scenario_.actors.size()) continue;
    const ActorPlan& plan = scenario_.actors[i];
    s.references += plan.owns_pool || (plan.keeps_pool && On(Rule::kCallerKeepsTable));
    if (plan.holds >= 0) a.lease = static_cast<uint8_t>(plan.holds);
    a.operation = kNobody;  // NextOperation begins with 0.
    NextOperation(a);
  }
  return s;
}

const Operation& SlotModel::OperationOf(const Actor& a) const {
  return scenario_.actors[a.self].operations[a.operation];
}

// --- What an actor can do -----------------------------------------------------------------------------------------

int SlotModel::Choices(const State& s, int actor) const {
  const Actor& a = s.actors[actor];
  if (a.at == At::kLoad && a.change == Change::kLend && a.tried == 0) return Slots();  // Which slot it draws first.
  if (a.at == At::kParked) return 3;                                                   // Woken, timed out, cancelled.
  return 1;
}

bool SlotModel::IsPossible(const State& s, int actor, int choice) const {
  const Actor& a = s.actors[actor];
  switch (a.at) {
    case At::kEnd:
      return false;
    case At::kLock:
    case At::kLockAfterPark:
      return s.lock == kNobody;
    case At::kParked:
      if (choice == 0) return a.woken;
      return choice == 1 ? OperationOf(a).may_time_out : OperationOf(a).may_be_cancelled;
    case At::kAwaitWake:
      return a.woken;
    case At::kAwaitCancel:
      return (s.cancelled >> a.lease) & 1;
    default:
      return true;
  }
}

// --- One step -----------------------------------------------------------------------------------------------------

void SlotModel::Step(State& s, int actor, int choice) const {
  Actor& a = s.actors[actor];
  const auto touches = [](At at) {
    return at != At::kWake && at != At::kCancel && at != At::kParked && at != At::kAwaitWake &&
           at != At::kAwaitCancel && at != At::kUpgrade && at != At::kDrop && at != At::kDropPool;
  };
  if (s.freed && touches(a.at)) {
    s.harm = kUseAfterFree;
    return;
  }
  switch (a.at) {
    case At::kEnd:
      break;
    case At::kLoad: {
      if (a.change == Change::kLend && a.tried == 0) a.slot = static_cast<uint8_t>(choice);
      const SlotWord word = WordOf(s, a.slot);
      if (Apply(s, a, word)) {
        a.seen = word.bits();
        a.at = At::kCompareAndSwap;
      } else {
        Changed(s, a, false, word, word);
      }
      break;
    }
    case At::kCompareAndSwap: {
      const SlotWord word = WordOf(s, a.slot);
      const slot::Next next = Apply(s, a, word);
      if (word.bits() != a.seen) {
        a.seen = word.bits();  // It failed, and has loaded the word once more.
        if (next) break;
        a.seen = 0;
        Changed(s, a, false, word, word);
        break;
      }
      a.seen = 0;
      s.words[a.slot] = next->bits();
      Changed(s, a, true, word, *next);
      break;
    }
    case At::kLock:
      s.lock = a.self;
      Locked(s, a);
      break;
    case At::kLook: {
      const SlotWord word = WordOf(s, a.j);
      if (Apply(s, a, word) && (a.best == kNobody || word.leases() < WordOf(s, a.best).leases())) a.best = a.j;
      ++a.j;
      LookNext(s, a);
      break;
    }
    case At::kSeeWhetherToHandOver: {
      const SlotWord word = WordOf(s, a.slot);
      const bool held = s.admin == Admin::kPaused && On(Rule::kPauseHandsNothing);
      bool hands_over = slot::HandsOver(word, s.waiting > 0 && !held);
      if (!On(Rule::kHandOverOnOpenOnly)) hands_over = s.waiting > 0 && word.leases() <= word.limit();
      if (!On(Rule::kHandOverWithinLimit)) hands_over = s.waiting > 0 && word.state() == SlotState::kOpen;
      if (!hands_over) {
        StartUpdate(a, Change::kReturnLocked, a.slot);
        break;
      }
      a.lease = kNobody;
      Decide(s, a, PopFront(s), a.slot);
      ClearIfNobodyWaits(s, a, Then::kUnlock);
      break;
    }
    case At::kUnlock:
      s.lock = kNobody;
      a.at = At::kLeave;
      break;
    case At::kLeave:
      Perform(a);
      break;
    case At::kWake: {
      const int first = __builtin_ctz(a.wake);
      a.wake &= static_cast<uint8_t>(a.wake - 1);
      s.actors[first].woken = 1;
      Perform(a);
      break;
    }
    case At::kCancel:
      s.cancelled |= std::exchange(a.cancel, 0);
      Perform(a);
      break;
    case At::kAct:
      a.act = 0;
      Perform(a);
      break;
    case At::kDrop:
      DropReferences(s, std::exchange(a.drop, 0));
      if (s.lock == a.self) {
        a.at = At::kUnlock;
      } else {
        Perform(a);
      }
      break;
    case At::kParked:
      a.gave_up = static_cast<uint8_t>(choice);
      if (choice == 0) {
        AcquireEnds(a);
      } else if (choice == 1 && !On(Rule::kTimeOutTakesLock)) {
        a.refused = 1;
        AcquireEnds(a);
      } else {
        a.at = At::kLockAfterPark;
      }
      break;
    case At::kLockAfterPark:
      s.lock = a.self;
      LockedAfterPark(s, a);
      break;
    case At::kAwaitWake:
      AcquireEnds(a);
      break;
    case At::kAwaitCancel:
      StartUpdate(a, Change::kReturn, a.lease);
      break;
    case At::kKeep:
      ++s.references;
      ++a.drop;
      a.at = At::kLock;
      break;
    case At::kDropPool:
      if (!scenario_.actors[a.self].keeps_pool || On(Rule::kCallerKeepsTable)) DropReferences(s, 1);
      NextOperation(a);
      break;
    case At::kUpgrade:
      if (s.references == 0) {
        a.at = At::kEnd;
      } else {
        ++s.references;
        NextOperation(a);
      }
      break;
    case At::kBlindAdd: {
      const SlotWord word = WordOf(s, 0);
      s.words[0] = word.with_leases(word.leases() + 1).bits();
      a.slot = 0;
      a.change = Change::kOvercommit;
      Changed(s, a, true, word, WordOf(s, 0));
      break;
    }
  }
  for (Actor& other : s.actors) {
    for (int i = 0; other.free_all_along != 0 && i < Slots(); ++i) {
      if (!HasRoom(WordOf(s, i))) other.free_all_along &= static_cast<uint8_t>(~(1u << i));
    }
  }
}

slot::Next SlotModel::Apply(const State& s, const Actor& a, SlotWord w) const {
  switch (a.change) {
    case Change::kLend: {
      if (On(Rule::kLendHeedsSlow)) return slot::Lend(w);
      const slot::Next next = slot::Lend(w.with_slow(false));
      return next ? slot::Next(next->with_slow(w.slow())) : std::nullopt;
    }
    case Change::kReturn:
      return On(Rule::kReturnHeedsSlow) && On(Rule::kLockBeforeLowering) ? slot::Return(w) : slot::ReturnLocked(w);
    case Change::kMarkSlow:
      return slot::MarkSlow(w);
    case Change::kClearSlow:
      if (On(Rule::kNeverClearDraining) || !w.slow()) return slot::ClearSlow(w);
      return w.with_slow(false);
    case Change::kLendLocked:
    case Change::kGrant:
      return slot::LendLocked(w);
    case Change::kOvercommit:
      return slot::Overcommit(w);
    case Change::kLendUnready:
      return slot::LendUnready(w);
    case Change::kReturnLocked:
      return slot::ReturnLocked(w);
    case Change::kClose:
      return slot::Close(w);
    case Change::kForceClose:
      return w.with_state(SlotState::kClosed).with_slow(false);
    case Change::kDrain:
      return slot::Drain(w);
    case Change::kDrainIfUnused:
      return slot::DrainIfUnused(w);
    case Change::kSetLimit:
      return slot::SetLimit(w, s.limit);
    case Change::kReuse: {
      const slot::Next next = slot::Reuse(On(Rule::kReuseClosedOnly) ? w : w.with_state(SlotState::kClosed), s.limit);
      if (!next || On(Rule::kNewGeneration)) return next;
      return SlotWord((next->bits() & ~kGenerationMask) | (w.bits() & kGenerationMask));
    }
    case Change::kOpen: {
      const uint32_t waiting = s.waiting;
      if (s.admin == Admin::kPaused && On(Rule::kPauseOpensSlow)) return slot::Open(w, 0, /*some_still_wait=*/true);
      const uint32_t room = w.limit() > w.leases() ? w.limit() - w.leases() : 0;
      const uint32_t granted = On(Rule::kOpenGrantsFirst) ? std::min(room, waiting) : 0;
      return slot::Open(w, granted, /*some_still_wait=*/granted < waiting && On(Rule::kOpenWithSlow));
    }
    case Change::kCheck:
      return slot::Check(w);
    case Change::kBackOff:
      return slot::BackOff(w);
    case Change::kClearUsed:
      return slot::ClearUsed(w);
  }
  return std::nullopt;
}

void SlotModel::StartUpdate(Actor& a, Change change, int slot) const {
  a.at = At::kLoad;
  a.change = change;
  a.slot = static_cast<uint8_t>(slot);
}

// What follows a change that was made, or refused.
void SlotModel::Changed(State& s, Actor& a, bool done, SlotWord before, SlotWord after) const {
  const int slot = a.slot;
  if (done && after.leases() > before.leases()) {
    const bool unready = a.change == Change::kLendUnready || a.change == Change::kOpen;
    const bool over = a.change == Change::kLendUnready || a.change == Change::kOvercommit;
    if (before.state() != SlotState::kOpen && !(unready && IsUnready(before))) s.harm = kLentUnopened;
    if (!over && after.leases() > after.limit()) s.harm = kOverLimit;
    if (s.paused) s.harm = kLentPaused;
  }
  switch (a.change) {
    case Change::kLend:
      if (done) {
        if (s.waiting > 0) s.harm = kOvertaken;
        a.lease = a.slot;
        AcquireEnds(a);
      } else if (++a.tried < Slots()) {
        StartUpdate(a, Change::kLend, (slot + 1) % Slots());
      } else if (OperationOf(a).kind == Kind::kAcquireNow && !On(Rule::kOvercommitLocked)) {
        a.at = At::kBlindAdd;
      } else {
        a.at = At::kLock;
      }
      break;
    case Change::kReturn:
      if (!done) {
        a.at = On(Rule::kReleaseKeepsTable) && s.lock != a.self ? At::kKeep : At::kLock;
        break;
      }
      a.lease = kNobody;
      if (!On(Rule::kLockBeforeLowering)) {
        a.at = At::kLock;
      } else if (s.lock == a.self) {
        Unlock(a);
      } else {
        NextOperation(a);
      }
      break;
    case Change::kMarkSlow:
      Mark(s, a);
      break;
    case Change::kClearSlow:
      ClearNext(s, a);
      break;
    case Change::kLendLocked:
    case Change::kOvercommit:
      if (!done) {
        Look(s, a, a.change);
        break;
      }
      if (after.leases() > after.limit() && a.free_all_along != 0) s.harm = kNeedlessOvercommit;
      a.lease = a.slot;
      Found(s, a);
      break;
    case Change::kLendUnready:
      if (done) a.lease = a.slot;
      a.refused = !done;
      Unlock(a);
      break;
    case Change::kGrant:
      if (done) Decide(s, a, PopFront(s), slot);
      if (OperationOf(a).kind == Kind::kUnpause) {
        a.best |= done;
        GrantNext(s, a);
      } else if (done && s.waiting > 0) {
        StartUpdate(a, Change::kGrant, slot);
      } else if (IsRelease(OperationOf(a).kind)) {
        ClearIfNobodyWaits(s, a, Then::kUnlock);
      } else {
        ClearIfNobodyWaits(s, a, Then::kSetLimitNext);
      }
      break;
    case Change::kReturnLocked:
      if (!done) s.harm = kRefusedChange;
      a.lease = kNobody;
      if (after.state() == SlotState::kDraining && after.leases() == 0 && On(Rule::kLastLeaseCloses)) {
        a.then = Then::kUnlock;
        StartUpdate(a, Change::kClose, slot);
      } else {
        Unlock(a);
      }
      break;
    case Change::kClose:
    case Change::kForceClose:
      if (!done) s.harm = kRefusedChange;
      if (++s.closed[slot] > s.opened[slot]) s.harm = kClosedTwice;
      a.act = 1;  // The connection's end is told.
      a.drop += On(Rule::kSlotKeepsTable);
      Continue(s, a, a.then);
      break;
    case Change::kDrain:
    case Change::kDrainIfUnused:
      if (!done) {
        if (a.change == Change::kDrain) s.harm = kRefusedChange;
        Continue(s, a, a.then);
        break;
      }
      s.listed[slot] = 0;
      if (after.leases() == 0 && On(Rule::kDrainAtZeroCloses)) {
        StartUpdate(a, Change::kClose, slot);
      } else {
        Continue(s, a, a.then);
      }
      break;
    case Change::kSetLimit:
      if (s.waiting > 0 && s.admin != Admin::kPaused && On(Rule::kRaiseGrantsFirst)) {
        StartUpdate(a, Change::kGrant, slot);
      } else {
        SetLimitNext(s, a);
      }
      break;
    case Change::kReuse:
      if (!done) s.harm = kRefusedChange;
      a.opened = a.slot;
      s.listed[slot] = 0;
      ++s.opened[slot];
      s.references += On(Rule::kSlotKeepsTable);
      Unlock(a);
      break;
    case Change::kOpen: {
      if (!done) s.harm = kRefusedChange;
      const bool some_waited = s.waiting > 0;
      for (uint32_t n = before.leases(); n < after.leases() && s.waiting > 0; ++n) Decide(s, a, PopFront(s), slot);
      s.listed[slot] = 1;
      if (some_waited) {
        ClearIfNobodyWaits(s, a, Then::kUnlock);
      } else {
        Unlock(a);
      }
      break;
    }
    case Change::kCheck:
      if (done) s.listed[slot] = 0;
      Unlock(a);
      break;
    case Change::kBackOff:
      Unlock(a);
      break;
    case Change::kClearUsed:
      TickNext(a);
      break;
  }
}

// --- Operations ---------------------------------------------------------------------------------------------------

void SlotModel::NextOperation(Actor& a) const {
  const std::vector<Operation>& operations = scenario_.actors[a.self].operations;
  a.change = Change::kLend;
  a.then = Then::kUnlock;
  a.i = a.j = a.best = a.slot = a.tried = 0;
  a.free_all_along = 0;
  for (;;) {
    ++a.operation;
    if (a.operation >= operations.size()) {
      a.at = At::kEnd;
      a.opened = kNobody;
      return;
    }
    switch (operations[a.operation].kind) {
      case Kind::kAcquire:
      case Kind::kAcquireNow:
        StartUpdate(a, Change::kLend, 0);
        return;
      case Kind::kRelease:
        if (a.lease == kNobody) continue;  // It was refused.
        StartUpdate(a, Change::kReturn, a.lease);
        return;
      case Kind::kReleaseCancelled:
        a.at = At::kAwaitCancel;
        return;
      case Kind::kDropPool:
        a.at = At::kDropPool;
        return;
      case Kind::kUpgrade:
        a.at = At::kUpgrade;
        return;
      default:
        a.at = At::kLock;
        return;
    }
  }
}

// What an operation does once it has the lock.
void SlotModel::Locked(State& s, Actor& a) const {
  const Operation& operation = OperationOf(a);
  const auto one = [&](int slot, Change change, bool applies) {
    if (applies) {
      StartUpdate(a, change, slot);
    } else {
      Unlock(a);
    }
  };
  switch (operation.kind) {
    case Kind::kAcquire:
      if (!InService(s.admin)) {
        a.refused = 1;
        Unlock(a);
      } else if (s.waiting > 0 || s.admin == Admin::kPaused) {
        Enqueue(s, a);
      } else if (On(Rule::kMark) && On(Rule::kMarkFirst)) {
        a.j = 0;
        Mark(s, a);
      } else {
        Look(s, a, Change::kLendLocked);
      }
      break;
    case Kind::kAcquireNow:
      if (s.admin != Admin::kActive) {
        a.refused = 1;
        Unlock(a);
        break;
      }
      for (int i = 0; s.waiting == 0 && i < Slots(); ++i) {
        if (HasRoom(WordOf(s, i))) a.free_all_along |= static_cast<uint8_t>(1u << i);
      }
      if (!On(Rule::kOvercommitLooksFirst)) {
        for (int i = 0; i < Slots(); ++i) {
          if (s.listed[i]) return StartUpdate(a, Change::kOvercommit, i);
        }
      }
      Look(s, a, s.waiting == 0 ? Change::kLendLocked : Change::kOvercommit);
      break;
    case Kind::kRelease:
    case Kind::kReleaseCancelled:
      if (On(Rule::kLockBeforeLowering)) {
        a.at = At::kSeeWhetherToHandOver;
      } else if (WordOf(s, a.slot).state() == SlotState::kDraining && WordOf(s, a.slot).leases() == 0) {
        a.then = Then::kUnlock;
        StartUpdate(a, Change::kClose, a.slot);
      } else if (s.waiting > 0) {
        StartUpdate(a, Change::kGrant, a.slot);
      } else {
        Unlock(a);
      }
      break;
    case Kind::kDrainPool:
    case Kind::kDestroy:
      s.admin = operation.kind == Kind::kDestroy ? Admin::kDestroyed : Admin::kDraining;
      s.paused = 0;
      a.i = 0;
      DrainNext(s, a);
      break;
    case Kind::kPause:
      if (!InService(s.admin)) {
        Unlock(a);
        break;
      }
      s.admin = Admin::kPaused;
      a.j = On(Rule::kPauseMarks) ? 0 : static_cast<uint8_t>(Slots());
      Mark(s, a);
      break;
    case Kind::kUnpause:
      if (s.admin != Admin::kPaused) {
        Unlock(a);
        break;
      }
      s.admin = Admin::kActive;
      s.paused = 0;
      a.i = a.j = a.best = 0;
      if (On(Rule::kUnpauseGrants)) {
        GrantNext(s, a);
      } else {
        ClearNext(s, a);
      }
      break;
    case Kind::kCancelCalls:
      for (int i = 0; i < Slots(); ++i) {
        if (WordOf(s, i).state() == SlotState::kDraining) a.cancel |= static_cast<uint8_t>(1u << i);
      }
      a.then = Then::kUnlock;
      one(0, Change::kForceClose, !On(Rule::kForcedCloseWaits) && WordOf(s, 0).state() == SlotState::kDraining);
      break;
    case Kind::kDrainSlot:
    case Kind::kReportLoss: {
      const SlotWord word = WordOf(s, operation.argument);
      const bool its_own = word.generation() == scenario_.slots[operation.argument].generation();
      const bool drains = word.state() != SlotState::kClosed && word.state() != SlotState::kDraining &&
                          (operation.kind == Kind::kDrainSlot || its_own);
      if (drains && operation.kind == Kind::kReportLoss && s.opened[operation.argument] != 1) s.harm = kWrongConnection;
      a.then = Then::kUnlock;
      one(operation.argument, Change::kDrain, drains);
      break;
    }
    case Kind::kSetLimit:
      s.limit = operation.argument;
      a.i = 0;
      SetLimitNext(s, a);
      break;
    case Kind::kReuse: {
      int slot = 0;
      while (slot < Slots() && On(Rule::kReuseClosedOnly) && WordOf(s, slot).state() != SlotState::kClosed) ++slot;
      one(slot, Change::kReuse, slot < Slots() && InService(s.admin));
      break;
    }
    case Kind::kPublish: {
      const int slot = a.opened == kNobody ? operation.argument : a.opened;
      one(slot, Change::kOpen, IsUnready(WordOf(s, slot)) && InService(s.admin));
      break;
    }
    case Kind::kBackOff:
      one(operation.argument, Change::kBackOff, WordOf(s, operation.argument).state() == SlotState::kConnecting);
      break;
    case Kind::kSuspect:
      one(operation.argument, Change::kCheck, WordOf(s, operation.argument).state() == SlotState::kOpen);
      break;
    case Kind::kTick:
      a.i = 0;
      TickNext(a);
      break;
    case Kind::kDrainIfUnused:
      a.then = Then::kUnlock;
      StartUpdate(a, Change::kDrainIfUnused, operation.argument);
      break;
    case Kind::kDropPool:
    case Kind::kUpgrade:
      break;
  }
}

// A waiter that timed out, or is cancelled.
void SlotModel::LockedAfterPark(State& s, Actor& a) const {
  const bool cancelled = a.gave_up == 2;
  if (a.queued) {
    uint8_t* const end = s.queue + s.waiting;
    std::fill(std::remove(s.queue, end, a.self), end, uint8_t{0});
    --s.waiting;
    a.queued = a.waits = 0;
    a.refused = 1;
    ClearIfNobodyWaits(s, a, Then::kUnlock);
    return;
  }
  if (cancelled) {
    a.refused = 1;
    if (On(Rule::kCancelGivesBack)) a.lease = a.granted;  // Its kRelease gives it back.
    a.granted = kNobody;
    if (!On(Rule::kGiveBackUnlocked) && a.lease != kNobody) return StartUpdate(a, Change::kReturn, a.lease);
  } else if (!On(Rule::kTimeOutKeepsLease) && a.granted != kNobody) {
    a.granted = kNobody;
    a.refused = 1;
  }
  Unlock(a);
}

// Sets SLOW in every OPEN word from j on.
void SlotModel::Mark(State& s, Actor& a) const {
  while (a.j < Slots() && !s.listed[a.j]) ++a.j;
  if (a.j < Slots()) {
    StartUpdate(a, Change::kMarkSlow, a.j);
    ++a.j;
  } else if (OperationOf(a).kind == Kind::kPause) {
    s.paused = 1;
    Unlock(a);
  } else if (On(Rule::kMarkFirst) && On(Rule::kLookAfterMark)) {
    Look(s, a, Change::kLendLocked);
  } else {
    Enqueue(s, a);
  }
}

// LendLeastLoaded.
void SlotModel::Look(State& s, Actor& a, Change change) const {
  a.change = change;
  a.j = 0;
  a.best = kNobody;
  LookNext(s, a);
}

void SlotModel::LookNext(State& s, Actor& a) const {
  while (a.j < Slots() && !s.listed[a.j]) ++a.j;
  if (a.j < Slots()) {
    a.at = At::kLook;
  } else if (a.best == kNobody) {
    NotFound(s, a);
  } else {
    const int best = std::exchange(a.best, 0);
    StartUpdate(a, a.change, best);
  }
}

void SlotModel::Found(State& s, Actor& a) const {
  a.free_all_along = 0;
  if (s.lock != a.self) {
    AcquireEnds(a);  // It never took the lock: a rule is off.
  } else if (OperationOf(a).kind == Kind::kAcquire) {
    ClearIfNobodyWaits(s, a, Then::kUnlock);
  } else {
    Unlock(a);
  }
}

void SlotModel::NotFound(State& s, Actor& a) const {
  if (OperationOf(a).kind == Kind::kAcquire) {
    a.j = 0;
    if (!On(Rule::kMarkFirst)) {
      Mark(s, a);
    } else {
      Enqueue(s, a);
    }
    return;
  }
  if (a.change == Change::kLendLocked &&
      std::any_of(s.listed, s.listed + Slots(), [](uint8_t on) { return on != 0; })) {
    return Look(s, a, Change::kOvercommit);
  }
  for (const SlotState wanted : {SlotState::kConnecting, SlotState::kBackoff, SlotState::kChecking}) {
    for (int i = 0; i < Slots(); ++i) {
      if (WordOf(s, i).state() == wanted) return StartUpdate(a, Change::kLendUnready, i);
    }
  }
  a.refused = 1;
  Unlock(a);
}

void SlotModel::Enqueue(State& s, Actor& a) const {
  s.queue[s.waiting++] = a.self;
  a.queued = a.waits = 1;
  Unlock(a);
}

void SlotModel::ClearIfNobodyWaits(State& s, Actor& a, Then then) const {
  a.then = then;
  a.j = 0;
  const bool held = s.admin == Admin::kPaused && On(Rule::kPauseKeepsSlow);
  if (s.waiting > 0 || held || !On(Rule::kClearWhenEmpty)) {
    Continue(s, a, then);
  } else {
    ClearNext(s, a);
  }
}

void SlotModel::ClearNext(State& s, Actor& a) const {
  const auto skipped = [&](int slot) {
    if (!On(Rule::kNeverClearDraining) && WordOf(s, slot).state() == SlotState::kDraining) return false;
    return s.listed[slot] == 0;
  };
  while (a.j < Slots() && skipped(a.j)) ++a.j;
  if (a.j < Slots()) {
    StartUpdate(a, Change::kClearSlow, a.j);
    ++a.j;
  } else {
    a.j = 0;
    Continue(s, a, a.then);
  }
}

void SlotModel::DrainNext(State& s, Actor& a) const {
  const auto skipped = [&](int slot) {
    const SlotState state = WordOf(s, slot).state();
    return state == SlotState::kClosed || state == SlotState::kDraining;
  };
  while (a.i < Slots() && skipped(a.i)) ++a.i;
  if (a.i < Slots()) {
    a.then = Then::kDrainNext;
    StartUpdate(a, Change::kDrain, a.i);
    ++a.i;
  } else {
    while (s.waiting > 0) Decide(s, a, PopFront(s), kNobody);
    ClearIfNobodyWaits(s, a, Then::kUnlock);
  }
}

// The end of a pause: one on each slot in turn, as long as that helps.
void SlotModel::GrantNext(State& s, Actor& a) const {
  while (a.i < Slots() && !s.listed[a.i]) ++a.i;
  if (s.waiting > 0 && a.i < Slots()) {
    StartUpdate(a, Change::kGrant, a.i);
    ++a.i;
  } else if (s.waiting > 0 && std::exchange(a.best, 0) != 0) {
    a.i = 0;
    GrantNext(s, a);
  } else {
    ClearIfNobodyWaits(s, a, Then::kUnlock);
  }
}

void SlotModel::SetLimitNext(State& s, Actor& a) const {
  while (a.i < Slots() && WordOf(s, a.i).state() == SlotState::kClosed) ++a.i;
  if (a.i < Slots()) {
    StartUpdate(a, Change::kSetLimit, a.i);
    ++a.i;
  } else {
    Unlock(a);
  }
}

void SlotModel::TickNext(Actor& a) const {
  if (a.i < Slots()) {
    StartUpdate(a, Change::kClearUsed, a.i);
    ++a.i;
  } else {
    Unlock(a);
  }
}

void SlotModel::Continue(State& s, Actor& a, Then then) const {
  switch (then) {
    case Then::kUnlock:
      Unlock(a);
      break;
    case Then::kDrainNext:
      DrainNext(s, a);
      break;
    case Then::kSetLimitNext:
      SetLimitNext(s, a);
      break;
  }
}

// --- After the lock -----------------------------------------------------------------------------------------------

void SlotModel::Unlock(Actor& a) const {
  a.change = Change::kLend;
  a.then = Then::kUnlock;
  a.slot = a.i = a.j = a.best = a.tried = a.free_all_along = 0;
  a.at = !On(Rule::kUnlockThenDrop) && a.drop > 0 ? At::kDrop : At::kUnlock;
}

void SlotModel::Perform(Actor& a) const {
  if (a.wake != 0) {
    a.at = At::kWake;
  } else if (a.cancel != 0) {
    a.at = At::kCancel;
  } else if (a.drop > 0 && (a.act == 0 || !On(Rule::kActThenDrop))) {
    a.at = At::kDrop;
  } else if (a.act != 0) {
    a.at = At::kAct;
  } else {
    Performed(a);
  }
}

void SlotModel::Performed(Actor& a) const {
  if (!IsAcquire(OperationOf(a).kind)) {
    NextOperation(a);
  } else if (!a.waits) {
    AcquireEnds(a);
  } else {
    // Whoever decides about a waiter wakes it: its frame must stay until then, even if it knows already.
    a.at = a.gave_up == 0 ? At::kParked : At::kAwaitWake;
  }
}

// A place, or a refusal.
void SlotModel::AcquireEnds(Actor& a) const {
  if (a.granted != kNobody) a.lease = std::exchange(a.granted, kNobody);
  ++a.ends;
  a.waits = a.woken = a.refused = a.gave_up = a.decisions = 0;
  NextOperation(a);
}

uint8_t SlotModel::PopFront(State& s) const {
  const uint8_t first = s.queue[0];
  std::copy(s.queue + 1, s.queue + s.waiting, s.queue);
  s.queue[--s.waiting] = 0;
  return first;
}

void SlotModel::Decide(State& s, Actor& a, uint8_t waiter, int slot) const {
  Actor& w = s.actors[waiter];
  if (!w.waits || ++w.decisions > 1) s.harm = kDecidedTwice;
  w.queued = 0;
  if (slot == kNobody) {
    w.refused = 1;
  } else {
    const SlotWord word = WordOf(s, slot);
    if (word.state() != SlotState::kOpen) s.harm = kLentUnopened;
    if (word.state() == SlotState::kOpen && word.leases() > word.limit()) s.harm = kOverLimit;
    if (s.paused) s.harm = kLentPaused;
    w.granted = static_cast<uint8_t>(slot);
  }
  a.wake |= static_cast<uint8_t>(1u << waiter);
}

void SlotModel::DropReferences(State& s, uint8_t n) const {
  CHANPOOL_CHECK(s.references >= n);
  s.references -= n;
  if (s.references == 0) s.freed = 1;
}

// --- What must never be -------------------------------------------------------------------------------------------

std::string SlotModel::Harm(const State& s, bool nobody_can_move) const {
  if (s.harm != kNoHarm) return kStepHarms[s.harm];
  std::string harm;
  if (!s.freed) harm = HarmOfWords(s);
  // What follows from the rules taken together, stronger than what a caller could notice.
  if (harm.empty() && off_ == Rule::kNone && !s.freed && s.lock == kNobody) harm = HarmAtRest(s);
  if (harm.empty() && nobody_can_move) harm = HarmAtEnd(s);
  return harm;
}

std::string SlotModel::HarmOfWords(const State& s) const {
  for (int i = 0; i < Slots(); ++i) {
    const SlotWord word = WordOf(s, i);
    if (word.state() == SlotState::kClosed && word.leases() > 0) return "closed with leases out";
    uint32_t holders = 0;
    for (const Actor& a : s.actors) holders += (a.lease == i) + (a.granted == i);
    if (word.leases() != holders) return "a lease that nobody holds, or one that the word does not count";
  }
  return "";
}

std::string SlotModel::HarmAtRest(const State& s) const {
  for (int i = 0; i < Slots(); ++i) {
    const SlotWord word = WordOf(s, i);
    const bool is_open = word.state() == SlotState::kOpen;
    if (s.listed[i] != is_open) return "at rest: listed and OPEN disagree";
    const bool held = s.admin == Admin::kPaused;
    if (is_open && word.slow() != (s.waiting > 0 || held)) return "at rest: SLOW and waiting disagree";
    if (s.waiting > 0 && !held && HasRoom(word)) return "at rest: somebody waits while a place is free";
    if (word.state() == SlotState::kDraining && (word.leases() == 0 || !word.slow()))
      return "at rest: DRAINING in vain";
    if (IsUnready(word) && word.slow()) return "at rest: SLOW before it opens";
    if (s.opened[i] - s.closed[i] != (word.state() != SlotState::kClosed)) return "at rest: opened and closed disagree";
  }
  if (!InService(s.admin) && s.waiting > 0) return "at rest: somebody waits for a pool that drains";
  return "";
}

std::string SlotModel::HarmAtEnd(const State& s) const {
  for (size_t i = 0; i < scenario_.actors.size(); ++i) {
    const Actor& a = s.actors[i];
    if (a.at == At::kParked) {
      for (int slot = 0; slot < Slots(); ++slot) {
        if (HasRoom(WordOf(s, slot))) return "waits for ever while a place is free";
      }
      return "waits for ever";
    }
    if (a.at != At::kEnd) return "deadlock";
    const std::vector<Operation>& operations = scenario_.actors[i].operations;
    const auto acquires = std::count_if(operations.begin(), operations.end(),
                                        [](const Operation& operation) { return IsAcquire(operation.kind); });
    if (a.ends != acquires) return "an acquire that did not end exactly once";
  }
  for (int i = 0; i < Slots(); ++i) {
    const SlotWord word = WordOf(s, i);
    if (word.state() == SlotState::kDraining) return "drained, but never closed";
    if (s.opened[i] - s.closed[i] != (word.state() != SlotState::kClosed)) return "opened, but not closed exactly once";
    if (word.state() == SlotState::kOpen && word.slow())
      return "SLOW for ever: nobody waits, and nobody is lent a place";
  }
  if (s.admin == Admin::kDestroyed && !s.freed) return "the table is never freed";
  return "";
}

std::string SlotModel::Describe(const State& before, const State& after, int actor) const {
  const Actor& a = before.actors[actor];
  const std::vector<Operation>& operations = scenario_.actors[actor].operations;
  std::string text = scenario_.actors[actor].name + " " + kSteps[static_cast<int>(a.at)];
  if (a.at == At::kLoad || a.at == At::kCompareAndSwap || a.at == At::kLook) {
    text += std::string(" ") + kChanges[static_cast<int>(a.change)] + " in";
  }
  if (a.operation < operations.size())
    text += std::string(" ") + kOperations[static_cast<int>(operations[a.operation].kind)];
  for (int i = 0; i < Slots(); ++i) {
    const SlotWord word = WordOf(after, i);
    text += std::string(i == 0 ? "  -> " : ", ") + ToString(word.state()) + " " + std::to_string(word.leases()) + "/" +
            std::to_string(word.limit()) + (word.slow() ? " SLOW" : "");
  }
  return text + ", " + std::to_string(after.waiting) + " waiting, " + std::to_string(after.references) + " references";
}

}  // namespace chanpool
