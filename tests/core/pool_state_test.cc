#include "pool/core/pool_state.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;
using testing::Not;

const absl::Time kBegin = absl::FromUnixSeconds(1'000'000);

PoolOptions Options(int min_connections, int max_connections) {
  PoolOptions options;
  options.min_connections = min_connections;
  options.max_connections = max_connections;
  options.max_leases_per_connection = 10;
  options.target_leases_per_connection = 8;
  return options;
}

// A state and its time. What it asks for is done at once and remembered as text: "open 0", "drain 1".
class World {
 public:
  explicit World(const PoolOptions& options, uint64_t seed = 1) : state(options, seed) {
    state.Start(now);
    Perform();
  }

  // Does what the pool does with the actions: a slot that drains at zero leases closes.
  void Perform() {
    for (;;) {
      const std::vector<Action> actions = state.TakeActions();
      if (actions.empty()) break;
      for (const Action& action : actions) {
        done.push_back(absl::StrCat(ToString(action.kind), " ", action.slot));
        if (use.size() < state.size()) use.resize(state.size());
        if (action.kind == Action::Kind::kPause || action.kind == Action::Kind::kUnpause) continue;
        const bool drains = action.kind == Action::Kind::kDrain || action.kind == Action::Kind::kDrainIfUnused;
        if (!drains || use[action.slot].leases > 0) continue;
        if (action.kind == Action::Kind::kDrainIfUnused) {
          if (state.record(action.slot).state != SlotState::kOpen) continue;
          state.OnUnusedDrained(action.slot, action.reason, now);
        }
        state.OnClosed(action.slot, now);
      }
    }
  }
  // One event, and everything that follows from it. What was asked for.
  std::vector<std::string> Do(const std::function<void()>& event) {
    done.clear();
    event();
    Perform();
    return done;
  }

  std::vector<std::string> Opened(uint32_t slot) {
    return Do([&] { state.OnOpened(slot, now); });
  }
  std::vector<std::string> Failed(uint32_t slot) {
    return Do([&] { state.OnFailed(slot, absl::UnavailableError("refused"), now); });
  }
  std::vector<std::string> Lost(uint32_t slot) {
    return Do([&] { state.OnLost(slot, absl::UnavailableError("reset"), now); });
  }
  std::vector<std::string> Tick(int64_t demand = 0) {
    use.resize(state.size());
    return Do([&] { state.OnTick(use, demand, now); });
  }
  // The last lease of a draining slot comes back.
  std::vector<std::string> Emptied(uint32_t slot) {
    use[slot].leases = 0;
    return Do([&] { state.OnClosed(slot, now); });
  }
  std::vector<std::string> Demand(int64_t leases) {
    return Do([&] { state.OnDemand(leases, now); });
  }
  std::vector<std::string> Reconfigure(const PoolOptions& options) {
    use.resize(state.size());
    return Do([&] { state.Reconfigure(options, use, now); });
  }
  std::vector<std::string> Recycle() {
    return Do([&] { state.Recycle(now); });
  }
  // Every dial that is under way succeeds, and what follows from it.
  void OpenAll() {
    for (bool again = true; again;) {
      again = false;
      for (uint32_t slot = 0; slot < state.size(); ++slot) {
        if (state.record(slot).state != SlotState::kConnecting) continue;
        Opened(slot);
        again = true;
      }
    }
  }
  int Count(SlotState s) const { return state.count(s); }

  PoolState state;
  absl::Time now = kBegin;
  std::vector<SlotUse> use;
  std::vector<std::string> done;
};

// --- Every event in every state -----------------------------------------------------------------------------------

// A world in which slot 0 is in `wanted`. A second connection, slot 1, is open, so that slot 0 is not the only way,
// where `other_open` says so.
World In(SlotState wanted, bool other_open) {
  PoolOptions options = Options(/*min=*/0, /*max=*/4);
  options.max_age = options.max_idle = absl::InfiniteDuration();
  World world(options);
  world.Do([&] { world.state.EnsureConnections(other_open ? 2 : 1, world.now); });
  if (other_open) world.Opened(1);
  world.now += absl::Seconds(1);
  switch (wanted) {
    case SlotState::kClosed:
      world.Failed(0);
      if (!other_open) {  // It backs off as the only way: drained and resumed, it is closed.
        world.Do([&] { world.state.Drain(world.now); });
        world.Do([&] { world.state.Resume(world.now); });
      }
      break;
    case SlotState::kConnecting:
      break;
    case SlotState::kBackoff: {
      // Another one opens only after this one has backed off as the only way.
      PoolOptions alone = Options(0, 4);
      alone.max_age = alone.max_idle = absl::InfiniteDuration();
      world = World(alone);
      world.Do([&] { world.state.EnsureConnections(other_open ? 2 : 1, world.now); });
      world.Failed(0);
      if (other_open) world.Opened(1);
      break;
    }
    case SlotState::kOpen:
      world.Opened(0);
      break;
    case SlotState::kChecking:
      world.Opened(0);
      world.Do([&] { world.state.OnSuspected(0, world.now); });
      break;
    case SlotState::kDraining:
      world.Opened(0);
      world.now += absl::Seconds(1);
      world.use = {{1, true}, {}};
      world.Lost(0);
      break;
  }
  world.use.resize(world.state.size());
  return world;
}

enum class Event {
  kOpened,
  kFailed,
  kLost,
  kSuspected,
  kProbedOk,
  kProbedBad,
  kProbedNoRoom,
  kTickBefore,
  kTickAtTimeout,
  kDrain,
  kDestroy,
  kShrink,
  kRecycle,
  kRedirected,
  kPaused,
  kUnpaused,
};

const char* Name(Event event) {
  static const char* const names[] = {
      "opened",          "failed", "lost",    "suspected", "probed ok", "probed bad", "probed no room", "tick before",
      "tick at timeout", "drain",  "destroy", "shrink",    "recycle",   "redirected", "paused",         "unpaused"};
  return names[static_cast<int>(event)];
}

std::vector<std::string> Tell(World& world, Event event) {
  PoolState& state = world.state;
  const absl::Time soon = world.now + absl::Milliseconds(10), late = world.now + absl::Seconds(20);
  PoolOptions one = state.options();
  one.max_connections = 1;
  return world.Do([&] {
    switch (event) {
      case Event::kOpened:
        return state.OnOpened(0, world.now);
      case Event::kFailed:
        return state.OnFailed(0, absl::UnavailableError("refused"), world.now);
      case Event::kLost:
        return state.OnLost(0, absl::UnavailableError("reset"), world.now);
      case Event::kSuspected:
        return state.OnSuspected(0, world.now);
      case Event::kProbedOk:
        return state.OnProbed(0, absl::OkStatus(), world.now);
      case Event::kProbedBad:
        return state.OnProbed(0, absl::UnavailableError("silent"), world.now);
      case Event::kProbedNoRoom:
        return state.OnProbed(0, absl::ResourceExhaustedError("no free stream"), world.now);
      case Event::kTickBefore:
        return state.OnTick(world.use, 0, soon);
      case Event::kTickAtTimeout:
        return state.OnTick(world.use, 0, late);
      case Event::kDrain:
        return state.Drain(world.now);
      case Event::kDestroy:
        return state.Destroy(world.now);
      case Event::kShrink:
        return state.Reconfigure(one, world.use, world.now);
      case Event::kRecycle:
        return state.Recycle(world.now);
      case Event::kRedirected:
        return state.Redirected({}, world.now);
      case Event::kPaused:
        return state.Pause(absl::Seconds(1), world.now);
      case Event::kUnpaused:
        state.Pause(absl::Seconds(1), world.now);
        return state.Unpause(world.now);
    }
  });
}

struct Row {
  SlotState before;
  Event event;
  SlotState after;
  std::string actions;  // In order, all slots; slot 1 is open throughout and drains only where all do.
};

