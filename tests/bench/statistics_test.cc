#include "bench/statistics.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace chanpool::bench {
namespace {

std::vector<double> OneTo(int n) {
  std::vector<double> values(n);
  std::iota(values.begin(), values.end(), 1);
  std::reverse(values.begin(), values.end());  // So that nothing depends on their order.
  return values;
}

TEST(StatisticsTest, TakesTheMiddleValueOrTheMeanOfTheTwoMiddleOnes) {
  EXPECT_EQ(Median({7}), 7);
  EXPECT_EQ(Median({9, 1, 5}), 5);
  EXPECT_EQ(Median({9, 1, 5, 4}), 4.5);
}

TEST(StatisticsTest, SpreadsFromTheLeastToTheGreatest) {
  const Interval spread = Spread({3, 1, 2});
  EXPECT_EQ(spread.low, 1);
  EXPECT_EQ(spread.high, 3);
}

// Ranks from tables of the sign test.
TEST(StatisticsTest, TakesTheRanksThatCoverTheMedianIn95PercentOfCases) {
  const struct {
    int n;
    double low, high;
  } kTable[] = {{6, 1, 6}, {8, 1, 8}, {9, 2, 8}, {15, 4, 12}, {20, 6, 15}, {25, 8, 18}, {41, 14, 28}};
  for (const auto& row : kTable) {
    const Interval interval = MedianInterval(OneTo(row.n));
    EXPECT_EQ(interval.low, row.low) << row.n;
    EXPECT_EQ(interval.high, row.high) << row.n;
  }
}

TEST(StatisticsTest, GivesTheWholeSpreadWhereTooFewValuesSayLittle) {
  for (int n = 1; n <= 5; ++n) {
    const Interval interval = MedianInterval(OneTo(n));
    EXPECT_EQ(interval.low, 1) << n;
    EXPECT_EQ(interval.high, n) << n;
  }
}

TEST(StatisticsTest, CoversTheTrueMedianOfASkewedDistributionAsOftenAsItSays) {
  std::mt19937 random(1);
  std::exponential_distribution<double> skewed(1);
  const double true_median = 0.6931471805599453;  // ln 2
  constexpr int kTrials = 4000;
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(15);
    for (double& value : values) value = skewed(random);
    const Interval interval = MedianInterval(values);
    covered += interval.low <= true_median && true_median <= interval.high;
  }
  EXPECT_GT(covered, 0.95 * kTrials);
}

}  // namespace
}  // namespace chanpool::bench
