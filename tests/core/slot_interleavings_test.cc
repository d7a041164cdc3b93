#include <cstdio>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/core/interleaving.h"
#include "tests/core/slot_model.h"

namespace chanpool {
namespace {

using Kind = Operation::Kind;

// Many times what any scenario needs. One that grows beyond must be cut down, or it tests no more than it can visit.
constexpr size_t kMaxStates = 2'000'000;

// --- Slots --------------------------------------------------------------------------------------------------------

SlotWord Open(uint32_t limit, uint32_t leases) {
  return slot::Open(*slot::Reuse(SlotWord(), limit), leases, /*some_still_wait=*/false)->with_used(false);
}
SlotWord Connecting(uint32_t limit) { return *slot::Reuse(SlotWord(), limit); }
SlotWord Closed() { return SlotWord(); }

// --- Actors -------------------------------------------------------------------------------------------------------

ActorPlan Plan(std::string name, std::vector<Operation> operations) {
  ActorPlan plan;
  plan.name = std::move(name);
  plan.operations = std::move(operations);
  return plan;
}

// Has a lease, and no reference to the pool: leases hold none.
ActorPlan Holder(std::string name, int slot) {
  ActorPlan plan = Plan(std::move(name), {{Kind::kRelease}});
  plan.holds = slot;
  return plan;
}

// Gives its lease back only once its call was cancelled.
ActorPlan StuckHolder(std::string name, int slot) {
  ActorPlan plan = Plan(std::move(name), {{Kind::kReleaseCancelled}});
  plan.holds = slot;
  return plan;
}

// Never gives its lease back.
ActorPlan Keeper(std::string name, int slot) {
  ActorPlan plan = Plan(std::move(name), {});
  plan.holds = slot;
  return plan;
}

// Acquires, lets go of the pool, then gives back what it got.
ActorPlan CallerOf(std::string name, Operation acquire) {
  ActorPlan plan = Plan(std::move(name), {acquire, {Kind::kDropPool}, {Kind::kRelease}});
  plan.keeps_pool = true;
  return plan;
}
ActorPlan Patient(std::string name) { return CallerOf(std::move(name), {Kind::kAcquire}); }
ActorPlan Impatient(std::string name) { return CallerOf(std::move(name), {Kind::kAcquire, 0, /*may_time_out=*/true}); }
ActorPlan Cancelled(std::string name) {
  return CallerOf(std::move(name), {Kind::kAcquire, 0, false, /*may_be_cancelled=*/true});
}
ActorPlan Hasty(std::string name) { return CallerOf(std::move(name), {Kind::kAcquireNow}); }

// Has a reference of its own until the end.
ActorPlan Owner(std::string name, std::vector<Operation> operations) {
  operations.push_back({Kind::kDropPool});
  ActorPlan plan = Plan(std::move(name), std::move(operations));
  plan.owns_pool = true;
  return plan;
}

// A thread of the library, which knows the pool weakly.
ActorPlan Worker(std::string name, std::vector<Operation> operations) {
  operations.insert(operations.begin(), {Kind::kUpgrade});
  operations.push_back({Kind::kDropPool});
  return Plan(std::move(name), std::move(operations));
}

// --- Scenarios ----------------------------------------------------------------------------------------------------

Scenario ReleasesWaitersDrain() {
  return {"two releases, two waiters, destroy",
          {Open(2, 2)},
          {Holder("first holder", 0), Holder("second holder", 0), Impatient("impatient"), Patient("patient"),
           Owner("owner", {{Kind::kDestroy}})}};
}

Scenario TwoSlotsWaitersDrain() {
  return {"two releases, two waiters, destroy; on two slots",
          {Open(1, 1), Open(1, 1)},
          {Holder("first holder", 0), Holder("second holder", 1), Impatient("impatient"), Patient("patient"),
           Owner("owner", {{Kind::kDestroy}})}};
}

Scenario ForcedClose() {
  return {"forced close, destroy, a late lease",
          {Open(2, 2)},
          {StuckHolder("stuck holder", 0), Holder("late holder", 0), Patient("waiter"),
           Owner("operator", {{Kind::kDrainPool}, {Kind::kCancelCalls}}), Owner("owner", {{Kind::kDestroy}})}};
}

Scenario LimitMoves() {
  return {"limit lowered and raised, waiters",
          {Open(2, 2)},
          {Holder("first holder", 0), Holder("second holder", 0), Patient("patient"), Impatient("impatient"),
           Owner("operator", {{Kind::kSetLimit, 1}, {Kind::kSetLimit, 3}})}};
}

Scenario LimitRaised() {
  return {"limit raised while no lease comes back",
          {Open(1, 1)},
          {Keeper("keeper", 0), Patient("first"), Patient("second"), Owner("operator", {{Kind::kSetLimit, 2}})}};
}

Scenario OvercommitDrain() {
  return {"overcommit, waiter, forced close",
          {Open(1, 1), Open(1, 1)},
          {Holder("holder", 0), StuckHolder("stuck holder", 1), Hasty("hasty"), Patient("waiter"),
           Owner("owner", {{Kind::kDestroy}, {Kind::kCancelCalls}})}};
}

Scenario OvercommitBesideAFreePlace() {
  return {"overcommit while a place comes free",
          {Open(1, 1), Open(1, 1)},
          {Keeper("keeper", 0), Holder("holder", 1), Hasty("first"), Hasty("second")}};
}

Scenario Reopen() {
  return {"recycled, reopened, reported lost too late",
          {Open(1, 1), Closed()},
          {Holder("holder", 0), Patient("patient"), Impatient("impatient"),
           Worker("housekeeper", {{Kind::kDrainSlot, 0}, {Kind::kReuse}, {Kind::kPublish}}),
           Worker("late report", {{Kind::kReportLoss, 0}})}};
}

Scenario FastLenders() {
  return {"lenders of the fast path, waiters",
          {Open(1, 1), Open(1, 0)},
          {Holder("holder", 0), Patient("first"), Patient("second"), Impatient("impatient")}};
}

Scenario CancelledAndTimedOut() {
  return {"one waiter cancelled, one timed out",
          {Open(1, 1), Open(1, 1)},
          {Holder("first holder", 0), Holder("second holder", 1), Cancelled("cancelled"), Impatient("impatient")}};
}

Scenario Suspected() {
  return {"suspected, probed well",
          {Open(1, 1)},
          {Holder("holder", 0), Patient("patient"), Impatient("impatient"), Hasty("hasty"),
           Worker("prober", {{Kind::kSuspect, 0}, {Kind::kPublish, 0}})}};
}

Scenario Idle() {
  return {"idle, closed unless used, reopened",
          {Open(1, 0).with_used(true), Closed()},
          {Patient("first"), Patient("second"),
           Worker("housekeeper", {{Kind::kTick}, {Kind::kDrainIfUnused, 0}, {Kind::kReuse}, {Kind::kPublish, 0}})}};
}

Scenario Dialling() {
  return {"a call on a connection that is dialling",
          {Connecting(1), Closed()},
          {Patient("first"), Hasty("hasty"), Patient("second"),
           Worker("dialler", {{Kind::kBackOff, 0}, {Kind::kPublish, 0}}), Owner("owner", {{Kind::kDestroy}})}};
}

Scenario Paused() {
  return {"paused, unpaused; waiters, a place that comes back",
          {Open(1, 1), Open(1, 0)},
          {Holder("holder", 0), Patient("patient"), Impatient("impatient"),
           Owner("operator", {{Kind::kPause}, {Kind::kUnpause}})}};
}

Scenario PausedWhileOpening() {
  return {"a slot opens and a limit rises during a pause",
          {Open(1, 0), Connecting(1)},
          {Patient("patient"), Hasty("hasty"), Worker("dialler", {{Kind::kPublish, 1}}),
           Owner("operator", {{Kind::kPause}, {Kind::kSetLimit, 2}, {Kind::kUnpause}})}};
}

Scenario PausedAndDestroyed() {
  return {"paused, destroyed, its time over too late",
          {Open(1, 1)},
          {Holder("holder", 0), Patient("patient"), Cancelled("cancelled"),
           Owner("owner", {{Kind::kPause}, {Kind::kDestroy}}), Worker("housekeeper", {{Kind::kUnpause}})}};
}

Scenario PausedAndDrainedSlot() {
  return {"paused, an idle slot closes and reopens",
          {Open(1, 0), Closed()},
          {Patient("first"), Impatient("second"),
           Worker("housekeeper", {{Kind::kDrainIfUnused, 0}, {Kind::kReuse}, {Kind::kPublish}}),
           Owner("operator", {{Kind::kPause}, {Kind::kUnpause}})}};
}

Exploration ExploreAndPrint(const Scenario& scenario, Rule off) {
  const Exploration found = Explore(SlotModel(scenario, off), kMaxStates);
  std::printf("%s: %zu states%s%s\n", scenario.name.c_str(), found.states,
              found.harm.empty() ? "" : ", then: ", found.harm.c_str());
  return found;
}

// --- With every rule, no order of the steps does harm -------------------------------------------------------------

struct Harmless {
  std::string claim;
  Scenario (*scenario)();
};

void PrintTo(const Harmless& harmless, std::ostream* os) { *os << harmless.scenario().name; }

class SlotInterleavingsTest : public testing::TestWithParam<Harmless> {};

TEST_P(SlotInterleavingsTest, DoesNoHarmInAnyOrder) {
  const Exploration found = ExploreAndPrint(GetParam().scenario(), Rule::kNone);

  EXPECT_EQ(found.harm, "") << found.trace;
  EXPECT_TRUE(found.complete) << "more than " << kMaxStates << " states";
  EXPECT_GT(found.ends, 0u);
  RecordProperty("states", static_cast<int>(found.states));
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, SlotInterleavingsTest,
    testing::Values(Harmless{"ReleasesAndWaitersWhileThePoolIsDestroyed", ReleasesWaitersDrain},
                    Harmless{"TheSameOnTwoSlots", TwoSlotsWaitersDrain},
                    Harmless{"AForcedCloseAndALeaseThatOutlivesThePool", ForcedClose},
                    Harmless{"ALimitThatMovesUnderWaiters", LimitMoves}, Harmless{"AHigherLimitAlone", LimitRaised},
                    Harmless{"AnOvercommitDuringADrain", OvercommitDrain},
                    Harmless{"AnOvercommitBesideAFreePlace", OvercommitBesideAFreePlace},
                    Harmless{"ASlotReopenedForWaiters", Reopen}, Harmless{"FastLendersBesideWaiters", FastLenders},
                    Harmless{"WaitersThatGiveUp", CancelledAndTimedOut}, Harmless{"ASuspectedConnection", Suspected},
                    Harmless{"AnIdleConnectionUsedAtTheLastInstant", Idle},
                    Harmless{"ACallOnAConnectionThatIsDialling", Dialling},
                    Harmless{"APauseBesideWaitersAndReleases", Paused},
                    Harmless{"ASlotThatOpensDuringAPause", PausedWhileOpening},
                    Harmless{"APausedPoolThatIsDestroyed", PausedAndDestroyed},
                    Harmless{"ASlotThatIsReplacedDuringAPause", PausedAndDrainedSlot}),
    [](const auto& info) { return info.param.claim; });

// --- Without any one of the rules, some order does ----------------------------------------------------------------

struct RuleOff {
  std::string claim;  // What happens without it.
  Rule off;
  Scenario (*scenario)();
  std::string harm;
};

void PrintTo(const RuleOff& without, std::ostream* os) { *os << without.scenario().name; }

class SlotRuleTest : public testing::TestWithParam<RuleOff> {};

TEST_P(SlotRuleTest, IsNeeded) {
  const Exploration found = ExploreAndPrint(GetParam().scenario(), GetParam().off);

  EXPECT_EQ(found.harm, GetParam().harm) << found.trace;
  EXPECT_NE(found.trace, "");
  RecordProperty("states", static_cast<int>(found.states));
}

const char kUseAfterFree[] = "use after free: the last reference was dropped before";
const char kWaitsForEver[] = "waits for ever while a place is free";
const char kOvertaken[] = "overtook a caller who was waiting";
const char kNeverClosed[] = "drained, but never closed";
const char kLeaseLost[] = "a lease that nobody holds, or one that the word does not count";
const char kOverLimit[] = "granted above the limit";
const char kLentUnopened[] = "granted on a slot that does not lend";

INSTANTIATE_TEST_SUITE_P(
    Rule1, SlotRuleTest,
    testing::Values(
        RuleOff{"AWaiterThatDoesNotSetSlowIsOvertaken", Rule::kMark, FastLenders, kOvertaken},
        RuleOff{"AWaiterThatSetsSlowAfterItsLookWaitsForEver", Rule::kMarkFirst, FastLenders, kWaitsForEver},
        RuleOff{"AWaiterThatDoesNotLookAgainWaitsForEver", Rule::kLookAfterMark, FastLenders, kWaitsForEver},
        RuleOff{"ALenderThatIgnoresSlowOvertakes", Rule::kLendHeedsSlow, LimitRaised, kOvertaken},
        RuleOff{"AReleaseThatIgnoresSlowLeavesAWaiterForEver", Rule::kReturnHeedsSlow, FastLenders, kWaitsForEver},
        RuleOff{"AReleaseThatIgnoresSlowLeavesADrainingSlot", Rule::kReturnHeedsSlow, ForcedClose, kNeverClosed}),
    [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule2, SlotRuleTest,
                         testing::Values(RuleOff{"AHandOverWhateverTheStateGrantsOnADrainingSlot",
                                                 Rule::kHandOverOnOpenOnly, Reopen, kLentUnopened},
                                         RuleOff{"AHandOverWhateverTheLimitIgnoresALowerOne",
                                                 Rule::kHandOverWithinLimit, LimitMoves, kOverLimit},
                                         RuleOff{"AHandOverWhateverTheLimitKeepsAnOvercommit",
                                                 Rule::kHandOverWithinLimit, OvercommitDrain, kOverLimit}),
                         [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule3, SlotRuleTest,
                         testing::Values(RuleOff{"ALastLeaseThatDoesNotCloseLeavesTheSlot", Rule::kLastLeaseCloses,
                                                 ForcedClose, kNeverClosed},
                                         RuleOff{"ADrainAtZeroThatDoesNotCloseLeavesTheSlot", Rule::kDrainAtZeroCloses,
                                                 Idle, kNeverClosed}),
                         [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule4, SlotRuleTest,
                         testing::Values(RuleOff{"SlowThatIsNotClearedStarvesTheSlot", Rule::kClearWhenEmpty,
                                                 CancelledAndTimedOut,
                                                 "SLOW for ever: nobody waits, and nobody is lent a place"},
                                         RuleOff{"SlowClearedOnADrainingSlotLeavesIt", Rule::kNeverClearDraining,
                                                 ForcedClose, kNeverClosed}),
                         [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule5, SlotRuleTest,
                         testing::Values(RuleOff{"ASlotThatOpensWithoutGrantingLeavesAWaiterForEver",
                                                 Rule::kOpenGrantsFirst, Idle, kWaitsForEver},
                                         RuleOff{"ASlotThatOpensWithoutSlowLetsWaitersBeOvertaken", Rule::kOpenWithSlow,
                                                 Suspected, kOvertaken},
                                         RuleOff{"ASlotThatOpensWithoutSlowLeavesAWaiterForEver", Rule::kOpenWithSlow,
                                                 Idle, kWaitsForEver},
                                         RuleOff{"AHigherLimitThatGrantsNothingLeavesAWaiterForEver",
                                                 Rule::kRaiseGrantsFirst, LimitRaised, kWaitsForEver}),
                         [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule6, SlotRuleTest,
                         testing::Values(RuleOff{"ATimeOutWithoutTheLockIsDecidedAfterItLeft", Rule::kTimeOutTakesLock,
                                                 CancelledAndTimedOut,
                                                 "decided about a waiter that was decided before, or has left"},
                                         RuleOff{"ATimeOutThatForgetsItsLeaseLosesIt", Rule::kTimeOutKeepsLease,
                                                 CancelledAndTimedOut, kLeaseLost},
                                         RuleOff{"ACancelThatForgetsItsLeaseLosesIt", Rule::kCancelGivesBack,
                                                 CancelledAndTimedOut, kLeaseLost}),
                         [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule7, SlotRuleTest,
                         testing::Values(RuleOff{"AnOvercommitWithoutALookPassesByAFreePlace",
                                                 Rule::kOvercommitLooksFirst, OvercommitBesideAFreePlace,
                                                 "went over the limit while a place was free"},
                                         RuleOff{"AnOvercommitWithoutTheLockGrantsOnADrainingSlot",
                                                 Rule::kOvercommitLocked, OvercommitDrain, kLentUnopened}),
                         [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule8, SlotRuleTest,
                         testing::Values(RuleOff{"AForcedCloseAtOnceClosesWithLeasesOut", Rule::kForcedCloseWaits,
                                                 ForcedClose, "closed with leases out"},
                                         RuleOff{"ADrainingSlotThatIsReusedNeverCloses", Rule::kReuseClosedOnly, Reopen,
                                                 "opened, but not closed exactly once"},
                                         RuleOff{"AReuseUnderTheOldGenerationIsEndedByALateReport",
                                                 Rule::kNewGeneration, Reopen,
                                                 "ended another connection than the one reported lost"}),
                         [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(Rule9, SlotRuleTest,
                         testing::Values(RuleOff{"AReferenceDroppedUnderTheLockFreesTheLock", Rule::kUnlockThenDrop,
                                                 ForcedClose, kUseAfterFree},
                                         RuleOff{"AReferenceDroppedBeforeTheActFreesWhatItNeeds", Rule::kActThenDrop,
                                                 ForcedClose, kUseAfterFree},
                                         RuleOff{"ALeaseGivenBackUnderTheLockDeadlocks", Rule::kGiveBackUnlocked,
                                                 CancelledAndTimedOut, "deadlock"}),
                         [](const auto& info) { return info.param.claim; });

const char kLentPaused[] = "granted by a pool that is paused";

INSTANTIATE_TEST_SUITE_P(
    Pause, SlotRuleTest,
    testing::Values(
        RuleOff{"APauseThatDoesNotSetSlowIsIgnored", Rule::kPauseMarks, Paused, kLentPaused},
        RuleOff{"SlowThatIsClearedDuringAPauseEndsIt", Rule::kPauseKeepsSlow, Paused, kLentPaused},
        RuleOff{"ASlotThatOpensAsEverIsLentDuringAPause", Rule::kPauseOpensSlow, PausedWhileOpening, kLentPaused},
        RuleOff{"APlaceThatIsHandedOverIsLentDuringAPause", Rule::kPauseHandsNothing, Paused, kLentPaused},
        RuleOff{"APauseThatEndsWithoutGrantsLetsWaitersBeOvertaken", Rule::kUnpauseGrants, Paused, kOvertaken}),
    [](const auto& info) { return info.param.claim; });

INSTANTIATE_TEST_SUITE_P(References, SlotRuleTest,
                         testing::Values(RuleOff{"ASlotThatKeepsNoReferenceIsFreedUnderItsLeases",
                                                 Rule::kSlotKeepsTable, ForcedClose, kUseAfterFree},
                                         RuleOff{"ACallerThatKeepsNoReferenceWaitsInFreedMemory",
                                                 Rule::kCallerKeepsTable, ForcedClose, kUseAfterFree},
                                         RuleOff{"ASlowReleaseThatKeepsNoReferenceUnlocksFreedMemory",
                                                 Rule::kReleaseKeepsTable, ForcedClose, kUseAfterFree}),
                         [](const auto& info) { return info.param.claim; });

// Decrement, then look whether somebody waits: what everyone writes first.
INSTANTIATE_TEST_SUITE_P(TheObviousScheme, SlotRuleTest,
                         testing::Values(RuleOff{"LoweringTheCountBeforeTheLockLooksIntoFreedMemory",
                                                 Rule::kLockBeforeLowering, ForcedClose, kUseAfterFree}),
                         [](const auto& info) { return info.param.claim; });

}  // namespace
}  // namespace chanpool
