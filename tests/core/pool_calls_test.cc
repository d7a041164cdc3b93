// Calls as a pool tells of them, where its transport sees calls.
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/call_stats.h"
#include "tests/core/pool_fixture.h"

namespace chanpool {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class PoolCallsTest : public PoolFixture {
 protected:
  // On each of two connections a call of 3 s and one of 1 s.
  void StartBusy() {
    PoolOptions options;
    options.min_connections = options.max_connections = 2;
    Start(options);
    target_.SetCalls({{{}, "/a.A/Get", absl::Seconds(1)}, {{}, "/a.A/Get", absl::Seconds(3)}}, CallTotals(), {});
  }
};

TEST_F(PoolCallsTest, TheOldestOfAllConnectionsComeFirst) {
  StartBusy();
  const std::vector<CallInFlight> calls = pool_->Calls(3);
  ASSERT_THAT(calls, SizeIs(3));
  EXPECT_EQ(calls[0].age, absl::Seconds(3));
  EXPECT_EQ(calls[1].age, absl::Seconds(3));
  EXPECT_NE(calls[0].connection, calls[1].connection);
  EXPECT_EQ(calls[2].age, absl::Seconds(1));
}

TEST_F(PoolCallsTest, ThoseOfOneConnectionAreListedUntilItIsGone) {
  StartBusy();
  const ConnectionId id = pool_->Connections()[0].id;
  const std::vector<CallInFlight> calls = pool_->CallsOn(id, 10);
  ASSERT_THAT(calls, SizeIs(2));
  EXPECT_EQ(calls[0].connection, id);
  EXPECT_EQ(calls[0].age, absl::Seconds(3));
  target_.Lose(id, absl::UnavailableError("reset"));
  EXPECT_THAT(pool_->CallsOn(id, 10), IsEmpty());
  clock_.Advance(absl::Seconds(10));
  ASSERT_EQ(pool_->Connections()[0].id.slot, id.slot) << "another is in its place";
  EXPECT_THAT(pool_->CallsOn(id, 10), IsEmpty());
  EXPECT_THAT(pool_->CallsOn(ConnectionId{1000, 1}, 10), IsEmpty());
}

TEST_F(PoolCallsTest, ACallWithoutALeaseOfItsOwnIsHeardOfUntilItsConnectionIsGone) {
  StartBusy();
  const ConnectionId id = pool_->Connections()[0].id;
  pool_->OnCallEnded(id, CallOutcome::kFailed, absl::Milliseconds(5));
  clock_.Advance(absl::Seconds(2));  // Housekeeping looks.
  EXPECT_EQ(pool_->Endpoints()[0].failures, 1u);
  target_.Lose(id, absl::UnavailableError("reset"));
  pool_->OnCallEnded(id, CallOutcome::kFailed, absl::Milliseconds(5));
  pool_->OnCallEnded(ConnectionId{1000, 1}, CallOutcome::kFailed, absl::Milliseconds(5));
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(pool_->Endpoints()[0].failures, 1u);
}

}  // namespace
}  // namespace chanpool
