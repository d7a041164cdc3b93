// Bugs on purpose, so that the checks can be checked: CHANPOOL_PLANTED(kLimitOffByOne) is true where that bug is asked
// for, and the constant false in every build but the one that `make planted` makes.
//
//   if (w.leases() >= w.limit() + CHANPOOL_PLANTED(kLimitOffByOne)) return std::nullopt;
//
// Each bug has one place in the engine, and one line here: its name, and what it breaks. The environment variable
// CHANPOOL_PLANTED_BUG=kLimitOffByOne asks for one.
#ifndef CHANPOOL_POOL_CORE_PLANTED_H_
#define CHANPOOL_POOL_CORE_PLANTED_H_

#ifndef CHANPOOL_PLANTED_BUGS

#define CHANPOOL_PLANTED(bug) false

#else

#include <cstdio>
#include <cstdlib>
#include <cstring>

// clang-format off
#define CHANPOOL_EACH_PLANTED_BUG(X)                                                                                   \
  X(kWaiterDoesNotMark, "rule 1: who must wait does not set SLOW")                                                     \
  X(kWaiterDoesNotLookAgain, "rule 1: who must wait queues without a second look")                                     \
  X(kLendIgnoresSlow, "rule 1: the fast path lends past those who wait")                                               \
  X(kReturnIgnoresSlow, "rule 1: the fast way back does not look at SLOW")                                             \
  X(kHandOverInAnyState, "rule 2: a place on a draining slot goes to a waiter")                                        \
  X(kHandOverAboveLimit, "rule 2: a place above the limit goes to a waiter")                                           \
  X(kLastLeaseDoesNotClose, "rule 3: the last lease back leaves a draining slot")                                      \
  X(kDrainAtZeroDoesNotClose, "rule 3: a drain at zero leases leaves the slot")                                        \
  X(kSlowIsNeverCleared, "rule 4: who empties the queue leaves SLOW set")                                              \
  X(kSlowIsClearedWhileDraining, "rule 4: SLOW is cleared in any state")                                               \
  X(kOpensWithoutGranting, "rule 5: a slot opens and grants to nobody")                                                \
  X(kOpensWithoutSlow, "rule 5: a slot opens without SLOW while some wait")                                            \
  X(kRaiseGrantsNothing, "rule 5: a higher limit is granted to nobody")                                                \
  X(kTimeOutLosesLease, "rule 6: a time-out forgets the lease that it has")                                            \
  X(kTimeOutStaysQueued, "rule 6: a waiter that times out stays in line")                                              \
  X(kCancelLosesLease, "rule 6: a cancel forgets the lease that it has")                                               \
  X(kCancelStaysQueued, "rule 6: a waiter that is cancelled stays in line")                                            \
  X(kLeastLoadedIsTheFirst, "rule 7: the first slot that will do is taken, not the least loaded")                      \
  X(kOvercommitUncounted, "rule 7: an overcommit is not counted")                                                      \
  X(kClosesWithLeasesOut, "rule 8: a draining slot closes with leases out")                                            \
  X(kReusesItsGeneration, "rule 8: a slot begins again under its old generation")                                      \
  X(kBelievesOldGenerations, "rule 8: a report of an earlier life is believed")                                        \
  X(kGivesBackUnderTheLock, "rule 9: a cancel gives its lease back under the lock")                                    \
  X(kDestroysUnderTheLock, "rule 9: a closed connection is let go under the lock")                                     \
  X(kLendsWhilePaused, "rule 10: a place that comes back during a pause is handed over")                               \
  X(kPauseNeverEnds, "a pause outlives its maximum")                                                                   \
  X(kLimitOffByOne, "the fast path lends one more than the limit")                                                     \
  X(kLosesWakeUps, "of several callers that are granted, only the first is woken")                                     \
  X(kReadyIsNotTold, "who awaits a change of the pool is not woken by it")                                             \
  X(kLastIsFirst, "waiters are served last in, first out")                                                             \
  X(kQueuesWhileDraining, "a draining pool lets callers in")                                                           \
  X(kClosesTwice, "a slot that was drained at zero is closed once more")                                               \
  X(kMaxWaitersOffByOne, "one caller more than max_waiters may wait")                                                  \
  X(kDeadlineIgnored, "an AcquireAsync waits past its deadline")                                                       \
  X(kHitsCountTwice, "a hit of the slow path is counted twice")                                                        \
  X(kPeakIsMissed, "a peak between two looks is not seen")                                                             \
  X(kAddsMeans, "growth adds the slots' means, not their peaks")                                                       \
  X(kAgeIsRedrawn, "a connection's age is drawn anew at each check")                                                   \
  X(kBackOffNeverResets, "a connection that has lasted does not end the back-off")                                     \
  X(kBackOffDoesNotGrow, "each failure in a row waits as long as the first")                                           \
  X(kInsistsTooOften, "a call that may not insist dials before the back-off is over")                                  \
  X(kDialsTogether, "while the target fails, any number dial at a time")                                               \
  X(kSurgeOffByOne, "one replacement more than max_surge at a time")                                                   \
  X(kOldLendsBesideNew, "the replaced connection goes on when the new one opens")                                      \
  X(kIdleBelowMin, "idle connections close below min_connections")                                                     \
  X(kIdleThoughUsed, "a connection counts as idle though a call used it")                                              \
  X(kShrinksAtOnce, "one low check is enough to shrink")                                                               \
  X(kShrinkIgnoresCooldown, "shrinks right after it grew")                                                             \
  X(kConnectRateIgnored, "max_connects_per_second does not hold")                                                      \
  X(kResumeForgetsMin, "a resumed pool opens nothing by itself")                                                       \
  X(kReconfigureForgetsLimits, "a new limit does not reach the open slots")                                            \
  X(kShrinkByOneTooFew, "a lower max_connections leaves one too many")                                                 \
  X(kGraceNeverEnds, "a replaced connection never lingers, and keeps its surge place")                                 \
  X(kProbedStaysListed, "a suspected connection stays among those that lend")                                          \
  X(kSuspectsForEver, "a probe without an answer is waited for without end")                                           \
  X(kEventIsLost, "the event of a failed dial is not told")                                                            \
  X(kCloseReasonLost, "every close counts as idle")                                                                    \
  X(kPicksTheFuller, "of two slots the more loaded one is lent")                                                       \
  X(kHoleStaysInTheList, "a slot taken off the list leaves a hint to itself")
