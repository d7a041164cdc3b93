#include "tests/sim/script.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sim/shrink.h"

namespace chanpool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

bool Always() { return true; }

TEST(ScriptTest, WhatIsPrintedIsReadBack) {
  const Script script = {{"create", {1, 0, 3}}, {"lose_all", {}}, {"advance_far", {18446744073709551615ull}}};
  EXPECT_EQ(Print(script), "create 1 0 3\nlose_all\nadvance_far 18446744073709551615\n");
  EXPECT_EQ(*Parse(Print(script)), script);
}

TEST(ScriptTest, ZerosAtTheEndAreNotPrinted) { EXPECT_EQ(Print({{"a", {0, 2, 0, 0}}, {"b", {0}}}), "a 0 2\nb\n"); }

TEST(ScriptTest, SkipsCommentsAndEmptyLines) {
  EXPECT_EQ(*Parse("# seed 7\n\n  a  1 2 # why\r\n"), (Script{{"a", {1, 2}}}));
}

TEST(ScriptTest, NamesTheLineThatIsWrong) {
  EXPECT_THAT(Parse("a 1\nb one\n").status().message(), HasSubstr("line 2: \"one\""));
  EXPECT_THAT(Parse("a -1\n").status().message(), HasSubstr("line 1: \"-1\""));
}

TEST(DrawsTest, AStepDrawsTheSameWhateverWasDrawnBefore) {
  const auto draw = [](uint64_t index, int before) {
    Draws draws;
    draws.BeginStream(/*seed=*/5, 1, nullptr);
    for (int i = 0; i < before; ++i) draws.Below(10);
    draws.BeginStream(/*seed=*/5, index, nullptr);
    return std::vector<uint64_t>{draws.Below(1'000'000), draws.Below(1'000'000)};
  };
  EXPECT_EQ(draw(2, 0), draw(2, 7));
  EXPECT_NE(draw(2, 0), draw(3, 0));
}

TEST(DrawsTest, WhatIsRecordedIsReplayed) {
  Draws draws;
  std::string record = "a";
  const ScriptWriter writer = [&record](absl::string_view text) { record += std::string(text); };
  draws.BeginStream(/*seed=*/5, 1, writer);
  const std::vector<uint64_t> drawn = {draws.Below(10), draws.Below(1000), draws.Below(3)};
  EXPECT_EQ((*Parse(record))[0].draws, drawn);
  draws.BeginReplay((*Parse(record))[0].draws);
  EXPECT_THAT((std::vector<uint64_t>{draws.Below(10), draws.Below(1000), draws.Below(3)}), drawn);
}

TEST(DrawsTest, AnyListFitsAnyStep) {
  Draws draws;
  draws.BeginReplay({7});
  EXPECT_EQ(draws.Below(4), 3u);
  EXPECT_EQ(draws.Below(4), 0u);
}

Script ManySteps(int n) {
  Script script;
  for (int i = 0; i < n; ++i) script.push_back({i % 10 == 3 ? "key" : "noise", {static_cast<uint64_t>(i), 5, 9}});
  return script;
}

int Keys(const Script& script) {
  return static_cast<int>(std::count_if(script.begin(), script.end(), [](const auto& s) { return s.name == "key"; }));
}

TEST(ShrinkTest, FindsTheFewestStepsAndTheSmallestDraws) {
  const auto fails = [](const Script& script) {
    int keys = 0;
    for (const ScriptStep& step : script) keys += step.name == "key" && step.draws.size() > 1 && step.draws[1] >= 2;
    return keys >= 3;
  };
  EXPECT_EQ(Print(Shrink(ManySteps(1000), fails, Always)), "key 0 2\nkey 0 2\nkey 0 2\n");
}

TEST(ShrinkTest, KeepsTheOrderOfWhatIsLeft) {
  const auto fails = [](const Script& script) {
    const auto named = [](const char* name) { return [name](const ScriptStep& s) { return s.name == name; }; };
    const auto lock = std::find_if(script.begin(), script.end(), named("lock"));
    return std::find_if(lock, script.end(), named("key")) != script.end();
  };
  Script script = ManySteps(100);
  script.insert(script.begin() + 50, {"lock", {4}});
  EXPECT_EQ(Print(Shrink(script, fails, Always)), "lock\nkey\n");
}

TEST(ShrinkTest, EndsInTimeWithAScriptThatFails) {
  int left = 5;
  const auto fails = [](const Script& script) { return Keys(script) >= 1; };
  const Script found = Shrink(ManySteps(1000), fails, [&left] { return --left > 0; });
  EXPECT_TRUE(fails(found));
  EXPECT_LT(found.size(), 1000u);
}

TEST(ShrinkTest, WhatFailsWhateverItDoesBecomesEmpty) {
  EXPECT_THAT(Shrink(
                  ManySteps(20), [](const Script&) { return true; }, Always),
              ElementsAre());
}

}  // namespace
}  // namespace chanpool