TEST(PoolStateTest, EveryEventInEveryStateHasOneOutcome) {
  const SlotState closed = SlotState::kClosed, connecting = SlotState::kConnecting, open = SlotState::kOpen,
                  checking = SlotState::kChecking, backoff = SlotState::kBackoff, draining = SlotState::kDraining;
  const std::vector<Row> table = {
      {closed, Event::kOpened, closed, ""},
      {closed, Event::kFailed, closed, ""},
      {closed, Event::kLost, closed, ""},
      {closed, Event::kSuspected, closed, ""},
      {closed, Event::kProbedOk, closed, ""},
      {closed, Event::kProbedBad, closed, ""},
      {closed, Event::kProbedNoRoom, closed, ""},
      {closed, Event::kTickBefore, closed, ""},
      {closed, Event::kTickAtTimeout, closed, ""},
      {closed, Event::kDrain, closed, "drain 1"},
      {closed, Event::kDestroy, closed, "drain 1"},
      {closed, Event::kShrink, closed, ""},
      {closed, Event::kRecycle, closed, ""},  // The target fails now: slot 1 must wait for its replacement.
      {closed, Event::kRedirected, connecting, "open 0"},
      {closed, Event::kPaused, closed, "pause 0"},
      {closed, Event::kUnpaused, closed, "pause 0,unpause 0"},

      {connecting, Event::kOpened, open, "publish 0"},
      {connecting, Event::kFailed, closed, "drain 0"},
      {connecting, Event::kLost, closed, "drain 0"},
      {connecting, Event::kSuspected, connecting, ""},
      {connecting, Event::kProbedOk, connecting, ""},
      {connecting, Event::kProbedBad, connecting, ""},
      {connecting, Event::kProbedNoRoom, connecting, ""},
      {connecting, Event::kTickBefore, connecting, ""},
      {connecting, Event::kTickAtTimeout, closed, "drain 0"},
      {connecting, Event::kDrain, closed, "drain 0,drain 1"},
      {connecting, Event::kDestroy, closed, "drain 0,drain 1"},
      {connecting, Event::kShrink, closed, "drain 0"},
      {connecting, Event::kRecycle, connecting, "open 2"},
      {connecting, Event::kRedirected, closed, "drain 0,open 2"},
      {connecting, Event::kPaused, connecting, "pause 0"},
      {connecting, Event::kUnpaused, connecting, "pause 0,unpause 0"},

      {open, Event::kOpened, open, ""},
      {open, Event::kFailed, open, ""},
      {open, Event::kLost, closed, "drain 0"},
      {open, Event::kSuspected, checking, "probe 0"},
      {open, Event::kProbedOk, open, ""},
      {open, Event::kProbedBad, open, ""},
      {open, Event::kProbedNoRoom, open, ""},
      {open, Event::kTickBefore, open, ""},
      {open, Event::kTickAtTimeout, open, ""},
      {open, Event::kDrain, closed, "drain 0,drain 1"},
      {open, Event::kDestroy, closed, "drain 0,drain 1"},
      {open, Event::kShrink, closed, "drain 0"},
      {open, Event::kRecycle, open, "open 2"},
      {open, Event::kRedirected, open, "open 2"},
      {open, Event::kPaused, open, "pause 0"},
      {open, Event::kUnpaused, open, "pause 0,unpause 0"},

      {checking, Event::kOpened, checking, ""},
      {checking, Event::kFailed, checking, ""},
      {checking, Event::kLost, closed, "drain 0"},
      {checking, Event::kSuspected, checking, ""},
      {checking, Event::kProbedOk, open, "publish 0"},
      {checking, Event::kProbedBad, closed, "drain 0,cancel_calls 0"},
      {checking, Event::kProbedNoRoom, closed, "drain 0"},
      {checking, Event::kTickBefore, checking, ""},
      {checking, Event::kTickAtTimeout, closed, "drain 0,cancel_calls 0"},
      {checking, Event::kDrain, closed, "drain 0,drain 1"},
      {checking, Event::kDestroy, closed, "drain 0,drain 1"},
      {checking, Event::kShrink, closed, "drain 0"},
      {checking, Event::kRecycle, checking, "open 2"},
      {checking, Event::kRedirected, checking, "open 2"},
      {checking, Event::kPaused, checking, "pause 0"},
      {checking, Event::kUnpaused, checking, "pause 0,unpause 0"},

      {backoff, Event::kOpened, open, "publish 0"},
      {backoff, Event::kFailed, backoff, ""},
      {backoff, Event::kLost, backoff, ""},
      {backoff, Event::kSuspected, backoff, ""},
      {backoff, Event::kProbedOk, backoff, ""},
      {backoff, Event::kProbedBad, backoff, ""},
      {backoff, Event::kProbedNoRoom, backoff, ""},
      {backoff, Event::kTickBefore, backoff, ""},
      {backoff, Event::kTickAtTimeout, backoff, "redial 0"},
      {backoff, Event::kDrain, closed, "drain 0,drain 1"},
      {backoff, Event::kDestroy, closed, "drain 0,drain 1"},
      {backoff, Event::kShrink, closed, "drain 0"},
      {backoff, Event::kRecycle, backoff, "open 2"},
      {backoff, Event::kRedirected, closed, "drain 0,open 2"},
      {backoff, Event::kPaused, backoff, "pause 0"},
      {backoff, Event::kUnpaused, backoff, "pause 0,unpause 0"},

      {draining, Event::kOpened, draining, ""},
      {draining, Event::kFailed, draining, ""},
      {draining, Event::kLost, draining, ""},
      {draining, Event::kSuspected, draining, ""},
      {draining, Event::kProbedOk, draining, ""},
      {draining, Event::kProbedBad, draining, ""},
      {draining, Event::kProbedNoRoom, draining, ""},
      {draining, Event::kTickBefore, draining, ""},
      {draining, Event::kTickAtTimeout, draining, ""},
      {draining, Event::kDrain, draining, "drain 1"},
      {draining, Event::kDestroy, draining, "drain 1"},
      {draining, Event::kShrink, draining, ""},
      {draining, Event::kRecycle, draining, "open 2"},
      {draining, Event::kRedirected, draining, "open 2"},
      {draining, Event::kPaused, draining, "pause 0"},
      {draining, Event::kUnpaused, draining, "pause 0,unpause 0"},
  };
  EXPECT_EQ(table.size(), 6u * 16u) << "every pair is listed";
  for (const Row& row : table) {
    World world = In(row.before, /*other_open=*/true);
    ASSERT_EQ(world.state.record(0).state, row.before) << "the table's own beginning";
    const std::vector<std::string> done = Tell(world, row.event);
    const std::string pair = absl::StrCat(ToString(row.before), " x ", Name(row.event));
    EXPECT_EQ(world.state.record(0).state, row.after)
        << pair << " becomes " << ToString(world.state.record(0).state) << ", not " << ToString(row.after);
    EXPECT_EQ(absl::StrJoin(done, ","), row.actions) << pair;
  }
}

TEST(PoolStateTest, ARoutineProbeIsNewsOnlyWhenThePeerIsSilent) {
  for (const bool answers : {true, false}) {
    World world = In(SlotState::kOpen, /*other_open=*/true);
    world.state.TakeEvents();
    world.Do([&] { world.state.OnSuspected(0, world.now, /*routine=*/true); });
    EXPECT_EQ(world.state.record(0).state, SlotState::kChecking);
    world.Do(
        [&] { world.state.OnProbed(0, answers ? absl::OkStatus() : absl::UnavailableError("silent"), world.now); });
    EXPECT_EQ(world.state.TakeEvents().empty(), answers);
  }
}

TEST(PoolStateTest, TheOnlyWayBacksOffInsteadOfClosing) {
  for (const Event event : {Event::kFailed, Event::kLost, Event::kTickAtTimeout}) {
    World world = In(SlotState::kConnecting, /*other_open=*/false);
    EXPECT_THAT(Tell(world, event), ElementsAre("back_off 0")) << Name(event);
    EXPECT_EQ(world.state.record(0).state, SlotState::kBackoff) << Name(event);
  }
}

TEST(PoolStateTest, ADestroyedPoolIgnoresEverything) {
  World world = In(SlotState::kOpen, true);
  world.Do([&] { world.state.Destroy(world.now); });
  for (const Event event :
       {Event::kOpened, Event::kFailed, Event::kLost, Event::kSuspected, Event::kProbedOk, Event::kProbedBad,
        Event::kProbedNoRoom, Event::kTickBefore, Event::kTickAtTimeout, Event::kDrain, Event::kDestroy, Event::kShrink,
        Event::kRecycle, Event::kPaused, Event::kUnpaused}) {
    EXPECT_THAT(Tell(world, event), IsEmpty()) << Name(event);
  }
  EXPECT_THAT(world.Demand(100), IsEmpty());
  EXPECT_THAT(world.Do([&] { world.state.Resume(world.now); }), IsEmpty());
  EXPECT_FALSE(world.state.OpenForCall(true, world.now));
  EXPECT_EQ(world.state.admin(), PoolAdminState::kDestroyed);
  EXPECT_EQ(world.state.NextTick(world.now), absl::InfiniteFuture());
}

// --- Growth -------------------------------------------------------------------------------------------------------

TEST(PoolStateTest, OpensMinConnectionsAtTheStart) {
  World world(Options(3, 10));
  EXPECT_THAT(world.done, ElementsAre("open 0", "open 1", "open 2"));
}

TEST(PoolStateTest, GrowsByDemandOverTarget) {
  const std::vector<std::pair<int, int>> cases = {{0, 1}, {1, 1}, {8, 1}, {9, 2}, {16, 2}, {17, 3}, {1000, 5}};
  for (const auto& [demand, connections] : cases) {
    World world(Options(1, 5));
    world.Demand(demand);
    EXPECT_EQ(world.state.serving(), connections) << demand << " leases at 8 a connection, at most 5 connections";
  }
}

TEST(PoolStateTest, ASuspectedConnectionIsNotEnoughForACaller) {
  World world = In(SlotState::kChecking, /*other_open=*/false);
  EXPECT_THAT(world.Demand(0), IsEmpty()) << "nobody wants one";
  EXPECT_THAT(world.Demand(1), ElementsAre("open 1"));
  EXPECT_THAT(world.Demand(1), IsEmpty()) << "it is on its way";
}

// --- What goes without a word takes others with it ----------------------------------------------------------------

// Three open connections that nothing has been heard of for 10 s.
World ThreeQuiet() {
  PoolOptions options = Options(3, 3);
  options.max_age = options.max_idle = absl::InfiniteDuration();
  World world(options);
  world.OpenAll();
  world.use.resize(world.state.size());
  world.now += absl::Seconds(10);
  return world;
}

TEST(PoolStateTest, TheOthersAreProbedWhenAConnectionIsLostWithItsCalls) {
  World world = ThreeQuiet();
  world.use[0].leases = 1;
  EXPECT_THAT(world.Do([&] { world.state.OnUnavailable(0, world.now); }), IsEmpty()) << "it may be the call's own end";
  world.now += absl::Milliseconds(3);
  EXPECT_THAT(world.Lost(0), AllOf(Contains("probe 1"), Contains("probe 2"), Contains("open 3")));
  EXPECT_EQ(world.Count(SlotState::kChecking), 2);
}

