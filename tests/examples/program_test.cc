#include "examples/processes/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/time.h"

namespace chanpool {
namespace {

using ::testing::EndsWith;
using ::testing::StartsWith;

// What it leaves behind makes sure that the last word comes after the end, as it may on a busy machine.
TEST(ProgramTest, WhoKnowsOfTheEndHasTheWholeOutput) {
  Program program({"/bin/sh", "-c", "(head -c 200000000 /dev/zero | wc -c; echo last) & echo first"});
  ASSERT_EQ(program.AwaitExit(), 0);
  EXPECT_THAT(program.output(), StartsWith("first\n"));
  EXPECT_THAT(program.output(), EndsWith("last\n"));
}

TEST(ProgramTest, WhatItNeverSaysIsNotAwaitedBeyondItsEnd) {
  Program program({"/bin/sh", "-c", "echo something"});
  EXPECT_FALSE(program.AwaitOutput("else", /*from=*/0, absl::InfiniteDuration()));
  EXPECT_TRUE(program.AwaitOutput("something", /*from=*/0, absl::ZeroDuration()));
  EXPECT_FALSE(program.AwaitOutput("something", /*from=*/1, absl::ZeroDuration()));
}

TEST(ProgramTest, ASignalThatKilledItIsItsExit) {
  Program program({"/bin/sh", "-c", "kill -9 $$"});
  EXPECT_EQ(program.AwaitExit(), 137);
}

}  // namespace
}  // namespace chanpool
