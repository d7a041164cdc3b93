#include "pool/core/hold_samples.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace chanpool {
namespace {

const absl::Time kBegin = absl::FromUnixSeconds(1'000'000);

TEST(HoldSamplesTest, ALeaseIsAsLargeAsAPointerAndStillNamesItsSlotAndItsSample) {
  Slot slots[2];
  EXPECT_EQ(sizeof(Lent), sizeof(Slot*));
  for (Slot& slot : slots) {
    EXPECT_EQ(Lent(&slot).slot(), &slot);
    EXPECT_EQ(Lent(&slot).sample(), 0u);
    EXPECT_EQ(Lent(&slot, 63).slot(), &slot);
    EXPECT_EQ(Lent(&slot, 63).sample(), 63u);
  }
  EXPECT_FALSE(Lent());
}

TEST(HoldSamplesTest, EachSampleIsTimedFromItsOwnBeginning) {
  Slot slot;
  HoldSamples holds;
  HistogramRecorder times;
  const Lent first = holds.Begin(&slot, 1, kBegin);
  const Lent second = holds.Begin(&slot, 16, kBegin + absl::Seconds(1));
  ASSERT_NE(first.sample(), second.sample());
  holds.End(first.sample(), kBegin + absl::Seconds(3), &times);
  EXPECT_EQ(times.Read().count(), 1u);
  EXPECT_EQ(times.Read().sum(), absl::Seconds(3));
  holds.End(second.sample(), kBegin + absl::Seconds(3), &times);
  EXPECT_EQ(times.Read().count(), 17u) << "one that stands for 16 samples counts for them";
  EXPECT_EQ(times.Read().sum(), absl::Seconds(3 + 16 * 2));
  EXPECT_EQ(holds.out(), 0);
}

TEST(HoldSamplesTest, WhatIsBeyondTheTableIsLentUntimedAndCounted) {
  Slot slot;
  HoldSamples holds;
  HistogramRecorder times;
  std::vector<Lent> out;
  for (uint32_t i = 0; i < HoldSamples::kMaxSamples; ++i) out.push_back(holds.Begin(&slot, 1, kBegin));
  for (const Lent& lent : out) EXPECT_NE(lent.sample(), 0u);
  EXPECT_EQ(holds.skipped(), 0u);
  const Lent beyond = holds.Begin(&slot, 1, kBegin);
  EXPECT_EQ(beyond.slot(), &slot);
  EXPECT_EQ(beyond.sample(), 0u);
  EXPECT_EQ(holds.skipped(), 1u);
  holds.End(out[7].sample(), kBegin, &times);
  EXPECT_EQ(holds.Begin(&slot, 1, kBegin).sample(), out[7].sample()) << "its entry is free again";
}

TEST(HoldSamplesTest, ADroppedSampleIsNeitherTimedNorKept) {
  Slot slot;
  HoldSamples holds;
  HistogramRecorder times;
  holds.Drop(holds.Begin(&slot, 1, kBegin).sample());
  EXPECT_EQ(holds.out(), 0);
  EXPECT_EQ(times.Read().count(), 0u);
}

TEST(HoldSamplesTest, ThreadsThatShareTheTableMixUpNoTimes) {
  Slot slot;
  HoldSamples holds;
  HistogramRecorder times;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&holds, &times, &slot, t] {
      for (int i = 0; i < 5'000; ++i) {
        const absl::Time began = kBegin + absl::Seconds(1000 * t + i);
        const Lent lent = holds.Begin(&slot, 1, began);
        holds.End(lent.sample(), began + absl::Seconds(t), &times);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(times.Read().count(), 20'000u);
  EXPECT_EQ(times.Read().sum(), absl::Seconds(5'000 * (0 + 1 + 2 + 3)));
}

}  // namespace
}  // namespace chanpool