TEST(PoolStateTest, TheOthersAreProbedWhenTheCallsEndAfterTheirConnection) {
  World world = ThreeQuiet();
  world.use[0].leases = 1;
  EXPECT_THAT(world.Lost(0), Not(Contains("probe 1"))) << "it may have said goodbye";
  world.now += absl::Milliseconds(3);
  EXPECT_THAT(world.Do([&] { world.state.OnUnavailable(0, world.now); }),
              AllOf(Contains("probe 1"), Contains("probe 2")));
}

TEST(PoolStateTest, NoOtherIsProbedWhenAConnectionSaysGoodbye) {
  World world = ThreeQuiet();
  world.use[0].leases = 1;
  world.Do([&] { world.state.OnUnavailable(0, world.now); });
  world.now += absl::Seconds(2);  // A call that failed long before is another matter.
  world.Lost(0);
  EXPECT_EQ(world.Count(SlotState::kChecking), 0);
}

TEST(PoolStateTest, WhatHasJustAnsweredIsNotProbedForAnothersLoss) {
  World world = ThreeQuiet();
  world.use[0].leases = 1;
  world.Do([&] { world.state.OnSuspected(1, world.now, /*routine=*/true); });
  world.Do([&] { world.state.OnProbed(1, absl::OkStatus(), world.now); });
  world.Do([&] { world.state.OnUnavailable(0, world.now); });
  EXPECT_THAT(world.Lost(0), AllOf(Not(Contains("probe 1")), Contains("probe 2")));
}

TEST(PoolStateTest, OnlyThoseToTheSameServerAreProbed) {
  World world = ThreeQuiet();
  std::vector<Endpoint> endpoints(2);
  endpoints[0].address = "a";
  endpoints[1].address = "b";
  world.Do([&] { world.state.SetEndpoints(endpoints, world.now); });
  world.OpenAll();
  world.now += absl::Seconds(10);
  world.use.resize(world.state.size());
  std::map<uint64_t, std::vector<uint32_t>> open;
  for (uint32_t slot = 0; slot < world.state.size(); ++slot) {
    const auto& record = world.state.record(slot);
    if (record.state == SlotState::kOpen) open[record.endpoint].push_back(slot);
  }
  ASSERT_EQ(open.size(), 2u);
  for (const auto& [endpoint, slots] : open) {
    if (slots.size() != 2) continue;
    const uint32_t lost = slots[0];
    world.use[lost].leases = 1;
    world.Do([&] { world.state.OnUnavailable(lost, world.now); });
    EXPECT_THAT(world.Lost(lost), Contains(absl::StrCat("probe ", slots[1])));
  }
  EXPECT_EQ(world.Count(SlotState::kChecking), 1);
}

TEST(PoolStateTest, ASuspectedConnectionCountsForMaxConnections) {
  World world = In(SlotState::kChecking, /*other_open=*/false);
  PoolOptions one = world.state.options();
  one.max_connections = 1;
  world.Reconfigure(one);
  EXPECT_THAT(world.Demand(1), IsEmpty());
}

TEST(PoolStateTest, TakesTheLowerOfTargetAndLimit) {
  PoolOptions options = Options(0, 10);
  options.max_leases_per_connection = 2;
  World world(options);
  world.Demand(6);
  EXPECT_EQ(world.state.serving(), 3);
}

TEST(PoolStateTest, NeverOpensMoreThanMaxConnections) {
  World world(Options(0, 3));
  world.Demand(1'000'000'000'000);
  world.Do([&] { world.state.EnsureConnections(100, world.now); });
  EXPECT_FALSE(world.state.OpenForCall(true, world.now));
  EXPECT_EQ(world.state.serving(), 3);
  EXPECT_FALSE(world.state.can_grow());
}

TEST(PoolStateTest, GrowsByThePeaksSinceTheLastTick) {
  World world(Options(1, 5));
  world.OpenAll();
  world.use = {{/*leases=*/2, /*used=*/true, /*peak=*/8}};
  EXPECT_THAT(world.Tick(2), IsEmpty());
  world.use = {{2, true, 9}};
  EXPECT_THAT(world.Tick(2), ElementsAre("open 1"));
  world.Opened(1);
  world.use = {{2, true, 8}, {0, true, 8}};
  EXPECT_THAT(world.Tick(2), IsEmpty());
  EXPECT_THAT(world.Tick(3), ElementsAre("open 2")) << "one waits besides";
}

TEST(PoolStateTest, PeaksOfConnectionsThatDrainAskForNothing) {
  World world(Options(1, 5));
  world.OpenAll();
  world.now += absl::Minutes(1);
  world.use = {{5, true, 100}};
  world.Lost(0);
  world.Opened(1);
  world.use = {{5, true, 100}, {}};
  EXPECT_THAT(world.Tick(0), IsEmpty());
}

TEST(PoolStateTest, PreconnectsByTheRatio) {
  struct Case {
    double ratio;
    int demand, connections, grow_above;
  };
  const std::vector<Case> cases = {{1.0, 16, 2, 8}, {1.0, 17, 3, 8}, {1.5, 5, 1, 5},  {1.5, 6, 2, 5},
                                   {1.5, 16, 3, 5}, {2.0, 4, 1, 4},  {2.0, 5, 2, 4},  {3.0, 8, 3, 2},
                                   {3.0, 1, 1, 2},  {1.6, 5, 1, 5},  {1.6, 10, 2, 5}, {3.0, 1000, 5, 2}};
  for (const Case& c : cases) {
    PoolOptions options = Options(1, 5);
    options.preconnect_ratio = c.ratio;
    World world(options);
    EXPECT_EQ(world.state.grow_above(), c.grow_above) << c.ratio << ": one more lease on each asks for another";
    world.Demand(c.demand);
    EXPECT_EQ(world.state.serving(), c.connections) << c.demand << " leases at 8 a connection, times " << c.ratio;
  }
}

TEST(PoolStateTest, ANewConnectionSaysWhatItIsFor) {
  PoolOptions options = Options(1, 5);
  options.max_age = absl::InfiniteDuration();
  World world(options);
  world.OpenAll();
  world.Demand(9);
  world.Do([&] { world.state.EnsureConnections(3, world.now); });
  world.OpenAll();
  world.Recycle();
  std::vector<std::string> why;
  for (const PoolEvent& event : world.state.TakeEvents()) {
    if (event.kind == PoolEvent::Kind::kConnecting) why.push_back(event.detail);
  }
  EXPECT_THAT(why, ElementsAre("min_connections", "demand for 9 leases", "asked for", "replaces 0-1"));
}

// --- Limits on dials ----------------------------------------------------------------------------------------------

PoolOptions Limited(int min_connections, int max_connections, int max_connecting, double per_second) {
  PoolOptions options = Options(min_connections, max_connections);
  options.max_age = options.max_idle = absl::InfiniteDuration();
  options.max_connecting = max_connecting;
  options.max_connects_per_second = per_second;
  return options;
}

TEST(PoolStateTest, DialsNoMoreThanMaxConnectingAtOneTime) {
  World world(Limited(7, 7, /*max_connecting=*/3, 0));
  EXPECT_THAT(world.done, ElementsAre("open 0", "open 1", "open 2"));
  EXPECT_THAT(world.Opened(1), ElementsAre("publish 1", "open 3")) << "the next at once";
  for (const uint32_t slot : {0, 2, 3}) {
    world.Opened(slot);
    EXPECT_LE(world.Count(SlotState::kConnecting), 3);
  }
  world.OpenAll();
  EXPECT_EQ(world.Count(SlotState::kOpen), 7);
}

TEST(PoolStateTest, ReplacementsCountForMaxConnecting) {
  PoolOptions options = Limited(5, 8, /*max_connecting=*/2, 0);
  options.max_surge = 5;
  World world(options);
  world.OpenAll();
  EXPECT_THAT(world.Recycle(), ElementsAre("open 5", "open 6"));
  EXPECT_THAT(world.Demand(64), IsEmpty()) << "three more are wanted";
  world.Opened(5);
  EXPECT_EQ(world.state.serving(), 6) << "callers first, replacements after";
  for (int i = 0; i < 20; ++i) {
    EXPECT_LE(world.Count(SlotState::kConnecting), 2);
    for (uint32_t slot = 0; slot < world.state.size(); ++slot) {
      if (world.state.record(slot).state == SlotState::kConnecting) {
        world.Opened(slot);
        break;
      }
    }
  }
  EXPECT_EQ(world.Count(SlotState::kOpen), 8);
  EXPECT_EQ(world.state.replacements_under_way(), 0);
  for (uint32_t slot = 0; slot < world.state.size(); ++slot) {
    const PoolState::Record& record = world.state.record(slot);
    EXPECT_FALSE(record.state == SlotState::kOpen && record.recycle) << slot;
  }
}

TEST(PoolStateTest, GrowthThatWasHeldBackOpensWhenADialEnds) {
  for (const bool opens : {true, false}) {
    World world(Limited(1, 8, /*max_connecting=*/2, 0));
    world.OpenAll();
    EXPECT_THAT(world.Demand(40), ElementsAre("open 1", "open 2")) << "of four";
    world.now += absl::Seconds(1);
    if (opens) {
      EXPECT_THAT(world.Opened(1), ElementsAre("publish 1", "open 3"));
    } else {  // The target fails now: no dial before the other one has ended well.
      EXPECT_THAT(world.Failed(1), ElementsAre("drain 1"));
    }
    world.OpenAll();
    EXPECT_EQ(world.Count(SlotState::kOpen), 5);
  }
}

