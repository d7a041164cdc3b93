#include "server/admin/denied_calls.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "pool/testing/fake_clock.h"

namespace chanpool::admin {
namespace {

class DeniedCallsTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  DeniedCalls denied_{&clock_};
};

TEST_F(DeniedCallsTest, TellsOnceInTenSecondsAndThenHowManyItLeftOut) {
  EXPECT_EQ(denied_.Tell("uid:7", "DrainPool"), 0u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(denied_.Tell("uid:7", "DrainPool"), absl::nullopt);
  clock_.Advance(absl::Milliseconds(9'999));
  EXPECT_EQ(denied_.Tell("uid:7", "DrainPool"), absl::nullopt);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(denied_.Tell("uid:7", "DrainPool"), 101u);
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(denied_.Tell("uid:7", "DrainPool"), 0u);
}

TEST_F(DeniedCallsTest, TellsOfEachCallerAndMethod) {
  EXPECT_EQ(denied_.Tell("uid:7", "DrainPool"), 0u);
  EXPECT_EQ(denied_.Tell("uid:7", "UpdatePool"), 0u);
  EXPECT_EQ(denied_.Tell("uid:8", "DrainPool"), 0u);
}

TEST_F(DeniedCallsTest, ManyCallersTogetherTellNoMoreThanItKnows) {
  size_t told = 0;
  for (size_t i = 0; i < 3 * DeniedCalls::kMaxKnown; ++i) {
    told += denied_.Tell(absl::StrCat("tcp:", i), "DrainPool").has_value();
  }
  EXPECT_EQ(told, DeniedCalls::kMaxKnown + 1);  // One for all that are too many.
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(denied_.Tell("tcp:new", "DrainPool"), 0u);
}

}  // namespace
}  // namespace chanpool::admin
