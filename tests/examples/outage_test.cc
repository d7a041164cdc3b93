#include "examples/demo/outage.h"

#include <vector>

#include "gtest/gtest.h"

namespace chanpool::demo {
namespace {

using grpc::StatusCode;

absl::Time At(int milliseconds) { return absl::UnixEpoch() + absl::Milliseconds(milliseconds); }

CallRecord Call(int start, int end, StatusCode code) { return {At(start), At(end), code, ""}; }

// Killed at 100, noticed at 105, listening again at 200, first answer at 250.
OutageCauses ExplainWith(const CallRecord& call) {
  return Explain({Call(0, 90, StatusCode::OK), Call(230, 250, StatusCode::OK), call}, {At(100), At(105), At(200)});
}

TEST(OutageTest, ExplainsEachFailureByWhenItStarted) {
  EXPECT_EQ(ExplainWith(Call(99, 101, StatusCode::UNAVAILABLE)).in_flight, 1);
  EXPECT_EQ(ExplainWith(Call(104, 106, StatusCode::UNAVAILABLE)).in_flight, 1);
  EXPECT_EQ(ExplainWith(Call(105, 150, StatusCode::UNAVAILABLE)).nobody_listened, 1);
  EXPECT_EQ(ExplainWith(Call(199, 240, StatusCode::UNAVAILABLE)).nobody_listened, 1);
  EXPECT_EQ(ExplainWith(Call(200, 201, StatusCode::UNAVAILABLE)).not_dialled_yet, 1);
  EXPECT_EQ(ExplainWith(Call(249, 251, StatusCode::UNAVAILABLE)).not_dialled_yet, 1);
}

TEST(OutageTest, FindsNoExcuseForAFailureOnceCallsAreAnsweredAgain) {
  EXPECT_EQ(ExplainWith(Call(250, 251, StatusCode::UNAVAILABLE)).unexplained, 1);
}

TEST(OutageTest, FindsNoExcuseForAFailureBeforeTheKill) {
  EXPECT_EQ(ExplainWith(Call(10, 20, StatusCode::UNAVAILABLE)).unexplained, 1);
}

TEST(OutageTest, FindsNoExcuseForAnotherStatus) {
  EXPECT_EQ(ExplainWith(Call(99, 150, StatusCode::INTERNAL)).unexplained, 1);
  EXPECT_EQ(ExplainWith(Call(150, 160, StatusCode::RESOURCE_EXHAUSTED)).unexplained, 1);
}

TEST(OutageTest, CountsAnswersSinceTheReturnAndTheFirstOfThem) {
  const OutageCauses causes = ExplainWith(Call(251, 270, StatusCode::OK));
  EXPECT_EQ(causes.answered_after, 2);
  EXPECT_EQ(causes.answered_again, At(250));
}

TEST(OutageTest, ExcusesEveryRefusalWhileNothingIsEverAnsweredAgain) {
  const OutageCauses causes = Explain({Call(900, 901, StatusCode::UNAVAILABLE)}, {At(100), At(105), At(200)});
  EXPECT_EQ(causes.not_dialled_yet, 1);
  EXPECT_EQ(causes.answered_after, 0);
  EXPECT_EQ(causes.answered_again, absl::InfiniteFuture());
}

}  // namespace
}  // namespace chanpool::demo
