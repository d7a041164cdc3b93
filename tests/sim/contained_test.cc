#include "tests/sim/contained.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::HasSubstr;

TEST(ContainedTest, TellsWhatThePieceSaidAndHowFarItCame) {
  const Contained end = RunContained(
      [](Outlet* out) {
        out->step = 12;
        out->Say(std::string(100'000, 'x'));
        out->Say("y");
      },
      /*max_seconds=*/60);
  EXPECT_EQ(end.text, std::string(100'000, 'x') + "y");
  EXPECT_EQ(end.trouble, "");
  EXPECT_EQ(end.step, 12);
}

TEST(ContainedTest, ACrashIsAResultWithItsLastWords) {
  const Contained end = RunContained(
      [](Outlet* out) {
        out->step = 3;
        out->Say("before");
        std::fprintf(stderr, "first\ncheck failed: all is well\n");
        std::abort();
      },
      /*max_seconds=*/60);
  EXPECT_THAT(end.trouble, HasSubstr("crashed"));
  EXPECT_THAT(end.trouble, HasSubstr("check failed: all is well"));
  EXPECT_EQ(end.text, "before");
  EXPECT_EQ(end.step, 3);
}

TEST(ContainedTest, AHangEndsAtTheLimit) {
  const Contained end = RunContained(
      [](Outlet* out) {
        for (;;) ++out->step;
      },
      /*max_seconds=*/1);
  EXPECT_THAT(end.trouble, HasSubstr("hung: no end within 1 s"));
}

}  // namespace
}  // namespace chanpool