TEST(PoolStateTest, WhatWasHeldBackIsForgottenWhenNobodyWantsIt) {
  World world(Limited(1, 8, /*max_connecting=*/1, 0));
  world.OpenAll();
  EXPECT_THAT(world.Demand(40), ElementsAre("open 1"));
  EXPECT_THAT(world.Tick(9), IsEmpty()) << "two are enough now";
  EXPECT_THAT(world.Opened(1), ElementsAre("publish 1"));
}

TEST(PoolStateTest, OpensASecondsWorthAtOnceAndThenEvenly) {
  World world(Limited(6, 6, 10, /*per_second=*/2));
  EXPECT_THAT(world.done, ElementsAre("open 0", "open 1"));
  world.OpenAll();
  for (uint32_t slot = 2; slot < 6; ++slot) {
    EXPECT_THAT(world.Tick(), IsEmpty());
    const absl::Time next = world.state.NextTick(world.now);
    EXPECT_EQ(next, world.now + absl::Milliseconds(500)) << "a tick is due then";
    world.now = next - absl::Nanoseconds(1);
    EXPECT_THAT(world.Tick(), IsEmpty());
    world.now = next;
    EXPECT_THAT(world.Tick(), ElementsAre(absl::StrCat("open ", slot)));
    world.OpenAll();
  }
}

TEST(PoolStateTest, OpensOneInManySecondsAtALowRate) {
  World world(Limited(3, 3, 10, /*per_second=*/0.1));
  EXPECT_THAT(world.done, ElementsAre("open 0"));
  world.OpenAll();
  for (int second = 1; second <= 40; ++second) {
    world.now += absl::Seconds(1);
    world.Tick();
    world.OpenAll();
    EXPECT_EQ(world.Count(SlotState::kOpen), std::min(1 + second / 10, 3)) << second;
  }
}

TEST(PoolStateTest, TheRateHoldsReplacementsBackAndLosesNone) {
  for (const int surge : {0, 1, 3}) {
    PoolOptions options = Limited(3, 3, 10, /*per_second=*/1);
    options.max_surge = surge;
    World world(options);
    for (int second = 0; second < 3; ++second) {
      world.OpenAll();
      world.now += absl::Seconds(1);
      world.Tick();
    }
    world.OpenAll();
    ASSERT_EQ(world.Count(SlotState::kOpen), 3);
    world.now += absl::Seconds(10);
    world.Recycle();
    for (int second = 0; second < 2; ++second) {
      world.OpenAll();
      world.now += absl::Seconds(1);
      world.Tick();
    }
    world.OpenAll();
    int recycled = 0;
    for (const PoolEvent& event : world.state.TakeEvents()) {
      recycled += event.kind == PoolEvent::Kind::kClosed && event.reason == CloseReason::kRecycled;
    }
    EXPECT_EQ(recycled, 3) << "max_surge " << surge << ": one a second, all of them";
    EXPECT_EQ(world.Count(SlotState::kOpen), 3);
  }
}

TEST(PoolStateTest, ACallMayInsistOnADialPastTheRate) {
  World world(Limited(0, 2, 10, /*per_second=*/1));
  world.Demand(1);
  world.OpenAll();
  world.now += absl::Milliseconds(200);
  world.Lost(0);
  EXPECT_FALSE(world.state.OpenForCall(/*wait_for_ready=*/false, world.now));
  EXPECT_EQ(world.state.connect_at(), world.now + absl::Milliseconds(800));
  EXPECT_TRUE(world.state.OpenForCall(/*wait_for_ready=*/true, world.now));
  EXPECT_EQ(world.state.connect_at(), world.now + absl::Seconds(1)) << "and pays for it later";
  for (int i = 0; i < 5; ++i) {
    world.Do([&] { world.state.Drain(world.now); });
    world.Do([&] { world.state.Resume(world.now); });
    EXPECT_TRUE(world.state.OpenForCall(/*wait_for_ready=*/true, world.now));
  }
  EXPECT_EQ(world.state.connect_at(), world.now + absl::Seconds(1)) << "never more than the time of one";
}

TEST(PoolStateTest, ANewRateForgetsWhatASlowerOneCost) {
  World world(Limited(2, 2, 10, /*per_second=*/0.001));
  world.OpenAll();
  world.Reconfigure(Limited(2, 2, 10, /*per_second=*/10));
  EXPECT_LE(world.state.NextTick(world.now), world.now + absl::Seconds(1));
  world.now += absl::Seconds(1);
  EXPECT_THAT(world.Tick(), ElementsAre("open 1"));
}

TEST(PoolStateTest, ALostConnectionIsReplacedUpToMin) {
  World world(Options(2, 5));
  world.OpenAll();
  world.now += absl::Minutes(1);
  EXPECT_THAT(world.Lost(0), ElementsAre("drain 0", "open 2"));
  EXPECT_EQ(world.state.record(0).state, SlotState::kClosed);
}

TEST(PoolStateTest, ASlotThatDrainsIsNotUsedAgainBeforeItClosed) {
  World world(Options(1, 5));
  world.OpenAll();
  world.now += absl::Minutes(1);
  world.use = {{1, true}};
  EXPECT_THAT(world.Lost(0), ElementsAre("drain 0", "open 1"));
  EXPECT_THAT(world.Emptied(0), IsEmpty());
  EXPECT_THAT(world.Demand(9), ElementsAre("open 0"));
}

// --- Failing targets ----------------------------------------------------------------------------------------------

TEST(PoolStateTest, OneDialStandsForAllWhileTheTargetFails) {
  World world(Options(4, 8));
  ASSERT_EQ(world.Count(SlotState::kConnecting), 4);
  EXPECT_THAT(world.Failed(0), ElementsAre("back_off 0"));
  for (uint32_t slot = 1; slot < 4; ++slot) world.Failed(slot);
  EXPECT_EQ(world.Count(SlotState::kBackoff), 1);
  EXPECT_EQ(world.state.serving(), 1) << "the three others are closed and not dialled again";
  EXPECT_THAT(world.Demand(50), IsEmpty());

  for (int redial = 0; redial < 20; ++redial) {
    world.now = world.state.retry_at() - absl::Nanoseconds(1);
    EXPECT_THAT(world.Tick(50), IsEmpty());
    world.now += absl::Nanoseconds(1);
    EXPECT_THAT(world.Tick(50), ElementsAre("redial 0"));
    EXPECT_THAT(world.Failed(0), IsEmpty());
  }
  EXPECT_THAT(world.Opened(0), ElementsAre("publish 0", "open 1", "open 2", "open 3")) << "back to min at once";
}

TEST(PoolStateTest, CountsAndTellsEveryFailedDial) {
  World world(Options(1, 1));
  world.Failed(0);
  world.state.TakeEvents();
  for (int redial = 0; redial < 3; ++redial) {
    world.now = world.state.retry_at();
    world.Tick();
    world.Failed(0);
  }
  EXPECT_EQ(world.state.dial_failures(), 4u);
  const std::vector<PoolEvent> events = world.state.TakeEvents();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2].kind, PoolEvent::Kind::kConnectFailed);
  EXPECT_EQ(events[2].detail, "refused");
}

TEST(PoolStateTest, BackOffGrowsBy1Point6WithinAFifthUpToTheMaximum) {
  PoolOptions options = Options(1, 1);
  options.backoff_initial = absl::Milliseconds(100);
  options.backoff_max = absl::Seconds(2);
  std::vector<double> sums(12, 0);
  constexpr int kRuns = 400;
  for (int seed = 0; seed < kRuns; ++seed) {
    World world(options, seed);
    world.Failed(0);
    for (size_t i = 0; i < sums.size(); ++i) {
      const double waited = absl::ToDoubleSeconds(world.state.retry_at() - world.now);
      const double expected = std::min(0.1 * std::pow(1.6, i), 2.0);
      ASSERT_THAT(waited, AllOf(Ge(expected * 0.8 - 1e-9), Le(expected * 1.2 + 1e-9))) << "failure " << i + 1;
      sums[i] += waited / expected;
      world.now = world.state.retry_at();
      world.Tick();
    }
  }
  for (const double sum : sums) EXPECT_NEAR(sum / kRuns, 1.0, 0.02) << "the jitter is even";
}

TEST(PoolStateTest, BackOffBeginsAnewOnceAConnectionHasLasted) {
  PoolOptions options = Options(1, 1);
  World world(options);
  world.Failed(0);
  for (int i = 0; i < 10; ++i) {
    world.now = world.state.retry_at();
    world.Tick();
  }
  ASSERT_GT(world.state.retry_at() - world.now, absl::Seconds(1));
  world.Opened(0);
  EXPECT_EQ(world.state.retry_at(), absl::InfinitePast()) << "not failing";
  world.now += options.backoff_initial;
  world.Lost(0);
  ASSERT_EQ(world.state.record(1).state, SlotState::kConnecting);
  world.Failed(1);
  EXPECT_GE(world.state.retry_at() - world.now, options.backoff_initial * 0.8);
  EXPECT_LE(world.state.retry_at() - world.now, options.backoff_initial * 1.2);
}

