// A million random steps against the real pool, every rule checked after each.
//
//   bazel test //tests/sim:pool_sim_test --test_output=all
//   CHANPOOL_SIM_SEED=N CHANPOOL_SIM_STEPS=M ... replays what a failure printed; `make sim SEED=N` also shrinks it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sim/pool_view.h"
#include "tests/sim/script.h"
#include "tests/sim/simulation.h"

namespace chanpool {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHANPOOL_SANITIZED 1
#endif
#endif

#ifdef CHANPOOL_SANITIZED
constexpr int kStepsPerSeed = 30'000;
constexpr uint64_t kLeastSeen = 10;  // Of a tenth of the steps.
#else
constexpr int kStepsPerSeed = 300'000;
constexpr uint64_t kLeastSeen = 100;
#endif

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(PoolSimTest, AMillionRandomStepsKeepEveryRule) {
  std::vector<uint64_t> seeds = {1, 20'261'121, 0x9e3779b97f4a7c15, std::random_device()()};
  if (std::getenv("CHANPOOL_SIM_SEED") != nullptr) seeds = {FromEnvironment("CHANPOOL_SIM_SEED", 0)};
  const int steps = static_cast<int>(FromEnvironment("CHANPOOL_SIM_STEPS", kStepsPerSeed));
  Tally tally;
  for (const uint64_t seed : seeds) {
    std::printf("seed %llu, %d steps\n", static_cast<unsigned long long>(seed), steps);
    Simulation simulation(seed);
    const std::string broken = simulation.Run(steps);
    ASSERT_EQ(broken, "") << "replay: CHANPOOL_SIM_SEED=" << seed << " CHANPOOL_SIM_STEPS=" << steps;
    tally.Add(simulation.tally());
  }
  tally.Print();
  if (steps < kStepsPerSeed || seeds.size() == 1) return;  // A replay.
  for (const std::string& name : EverythingThatCanHappen()) {
    EXPECT_GE(tally.of(name), kLeastSeen) << "the simulation hardly ever sees: " << name;
  }
}

TEST(PoolSimTest, ASeedReplaysTheSameLife) {
  const auto trace = [](uint64_t seed) {
    Simulation simulation(seed);
    EXPECT_EQ(simulation.Run(20'000), "") << "CHANPOOL_SIM_SEED=" << seed << " CHANPOOL_SIM_STEPS=20000";
    return simulation.trace();
  };
  EXPECT_EQ(trace(42), trace(42));
  EXPECT_NE(trace(42), trace(43));
}

TEST(PoolSimTest, AScriptReplaysTheLifeThatWasRecorded) {
  std::string recorded;
  Simulation first(/*seed=*/42, [&recorded](absl::string_view text) { recorded += std::string(text); });
  ASSERT_EQ(first.Run(5'000), "");
  const absl::StatusOr<Script> script = Parse(recorded);
  ASSERT_TRUE(script.ok()) << script.status();
  ASSERT_EQ(script->size(), 5'001u);

  Simulation again(*Parse(Print(*script)));

  EXPECT_EQ(again.Replay(), "");
  EXPECT_EQ(again.trace(), first.trace());
}

TEST(PoolSimTest, ALifeWithoutSomeOfItsStepsKeepsEveryRule) {
  std::string recorded;
  Simulation whole(/*seed=*/7, [&recorded](absl::string_view text) { recorded += std::string(text); });
  ASSERT_EQ(whole.Run(20'000), "");
  const Script script = *Parse(recorded);
  for (const size_t every : {2, 3, 7}) {
    Script some;
    for (size_t i = 0; i < script.size(); i += every) some.push_back(script[i]);
    EXPECT_EQ(Simulation(some).Replay(), "");
  }
}

TEST(PoolSimTest, AStepThatDoesNotExistIsNamed) {
  EXPECT_EQ(Simulation(Script{{"create", {}}, {"dance", {1}}}).Replay(), "there is no step \"dance\"");
}

ConnectionStats Connected(ConnectionId id, SlotState state, uint32_t leases) {
  ConnectionStats row;
  row.id = id;
  row.state = state;
  row.leases = leases;
  row.limit = 4;
  return row;
}

EndpointStats At(uint64_t id, const std::string& address) {
  EndpointStats row;
  row.endpoint.id = id;
  row.endpoint.address = address;
  return row;
}

// A healthy pool: two connections of four places, five leases of which one is above a limit.
PoolView Healthy() {
  PoolView v;
  v.options.max_connections = 2;
  v.options.max_leases_per_connection = 4;
  v.stats.connections = v.stats.connections_open = 2;
  v.stats.opened = 3;
  v.stats.closed = 1;
  v.stats.closed_by_reason[0] = 1;
  v.stats.capacity = 8;
  v.stats.leases = 6;
  v.stats.leases_over_limit = 1;
  v.stats.free = 3;
  v.stats.hits = v.stats.fast_hits = 7;
  v.stats.misses = 2;
  for (int i = 0; i < 2; ++i) v.stats.slow_waits[0].Add(absl::Milliseconds(1));
  v.stats.acquired = 9;
  v.stats.released = 3;
  v.stats.overcommitted = 1;
  v.connections = {Connected({0, 2}, SlotState::kOpen, 5), Connected({1, 1}, SlotState::kOpen, 1)};
  v.endpoints = {At(7, "a"), At(8, "b"), At(9, "c")};
  v.connections[0].endpoint = 7, v.connections[0].address = "a";
  v.connections[1].endpoint = 8, v.connections[1].address = "b";
  v.held = 6;
  v.acquires = 9;
  v.alive = 2;
  v.destroyed = 1;
  return v;
}

TEST(PoolSimTest, EveryRuleCanFail) {
  ASSERT_EQ(Violation(Healthy(), Healthy()), "");
  struct Case {
    std::string rule;
    std::function<void(PoolView& before, PoolView& after)> breakage;
  };
  const std::vector<Case> cases = {
      {"more waiters than callers", [](PoolView&, PoolView& v) { v.stats.waiters = 1; }},
      {"callers hold 7 leases", [](PoolView&, PoolView& v) { v.held = 7; }},
      {"callers hold 5 leases", [](PoolView&, PoolView& v) { v.held = 5; }},
      {"survived its deadline",
       [](PoolView&, PoolView& v) { v.stats.waiters = 1, v.pending = 1, v.pending_in_time = 0; }},
      {"more leaks are out than leases", [](PoolView&, PoolView& v) { v.stats.leaks_out = 7; }},
      {"more backends than connections", [](PoolView&, PoolView& v) { v.stats.distinct_backends = 7; }},
      {"waits while a place is free",
       [](PoolView&, PoolView& v) { v.stats.waiters = 1, v.pending = 1, v.pending_in_time = 1; }},
      {"more connections take calls", [](PoolView&, PoolView& v) { v.options.max_connections = 1; }},
      {"2 connections are being replaced, 1 may be", [](PoolView&, PoolView& v) { v.stats.connections_replacing = 2; }},
      {"2 connections linger, 1 may", [](PoolView&, PoolView& v) { v.stats.connections_lingering = 2; }},
      {"1 callers wait, 0 may",
       [](PoolView&, PoolView& v) {
         v.stats.waiters = v.pending = v.pending_in_time = 1, v.stats.free = 0, v.permitted_waiters = 0;
       }},
      {"3 connections dial, 2 may",
       [](PoolView&, PoolView& v) { v.permitted_connecting = 2, v.stats.connections_connecting = 3; }},
      {"max_connects_per_second allows 7",
       [](PoolView&, PoolView& v) {
         v.options.max_connects_per_second = 2, v.rate_in_force = absl::Seconds(2);
         v.insisted = 1, v.opened_since = 8;
       }},
      {"that drains lets callers wait",
       [](PoolView&, PoolView& v) {
         v.stats.state = PoolAdminState::kDraining;
         v.stats.waiters = v.pending = v.pending_in_time = 1;
         v.stats.free = 0;
       }},
      {"a pause has outlived its maximum",
       [](PoolView&, PoolView& v) {
         v.stats.state = PoolAdminState::kPaused;
         v.paused_until = v.now = absl::UnixEpoch();
       }},
      {"pause_left is wrong", [](PoolView&, PoolView& v) { v.stats.pause_left = absl::Seconds(1); }},
      {"granted by a pool that is paused",
       [](PoolView& was, PoolView& is) {
         was.stats.state = is.stats.state = PoolAdminState::kPaused;
         is.paused_until = absl::UnixEpoch() + absl::Seconds(1), is.now = absl::UnixEpoch();
         is.stats.pause_left = absl::Seconds(1);
         --was.stats.acquired;
       }},
      {"dialled anew by a pool that rests",
       [](PoolView& was, PoolView& is) {
         was.stats.state = is.stats.state = PoolAdminState::kPaused;
         is.paused_until = absl::UnixEpoch() + absl::Seconds(1), is.now = absl::UnixEpoch();
         is.stats.pause_left = absl::Seconds(1);
         ++is.stats.rerolls;
       }},
      {"DRAINED with connections", [](PoolView&, PoolView& v) { v.stats.state = PoolAdminState::kDrained; }},
      {"acquired != hits + misses", [](PoolView&, PoolView& v) { ++v.stats.hits; }},
      {"more connections used", [](PoolView&, PoolView& v) { v.stats.connections_used = 4; }},
      {"more decisions than", [](PoolView&, PoolView& v) { v.decisions = 513; }},
      {"released != acquired - leases", [](PoolView&, PoolView& v) { ++v.stats.released; }},
      {"connections != opened - closed", [](PoolView&, PoolView& v) { ++v.stats.connections; }},
      {"opened is not what was made", [](PoolView&, PoolView& v) { ++v.alive; }},
      {"closed is not what was destroyed", [](PoolView&, PoolView& v) { ++v.destroyed, --v.alive; }},
      {"leases are not those of the connections", [](PoolView&, PoolView& v) { --v.connections[0].leases; }},
      {"lent + free != capacity", [](PoolView&, PoolView& v) { --v.stats.free; }},
      {"connections by state", [](PoolView&, PoolView& v) { --v.stats.connections_open; }},
      {"closes by reason", [](PoolView&, PoolView& v) { ++v.stats.closed_by_reason[3]; }},
      {"acquires and ends differ", [](PoolView&, PoolView& v) { ++v.acquires; }},
      {"acquires and ends differ", [](PoolView&, PoolView& v) { ++v.stats.timed_out; }},
      {"more acquires were cancelled", [](PoolView&, PoolView& v) { ++v.ended_cancelled; }},
      {"more hits of the fast path", [](PoolView&, PoolView& v) { ++v.stats.fast_hits; }},
      {"ok waits != slow hits + misses", [](PoolView&, PoolView& v) { v.stats.slow_waits[0] = Histogram(); }},
      {"waits that timed out", [](PoolView&, PoolView& v) { v.stats.slow_waits[1].Add(absl::ZeroDuration()); }},
      {"waits that were rejected", [](PoolView&, PoolView& v) { v.stats.slow_waits[2].Add(absl::ZeroDuration()); }},
      {"waits for nothing", [](PoolView&, PoolView& v) { v.stats.slow_waits[4].Add(absl::ZeroDuration()); }},
      {"more cancelled waits", [](PoolView&, PoolView& v) { v.stats.slow_waits[3].Add(absl::ZeroDuration()); }},
      {"timed acquires are not those",
       [](PoolView&, PoolView& v) {
         v.ended_cancelled = 1, ++v.stats.cancelled, v.stats.slow_waits[3].Add(absl::ZeroDuration());
       }},
      {"sampled what did not happen",
       [](PoolView&, PoolView& v) {
         v.stats.fast_hits = 0;
         for (int i = 0; i < 7; ++i) v.stats.slow_waits[0].Add(absl::ZeroDuration());
         v.stats.fast_waits.histogram.Add(absl::ZeroDuration());
       }},
      {"more dials timed than opened", [](PoolView&, PoolView& v) { v.stats.connects.Add(absl::ZeroDuration()); }},
      {"more dials timed than failed",
       [](PoolView&, PoolView& v) { v.stats.failed_connects.Add(absl::ZeroDuration()); }},
      {"a histogram went down", [](PoolView& was, PoolView&) { was.stats.holds.histogram.Add(absl::ZeroDuration()); }},
      {"came back from DRAINING", [](PoolView& was, PoolView&) { was.connections[1].state = SlotState::kDraining; }},
      {"lent while it drained",
       [](PoolView& was, PoolView& is) {
         was.connections[1] = Connected({1, 1}, SlotState::kDraining, 0);
         is.connections[1].state = SlotState::kDraining;
         --is.stats.connections_open, ++is.stats.connections_draining;
         is.stats.capacity = 4, is.stats.free = 0;
       }},
      {"lent while it drained",
       [](PoolView& was, PoolView& is) {
         was.connections[1].state = is.connections[1].state = SlotState::kDraining;
         was.connections[1].leases = is.connections[1].leases = 1;
         is.returned[{1, 1}] = 1;  // And yet as many are out as before.
         --is.stats.connections_open, ++is.stats.connections_draining;
         is.stats.capacity = 4, is.stats.free = 0;
       }},
      {"granted above the limit",
       [](PoolView&, PoolView& is) {
         is.returned[{0, 2}] = 1;
       }},
      {"overcommitted without leave", [](PoolView& was, PoolView&) { --was.stats.overcommitted; }},
      {"granted above the limit", [](PoolView& was, PoolView&) { was.connections[0].leases = 4; }},
      {"a counter went down", [](PoolView& was, PoolView&) { ++was.stats.timed_out; }},
      {"granted by a pool that drains",
       [](PoolView& was, PoolView& is) {
         was.stats.state = is.stats.state = PoolAdminState::kDraining;
         --was.stats.acquired;
       }},
      {"opened by a pool that drains",
       [](PoolView& was, PoolView& is) {
         was.stats.state = is.stats.state = PoolAdminState::kDraining;
         --was.stats.opened;
       }},
      {"came back from death", [](PoolView& was, PoolView&) { was.stats.state = PoolAdminState::kDestroyed; }},
      {"more than one dial at a time",
       [](PoolView& was, PoolView& is) {
         was.stats.retry_at = is.stats.retry_at = absl::UnixEpoch();
         is.permitted_connecting = 2;
         is.stats.connections_connecting = 2, is.stats.connections = 4, is.stats.opened = 5, is.alive = 4;
         for (const uint32_t slot : {2u, 3u}) {
           is.connections.push_back(Connected({slot, 1}, SlotState::kConnecting, 0));
           is.connections.back().endpoint = 7, is.connections.back().address = "a";
         }
       }},
      {"serves a removed endpoint", [](PoolView&, PoolView& v) { v.connections[1].endpoint = 5; }},
      {"is at another address", [](PoolView&, PoolView& v) { v.connections[1].endpoint = 7; }},
      {"serves a spare endpoint", [](PoolView&, PoolView& v) { v.endpoints[1].state = EndpointState::kSpare; }},
      {"serves an ejected endpoint", [](PoolView&, PoolView& v) { v.endpoints[1].state = EndpointState::kEjected; }},
      {"none that works is left",
       [](PoolView&, PoolView& v) {
         v.endpoints[0].state = EndpointState::kEjected;
         v.endpoints[1].state = v.endpoints[2].state = EndpointState::kBackoff;
       }},
      {"endpoints are ejected, max_ejected allows 1",
       [](PoolView&, PoolView& v) {
         v.endpoints.push_back(At(10, "d"));
         v.endpoints[2].state = v.endpoints[3].state = EndpointState::kEjected;
       }},
      {"before the back-off was over",
       [](PoolView& was, PoolView& is) {
         was.stats.retry_at = is.stats.retry_at = absl::UnixEpoch() + absl::Seconds(1);
         is.now = absl::UnixEpoch();
         ++is.dials;
       }},
  };
  for (const Case& c : cases) {
    PoolView before = Healthy(), after = Healthy();
    c.breakage(before, after);
    EXPECT_THAT(Violation(before, after), testing::HasSubstr(c.rule));
  }
}

}  // namespace
}  // namespace chanpool
