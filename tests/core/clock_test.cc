#include "pool/core/clock.h"

#include <sys/prctl.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/mutex.h"

namespace chanpool {
namespace {

using testing::ElementsAre;

// What the alarms of a test said, and a way to wait for it.
class Rings {
 public:
  std::function<void()> Say(int number) {
    return [this, number] {
      MutexLock lock(&mu_);
      heard_.push_back(number);
      if (heard_.size() == wanted_) enough_.Wake();
    };
  }
  std::vector<int> Await() {
    RealClock()->Park(enough_, absl::InfiniteFuture());
    MutexLock lock(&mu_);
    return heard_;
  }
  explicit Rings(size_t wanted) : wanted_(wanted) {}

 private:
  const size_t wanted_;
  Wakeup enough_;
  Mutex mu_;
  std::vector<int> heard_ ABSL_GUARDED_BY(mu_);
};

TEST(RealClockTest, AlarmsRingInTheOrderOfTheirTimes) {
  Clock* const clock = RealClock();
  Rings rings(4);
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 4; ++i) alarms.push_back(clock->NewAlarm(rings.Say(i)));
  const absl::Time now = clock->Now();
  alarms[2]->Set(now + absl::Milliseconds(6));
  alarms[0]->Set(now + absl::Milliseconds(8));
  alarms[1]->Set(now + absl::Milliseconds(4));
  alarms[3]->Set(now - absl::Hours(1));  // Passed: at once.
  EXPECT_THAT(rings.Await(), ElementsAre(3, 1, 2, 0));
  EXPECT_GE(clock->Now(), now + absl::Milliseconds(8)) << "none rings early";
}

TEST(RealClockTest, AnAlarmRingsOnceAndForItsLastSetting) {
  Clock* const clock = RealClock();
  Rings rings(2);
  const auto first = clock->NewAlarm(rings.Say(1)), off = clock->NewAlarm(rings.Say(2)),
             last = clock->NewAlarm(rings.Say(3));
  auto gone = clock->NewAlarm(rings.Say(4));
  const absl::Time now = clock->Now();
  off->Set(now + absl::Milliseconds(2));
  off->Set(absl::InfiniteFuture());
  gone->Set(now + absl::Milliseconds(2));
  gone = nullptr;
  first->Set(now + absl::Hours(1));
  first->Set(now + absl::Milliseconds(3));
  last->Set(now + absl::Milliseconds(6));
  EXPECT_THAT(rings.Await(), ElementsAre(1, 3));
}

// Nanoseconds in 64 bits end after 292 years: such a time must not come round as one that has passed.
TEST(RealClockTest, AnAlarmInAThousandYearsDoesNotRingNow) {
  Clock* const clock = RealClock();
  Rings rings(1);
  const auto far = clock->NewAlarm(rings.Say(1)), soon = clock->NewAlarm(rings.Say(2));
  far->Set(clock->Now() + absl::Hours(24 * 365 * 1000));
  soon->Set(clock->Now() + absl::Milliseconds(3));
  EXPECT_THAT(rings.Await(), ElementsAre(2));
}

TEST(RealClockTest, AWakeUpEndsAPark) {
  Wakeup wakeup;
  std::thread waker([&wakeup] { wakeup.Wake(); });
  EXPECT_TRUE(RealClock()->Park(wakeup, absl::InfiniteFuture()));
  waker.join();
}

TEST(RealClockTest, AWakeUpBeforeTheParkIsRemembered) {
  Wakeup wakeup;
  wakeup.Wake();
  EXPECT_TRUE(RealClock()->Park(wakeup, absl::InfinitePast()));
}

TEST(RealClockTest, AParkEndsAtItsDeadline) {
  Clock* const clock = RealClock();
  Wakeup wakeup;
  const absl::Time deadline = clock->Now() + absl::Milliseconds(2);
  EXPECT_FALSE(clock->Park(wakeup, deadline));
  EXPECT_GE(clock->Now(), deadline);
  EXPECT_FALSE(clock->Park(wakeup, clock->Now() - absl::Hours(24 * 365 * 1000)));
}

TEST(RealClockTest, AParkLeavesTheThreadsTimersAsItsUserHasThem) {
  static constexpr int kSlack = 123'000;
  std::thread([] {
    ASSERT_EQ(prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(kSlack)), 0);
    Wakeup nobody;
    EXPECT_FALSE(RealClock()->Park(nobody, RealClock()->Now() + absl::Milliseconds(1)));
    EXPECT_EQ(prctl(PR_GET_TIMERSLACK), kSlack);
  }).join();
}

TEST(RealClockTest, ConvertsDeadlinesOfTheWall) {
  Clock* const clock = RealClock();
  EXPECT_EQ(clock->FromWall(absl::InfiniteFuture()), absl::InfiniteFuture());
  EXPECT_EQ(clock->FromWall(absl::InfinitePast()), absl::InfinitePast());
  const absl::Time before = clock->Now();
  const absl::Time in_an_hour = clock->FromWall(clock->WallNow() + absl::Hours(1));
  EXPECT_LE(in_an_hour, clock->Now() + absl::Hours(1));
  EXPECT_GE(in_an_hour, before + absl::Hours(1) - absl::Seconds(1));
}

}  // namespace
}  // namespace chanpool