TEST(PoolStateTest, AServerThatHangsUpAtOnceIsBackedOffFrom) {
  PoolOptions options = Options(1, 4);
  World world(options);
  absl::Duration waited;
  for (int i = 0; i < 12; ++i) {
    world.OpenAll();
    world.now += options.backoff_initial / 2;
    world.Lost(0);
    ASSERT_EQ(world.Count(SlotState::kConnecting), 0) << "not dialled at once";
    waited = world.state.retry_at() - world.now;
    world.now = world.state.retry_at();
    world.Tick();
  }
  EXPECT_GE(waited, options.backoff_max * 0.8) << "it ends at the longest back-off";
}

// An old connection that works says nothing about a dial that does not.
TEST(PoolStateTest, AnOldConnectionDoesNotResetTheBackOffOfNewOnes) {
  PoolOptions options = Options(2, 4);
  options.max_age = options.max_idle = absl::InfiniteDuration();
  World world(options);
  world.OpenAll();
  world.now += absl::Hours(1);
  absl::Duration waited;
  for (int i = 0; i < 12; ++i) {
    uint32_t young = 0;
    for (uint32_t slot = 0; slot < world.state.size(); ++slot) {
      if (world.state.record(slot).opened_at == world.now) young = slot;
    }
    if (i == 0) young = 1;
    world.Lost(young);
    if (i == 0) {  // The first loss is of an old one: its dial goes out at once.
      world.OpenAll();
      continue;
    }
    waited = world.state.retry_at() - world.now;
    world.now = world.state.retry_at();
    world.Tick();
    world.OpenAll();
    world.Tick();
  }
  EXPECT_GE(waited, options.backoff_max * 0.8);
}

TEST(PoolStateTest, ManyThatFailAtOnceAreOneFailure) {
  World world(Options(10, 10));
  for (uint32_t slot = 0; slot < 10; ++slot) world.Failed(slot);
  EXPECT_EQ(world.state.dial_failures(), 10u);
  EXPECT_LE(world.state.retry_at() - world.now, absl::Milliseconds(120)) << "the first back-off, not the tenth";
}

TEST(PoolStateTest, AShorterBackOffHoldsForThePresentWait) {
  PoolOptions options = Options(1, 1);
  options.backoff_initial = options.backoff_max = absl::Minutes(10);
  World world(options);
  world.Failed(0);
  options.backoff_initial = options.backoff_max = absl::Seconds(1);
  world.Reconfigure(options);
  EXPECT_LE(world.state.retry_at(), world.now + absl::Seconds(1));
}

TEST(PoolStateTest, ANewBackOffIsANewConnectionsAtTheNextDial) {
  World world(Options(1, 1));
  world.Failed(0);
  ASSERT_EQ(world.Count(SlotState::kBackoff), 1);
  PoolOptions options = Options(1, 1);
  options.backoff_max = absl::Seconds(1);
  EXPECT_THAT(world.Reconfigure(options), ElementsAre("drain 0")) << "and no dial before its time";
  EXPECT_THAT(world.Tick(), IsEmpty());
  EXPECT_EQ(world.state.NextTick(world.now), world.state.retry_at());
  world.now = world.state.retry_at();
  EXPECT_THAT(world.Tick(), ElementsAre("open 0"));
  EXPECT_THAT(world.Failed(0), ElementsAre("back_off 0"));
  options.max_waiters = 7;
  EXPECT_THAT(world.Reconfigure(options), IsEmpty()) << "the back-off stays";
}

TEST(PoolStateTest, ADialThatFailsAfterANewBackOffDoesNotBackOffOnTheOldOne) {
  World world(Options(1, 1));
  PoolOptions options = Options(1, 1);
  options.backoff_max = absl::Seconds(1);
  EXPECT_THAT(world.Reconfigure(options), IsEmpty());
  EXPECT_THAT(world.Failed(0), ElementsAre("drain 0"));
  world.now = world.state.retry_at();
  EXPECT_THAT(world.Tick(), ElementsAre("open 0"));
}

TEST(PoolStateTest, ACallMayInsistOnADialBeforeTheBackOffIsOver) {
  World world(Options(0, 2));
  world.Demand(1);
  world.Failed(0);  // The only way backs off; drained, none is left.
  world.Do([&] { world.state.Drain(world.now); });
  world.Do([&] { world.state.Resume(world.now); });
  EXPECT_FALSE(world.state.OpenForCall(/*wait_for_ready=*/false, world.now));
  EXPECT_TRUE(world.state.OpenForCall(/*wait_for_ready=*/true, world.now));
}

TEST(PoolStateTest, DialsAgainWithoutAnyEventButTime) {
  World world(Options(2, 2));
  world.OpenAll();
  world.now += absl::Milliseconds(1);
  world.Lost(1);
  ASSERT_EQ(world.state.serving(), 1);
  const absl::Time next = world.state.NextTick(world.now);
  EXPECT_LE(next, world.state.retry_at());
  world.now = world.state.retry_at();
  EXPECT_THAT(world.Tick(), ElementsAre("open 1"));
}

// --- Age ----------------------------------------------------------------------------------------------------------

PoolOptions Ageing(int connections, int max_surge) {
  PoolOptions options = Options(connections, connections);
  options.max_age = absl::Minutes(10);
  options.max_age_jitter = 0;
  options.max_idle = absl::InfiniteDuration();
  options.max_surge = max_surge;
  return options;
}

TEST(PoolStateTest, AgesAreDrawnOnceAndCentredOnMaxAge) {
  constexpr int kConnections = 4000;
  PoolOptions options = Options(kConnections, kConnections);
  options.max_age = absl::Hours(1);
  options.max_age_jitter = 0.5;
  options.max_idle = absl::InfiniteDuration();
  options.max_surge = options.max_connecting = kConnections;
  options.connect_timeout = absl::Hours(24);  // The replacements are not of interest: they dial until the end.
  World world(options);
  for (uint32_t slot = 0; slot < kConnections; ++slot) world.state.OnOpened(slot, world.now);
  world.Perform();
  // Looks every minute, sixty times and more before most are due: redrawing at each look would bring the mean down to
  // little above the shortest age.
  double sum = 0, shortest = 1e9, longest = 0;
  int replaced = 0;
  for (int minute = 1; minute <= 95; ++minute) {
    world.now = kBegin + absl::Minutes(minute);
    for (const std::string& action : world.Tick()) {
      ASSERT_EQ(action.substr(0, 4), "open");
      sum += minute, ++replaced;
      shortest = std::min<double>(shortest, minute), longest = std::max<double>(longest, minute);
    }
  }
  EXPECT_EQ(replaced, kConnections);
  EXPECT_NEAR(sum / replaced, 60.5, 1.0) << "even between 30 and 90 minutes, noticed half a minute late";
  EXPECT_NEAR(shortest, 30, 2);
  EXPECT_NEAR(longest, 90, 2);
}

TEST(PoolStateTest, ReplacesNewBeforeOldAtMostMaxSurgeAtATime) {
  for (const int surge : {1, 2, 3}) {
    World world(Ageing(6, surge));
    world.OpenAll();
    world.now += absl::Minutes(10);
    world.Tick();
    int rounds = 0;
    for (; world.state.replacements_under_way() > 0; ++rounds) {
      EXPECT_LE(world.state.replacements_under_way(), surge);
      EXPECT_EQ(world.Count(SlotState::kOpen), 6) << "new before old: as many lend as ever";
      const int due = std::min(surge, 6 - rounds * surge);
      EXPECT_EQ(world.Count(SlotState::kConnecting), due);
      std::vector<uint32_t> dialling;
      for (uint32_t slot = 0; slot < world.state.size(); ++slot) {
        if (world.state.record(slot).state == SlotState::kConnecting) dialling.push_back(slot);
      }
      world.done.clear();
      for (const uint32_t slot : dialling) world.state.OnOpened(slot, world.now);
      world.Perform();
    }
    EXPECT_EQ(rounds, 6 / surge);
    for (const PoolEvent& event : world.state.TakeEvents()) {
      if (event.kind == PoolEvent::Kind::kClosed) {
        EXPECT_EQ(event.reason, CloseReason::kMaxAge);
      }
    }
  }
}

TEST(PoolStateTest, WithoutSurgeBreaksBeforeItMakes) {
  World world(Ageing(3, 0));
  world.OpenAll();
  world.now += absl::Minutes(10);
  EXPECT_THAT(world.Tick(), ElementsAre("drain 0", "open 0"));
  EXPECT_EQ(world.Count(SlotState::kOpen), 2);
  EXPECT_EQ(world.state.replacements_under_way(), 1);
  EXPECT_THAT(world.Tick(), IsEmpty()) << "the next waits until this one is open";
  EXPECT_THAT(world.Opened(0), ElementsAre("publish 0", "drain 1", "open 1"));
  EXPECT_THAT(world.Opened(1), ElementsAre("publish 1", "drain 2", "open 2"));
  EXPECT_THAT(world.Opened(2), ElementsAre("publish 2"));
}

TEST(PoolStateTest, WithoutSurgeADeadTargetCostsOneConnectionNotAll) {
  World world(Ageing(5, 0));
  world.OpenAll();
  world.now += absl::Minutes(10);
  world.Tick();
  ASSERT_EQ(world.Count(SlotState::kConnecting), 1);
  world.Failed(0);
  for (int i = 0; i < 30; ++i) {
    world.now = std::max(world.now, world.state.retry_at());
    world.Tick();
    EXPECT_EQ(world.Count(SlotState::kOpen), 4) << "the others stay until the first is back";
    for (uint32_t slot = 0; slot < world.state.size(); ++slot) {
      if (world.state.record(slot).state == SlotState::kConnecting) world.Failed(slot);
    }
  }
}

