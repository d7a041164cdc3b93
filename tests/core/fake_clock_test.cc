#include "pool/testing/fake_clock.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::ElementsAre;

TEST(FakeClockTest, TimeStandsStillUntilItIsTold) {
  FakeClock clock;
  const absl::Time begin = clock.Now();
  EXPECT_EQ(clock.Now(), begin);
  clock.Advance(absl::Hours(5));
  EXPECT_EQ(clock.Now(), begin + absl::Hours(5));
  EXPECT_EQ(clock.WallNow(), clock.Now());
}

TEST(FakeClockTest, AlarmsRingInOrderEachAtItsOwnTime) {
  FakeClock clock;
  const absl::Time begin = clock.Now();
  std::vector<absl::Duration> rung;
  const auto ring = [&] { rung.push_back(clock.Now() - begin); };
  const auto late = clock.NewAlarm(ring), early = clock.NewAlarm(ring), never = clock.NewAlarm(ring);
  late->Set(begin + absl::Seconds(20));
  early->Set(begin + absl::Seconds(10));
  EXPECT_EQ(clock.NextAlarm(), begin + absl::Seconds(10));
  clock.Advance(absl::Seconds(30));
  EXPECT_THAT(rung, ElementsAre(absl::Seconds(10), absl::Seconds(20)));
  EXPECT_EQ(clock.NextAlarm(), absl::InfiniteFuture());
}

TEST(FakeClockTest, AnAlarmMaySetItselfAgainWhileTimeMoves) {
  FakeClock clock;
  int rung = 0;
  std::unique_ptr<Alarm> alarm = clock.NewAlarm([&] {
    ++rung;
    alarm->Set(clock.Now() + absl::Seconds(1));
  });
  alarm->Set(clock.Now() + absl::Seconds(1));
  clock.Advance(absl::Milliseconds(5500));
  EXPECT_EQ(rung, 5);
}

TEST(FakeClockTest, AWallJumpMovesTheWallAlone) {
  FakeClock clock;
  const absl::Time now = clock.Now();
  const absl::Time deadline = clock.FromWall(clock.WallNow() + absl::Seconds(3));
  clock.JumpWall(-absl::Hours(1));
  EXPECT_EQ(clock.Now(), now);
  EXPECT_EQ(clock.WallNow(), now - absl::Hours(1));
  EXPECT_EQ(clock.FromWall(clock.WallNow() + absl::Seconds(3)), deadline);
}

TEST(FakeClockTest, AParkedThreadGoesOnAtItsDeadline) {
  FakeClock clock;
  const absl::Time deadline = clock.Now() + absl::Seconds(10);
  bool woken = true;
  std::thread parked([&] {
    Wakeup wakeup;
    woken = clock.Park(wakeup, deadline);
  });
  clock.AwaitWaiters(1);
  clock.Advance(absl::Seconds(10));
  parked.join();
  EXPECT_FALSE(woken);
}

TEST(FakeClockTest, AWakeUpEndsAPark) {
  FakeClock clock;
  Wakeup wakeup;
  bool woken = false;
  std::thread parked([&] { woken = clock.Park(wakeup, absl::InfiniteFuture()); });
  clock.AwaitWaiters(1);
  clock.Advance(absl::Hours(1));
  wakeup.Wake();
  parked.join();
  EXPECT_TRUE(woken);
}

// A thread that gave up at a deadline may park again, without end, for a wake-up that is on its way.
TEST(FakeClockTest, AnEndlessParkIsNotEndedByAnOldDeadline) {
  for (int round = 0; round < 200; ++round) {
    FakeClock clock;
    Wakeup wakeup;
    std::atomic<bool> woken{false};
    const absl::Time deadline = clock.Now() + absl::Seconds(1);
    std::thread parked([&] {
      clock.Park(wakeup, deadline);
      woken = clock.Park(wakeup, absl::InfiniteFuture());
    });
    clock.AwaitWaiters(1);
    for (int i = 0; i < 5; ++i) clock.Advance(absl::Seconds(1));  // Each may interrupt the first Park.
    wakeup.Wake();
    parked.join();
    ASSERT_TRUE(woken);
  }
}

}  // namespace
}  // namespace chanpool
