#include "server/attach/caller_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/status_matchers.h"

namespace chanpool::attach {
namespace {

using chanpool::testing::IsOk;
using chanpool::testing::StatusIs;
using ::testing::HasSubstr;

admin::CallFacts Call(std::multimap<std::string, std::string> metadata) { return {"DrainPool", "", metadata}; }

TEST(CallerMetadataTest, BelievesTheSidecar) {
  const absl::StatusOr<admin::Caller> caller =
      CallerFromMetadata(Call({{kCallerKey, "uid:1000"}, {kRoleKey, "ROLE_OPERATOR"}}));
  ASSERT_THAT(caller, IsOk());
  EXPECT_EQ(caller->identity, "uid:1000");
  EXPECT_EQ(caller->role, admin::Role::ROLE_OPERATOR);
}

TEST(CallerMetadataTest, RefusesACallThatDoesNotSayForWhom) {
  const auto refused = StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("DrainPool"));
  EXPECT_THAT(CallerFromMetadata(Call({})), refused);
  EXPECT_THAT(CallerFromMetadata(Call({{kCallerKey, "uid:1000"}})), refused);
  EXPECT_THAT(CallerFromMetadata(Call({{kRoleKey, "ROLE_OPERATOR"}})), refused);
  EXPECT_THAT(CallerFromMetadata(Call({{kCallerKey, "uid:1000"}, {kRoleKey, "ROLE_KING"}})), refused);
}

}  // namespace
}  // namespace chanpool::attach