TEST(PoolStateTest, WithoutSurgeTheNumberOfConnectionsStays) {
  PoolOptions options = Ageing(1, 0);
  options.max_connections = 5;
  World world(options);
  world.OpenAll();
  for (int round = 0; round < 5; ++round) {
    world.Recycle();
    world.OpenAll();
    world.Tick();
    EXPECT_EQ(world.state.serving(), 1) << "after " << round + 1 << " recycles";
  }
  // The same with a call on it that callers must not wait for.
  world.use = {{1, true}};
  EXPECT_THAT(world.Recycle(), ElementsAre("drain 0"));
  EXPECT_THAT(world.Tick(), IsEmpty()) << "break before make: not opened while the old one drains";
  EXPECT_THAT(world.Demand(1), ElementsAre("open 1")) << "but a caller does not wait for that";
  world.OpenAll();
  EXPECT_THAT(world.Emptied(0), IsEmpty()) << "what was owed has been opened";
  EXPECT_EQ(world.state.serving(), 1);
}

TEST(PoolStateTest, ALingeringConnectionGivesItsSurgePlaceBack) {
  PoolOptions options = Ageing(3, 1);
  World world(options);
  world.OpenAll();
  world.use = {{1, true}, {1, true}, {1, true}, {}, {}, {}};
  world.Recycle();
  EXPECT_EQ(world.state.record(3).replaces, 0);
  EXPECT_THAT(world.Opened(3), ElementsAre("drain 0", "publish 3"));
  EXPECT_LE(world.state.NextTick(world.now), world.now + options.drain_grace);
  world.now += options.drain_grace - absl::Nanoseconds(1);
  EXPECT_THAT(world.Tick(), IsEmpty());
  world.now += absl::Nanoseconds(1);
  EXPECT_THAT(world.Tick(), ElementsAre("open 4"));
  EXPECT_EQ(world.state.lingering(), 1);
  EXPECT_EQ(world.state.replacements_under_way(), 1);
  world.Emptied(0);
  EXPECT_EQ(world.state.lingering(), 0);
}

TEST(PoolStateTest, NoMoreThanMaxConnectionsLinger) {
  PoolOptions options = Ageing(2, 1);
  World world(options);
  world.OpenAll();
  world.use.assign(64, {1, true});  // Calls that never end, on every connection.
  for (int round = 0; round < 20; ++round) {
    world.Recycle();
    world.OpenAll();
    world.now += options.drain_grace;
    world.Tick();
    EXPECT_LE(world.state.lingering(), 2);
    EXPECT_LE(world.state.replacements_under_way(), 1);
  }
  EXPECT_EQ(world.state.lingering(), 2);
  EXPECT_EQ(world.Count(SlotState::kDraining), 3) << "two linger, one holds the surge place";
}

TEST(PoolStateTest, LossDuringAReplacementMakesItAnOrdinaryConnection) {
  World world(Ageing(2, 1));
  world.OpenAll();
  world.Recycle();
  ASSERT_EQ(world.state.record(2).replaces, 0);
  world.now += absl::Minutes(1);
  EXPECT_THAT(world.Lost(0), ElementsAre("drain 0", "open 3"));
  EXPECT_EQ(world.state.record(2).replaces, -1);
  EXPECT_EQ(world.state.record(3).replaces, 1) << "slot 1 is recycled next";
}

TEST(PoolStateTest, AFailedReplacementLeavesTheOldOneServing) {
  World world(Ageing(2, 1));
  world.OpenAll();
  world.Recycle();
  EXPECT_THAT(world.Failed(2), ElementsAre("drain 2"));
  EXPECT_EQ(world.Count(SlotState::kOpen), 2);
  world.now = world.state.retry_at();
  EXPECT_THAT(world.Tick(), ElementsAre("open 2")) << "and it is tried again";
}

TEST(PoolStateTest, RecycleReplacesEachConnectionOnce) {
  World world(Ageing(4, 2));
  world.OpenAll();
  world.Recycle();
  world.OpenAll();
  int recycled = 0;
  for (const PoolEvent& event : world.state.TakeEvents()) {
    recycled += event.kind == PoolEvent::Kind::kClosed && event.reason == CloseReason::kRecycled;
  }
  EXPECT_EQ(recycled, 4);
  EXPECT_EQ(world.Count(SlotState::kOpen), 4);
  EXPECT_THAT(world.Tick(), IsEmpty());
}

// Dials that succeed at once must not turn a recycle, or an age that all have reached together, into one burst.
TEST(PoolStateTest, AWaveOfReplacementsBeginsABoundedNumberEachSecond) {
  for (const int max_surge : {0, 1, 10, 25}) {
    for (const bool by_age : {true, false}) {
      PoolOptions options = Ageing(/*connections=*/100, max_surge);
      options.max_connecting = 100;
      World world(options);
      world.OpenAll();
      world.now += by_age ? options.max_age : absl::Minutes(5);
      const auto replaced = [&] {
        int n = 0;
        for (const PoolEvent& event : world.state.TakeEvents()) n += event.kind == PoolEvent::Kind::kClosed;
        return n;
      };
      replaced();
      if (!by_age) world.Recycle();
      const int each_second = std::max(10, max_surge);
      for (int second = 0; second < 100 / each_second; ++second) {
        world.Tick();
        world.OpenAll();
        EXPECT_EQ(replaced(), each_second) << "second " << second << ", max_surge " << max_surge;
        EXPECT_LE(world.state.NextTick(world.now), world.now + absl::Seconds(1));
        world.now += absl::Milliseconds(999);
        world.Tick();
        world.OpenAll();
        EXPECT_EQ(replaced(), 0);
        world.now += absl::Milliseconds(1);
      }
      EXPECT_EQ(world.Count(SlotState::kOpen), 100);
      world.Tick();
      EXPECT_EQ(world.Count(SlotState::kConnecting), 0) << "all of them, once";
    }
  }
}

// --- Idle and shrink ----------------------------------------------------------------------------------------------

TEST(PoolStateTest, ClosesIdleConnectionsButNeverBelowMin) {
  PoolOptions options = Options(2, 6);
  World world(options);
  world.Demand(48);
  world.OpenAll();
  ASSERT_EQ(world.Count(SlotState::kOpen), 6);
  world.use[3] = {0, true};
  world.now += options.max_idle - absl::Seconds(1);
  EXPECT_THAT(world.Tick(), IsEmpty());
  world.use[3] = {};
  world.now += absl::Seconds(1);
  EXPECT_THAT(world.Tick(),
              ElementsAre("drain_if_unused 0", "drain_if_unused 1", "drain_if_unused 2", "drain_if_unused 4"));
  EXPECT_EQ(world.Count(SlotState::kOpen), 2) << "slot 3 was used, slot 5 is min_connections' other";
  world.now += options.max_idle;
  EXPECT_THAT(world.Tick(), IsEmpty());
}

TEST(PoolStateTest, ABusyConnectionIsNeverIdle) {
  PoolOptions options = Options(0, 1);
  World world(options);
  world.Demand(1);
  world.OpenAll();
  world.use = {{1, false}};
  world.now += options.max_idle * 10;
  EXPECT_THAT(world.Tick(), IsEmpty());
}

// Both at once, without surge: it must not be asked to drain twice.
TEST(PoolStateTest, ARotationDoesNotRestartTheIdleTime) {
  for (const int max_surge : {0, 1, 3}) {
    PoolOptions options = Options(/*min=*/1, /*max=*/5);
    options.max_surge = max_surge;
    options.max_age = absl::Seconds(10);
    options.max_age_jitter = 0;
    options.max_idle = absl::Seconds(60);
    World world(options);
    world.Demand(5 * options.target_leases_per_connection);
    world.OpenAll();
    ASSERT_EQ(world.Count(SlotState::kOpen), 5);
    for (int second = 0; second < 80; ++second) {
      world.now += absl::Seconds(1);
      world.Tick();
      world.OpenAll();
    }
    EXPECT_EQ(world.Count(SlotState::kOpen), 1) << "max_surge " << max_surge;
  }
}

TEST(PoolStateTest, AReplacementThatIsUsedIsNotIdle) {
  PoolOptions options = Options(/*min=*/0, /*max=*/1);
  options.max_age = absl::Seconds(10);
  options.max_age_jitter = 0;
  options.max_idle = absl::Seconds(15);
  World world(options);
  world.Demand(1);
  world.OpenAll();
  for (int second = 0; second < 60; ++second) {
    world.now += absl::Seconds(1);
    world.use.assign(world.state.size(), {0, true});
    world.Tick();
    world.OpenAll();
    EXPECT_EQ(world.Count(SlotState::kOpen), 1) << second;
  }
}

TEST(PoolStateTest, AnIdleConnectionThatIsAlsoTooOldDrainsOnce) {
  for (const int surge : {0, 1}) {
    PoolOptions options = Options(0, 4);
    options.max_surge = surge;
    options.max_age = options.max_idle = absl::Minutes(1);
    options.max_age_jitter = 0;
    World world(options);
    world.Demand(20);
    world.OpenAll();
    world.now += absl::Minutes(1);
    world.Tick();
    std::vector<int> drained(8, 0);
    for (const PoolEvent& event : world.state.TakeEvents()) {
      if (event.kind == PoolEvent::Kind::kDraining) ++drained[event.connection.slot];
    }
    EXPECT_THAT(drained, Each(Le(1))) << "max_surge " << surge;
  }
}

