#include "pool/core/event_feed.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/testing/closers.h"

namespace chanpool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class EventFeedTest : public testing::Test {
 protected:
  void Append(int events) {
    for (int i = 0; i < events; ++i) feed_->Append(PoolEvent());
    feed_->Flush();
  }

  Subscription Collect(std::vector<uint64_t>* sequences) {
    return feed_->Subscribe([sequences](const PoolEvent& event) { sequences->push_back(event.sequence); });
  }

  ManualCloser closer_;
  std::shared_ptr<EventFeed> feed_ = std::make_shared<EventFeed>(&closer_);
};

TEST_F(EventFeedTest, TellsEverySubscriberEachEventInOrder) {
  std::vector<uint64_t> one, other;
  const Subscription first = Collect(&one);
  const Subscription second = Collect(&other);
  Append(3);
  EXPECT_THAT(one, IsEmpty()) << "told inside Append or Flush";
  closer_.RunAll();
  EXPECT_THAT(one, ElementsAre(1, 2, 3));
  EXPECT_THAT(other, ElementsAre(1, 2, 3));
}

TEST_F(EventFeedTest, TellsNothingOfBeforeTheSubscription) {
  Append(2);
  std::vector<uint64_t> told;
  const Subscription subscription = Collect(&told);
  Append(1);
  closer_.RunAll();
  EXPECT_THAT(told, ElementsAre(3));
}

TEST_F(EventFeedTest, LeavesOutWhatASlowSubscriberHasNoRoomForAndShowsTheGap) {
  std::vector<uint64_t> told;
  const Subscription subscription = Collect(&told);
  Append(EventFeed::kMaxQueued + 5);
  closer_.RunAll();
  ASSERT_EQ(told.size(), EventFeed::kMaxQueued);
  Append(1);
  closer_.RunAll();
  EXPECT_EQ(told.back() - told[told.size() - 2], 6u);
}

TEST_F(EventFeedTest, TellsNothingAfterTheSubscriptionHasEnded) {
  std::vector<uint64_t> told;
  Subscription subscription = Collect(&told);
  Append(1);
  subscription = Subscription();
  closer_.RunAll();
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(EventFeedTest, EndsTheSubscriptionThatAnotherReplaces) {
  std::vector<uint64_t> replaced, kept;
  Subscription subscription = Collect(&replaced);
  Subscription other = Collect(&kept);
  subscription = std::move(other);
  Append(1);
  closer_.RunAll();
  EXPECT_THAT(replaced, IsEmpty());
  EXPECT_THAT(kept, ElementsAre(1));
}

TEST_F(EventFeedTest, LetsACallbackSubscribeAndEndItself) {
  std::vector<uint64_t> told_later;
  Subscription later;
  Subscription self;
  int told = 0;
  self = feed_->Subscribe([&](const PoolEvent&) {
    ++told;
    later = Collect(&told_later);
    self = Subscription();
  });
  Append(2);
  closer_.RunAll();
  Append(1);
  closer_.RunAll();
  EXPECT_EQ(told, 1);
  EXPECT_THAT(told_later, ElementsAre(3));
}

TEST_F(EventFeedTest, DeliversBehindWhatElseTheCloserHasToDo) {
  bool closed = false, closed_before_second = false;
  int told = 0;
  const Subscription subscription = feed_->Subscribe([&](const PoolEvent&) {
    if (++told == 1) {
      closer_.Post([&] { closed = true; });  // As a connection that closes.
      Append(1);
    } else {
      closed_before_second = closed;
    }
  });
  Append(1);
  closer_.RunAll();
  EXPECT_EQ(told, 2);
  EXPECT_TRUE(closed_before_second);
}

TEST_F(EventFeedTest, DeliversWhatWasAppendedWhenTheFeedIsGivenUp) {
  std::vector<uint64_t> told;
  const Subscription subscription = Collect(&told);
  Append(2);
  feed_.reset();
  closer_.RunAll();
  EXPECT_THAT(told, ElementsAre(1, 2));
}

TEST_F(EventFeedTest, RefusesSubscribersBeyondTheMaximumUntilOneEnds) {
  std::vector<Subscription> subscriptions;
  for (size_t i = 0; i < EventFeed::kMaxSubscribers; ++i) {
    subscriptions.push_back(feed_->Subscribe([](const PoolEvent&) {}));
    ASSERT_TRUE(subscriptions.back());
  }
  std::vector<uint64_t> told;
  EXPECT_FALSE(Collect(&told));
  subscriptions.pop_back();
  EXPECT_TRUE(Collect(&told));
}

TEST_F(EventFeedTest, ANullCallbackIsAProgrammersError) {
  EXPECT_DEATH((void)feed_->Subscribe(nullptr), "check failed: callback != nullptr");
}

TEST_F(EventFeedTest, EndsASubscriptionInAForkedChildWithoutWaitingForALock) {
  std::vector<uint64_t> told;
  auto subscription = std::make_unique<Subscription>(Collect(&told));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(10);  // Ends a child that hangs.
    subscription.reset();
    const Subscription none = Collect(&told);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

}  // namespace
}  // namespace chanpool
