#include "server/admin/event_log.h"

#include <gmock/gmock.h>

#include "pool/testing/fake_clock.h"

namespace chanpool::admin {
namespace {

v1::Event Named(const std::string& message) {
  v1::Event event;
  event.set_message(message);
  return event;
}

class EventLogTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  EventLog log_{&clock_};
};

TEST_F(EventLogTest, EventsAreNumberedFromOneWithoutAGap) {
  EXPECT_EQ(log_.oldest(), 0u);
  EXPECT_EQ(log_.head(), 0u);
  for (int i = 0; i < 3; ++i) log_.Append(Named("x"));
  const EventLog::Batch batch = log_.Read(0, 10);
  ASSERT_EQ(batch.events.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(batch.events[i].seq(), i + 1);
  EXPECT_EQ(batch.events[0].time().seconds(), absl::ToUnixSeconds(clock_.WallNow()));
  EXPECT_EQ(log_.oldest(), 1u);
  EXPECT_EQ(log_.head(), 3u);
}

TEST_F(EventLogTest, ABatchBeginsAfterThePositionAndIsNoLongerThanAsked) {
  for (int i = 0; i < 5; ++i) log_.Append(Named("x"));
  const EventLog::Batch batch = log_.Read(2, 2);
  ASSERT_EQ(batch.events.size(), 2u);
  EXPECT_EQ(batch.events[0].seq(), 3u);
  EXPECT_EQ(batch.lost, 0u);
  EXPECT_TRUE(log_.Read(5, 2).events.empty());
  EXPECT_TRUE(log_.Read(99, 2).events.empty());
}

TEST_F(EventLogTest, WhatFellOutOfTheRingIsCounted) {
  for (size_t i = 0; i < EventLog::kCapacity + 7; ++i) log_.Append(Named("x"));
  EXPECT_EQ(log_.oldest(), 8u);
  const EventLog::Batch batch = log_.Read(2, 1);
  EXPECT_EQ(batch.lost, 5u);
  ASSERT_EQ(batch.events.size(), 1u);
  EXPECT_EQ(batch.events[0].seq(), 8u);
  EXPECT_EQ(log_.Read(7, 1).lost, 0u);
}

TEST_F(EventLogTest, FollowersAreToldUntilTheyLetGo) {
  int told = 0;
  std::shared_ptr<void> following = log_.Follow([&told] { ++told; });
  log_.Append(Named("x"));
  following = nullptr;
  log_.Append(Named("x"));
  EXPECT_EQ(told, 1);
}

TEST_F(EventLogTest, ACopyIsTheSameLogAndKeepsIt) {
  int told = 0;
  auto first = std::make_unique<EventLog>(&clock_);
  EventLog copy = *first;
  const std::shared_ptr<void> following = first->Follow([&told] { ++told; });
  first->Append(Named("x"));
  first = nullptr;
  copy.Append(Named("y"));
  EXPECT_EQ(told, 2);
  ASSERT_EQ(copy.Read(0, 10).events.size(), 2u);
  EXPECT_EQ(copy.Read(0, 10).events[0].message(), "x");
}

TEST_F(EventLogTest, AFollowerMayReadAndAppend) {
  std::vector<uint64_t> heads;
  const std::shared_ptr<void> following = log_.Follow([&] {
    heads.push_back(log_.head());
    if (log_.head() == 1) log_.Append(Named("and"));
  });
  log_.Append(Named("x"));
  EXPECT_THAT(heads, ::testing::ElementsAre(1, 2));
}

}  // namespace
}  // namespace chanpool::admin
