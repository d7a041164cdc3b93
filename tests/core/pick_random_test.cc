#include "pool/core/pick_random.h"

#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace chanpool {
namespace {

TEST(PickRandomTest, OneCallIn64IsSampledInTheMean) {
  PickRandom random(7);
  int samples = 0;
  for (int i = 0; i < 640'000; ++i) samples += random.Sample();
  EXPECT_NEAR(samples, 10'000, 300);
}

TEST(PickRandomTest, NoRhythmOfTheCallerHidesFromTheSample) {
  PickRandom random(7);
  int of_each[2] = {0, 0};
  for (int i = 0; i < 640'000; ++i) of_each[i % 2] += random.Sample();
  EXPECT_NEAR(of_each[0], 5'000, 300);
  EXPECT_NEAR(of_each[1], 5'000, 300);
}

TEST(PickRandomTest, AFastThreadIsSampledMoreRarelyAndItsSamplesCountForMore) {
  PickRandom random(7);
  absl::Time now = absl::UnixEpoch();
  const auto run = [&](absl::Duration a_call) {
    int samples = 0;
    uint64_t stand_for = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      now += a_call;
      if (!random.Sample()) continue;
      ++samples;
      stand_for += uint64_t{PickRandom::kSampling} * random.weight();
      random.SetPace(now);
    }
    EXPECT_NEAR(static_cast<double>(stand_for), 1e6, 1e5) << "what the samples stand for is what was called";
    return samples;
  };
  EXPECT_NEAR(run(absl::Microseconds(10)), 1'000'000 / 64, 1000);
  EXPECT_NEAR(run(absl::Nanoseconds(20)), 1'000'000 / 1024, 100);
  EXPECT_NEAR(run(absl::Microseconds(10)), 1'000'000 / 64, 1000) << "slow again, dense again";
}

TEST(PickRandomTest, AThreadsFirstCallIsSampledAsSeldomAsAnyOther) {
  int sampled = 0;
  for (int t = 0; t < 1'000; ++t) sampled += PickRandom().Sample();
  EXPECT_LT(sampled, 40) << "about one in 64; a thread's first acquire is its slowest";
}

TEST(PickRandomTest, EachThreadsOwnBeginsElsewhere) {
  std::set<uint32_t> draws;
  for (int t = 0; t < 8; ++t) {
    std::thread([&draws] {
      ThisThreadsRandom().Sample();
      draws.insert(ThisThreadsRandom().Below(1'000'000'000));
    }).join();
  }
  EXPECT_EQ(draws.size(), 8u);
}

}  // namespace
}  // namespace chanpool
