#include "server/admin/followers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

// Of this program, now: what is kept of a follower that is gone can't be seen in any other way.
std::atomic<int64_t> allocations{0};

void* Allocate(size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

void Release(void* memory) {
  if (memory == nullptr) return;
  --allocations;
  std::free(memory);
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { Release(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept { Release(memory); }

namespace chanpool::admin {
namespace {

TEST(FollowersTest, NothingIsKeptOfThoseWhoCameAndWentWhileThereWasNothingToTell) {
  Followers followers;
  int told = 0;
  const std::shared_ptr<void> stays = followers.Add([&told] { ++told; });
  const int64_t before = allocations;
  for (int i = 0; i < 1000; ++i) (void)followers.Add([&told] { ++told; });
  EXPECT_LT(allocations - before, 10);
  followers.Tell();
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace chanpool::admin
