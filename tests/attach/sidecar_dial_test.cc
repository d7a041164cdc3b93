#include "server/attach/sidecar_dial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/fakes/status_matchers.h"

namespace chanpool::attach {
namespace {

using chanpool::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SidecarDialTest, AsksTheConfigurationThenTheEnvironmentThenTheDefaultPlaces) {
  setenv("CHANPOOL_ATTACH", "/from/environment", 1);
  EXPECT_THAT(SocketsToTry("/configured"), ElementsAre("/configured"));
  EXPECT_THAT(SocketsToTry(""), ElementsAre("/from/environment"));
  unsetenv("CHANPOOL_ATTACH");
  EXPECT_EQ(SocketsToTry("").front(), "/run/chanpool/attach.sock");
}

TEST(SidecarDialTest, NamesEveryPlaceThatHasNoSocket) {
  EXPECT_THAT(DialFirst({"/nowhere/a.sock", "/nowhere/b.sock"}),
              StatusIs(absl::StatusCode::kUnavailable, AllOf(HasSubstr("/nowhere/a.sock"), HasSubstr("b.sock"))));
  EXPECT_THAT(DialFirst({"/nowhere/a.sock"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/nowhere/a.sock: No such file")));
  EXPECT_THAT(DialFirst({std::string(200, 'x')}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("107")));
}

TEST(SidecarDialTest, DialsAgainAfterAtMostTwoSecondsAndNeverAllAtOnce) {
  RedialPause early, late;
  EXPECT_EQ(early.Next(0), absl::Milliseconds(100));
  EXPECT_EQ(late.Next(0.999), absl::Milliseconds(199.9));
  for (int i = 0; i < 20; ++i) early.Next(0);
  EXPECT_EQ(early.Next(0), absl::Seconds(1));
  EXPECT_LT(early.Next(0.999), absl::Seconds(2));
  early.Reset();
  EXPECT_EQ(early.Next(0), absl::Milliseconds(100));
}

}  // namespace
}  // namespace chanpool::attach