// --- Shrinking by load --------------------------------------------------------------------------------------------

// One check every 10 s, low below half of 8 leases a connection; connections neither age nor idle away.
PoolOptions Shrinking(int min_connections, int max_connections) {
  PoolOptions options = Options(min_connections, max_connections);
  options.max_age = options.max_idle = absl::InfiniteDuration();
  options.shrink_below = 0.5;
  options.shrink_interval = absl::Seconds(10);
  options.shrink_cooldown = absl::ZeroDuration();
  return options;
}

// `connections` are open, the next check begins.
World Grown(const PoolOptions& options, int connections) {
  World world(options);
  world.Demand(connections * options.target_leases_per_connection);
  world.OpenAll();
  EXPECT_EQ(world.Count(SlotState::kOpen), connections);
  return world;
}

// Another shrink_interval passes, with `leases` at a time spread over the connections. What the tick at its end asks.
std::vector<std::string> Check(World& world, int leases) {
  world.now += world.state.options().shrink_interval;
  const std::vector<SlotUse> use = std::exchange(world.use, std::vector<SlotUse>(world.state.size()));
  int open = world.Count(SlotState::kOpen);
  for (uint32_t slot = 0; slot < world.state.size(); ++slot) {
    if (world.state.record(slot).state != SlotState::kOpen) {
      if (slot < use.size()) world.use[slot] = use[slot];
      continue;
    }
    const uint32_t share = static_cast<uint32_t>(leases / open);
    world.use[slot] = {0, share > 0, share};
    leases -= static_cast<int>(share), --open;
  }
  return world.Tick(0);
}

TEST(PoolStateTest, ShrinksAfterThreeLowChecksAndThenWithEach) {
  World world = Grown(Shrinking(1, 6), 6);
  EXPECT_THAT(Check(world, 4), IsEmpty());
  EXPECT_THAT(Check(world, 4), IsEmpty());
  EXPECT_THAT(Check(world, 4), ElementsAre("drain 0", "drain 1")) << "max_shrink_step";
  EXPECT_THAT(Check(world, 4), ElementsAre("drain 2", "drain 3"));
  EXPECT_THAT(Check(world, 4), ElementsAre("drain 4")) << "4 leases fill one connection to half of its target";
  EXPECT_THAT(Check(world, 0), IsEmpty());
}

TEST(PoolStateTest, NeverShrinksByLoadUnlessAsked) {
  PoolOptions options = Shrinking(1, 6);
  options.shrink_below = PoolOptions().shrink_below;
  World world = Grown(options, 6);
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Check(world, 0), IsEmpty());
}

TEST(PoolStateTest, ACheckThatIsNotLowBeginsTheCountAnew) {
  World world = Grown(Shrinking(1, 6), 6);
  for (int round = 0; round < 5; ++round) {
    EXPECT_THAT(Check(world, 4), IsEmpty());
    EXPECT_THAT(Check(world, 4), IsEmpty());
    EXPECT_THAT(Check(world, 21), IsEmpty()) << "of 6 * 8, with one fewer more than half is used";
  }
  EXPECT_THAT(Check(world, 20), IsEmpty());
  EXPECT_THAT(Check(world, 20), IsEmpty());
  EXPECT_THAT(Check(world, 20), ElementsAre("drain 0")) << "exactly half of five";
}

TEST(PoolStateTest, APeakBetweenTwoTicksIsSeenByTheCheck) {
  World world = Grown(Shrinking(1, 6), 6);
  for (int check = 0; check < 6; ++check) {
    world.now += absl::Seconds(5);
    world.use.assign(6, {0, true, 5});  // 30 leases, for a moment; the check ends 5 s later.
    EXPECT_THAT(world.Tick(0), IsEmpty());
    world.now -= absl::Seconds(5);
    EXPECT_THAT(Check(world, 0), IsEmpty()) << check;
  }
}

TEST(PoolStateTest, DoesNotShrinkWithinTheCooldownAfterGrowth) {
  PoolOptions options = Shrinking(1, 6);
  options.shrink_cooldown = absl::Minutes(2);
  World world = Grown(options, 6);
  const absl::Time grew = world.now;
  while (world.now - grew < absl::Seconds(110)) EXPECT_THAT(Check(world, 0), IsEmpty());
  EXPECT_THAT(Check(world, 0), ElementsAre("drain 0", "drain 1"));
  EXPECT_THAT(Check(world, 48), ElementsAre("open 0", "open 1"));
  const absl::Time again = world.now;
  world.OpenAll();
  while (world.now - again < absl::Seconds(110)) EXPECT_THAT(Check(world, 0), IsEmpty());
  EXPECT_EQ(Check(world, 0).size(), 2u);
}

TEST(PoolStateTest, WhatIsOpenedForMinConnectionsIsNoGrowth) {
  PoolOptions options = Shrinking(2, 6);
  options.shrink_cooldown = absl::Minutes(10);
  World world = Grown(options, 6);
  world.now += absl::Minutes(10);
  for (int check = 0; check < 2; ++check) Check(world, 0);
  for (const uint32_t slot : {0, 1, 2, 3, 4}) world.Lost(slot);
  ASSERT_EQ(world.Count(SlotState::kConnecting), 1) << "the second of two";
  world.OpenAll();
  world.Demand(24);  // Growth: three.
  world.OpenAll();
  for (int check = 0; check < 10; ++check) EXPECT_THAT(Check(world, 0), IsEmpty());
}

TEST(PoolStateTest, ShrinksToMinConnectionsAndKeepsTheLastForMaxIdle) {
  for (const int min : {0, 1, 3}) {
    World world = Grown(Shrinking(min, 6), 6);
    for (int check = 0; check < 20; ++check) Check(world, 0);
    EXPECT_EQ(world.Count(SlotState::kOpen), std::max(min, 1));
  }
}

TEST(PoolStateTest, ShrinksTheLeastUsedFirst) {
  PoolOptions options = Shrinking(1, 4);
  options.max_shrink_step = 1;
  World world = Grown(options, 4);
  const std::vector<SlotUse> use = {{1, true, 3}, {0, true, 2}, {0, true, 1}, {2, true, 2}};
  std::vector<std::string> drained;
  for (int check = 0; check < 5; ++check) {
    world.now += options.shrink_interval;
    world.use = use;
    for (const std::string& action : world.Tick(3)) drained.push_back(action);
  }
  EXPECT_THAT(drained, ElementsAre("drain 2", "drain 1")) << "8, then 7 and 5 leases at most need 2 connections";
}

TEST(PoolStateTest, ShrinkingDoesNotLeaveAReplacementBehind) {
  PoolOptions options = Shrinking(1, 3);
  options.connect_timeout = absl::Hours(1);
  World world = Grown(options, 3);
  world.Recycle();
  ASSERT_EQ(world.state.record(3).replaces, 0);
  for (int check = 0; check < 3; ++check) Check(world, 0);
  EXPECT_EQ(world.state.record(0).state, SlotState::kOpen) << "it is being replaced";
  EXPECT_EQ(world.state.serving(), 1);
}

TEST(PoolStateTest, AFailingTargetIsNoReasonToShrink) {
  World world = Grown(Shrinking(1, 6), 6);
  world.now += absl::Milliseconds(1);
  world.Lost(0);
  ASSERT_NE(world.state.retry_at(), absl::InfinitePast());
  for (int check = 0; check < 10; ++check) EXPECT_THAT(Check(world, 0), IsEmpty());
}

TEST(PoolStateTest, ShrinkingCountsWhatPreconnectingWants) {
  PoolOptions options = Shrinking(1, 6);
  options.preconnect_ratio = 2;
  World world = Grown(options, 6);
  for (int check = 0; check < 10; ++check) Check(world, 8);
  EXPECT_EQ(world.Count(SlotState::kOpen), 4) << "8 * 2 at 4 a connection";
}

TEST(PoolStateTest, EveryShrinkSaysWhy) {
  World world = Grown(Shrinking(1, 6), 6);
  world.state.TakeEvents();
  for (int check = 0; check < 3; ++check) Check(world, 4);
  const std::vector<PoolEvent> events = world.state.TakeEvents();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0].reason, CloseReason::kShrunk);
  EXPECT_EQ(events[0].detail, "at most 4 leases in 3 checks need 1 of 6 connections");
}

TEST(PoolStateTest, ALoadThatOscillatesDoesNotOpenAndCloseInTurn) {
  const auto changes = [](const PoolOptions& options, int low) {
    World world = Grown(options, 1);
    world.state.TakeEvents();
    for (int tenth = 0; tenth < 36'000; ++tenth) {  // An hour; high and low in turn, 7 s each.
      world.now += absl::Milliseconds(100);
      const int leases = tenth / 70 % 2 == 0 ? 33 : low;
      world.use.assign(world.state.size(), {});
      world.Tick(leases);
      world.OpenAll();
    }
    std::pair<int, int> opened_closed;
    for (const PoolEvent& event : world.state.TakeEvents()) {
      opened_closed.first += event.kind == PoolEvent::Kind::kOpened;
      opened_closed.second += event.kind == PoolEvent::Kind::kClosed;
    }
    return opened_closed;
  };
  PoolOptions options = Shrinking(1, 10);
  for (const int low : {0, 15, 16, 17, 24, 31, 32}) {
    EXPECT_EQ(changes(options, low), std::make_pair(4, 0)) << "33 leases need five connections; between: " << low;
  }
  options.shrink_interval = absl::Seconds(1);  // Three checks are shorter than half a turn, but not the cool-down.
  options.shrink_cooldown = absl::Minutes(1);
  for (const int low : {0, 15, 31}) {
    const auto [opened, closed] = changes(options, low);
    EXPECT_LE(closed, 60 * options.max_shrink_step * 2) << low;
    EXPECT_LE(opened, closed + 4);
  }
  options.shrink_cooldown = absl::ZeroDuration();
  EXPECT_GT(changes(options, 0).second, 1000) << "the test can fail: with neither it flaps at each turn";
}

