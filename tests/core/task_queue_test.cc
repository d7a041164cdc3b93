#include "pool/core/task_queue.h"

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::ElementsAre;

TEST(TaskQueueTest, RunsTasksInOrderAndAllOfThemBeforeItEnds) {
  TaskQueue tasks;
  std::vector<int> ran;
  tasks.Post([&] {
    ran.push_back(1);
    tasks.Post([&] { ran.push_back(3); });
    tasks.End();
  });
  tasks.Post([&] { ran.push_back(2); });
  tasks.Run();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(TaskQueueTest, WhatATaskHoldsEndsBeforeTheNextTask) {
  TaskQueue tasks;
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> weak = held;
  bool gone = false;
  tasks.Post([held = std::move(held)] {});
  tasks.Post([&] { gone = weak.expired(); });
  tasks.End();
  tasks.Run();
  EXPECT_TRUE(gone);
}

TEST(TaskQueueTest, APostWakesTheThreadThatSleeps) {
  TaskQueue tasks;
  std::thread thread([&] { tasks.Run(); });
  for (int i = 0; i < 100; ++i) {
    Wakeup ran;
    tasks.Post([&] { ran.Wake(); });
    RealClock()->Park(ran, absl::InfiniteFuture());
  }
  tasks.End();
  thread.join();
}

}  // namespace
}  // namespace chanpool
