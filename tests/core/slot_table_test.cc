#include "pool/core/slot_table.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "pool/core/pick_random.h"

namespace chanpool {
namespace {

constexpr uint64_t kSeed = 20200101;

// Makes slots without a pool: the table never looks into it.
class SlotTableTest : public testing::Test {
 protected:
  Slot* AddSlot() { return table_.GetOrAdd(table_.size()); }

  // An OPEN slot that is listed.
  Slot* AddOpen(uint32_t limit, uint32_t leases) {
    Slot* slot = AddSlot();
    SlotTable::Update(slot, [limit](SlotWord w) { return slot::Reuse(w, limit); });
    SlotTable::Update(slot, [leases](SlotWord w) { return slot::Open(w, leases, /*some_still_wait=*/false); });
    table_.List(slot);
    return slot;
  }

  // How often each slot is lent in `times` lendings, each given back at once.
  std::map<Slot*, int> LendAndReturn(int times) {
    std::map<Slot*, int> lent;
    for (int i = 0; i < times; ++i) {
      Slot* slot = table_.TryLend(&random_);
      ++lent[slot];
      EXPECT_TRUE(slot == nullptr || SlotTable::TryReturn(slot));
    }
    return lent;
  }

  SlotTable table_{/*pool=*/nullptr};
  PickRandom random_{kSeed};
};

// --- Lending ------------------------------------------------------------------------------------------------------

TEST_F(SlotTableTest, LendsNothingWhenEmpty) { EXPECT_EQ(table_.TryLend(&random_), nullptr); }

TEST_F(SlotTableTest, TheShortWayLendsTheLastUsedSlotWhileNothingElseIsToBeDone) {
  EXPECT_EQ(table_.TryLendLastUsed(), nullptr);  // This thread has used none.
  Slot* slot = AddOpen(/*limit=*/2, /*leases=*/0);
  AddOpen(/*limit=*/2, /*leases=*/1);
  EXPECT_EQ(table_.TryLendLastUsed(), nullptr);
  ASSERT_EQ(table_.TryLend(&random_), slot);
  EXPECT_EQ(table_.TryLendLastUsed(), nullptr);  // Somebody is on it.
  ASSERT_TRUE(SlotTable::TryReturn(slot));

  slot->peak.store(0);  // As housekeeping does: one lease is a new peak.
  EXPECT_EQ(table_.TryLendLastUsed(), nullptr);
  slot->peak.store(1);
  slot->handicap.store(1);
  EXPECT_EQ(table_.TryLendLastUsed(), nullptr);
  slot->handicap.store(0);
  SlotTable::Update(slot, slot::MarkSlow);
  EXPECT_EQ(table_.TryLendLastUsed(), nullptr);  // Somebody waits.
  SlotTable::Update(slot, slot::ClearSlow);

  EXPECT_EQ(table_.TryLendLastUsed(), slot);
  EXPECT_EQ(slot->Load().leases(), 1u);
  EXPECT_TRUE(slot->Load().used());
  EXPECT_EQ(LeasesEver(*slot), 2u);
  ASSERT_TRUE(SlotTable::TryReturn(slot));
  SlotTable::Update(slot, slot::Drain);
  EXPECT_EQ(table_.TryLendLastUsed(), nullptr);
}

TEST_F(SlotTableTest, LendsTheOnlySlotUpToItsLimit) {
  Slot* only = AddOpen(/*limit=*/2, /*leases=*/0);
  EXPECT_EQ(table_.TryLend(&random_), only);
  EXPECT_EQ(table_.TryLend(&random_), only);
  EXPECT_EQ(table_.TryLend(&random_), nullptr);
  EXPECT_EQ(only->Load().leases(), 2u);
  EXPECT_EQ(LeasesEver(*only), 2u);
}

TEST_F(SlotTableTest, LendsTheLessLoadedOfTwo) {
  AddOpen(/*limit=*/100, /*leases=*/7);
  Slot* less = AddOpen(/*limit=*/100, /*leases=*/3);

  EXPECT_EQ(LendAndReturn(100), (std::map<Slot*, int>{{less, 100}}));
}

TEST_F(SlotTableTest, LendsTheMoreLoadedOfTwoWhenTheOtherIsFull) {
  AddOpen(/*limit=*/3, /*leases=*/3);
  Slot* room = AddOpen(/*limit=*/100, /*leases=*/7);

  EXPECT_EQ(LendAndReturn(100), (std::map<Slot*, int>{{room, 100}}));
}

TEST_F(SlotTableTest, NeverLendsTheMostLoadedOfMany) {
  Slot* most = AddOpen(/*limit=*/100, /*leases=*/9);
  for (uint32_t leases = 1; leases < 8; ++leases) AddOpen(/*limit=*/100, leases);

  EXPECT_EQ(LendAndReturn(1'000).count(most), 0u);
}

TEST_F(SlotTableTest, ACallerAloneStaysOnOneSlot) {
  for (int i = 0; i < 8; ++i) AddOpen(/*limit=*/100, /*leases=*/0);

  EXPECT_EQ(LendAndReturn(1'000).size(), 1u);
}

TEST_F(SlotTableTest, UsesNoMoreSlotsThanThereAreCallsAtATime) {
  constexpr size_t kSlots = 64, kCalls = 5;
  for (size_t i = 0; i < kSlots; ++i) AddOpen(/*limit=*/100, /*leases=*/0);
  std::set<Slot*> used;
  for (size_t i = 0; i < kCalls; ++i) used.insert(table_.TryLend(&random_));

  EXPECT_LE(used.size(), kCalls);
  EXPECT_GE(used.size(), kCalls - 2) << "seed " << kSeed;  // And nearly as many: the two looked at may tie.
}

TEST_F(SlotTableTest, BreaksTiesByChance) {
  constexpr int kSlots = 8, kTimes = 7'000;
  for (int i = 0; i < kSlots; ++i) AddOpen(/*limit=*/100, /*leases=*/0);
  Slot* remembered = table_.TryLend(&random_);
  std::map<Slot*, int> second;
  for (int i = 0; i < kTimes; ++i) {
    Slot* other = table_.TryLend(&random_);  // Any of the seven that carry nobody.
    ++second[other];
    ASSERT_TRUE(SlotTable::TryReturn(remembered));
    remembered = other;
  }

  ASSERT_EQ(second.size(), static_cast<size_t>(kSlots));
  for (const auto& [slot, times] : second) {  // 875 each; 150 is five standard deviations.
    EXPECT_NEAR(times, kTimes / kSlots, 150) << "slot " << slot->index << ", seed " << kSeed;
  }
}

TEST_F(SlotTableTest, AThreadKeepsToItsOwnSlotWhileOthersUseTheirs) {
  for (int i = 0; i < 4; ++i) AddOpen(/*limit=*/1, /*leases=*/0);
  Slot* mine = table_.TryLend(&random_);
  Slot* theirs = nullptr;
  std::thread([&] {
    PickRandom random(kSeed + 1);
    theirs = table_.TryLend(&random);
    EXPECT_TRUE(SlotTable::TryReturn(theirs));
    EXPECT_EQ(table_.TryLend(&random), theirs);
  }).join();
  EXPECT_NE(theirs, mine);
  ASSERT_TRUE(SlotTable::TryReturn(mine));

  EXPECT_EQ(LendAndReturn(100), (std::map<Slot*, int>{{mine, 100}}));
}

TEST_F(SlotTableTest, LeavesTheRememberedSlotForOneThatCarriesFewer) {
  for (int round = 0; round < 100; ++round) {
    SlotTable table(nullptr);
    for (uint32_t i = 0; i < 2; ++i) {
      Slot* slot = table.GetOrAdd(i);
      SlotTable::Update(slot, [](SlotWord w) { return slot::Reuse(w, 9); });
      SlotTable::Update(slot, [](SlotWord w) { return slot::Open(w, 0, /*some_still_wait=*/false); });
      table.List(slot);
    }
    Slot* remembered = table.TryLend(&random_);
    EXPECT_NE(table.TryLend(&random_), remembered) << "round " << round;
  }
}

TEST_F(SlotTableTest, RemembersNothingOfATableThatIsGone) {
  // Tables that fall on one place of a thread's memory, and very likely on one place of the heap.
  for (int i = 0; i < 100; ++i) {
    auto table = std::make_unique<SlotTable>(nullptr);
    EXPECT_EQ(table->TryLend(&random_), nullptr);
    Slot* slot = table->GetOrAdd(0);
    SlotTable::Update(slot, [](SlotWord w) { return slot::Reuse(w, 1); });
    SlotTable::Update(slot, [](SlotWord w) { return slot::Open(w, 0, /*some_still_wait=*/false); });
    table->List(slot);
    EXPECT_EQ(table->TryLend(&random_), slot);
  }
}

// --- Other ways to choose ------------------------------------------------------------------------------------------

std::vector<uint32_t> Indices(const std::vector<Slot*>& slots) {
  std::vector<uint32_t> indices;
  for (const Slot* slot : slots) indices.push_back(slot->index);
  return indices;
}

class SelectionTest : public SlotTableTest {
 protected:
  // Lent `times` times, each given back before the next.
  std::vector<uint32_t> OneAtATime(int times) {
    std::vector<Slot*> lent;
    for (int i = 0; i < times; ++i) {
      lent.push_back(table_.TryLend(&random_));
      EXPECT_TRUE(SlotTable::TryReturn(lent.back()));
    }
    return Indices(lent);
  }
};

TEST_F(SelectionTest, TheLeastRecentlyUsedOfIdleOnesComesFirst) {
  for (int i = 0; i < 3; ++i) AddOpen(/*limit=*/1, /*leases=*/0);
  table_.SetSelection(SelectionPolicy::kLeastRecentlyUsed, 1);

  const std::vector<uint32_t> picks = OneAtATime(6);
  EXPECT_EQ(picks, (std::vector<uint32_t>{0, 1, 2, 0, 1, 2}));
  std::printf("least recently used of three: %s\n", testing::PrintToString(picks).c_str());
}

TEST_F(SelectionTest, TheMostRecentlyUsedOfIdleOnesComesFirst) {
  for (int i = 0; i < 3; ++i) AddOpen(/*limit=*/1, /*leases=*/0);
  table_.SetSelection(SelectionPolicy::kMostRecentlyUsed, 1);
  Slot* a = table_.TryLend(&random_);
  Slot* b = table_.TryLend(&random_);  // `a` is out.
  ASSERT_TRUE(SlotTable::TryReturn(a));
  ASSERT_TRUE(SlotTable::TryReturn(b));

  const std::vector<uint32_t> picks = OneAtATime(4);
  EXPECT_EQ(picks, std::vector<uint32_t>(4, b->index));
  std::printf("most recently used of three: %s\n", testing::PrintToString(picks).c_str());
}

TEST_F(SelectionTest, RoundRobinTakesEachInTurnWhateverItCarries) {
  for (const uint32_t leases : {7u, 0u, 3u}) AddOpen(/*limit=*/100, leases);
  table_.SetSelection(SelectionPolicy::kRoundRobin, 100);

  EXPECT_EQ(OneAtATime(6), (std::vector<uint32_t>{1, 2, 0, 1, 2, 0}));
}

TEST_F(SelectionTest, PackingFillsTheLowestToItsTargetAndThenLevelsTheRest) {
  for (int i = 0; i < 3; ++i) AddOpen(/*limit=*/4, /*leases=*/0);
  table_.SetSelection(SelectionPolicy::kPack, /*pack_up_to=*/2);

  std::vector<Slot*> lent;
  while (Slot* slot = table_.TryLend(&random_)) lent.push_back(slot);
  EXPECT_EQ(Indices(lent), (std::vector<uint32_t>{0, 0, 1, 1, 2, 2, 0, 1, 2, 0, 1, 2}));
}

TEST_F(SelectionTest, PackingFillsOneWithAHandicapAfterTheOthers) {
  for (int i = 0; i < 3; ++i) AddOpen(/*limit=*/4, /*leases=*/0);
  table_.Get(0)->handicap = 1;
  table_.SetSelection(SelectionPolicy::kPack, /*pack_up_to=*/2);

  std::vector<Slot*> lent;
  while (Slot* slot = table_.TryLend(&random_)) lent.push_back(slot);
  EXPECT_EQ(Indices(lent), (std::vector<uint32_t>{1, 1, 2, 2, 0, 0, 1, 2, 0, 1, 2, 0}));
}

TEST_F(SelectionTest, OneWithAHandicapTakesItsTurnOnceItCarriesAsMuchLessThanTheOthers) {
  for (const SelectionPolicy policy :
       {SelectionPolicy::kRoundRobin, SelectionPolicy::kLeastRecentlyUsed, SelectionPolicy::kMostRecentlyUsed}) {
    SlotTable table(nullptr);
    for (uint32_t i = 0; i < 3; ++i) {
      Slot* slot = table.GetOrAdd(i);
      SlotTable::Update(slot, [](SlotWord word) { return slot::Reuse(word, /*limit=*/20); });
      SlotTable::Update(slot, [](SlotWord word) { return slot::Open(word, 0, false); });
      table.List(slot);
    }
    table.Get(2)->handicap = 5;
    table.SetSelection(policy, 20);

    for (int n = 0; n < 10; ++n) ASSERT_NE(table.TryLend(&random_), nullptr);
    EXPECT_EQ(table.Get(2)->Load().leases(), 0u) << ToString(policy);
    while (table.TryLend(&random_) != nullptr) {
    }
    EXPECT_EQ(table.Get(2)->Load().leases(), 20u) << ToString(policy) << ": it is the only one with room";
  }
}

TEST_F(SlotTableTest, OneWithAHandicapCarriesSoManyFewer) {
  for (int i = 0; i < 4; ++i) AddOpen(/*limit=*/100, /*leases=*/0);
  table_.Get(3)->handicap = 10;

  for (int n = 0; n < 4 * 20 - 10; ++n) ASSERT_NE(table_.TryLend(&random_), nullptr);
  EXPECT_NEAR(table_.Get(3)->Load().leases(), 10, 3) << "seed " << kSeed;
}

TEST_F(SelectionTest, NoPolicyLendsPastSomebodyWhoWaits) {
  for (int i = 0; i < 2; ++i) SlotTable::Update(AddOpen(/*limit=*/2, /*leases=*/0), slot::MarkSlow);
  for (const SelectionPolicy policy : {SelectionPolicy::kPack, SelectionPolicy::kRoundRobin,
                                       SelectionPolicy::kLeastRecentlyUsed, SelectionPolicy::kMostRecentlyUsed}) {
    table_.SetSelection(policy, 2);
    EXPECT_EQ(table_.TryLend(&random_), nullptr) << ToString(policy);
  }
}

// --- Level loads ----------------------------------------------------------------------------------------------------

TEST_F(SlotTableTest, KeepsLoadsWithinAFewOfEachOther) {
  constexpr uint32_t kSlots = 64, kEach = 50;
  for (uint32_t i = 0; i < kSlots; ++i) AddOpen(/*limit=*/1'000, /*leases=*/0);

  for (uint32_t i = 0; i < kSlots * kEach; ++i) ASSERT_NE(table_.TryLend(&random_), nullptr);

  for (uint32_t i = 0; i < kSlots; ++i) {
    EXPECT_NEAR(table_.Get(i)->Load().leases(), kEach, 5) << "slot " << i << ", seed " << kSeed;
  }
}

TEST_F(SlotTableTest, FindsTheOneFreePlaceAmongManyFullSlots) {
  constexpr uint32_t kSlots = 4'096;
  std::vector<Slot*> slots;
  for (uint32_t i = 0; i < kSlots; ++i) slots.push_back(AddOpen(/*limit=*/1, /*leases=*/1));
  for (const uint32_t free : {0u, 1u, 2'047u, kSlots - 1}) {
    ASSERT_TRUE(SlotTable::TryReturn(slots[free]));
    EXPECT_EQ(table_.TryLend(&random_), slots[free]);
    EXPECT_EQ(table_.TryLend(&random_), nullptr);
  }
}

TEST_F(SlotTableTest, LendsNothingPastSomebodyWhoWaits) {
  Slot* a = AddOpen(/*limit=*/2, /*leases=*/0);
  Slot* b = AddOpen(/*limit=*/2, /*leases=*/0);
  for (Slot* slot : {a, b}) SlotTable::Update(slot, slot::MarkSlow);

  EXPECT_EQ(table_.TryLend(&random_), nullptr);
}

// --- Giving back --------------------------------------------------------------------------------------------------

TEST_F(SlotTableTest, ReturnsWithoutSlowOnly) {
  Slot* slot = AddOpen(/*limit=*/2, /*leases=*/2);
  EXPECT_TRUE(SlotTable::TryReturn(slot));

  SlotTable::Update(slot, slot::MarkSlow);
  const SlotWord before = slot->Load();
  EXPECT_FALSE(SlotTable::TryReturn(slot));
  EXPECT_EQ(slot->Load(), before);
}

// --- Updates ------------------------------------------------------------------------------------------------------

TEST_F(SlotTableTest, UpdateTellsTheWordBeforeAndAfter) {
  Slot* slot = AddOpen(/*limit=*/2, /*leases=*/1);
  const auto change = SlotTable::Update(slot, slot::Drain);
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->before.state(), SlotState::kOpen);
  EXPECT_EQ(change->after.state(), SlotState::kDraining);
  EXPECT_EQ(change->after, slot->Load());
}

TEST_F(SlotTableTest, UpdateThatTheWordForbidsChangesNothing) {
  Slot* slot = AddOpen(/*limit=*/2, /*leases=*/1);
  const SlotWord before = slot->Load();
  EXPECT_FALSE(SlotTable::Update(slot, slot::Close).has_value());
  EXPECT_EQ(slot->Load(), before);
}

TEST_F(SlotTableTest, LendLeastLoadedTakesTheLeastOfAllListed) {
  AddOpen(/*limit=*/9, /*leases=*/4);
  Slot* least = AddOpen(/*limit=*/9, /*leases=*/2);
  AddOpen(/*limit=*/9, /*leases=*/3);
  EXPECT_EQ(table_.LendLeastLoaded(slot::LendLocked), least);
  EXPECT_EQ(least->Load().leases(), 3u);
}

TEST_F(SlotTableTest, LendLeastLoadedFindsNoneWhenTheChangeAppliesToNone) {
  Slot* full = AddOpen(/*limit=*/1, /*leases=*/1);
  EXPECT_EQ(table_.LendLeastLoaded(slot::LendLocked), nullptr);
  EXPECT_EQ(table_.LendLeastLoaded(slot::Overcommit), full);
}

// --- Hints --------------------------------------------------------------------------------------------------------

TEST_F(SlotTableTest, AStaleHintLendsNothing) {
  // Still listed, as a reader sees it that has read the list just before the slot was taken off.
  Slot* draining = AddOpen(/*limit=*/9, /*leases=*/1);
  Slot* closed = AddOpen(/*limit=*/9, /*leases=*/0);
  Slot* checking = AddOpen(/*limit=*/9, /*leases=*/0);
  Slot* reopening = AddOpen(/*limit=*/9, /*leases=*/0);
  SlotTable::Update(draining, slot::Drain);
  for (Slot* slot : {closed, reopening}) {
    SlotTable::Update(slot, slot::Drain);
    SlotTable::Update(slot, slot::Close);
  }
  SlotTable::Update(checking, slot::Check);
  SlotTable::Update(reopening, [](SlotWord w) { return slot::Reuse(w, 9); });

  EXPECT_EQ(LendAndReturn(100), (std::map<Slot*, int>{{nullptr, 100}}));
  EXPECT_EQ(draining->Load().leases(), 1u);

  Slot* open = AddOpen(/*limit=*/9, /*leases=*/8);
  EXPECT_EQ(LendAndReturn(100), (std::map<Slot*, int>{{open, 100}}));
}

TEST_F(SlotTableTest, ListingTwiceListsOnce) {
  Slot* a = AddOpen(/*limit=*/9, /*leases=*/0);
  Slot* b = AddOpen(/*limit=*/9, /*leases=*/0);
  table_.List(a);
  table_.List(b);
  EXPECT_EQ(table_.listed(), (std::vector<Slot*>{a, b}));
}

TEST_F(SlotTableTest, UnlistingTwiceTakesOneAway) {
  Slot* a = AddOpen(/*limit=*/9, /*leases=*/0);
  Slot* b = AddOpen(/*limit=*/9, /*leases=*/0);
  table_.Unlist(a);
  table_.Unlist(a);
  EXPECT_EQ(table_.listed(), (std::vector<Slot*>{b}));
  EXPECT_EQ(LendAndReturn(100), (std::map<Slot*, int>{{b, 100}}));
}

TEST_F(SlotTableTest, LendsExactlyTheListedWhateverTheOrderOfListing) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  constexpr uint32_t kSlots = 40;  // More than one chunk, and more than the first list holds.
  constexpr uint32_t kLimit = 3;
  std::vector<Slot*> slots;
  for (uint32_t i = 0; i < kSlots; ++i) slots.push_back(AddOpen(kLimit, /*leases=*/0));
  std::set<Slot*> listed(slots.begin(), slots.end());
  for (int round = 0; round < 200; ++round) {
    Slot* slot = slots[random_.Below(kSlots)];
    if (listed.erase(slot) > 0) {
      SlotTable::Update(slot, slot::Drain);  // As the pool does: what is not listed does not lend.
      table_.Unlist(slot);
    } else {
      SlotTable::Update(slot, slot::Close);
      SlotTable::Update(slot, [](SlotWord w) { return slot::Reuse(w, kLimit); });
      SlotTable::Update(slot, [](SlotWord w) { return slot::Open(w, 0, /*some_still_wait=*/false); });
      table_.List(slot);
      listed.insert(slot);
    }
    std::multiset<Slot*> lent;
    while (Slot* place = table_.TryLend(&random_)) lent.insert(place);
    EXPECT_EQ(lent.size(), listed.size() * kLimit);
    for (Slot* place : lent) EXPECT_TRUE(SlotTable::TryReturn(place));
    const std::set<Slot*> used(lent.begin(), lent.end());
    ASSERT_EQ(used, listed) << "round " << round;
  }
}

// --- Slots --------------------------------------------------------------------------------------------------------

TEST_F(SlotTableTest, SlotsNeverMoveWhileTheTableGrows) {
  std::vector<Slot*> slots;
  for (uint32_t i = 0; i < SlotTable::kMaxSlots; ++i) slots.push_back(AddOpen(/*limit=*/1, /*leases=*/0));
  ASSERT_EQ(table_.size(), SlotTable::kMaxSlots);
  for (uint32_t i = 0; i < SlotTable::kMaxSlots; ++i) {
    ASSERT_EQ(table_.Get(i), slots[i]);
    ASSERT_EQ(table_.GetOrAdd(i), slots[i]);
    ASSERT_EQ(slots[i]->index, i);
  }
  EXPECT_EQ(std::set<Slot*>(slots.begin(), slots.end()).size(), SlotTable::kMaxSlots);
}

TEST_F(SlotTableTest, EachSlotHasACacheLineOfItsOwn) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(reinterpret_cast<uintptr_t>(AddSlot()) % 64, 0u);
}

using SlotTableDeathTest = SlotTableTest;

TEST_F(SlotTableDeathTest, RefusesASlotBeyondTheNextOne) {
  EXPECT_DEATH(table_.GetOrAdd(1), "check failed");
  EXPECT_DEATH(table_.Get(0), "check failed");
}

// --- Threads ------------------------------------------------------------------------------------------------------

TEST_F(SlotTableTest, ConcurrentLendersNeverExceedTheLimit) {
  constexpr uint32_t kSlots = 3, kLimit = 2;
  constexpr int kThreads = 4, kRounds = 20'000;
  for (uint32_t i = 0; i < kSlots; ++i) AddOpen(kLimit, /*leases=*/0);
  std::array<std::atomic<uint32_t>, kSlots> out{};
  std::atomic<uint64_t> lent{0}, exceeded{0};

  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      PickRandom random(kSeed + t);
      std::vector<Slot*> mine;
      for (int i = 0; i < kRounds; ++i) {
        if (Slot* slot = table_.TryLend(&random)) {
          if (out[slot->index].fetch_add(1) + 1 > kLimit) exceeded.fetch_add(1);
          lent.fetch_add(1);
          mine.push_back(slot);
        }
        if (mine.size() < 2) continue;  // Four threads with up to two of the six places: some are refused.
        out[mine.front()->index].fetch_sub(1);
        EXPECT_TRUE(SlotTable::TryReturn(mine.front()));
        mine.erase(mine.begin());
      }
      for (Slot* slot : mine) {
        out[slot->index].fetch_sub(1);
        EXPECT_TRUE(SlotTable::TryReturn(slot));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(exceeded.load(), 0u);
  uint64_t counted = 0;
  for (uint32_t i = 0; i < kSlots; ++i) {
    EXPECT_EQ(table_.Get(i)->Load().leases(), 0u);
    counted += LeasesEver(*table_.Get(i));
  }
  EXPECT_EQ(counted, lent.load());
}

TEST_F(SlotTableTest, EachLeaseIsCountedWhileTheLimitGoesBetweenOneAndMore) {
  constexpr int kThreads = 3;
  constexpr uint64_t kLent = 20'000, kChanges = 2'000;
  Slot* only = AddOpen(/*limit=*/1, /*leases=*/0);
  std::atomic<bool> done{false};
  std::array<std::atomic<uint64_t>, kThreads> lent{};

  std::vector<std::thread> lenders;
  for (int t = 0; t < kThreads; ++t) {
    lenders.emplace_back([&, t] {
      PickRandom random(kSeed + t);
      while (!done.load(std::memory_order_relaxed) || lent[t].load(std::memory_order_relaxed) < kLent) {
        Slot* slot = table_.TryLendLastUsed();
        if (slot == nullptr) slot = table_.TryLend(&random);
        if (slot == nullptr) continue;
        lent[t].store(lent[t].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        ASSERT_TRUE(SlotTable::TryReturn(slot));
      }
    });
  }
  for (uint64_t i = 0; i < kChanges; ++i) {
    SlotTable::Update(only, [i](SlotWord w) { return slot::SetLimit(w, i % 2 == 0 ? kThreads : 1); });
    std::this_thread::yield();
  }
  done.store(true);
  for (std::thread& lender : lenders) lender.join();

  uint64_t all = 0;
  for (const std::atomic<uint64_t>& of_one : lent) all += of_one.load();
  EXPECT_EQ(LeasesEver(*only), all);
  EXPECT_GT(only->lent.load(), 0u);
  EXPECT_GT(only->lent_alone.load(), 0u);
}

TEST_F(SlotTableTest, LendersNeverMeetASlotThatWasTakenAway) {
  // One thread opens, lists, drains and unlists, as the pool does under its lock; the others lend all the while.
  constexpr uint32_t kSlots = 24;
  constexpr uint64_t kRounds = 2'000, kLent = 2'000;
  constexpr int kLenders = 2;
  for (uint32_t i = 0; i < kSlots; ++i) AddSlot();
  std::atomic<bool> done{false};
  std::atomic<uint64_t> lent{0}, wrong{0};

  std::vector<std::thread> lenders;
  for (int t = 0; t < kLenders; ++t) {
    lenders.emplace_back([&, t] {
      PickRandom random(kSeed + t);
      while (!done.load()) {
        Slot* slot = table_.TryLend(&random);
        if (slot == nullptr) continue;
        lent.fetch_add(1);
        const SlotState state = slot->Load().state();  // With a lease out it may drain, but not close.
        if (state != SlotState::kOpen && state != SlotState::kDraining) wrong.fetch_add(1);
        if (!SlotTable::TryReturn(slot)) SlotTable::Update(slot, slot::ReturnLocked);
      }
    });
  }
  for (uint64_t round = 0; round < kRounds || lent.load() < kLent; ++round) {
    Slot* slot = table_.Get(static_cast<uint32_t>(round % kSlots));
    switch (slot->Load().state()) {
      case SlotState::kClosed:
        SlotTable::Update(slot, [](SlotWord w) { return slot::Reuse(w, 2); });
        SlotTable::Update(slot, [](SlotWord w) { return slot::Open(w, 0, /*some_still_wait=*/false); });
        table_.List(slot);
        break;
      case SlotState::kOpen:
        SlotTable::Update(slot, slot::Drain);
        table_.Unlist(slot);
        break;
      default:
        SlotTable::Update(slot, slot::Close);  // If its leases are back.
        break;
    }
  }
  done.store(true);
  for (std::thread& lender : lenders) lender.join();

  EXPECT_EQ(wrong.load(), 0u);
  for (uint32_t i = 0; i < kSlots; ++i) EXPECT_EQ(table_.Get(i)->Load().leases(), 0u);
}

TEST_F(SlotTableTest, TheSlotThatGotTheLeaseIsTheOneThatIsLentWhileTheOnlyListedOneChanges) {
  // One of two is listed, or both, and never the same for long. Each carries a lease, so that the thread's last slot is
  // not taken without a look at the list.
  Slot* slots[] = {AddOpen(/*limit=*/1000, /*leases=*/1), AddOpen(/*limit=*/1000, /*leases=*/1)};
  constexpr int kSwaps = 20000000;
  std::atomic<bool> done{false};
  std::thread lender([&] {
    PickRandom random(kSeed);
    for (bool lent = false; !lent || !done.load(std::memory_order_relaxed);) {
      Slot* slot = table_.TryLend(&random);
      if (slot == nullptr) continue;
      lent = true;
      EXPECT_TRUE(SlotTable::TryReturn(slot));
    }
  });
  for (int i = 0; i < kSwaps; ++i) {
    table_.List(slots[i % 2]);
    table_.Unlist(slots[(i + 1) % 2]);
  }
  done.store(true);
  lender.join();
  for (Slot* slot : slots) EXPECT_EQ(slot->Load().leases(), 1u);
}

}  // namespace
}  // namespace chanpool
