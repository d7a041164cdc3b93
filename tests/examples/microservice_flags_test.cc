#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "examples/microservice/flags.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::microservice {
namespace {

using chanpool::testing::IsOk;
using chanpool::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<Flags> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "microservice");
  return ParseFlags(static_cast<int>(arguments.size()), arguments.data());
}

TEST(MicroserviceFlagsTest, CallsPaymentsWhereOrdersAreUnlessToldOtherwise) {
  const absl::StatusOr<Flags> flags = Parse({"--orders=ipv4:127.0.0.1:1", "--rate=7", "--quiet"});
  ASSERT_THAT(flags, IsOk());
  EXPECT_EQ(flags->payments, "ipv4:127.0.0.1:1");
  EXPECT_EQ(flags->rate, 7);
  EXPECT_TRUE(flags->quiet);
  EXPECT_EQ(Parse({"--orders=a", "--payments=b"})->payments, "b");
}

TEST(MicroserviceFlagsTest, SaysWhatIsWrongAndWhatWouldBeRight) {
  const auto wrong = [](const char* text) { return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)); };
  EXPECT_THAT(Parse({}), wrong("--orders=TARGET is missing"));
  EXPECT_THAT(Parse({"--ratte=7"}), wrong("did you mean --rate?"));
  EXPECT_THAT(Parse({"--rate=fast"}), wrong("--rate=fast is no whole number from 0 on"));
  EXPECT_THAT(Parse({"--rate"}), wrong("--rate needs a value: --rate=N"));
  EXPECT_THAT(Parse({"--quiet=yes"}), wrong("--quiet takes no value"));
  EXPECT_THAT(Parse({"orders"}), wrong("\"orders\" is no flag"));
}

TEST(MicroserviceFlagsTest, HelpsWithoutAnyOtherFlag) {
  ASSERT_THAT(Parse({"--help"}), IsOk());
  EXPECT_THAT(HelpText(), HasSubstr("--attach=PATH"));
}

}  // namespace
}  // namespace chanpool::microservice
