// `make fault` in small: each case with a few faults. Times are not judged, since other tests run beside this one.
#include "tests/fault/fault_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/fakes/status_matchers.h"
#include "tests/fault/case_run.h"

namespace chanpool::fault {
namespace {

using ::chanpool::testing::IsOk;

class FaultCaseTest : public ::testing::TestWithParam<FaultCaseInfo> {};

TEST_P(FaultCaseTest, NoCallIsLostThatIsNotToBe) {
  CaseSize few;
  few.strikes = 3;
  few.calls = 0;
  const absl::StatusOr<CaseResult> result = RunCase(GetParam(), few, [](int) {});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->lost_where_none_was_promised, 0) << absl::StrJoin(result->broken, "\n");
  EXPECT_EQ(result->pool.never_recovered, 0);
  EXPECT_GT(result->pool_with_retry.calls, 0);
  EXPECT_GT(result->pool.calls, 0);
}

INSTANTIATE_TEST_SUITE_P(All, FaultCaseTest, ::testing::ValuesIn(FaultCases()), [](const auto& info) {
  return absl::StrReplaceAll(info.param.name, {{"-", ""}});
});

}  // namespace
}  // namespace chanpool::fault
