#include "tests/core/interleaving.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace chanpool {
namespace {

// Two actors that each add one to a number: by a load and a store, or in one step.
struct Adders {
  struct State {
    uint8_t number;
    uint8_t at[2];  // 0: will load, 1: will store, 2: has ended.
    uint8_t loaded[2];
    uint8_t unused[3];
  };
  bool in_one_step;

  State Start() const { return State{}; }

  template <typename Visit>
  void ForEachNext(const State& state, Visit visit) const {
    for (int actor = 0; actor < 2; ++actor) {
      State next = state;
      if (state.at[actor] == 2) continue;
      if (state.at[actor] == 0 && !in_one_step) {
        next.loaded[actor] = state.number;
        next.at[actor] = 1;
      } else {
        next.number = (in_one_step ? state.number : state.loaded[actor]) + 1;
        next.at[actor] = 2;
      }
      visit(next, actor);
    }
  }

  std::string Harm(const State& state, bool nobody_can_move) const {
    return nobody_can_move && state.number != 2 ? "one was lost" : "";
  }

  std::string Describe(const State& before, const State&, int actor) const {
    return std::string(actor == 0 ? "a " : "b ") + (before.at[actor] == 0 ? "loads" : "stores");
  }
};

TEST(ExploreTest, VisitsEachStateOnce) {
  const Exploration found = Explore(Adders{/*in_one_step=*/true}, 100);

  EXPECT_EQ(found.harm, "");
  EXPECT_TRUE(found.complete);
  EXPECT_EQ(found.states, 4u);  // None has added, a, b, both: in either order the same.
  EXPECT_EQ(found.ends, 1u);
}

TEST(ExploreTest, FindsTheOneOrderThatDoesHarm) {
  const Exploration found = Explore(Adders{/*in_one_step=*/false}, 100);

  EXPECT_EQ(found.harm, "one was lost");
  EXPECT_EQ(found.trace, "  a loads\n  b loads\n  a stores\n  b stores\n");
}

TEST(ExploreTest, SaysWhenItHasNotSeenEverything) { EXPECT_FALSE(Explore(Adders{/*in_one_step=*/true}, 2).complete); }

}  // namespace
}  // namespace chanpool