TEST(PoolStateTest, ShrinksTheUnopenedFirstThenTheLeastLoaded) {
  PoolOptions options = Options(0, 5);
  World world(options);
  world.Demand(40);
  for (const uint32_t slot : {0, 1, 2, 3}) world.Opened(slot);  // Slot 4 still dials.
  world.use = {{5, true}, {2, true}, {9, true}, {3, true}, {0, false}};
  options.max_connections = 2;
  EXPECT_THAT(world.Reconfigure(options), ElementsAre("drain 4", "drain 1", "drain 3"));
  EXPECT_EQ(world.state.serving(), 2);
}

TEST(PoolStateTest, ANewLimitGoesToEverySlot) {
  PoolOptions options = Options(2, 5);
  World world(options);
  world.OpenAll();
  options.max_leases_per_connection = 20;
  EXPECT_THAT(world.Reconfigure(options), ElementsAre("set_limit 0", "set_limit 1"));
  EXPECT_THAT(world.Reconfigure(options), IsEmpty()) << "the same again changes nothing";
}

TEST(PoolStateTest, AHigherMinOpensAtOnce) {
  World world(Options(1, 5));
  EXPECT_THAT(world.Reconfigure(Options(3, 5)), ElementsAre("open 1", "open 2"));
}

// --- Drain and resume ---------------------------------------------------------------------------------------------

TEST(PoolStateTest, IsDrainedWhenTheLastConnectionHasClosed) {
  World world(Options(2, 5));
  world.OpenAll();
  world.use = {{1, true}, {}};
  world.Do([&] { world.state.Drain(world.now); });
  EXPECT_EQ(world.state.admin(), PoolAdminState::kDraining);
  EXPECT_THAT(world.Demand(10), IsEmpty()) << "a draining pool opens nothing";
  world.Emptied(0);
  EXPECT_EQ(world.state.admin(), PoolAdminState::kDrained);
  EXPECT_EQ(world.state.NextTick(world.now), absl::InfiniteFuture());
}

TEST(PoolStateTest, ResumeOpensNewConnectionsBesideThoseThatStillDrain) {
  World world(Options(2, 2));
  world.OpenAll();
  world.use = {{1, true}, {1, true}};
  world.Do([&] { world.state.Drain(world.now); });
  EXPECT_THAT(world.Do([&] { world.state.Resume(world.now); }), ElementsAre("open 2", "open 3"));
  world.Emptied(0);
  world.Emptied(1);
  EXPECT_EQ(world.state.admin(), PoolAdminState::kActive);
}

TEST(PoolStateTest, ADrainForgetsTheReplacementsThatWereOwed) {
  World world(Ageing(1, 0));
  world.OpenAll();
  world.use = {{1, true}};
  world.Recycle();
  world.Do([&] { world.state.Drain(world.now); });
  EXPECT_THAT(world.Emptied(0), IsEmpty());
  EXPECT_THAT(world.Do([&] { world.state.Resume(world.now); }), ElementsAre("open 0"));
}

// --- Pause --------------------------------------------------------------------------------------------------------

// Paused for `hold`.
World PausedFor(absl::Duration hold, const PoolOptions& options) {
  World world(options);
  world.OpenAll();
  EXPECT_THAT(world.Do([&] { world.state.Pause(hold, world.now); }), ElementsAre("pause 0"));
  return world;
}

TEST(PoolStateTest, APauseEndsByItself) {
  World world = PausedFor(absl::Milliseconds(1500), Options(1, 5));
  EXPECT_EQ(world.state.admin(), PoolAdminState::kPaused);
  world.now += absl::Seconds(1);
  EXPECT_THAT(world.Tick(), IsEmpty());
  EXPECT_LE(world.state.NextTick(world.now), world.state.paused_until()) << "a tick is due";
  world.now = world.state.paused_until() - absl::Nanoseconds(1);
  EXPECT_THAT(world.Tick(), IsEmpty());
  world.now += absl::Nanoseconds(1);
  EXPECT_THAT(world.Tick(), ElementsAre("unpause 0"));
  EXPECT_EQ(world.state.admin(), PoolAdminState::kActive);
}

TEST(PoolStateTest, OfTwoPausesTheLaterEndHolds) {
  World world = PausedFor(absl::Seconds(30), Options(1, 5));
  const absl::Time end = world.state.paused_until();
  world.now += absl::Seconds(10);
  EXPECT_THAT(world.Do([&] { world.state.Pause(absl::Seconds(5), world.now); }), IsEmpty());
  EXPECT_EQ(world.state.paused_until(), end);
  world.Do([&] { world.state.Pause(absl::Seconds(25), world.now); });
  EXPECT_EQ(world.state.paused_until(), world.now + absl::Seconds(25));
  for (int i = 0; i < 100; ++i) {
    world.now += absl::Seconds(1);
    world.Do([&] { world.state.Pause(kLongestPause, world.now); });
    EXPECT_EQ(world.state.paused_until(), world.now + kLongestPause) << "never beyond the longest from now";
  }
}

TEST(PoolStateTest, APausedPoolKeepsItsConnections) {
  PoolOptions options = Options(2, 5);
  options.max_age = absl::Hours(1);
  World world = PausedFor(absl::Minutes(10), options);
  world.now += absl::Minutes(1);
  EXPECT_THAT(world.Lost(0), ElementsAre("drain 0", "open 2"));
  EXPECT_THAT(world.Opened(2), ElementsAre("publish 2"));
  EXPECT_THAT(world.Recycle(), ElementsAre("open 0"));
  EXPECT_THAT(world.Demand(40), ElementsAre("open 3", "open 4", "open 5")) << "for those who wait";
  PoolOptions one = options;
  one.min_connections = one.max_connections = 1;
  world.Reconfigure(one);
  EXPECT_EQ(world.state.serving(), 1);
  EXPECT_EQ(world.state.admin(), PoolAdminState::kPaused);
}

TEST(PoolStateTest, APauseIsNoReasonToClose) {
  PoolOptions options = Shrinking(1, 6);
  options.max_idle = absl::Minutes(2);
  World world = Grown(options, 6);
  world.Do([&] { world.state.Pause(absl::Minutes(5), world.now); });
  while (world.now < world.state.paused_until() - absl::Seconds(1)) {
    world.now += absl::Seconds(1);
    EXPECT_THAT(world.Tick(), IsEmpty());
  }
  world.now += absl::Seconds(1);
  EXPECT_THAT(world.Tick(), ElementsAre("unpause 0"));
  for (int second = 1; second < 20; ++second) {
    world.now += absl::Seconds(1);
    EXPECT_THAT(world.Tick(), IsEmpty()) << "idle times and checks begin anew";
  }
}

TEST(PoolStateTest, ADrainEndsAPauseForGood) {
  World world = PausedFor(absl::Minutes(1), Options(1, 5));
  world.Do([&] { world.state.Drain(world.now); });
  EXPECT_EQ(world.state.admin(), PoolAdminState::kDrained);
  EXPECT_THAT(world.Do([&] { world.state.Pause(absl::Minutes(1), world.now); }), IsEmpty());
  EXPECT_THAT(world.Do([&] { world.state.Unpause(world.now); }), IsEmpty());
  EXPECT_THAT(world.Do([&] { world.state.Resume(world.now); }), ElementsAre("open 0"));
  EXPECT_EQ(world.state.admin(), PoolAdminState::kActive);
}

TEST(PoolStateTest, AResumeDoesNotEndAPause) {
  World world = PausedFor(absl::Minutes(1), Options(1, 5));
  EXPECT_THAT(world.Do([&] { world.state.Resume(world.now); }), IsEmpty());
  EXPECT_EQ(world.state.admin(), PoolAdminState::kPaused);
}

TEST(PoolStateTest, EveryPauseAndItsEndAreTold) {
  World world = PausedFor(absl::Seconds(3), Options(1, 5));
  world.now += absl::Seconds(3);
  world.Tick();
  world.Do([&] { world.state.Pause(absl::Seconds(3), world.now); });
  world.Do([&] { world.state.Unpause(world.now); });
  world.Do([&] { world.state.Unpause(world.now); });
  std::vector<std::string> told;
  for (const PoolEvent& event : world.state.TakeEvents()) {
    if (event.kind == PoolEvent::Kind::kPoolPaused || event.kind == PoolEvent::Kind::kPoolUnpaused) {
      told.push_back(absl::StrCat(ToString(event.kind), " ", event.detail));
    }
  }
  EXPECT_THAT(told, ElementsAre("pool_paused for 3s", "pool_unpaused its time was over", "pool_paused for 3s",
                                "pool_unpaused "));
}

}  // namespace
}  // namespace chanpool
