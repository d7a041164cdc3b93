#include "bench/call_turns.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace chanpool::bench {
namespace {

constexpr int kCallers = 10;

// Of callers that began together: the ends of their calls, `waves` times, 100 ms apart.
std::vector<absl::Time> Waves(int waves) {
  std::vector<absl::Time> ends;
  for (int i = 0; i < waves; ++i) ends.insert(ends.end(), kCallers, absl::UnixEpoch() + i * absl::Milliseconds(100));
  return ends;
}

TEST(PerSecondTest, IsTheSameForAWindowWithAWaveMoreOrLess) {
  EXPECT_DOUBLE_EQ(PerSecond(Waves(3), kCallers, absl::Milliseconds(250)), 100);
  EXPECT_DOUBLE_EQ(PerSecond(Waves(4), kCallers, absl::Milliseconds(310)), 100);
}

TEST(PerSecondTest, CountsInTheWindowWhatIsNotOneRound) {
  EXPECT_DOUBLE_EQ(PerSecond(Waves(1), kCallers, absl::Milliseconds(250)), 40);
  EXPECT_DOUBLE_EQ(PerSecond({}, kCallers, absl::Milliseconds(250)), 0);
}

TEST(AlternateTest, TurnsTheOrderRoundEachTime) {
  std::string order;
  const auto says = [&order](char side) { return [&order, side] { order += side; }; };
  Alternate(3, {says('A'), says('B'), says('C')});
  EXPECT_EQ(order, "ABCCBAABC");
}

TEST(RatiosTest, PairsTheTurnsOfOneRound) {
  Side a{"a", {}}, b{"b", {}};
  for (const double rate : {10, 30}) a.turns.push_back({rate});
  for (const double rate : {5, 10}) b.turns.push_back({rate});
  EXPECT_EQ(Ratios(a, b, &CallTurn::calls_per_second), (std::vector<double>{2, 3}));
  EXPECT_EQ(Differences(a, b, &CallTurn::calls_per_second), (std::vector<double>{5, 20}));
}

}  // namespace
}  // namespace chanpool::bench
