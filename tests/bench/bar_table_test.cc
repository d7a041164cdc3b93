#include "bench/bar_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool::bench {
namespace {

using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStdout;

constexpr auto kAtLeast = Bar::Side::kAtLeast;
constexpr auto kAtMost = Bar::Side::kAtMost;

TEST(BarTableTest, HoldsTheMedianToTheBarAndSaysWhichIsMissed) {
  BarTable table;
  CaptureStdout();
  table.Row("pool", {0.96, 0.95, 0.99}, "times", Bar{"100 ms", kAtLeast, 0.95});
  table.Row("pool", {0.90, 0.94, 0.94}, "times", Bar{"50 ms", kAtLeast, 0.95});
  table.Row("extra", {-2, 1, 1}, "us", Bar{"CPU", kAtMost, 1});
  table.Row("extra", {1.1}, "us", Bar{"more CPU", kAtMost, 1});
  table.Row("no bar", {7}, "us");
  GetCapturedStdout();
  EXPECT_EQ(table.Summary("calls"),
            "calls: 2 of 4 bars held: 100 ms = 0.960 (at least 0.95), 50 ms = 0.940 (at least 0.95, MISSED), "
            "CPU = 1.000 (at most 1), more CPU = 1.100 (at most 1, MISSED)");
}

TEST(BarTableTest, SaysWhereTheNoiseCouldDecideOtherwise) {
  BarTable table;
  CaptureStdout();
  table.Row("pool", {0.90, 0.96, 0.99}, "times", Bar{"100 ms", kAtLeast, 0.95});
  table.Row("extra", {0, 2, 2}, "us", Bar{"CPU", kAtMost, 1});
  GetCapturedStdout();
  EXPECT_EQ(table.Summary("calls"),
            "calls: 1 of 2 bars held: 100 ms = 0.960 (at least 0.95, within the noise), "
            "CPU = 2.000 (at most 1, MISSED, within the noise)");
}

TEST(BarTableTest, ShowsHowOftenTheMedianItsIntervalAndTheSpread) {
  BarTable table;
  CaptureStdout();
  table.Row("pool", {9'800.4, 9'700, 12'000, 9'750, 11'000, 9'760, 9'770, 9'900, 9'900}, "calls/s");
  EXPECT_THAT(GetCapturedStdout(),
              ::testing::MatchesRegex(" +pool +9 +9,800 +9,750 - 11,000 +9,700 - 12,000 +calls/s\n"));
}

}  // namespace
}  // namespace chanpool::bench
