// How calls and strikes become figures. The figures themselves are of the real world: fault_cases_test.
#include "tests/fault/case_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace chanpool::fault {
namespace {

using ::testing::ElementsAre;
using Code = grpc::StatusCode;

absl::Time At(int milliseconds) { return absl::UnixEpoch() + absl::Milliseconds(milliseconds); }
demo::CallRecord Call(int start, int end, Code code = Code::OK) { return {At(start), At(end), code, "why"}; }

// Begun at 100, there at 110, to be recovered from 150 on; known at once.
const Strike kStrike = {At(100), At(110), At(150), At(100)};

TEST(CaseRunTest, AtAStrikeAsManyMayBeLostAsWereInFlight) {
  const std::vector<demo::CallRecord> two = {Call(99, 105, Code::UNAVAILABLE), Call(101, 106, Code::UNAVAILABLE)};
  EXPECT_EQ(Judge(two, {kStrike}, /*callers=*/2).lost, 2);
  EXPECT_EQ(Judge(two, {kStrike}, /*callers=*/2).beyond_in_flight, 0);
  EXPECT_EQ(Judge(two, {kStrike}, /*callers=*/1).beyond_in_flight, 1);
}

TEST(CaseRunTest, WhatIsPutOnAConnectionNotKnownToBeDeadMayBeLostAsWell) {
  Strike unknown = kStrike;
  unknown.known = At(150);
  const std::vector<demo::CallRecord> three = {Call(90, 160, Code::UNAVAILABLE), Call(149, 170, Code::UNAVAILABLE),
                                               Call(150, 170, Code::UNAVAILABLE)};
  EXPECT_EQ(Judge(three, {unknown}, /*callers=*/1).beyond_in_flight, 1);
  EXPECT_EQ(Judge(three, {kStrike}, /*callers=*/1).beyond_in_flight, 2);
}

TEST(CaseRunTest, BeforeTheFirstStrikeNoneMayBeLost) {
  EXPECT_EQ(Judge({Call(90, 99, Code::UNAVAILABLE)}, {kStrike}, /*callers=*/8).beyond_in_flight, 1);
}

TEST(CaseRunTest, EachStrikeHasItsOwnInFlight) {
  const Strike later = {At(500), At(510), At(520), At(500)};
  const std::vector<demo::CallRecord> calls = {Call(90, 105, Code::UNAVAILABLE), Call(490, 505, Code::UNAVAILABLE)};
  EXPECT_EQ(Judge(calls, {kStrike, later}, /*callers=*/1).beyond_in_flight, 0);
  const std::vector<demo::CallRecord> twice = {Call(90, 105, Code::UNAVAILABLE), Call(106, 499, Code::UNAVAILABLE)};
  EXPECT_EQ(Judge(twice, {kStrike, later}, /*callers=*/1).beyond_in_flight, 1);
}

TEST(CaseRunTest, RecoversWithTheFirstSuccessThatBeganAfterTheStrike) {
  const LoadResult result = Judge({Call(105, 160), Call(111, 149), Call(112, 155, Code::UNAVAILABLE), Call(120, 170)},
                                  {kStrike}, /*callers=*/8);
  EXPECT_EQ(result.recovery_median, absl::Milliseconds(20));
  EXPECT_EQ(result.recovery_max, absl::Milliseconds(20));
  EXPECT_EQ(result.never_recovered, 0);
}

TEST(CaseRunTest, WhatSucceedsOnlyAfterTheNextStrikeIsNoRecovery) {
  const Strike next = {At(200), At(210), At(220), At(200)};
  EXPECT_EQ(Judge({Call(120, 205), Call(215, 230)}, {kStrike, next}, /*callers=*/8).never_recovered, 1);
  EXPECT_EQ(Judge({Call(90, 95)}, {kStrike}, /*callers=*/8).never_recovered, 1);
}

TEST(CaseRunTest, TheGapIsTheLongestTimeBetweenTwoSuccesses) {
  const LoadResult result =
      Judge({Call(0, 10), Call(0, 300), Call(5, 40), Call(100, 200, Code::UNAVAILABLE)}, {}, /*callers=*/8);
  EXPECT_EQ(result.gap, absl::Milliseconds(260));
  EXPECT_THAT(result.reasons, ElementsAre("1 x 14: why"));
}

}  // namespace
}  // namespace chanpool::fault
