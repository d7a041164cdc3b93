#include "tests/fault/process_usage.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "tests/fakes/eventually.h"

namespace chanpool::fault {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ProcessUsageTest, SeesMemoryDescriptorsAndThreads) {
  const ProcessUsage before = UsageNow();
  EXPECT_GT(before.memory_kib, 0);
  const std::string memory(64 << 20, 'x');
  const int fd = open("/dev/null", O_RDONLY);
  testing::Signal end;
  std::thread thread([&] { end.Await(); });
  const ProcessUsage now = UsageNow();
  end.Notify();
  thread.join();
  close(fd);
  EXPECT_GE(now.memory_kib, before.memory_kib + 60 * 1024) << memory.size();
  EXPECT_EQ(now.descriptors, before.descriptors + 1);
  EXPECT_EQ(now.threads, before.threads + 1);
}

TEST(ProcessUsageTest, NamesWhatHasGrown) {
  const ProcessUsage first = {100'000, 50, 10};
  EXPECT_THAT(Growth(first, {114'000, 54, 14}), IsEmpty());
  EXPECT_THAT(Growth(first, {120'000, 50, 10}), ElementsAre("memory (KiB): 100000 -> 120000"));
  EXPECT_THAT(Growth(first, {90'000, 55, 15}), ElementsAre("file descriptors: 50 -> 55", "threads: 10 -> 15"));
}

}  // namespace
}  // namespace chanpool::fault