// clang-format on

namespace chanpool::planted {

enum class Bug {
  kNone,
#define CHANPOOL_PLANTED_NAME(name, what) name,
  CHANPOOL_EACH_PLANTED_BUG(CHANPOOL_PLANTED_NAME)
#undef CHANPOOL_PLANTED_NAME
};

// What the environment asks for. A name that does not exist ends the process: it would find nothing.
inline Bug FromEnvironment() {
  const char* wanted = std::getenv("CHANPOOL_PLANTED_BUG");
  if (wanted == nullptr || *wanted == '\0') return Bug::kNone;
#define CHANPOOL_PLANTED_IF(name, what) \
  if (std::strcmp(wanted, #name) == 0) return Bug::name;
  CHANPOOL_EACH_PLANTED_BUG(CHANPOOL_PLANTED_IF)
#undef CHANPOOL_PLANTED_IF
  std::fprintf(stderr, "CHANPOOL_PLANTED_BUG: there is no bug \"%s\"\n", wanted);
  std::_Exit(2);
}

inline const Bug chosen = FromEnvironment();

}  // namespace chanpool::planted

#define CHANPOOL_PLANTED(bug) (::chanpool::planted::chosen == ::chanpool::planted::Bug::bug)

#endif  // CHANPOOL_PLANTED_BUGS
#endif  // CHANPOOL_POOL_CORE_PLANTED_H_
