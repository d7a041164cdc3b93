#include "pool/core/slot_word.h"

#include <array>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace chanpool {
namespace {

using slot::Next;

constexpr uint32_t kMaxLimit = (1u << SlotWord::kLimitBits) - 1;
constexpr std::array<SlotState, kSlotStates> kStates = {SlotState::kClosed,  SlotState::kConnecting,
                                                        SlotState::kOpen,    SlotState::kChecking,
                                                        SlotState::kBackoff, SlotState::kDraining};

// "OPEN 1/2 slow used".
std::string Show(SlotWord w) {
  return std::string(ToString(w.state())) + " " + std::to_string(w.leases()) + "/" + std::to_string(w.limit()) +
         (w.slow() ? " slow" : "") + (w.used() ? " used" : "");
}
std::string Show(const Next& next) { return next ? Show(*next) : "-"; }

struct Start {
  uint32_t leases, limit;
  bool slow = false, used = false;
};

// A word as it can be in that state: CLOSED has no lease and no flag, DRAINING always has SLOW, and but for these only
// OPEN may have it.
SlotWord Word(SlotState state, Start start) {
  SlotWord w = SlotWord().with_state(state).with_limit(start.limit);
  if (state == SlotState::kClosed) return w;
  w = w.with_leases(start.leases).with_used(start.used);
  return w.with_slow(state == SlotState::kDraining || (state == SlotState::kOpen && start.slow));
}

// --- State x transition -------------------------------------------------------------------------------------------

struct Row {
  std::string transition;
  std::function<Next(SlotWord)> change;
  Start start;
  std::array<std::string, kSlotStates> expected;  // In the order of SlotState; "-": it may not.
};

constexpr bool kSlow = true, kFast = false, kUsed = true;

std::vector<Row> Table() {
  const auto reuse = [](SlotWord w) { return slot::Reuse(w, 5); };
  const auto open = [](SlotWord w) { return slot::Open(w, 0, /*some_still_wait=*/false); };
  const auto open_for_one = [](SlotWord w) { return slot::Open(w, 1, /*some_still_wait=*/true); };
  const auto set_limit = [](SlotWord w) { return slot::SetLimit(w, 5); };
  // clang-format off
  return {
      // Transition        Function            Start               CLOSED           CONNECTING             OPEN                  CHECKING             BACKOFF             DRAINING
      {"Lend",             slot::Lend,         {1, 2},             {"-",            "-",                   "OPEN 2/2 used",      "-",                 "-",                "-"}},
      {"Lend when full",   slot::Lend,         {2, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"Lend over limit",  slot::Lend,         {3, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"Lend behind SLOW", slot::Lend,         {1, 2, kSlow},      {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"Return",           slot::Return,       {1, 2},             {"-",            "CONNECTING 0/2",      "OPEN 0/2",           "CHECKING 0/2",      "BACKOFF 0/2",      "-"}},
      {"Return, SLOW",     slot::Return,       {1, 2, kSlow},      {"-",            "CONNECTING 0/2",      "-",                  "CHECKING 0/2",      "BACKOFF 0/2",      "-"}},
      {"Return twice",     slot::Return,       {0, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"LendLocked",       slot::LendLocked,   {1, 2},             {"-",            "-",                   "OPEN 2/2 used",      "-",                 "-",                "-"}},
      {"LendLocked, SLOW", slot::LendLocked,   {1, 2, kSlow},      {"-",            "-",                   "OPEN 2/2 slow used", "-",                 "-",                "-"}},
      {"LendLocked, full", slot::LendLocked,   {2, 2, kSlow},      {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"LendFirst",        slot::LendFirst,    {0, 2, kSlow},      {"-",            "-",                   "OPEN 1/2 slow used", "-",                 "-",                "-"}},
      {"LendFirst, lent",  slot::LendFirst,    {1, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"LendFirst, used",  slot::LendFirst,    {0, 2, kFast, kUsed},    {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"Overcommit",       slot::Overcommit,   {1, 2},             {"-",            "-",                   "OPEN 2/2 used",      "-",                 "-",                "-"}},
      {"Overcommit, full", slot::Overcommit,   {2, 2, kSlow},      {"-",            "-",                   "OPEN 3/2 slow used", "-",                 "-",                "-"}},
      {"LendUnready",      slot::LendUnready,  {0, 2},             {"-",            "CONNECTING 1/2 used", "-",                  "CHECKING 1/2 used", "BACKOFF 1/2 used", "-"}},
      {"LendUnready, full", slot::LendUnready, {2, 2},             {"-",            "CONNECTING 3/2 used", "-",                  "CHECKING 3/2 used", "BACKOFF 3/2 used", "-"}},
      {"ReturnLocked",     slot::ReturnLocked, {1, 2},             {"-",            "CONNECTING 0/2",      "OPEN 0/2",           "CHECKING 0/2",      "BACKOFF 0/2",      "DRAINING 0/2 slow"}},
      {"ReturnLocked, SLOW", slot::ReturnLocked, {3, 2, kSlow},    {"-",            "CONNECTING 2/2",      "OPEN 2/2 slow",      "CHECKING 2/2",      "BACKOFF 2/2",      "DRAINING 2/2 slow"}},
      {"ReturnLocked twice", slot::ReturnLocked, {0, 2},           {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"MarkSlow",         slot::MarkSlow,     {1, 2},             {"-",            "-",                   "OPEN 1/2 slow",      "-",                 "-",                "-"}},
      {"MarkSlow again",   slot::MarkSlow,     {1, 2, kSlow},      {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"ClearSlow",        slot::ClearSlow,    {1, 2, kSlow},      {"-",            "-",                   "OPEN 1/2",           "-",                 "-",                "-"}},
      {"ClearSlow again",  slot::ClearSlow,    {1, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"Reuse",            reuse,              {0, 2},             {"CONNECTING 0/5", "-",                 "-",                  "-",                 "-",                "-"}},
      {"Open",             open,               {1, 2},             {"-",            "OPEN 1/2",            "-",                  "OPEN 1/2",          "OPEN 1/2",         "-"}},
      {"Open, used",       open,               {1, 2, kFast, kUsed}, {"-",          "OPEN 1/2 used",       "-",                  "OPEN 1/2 used",     "OPEN 1/2 used",    "-"}},
      {"Open for one of two", open_for_one,    {1, 2},             {"-",            "OPEN 2/2 slow used",  "-",                  "OPEN 2/2 slow used", "OPEN 2/2 slow used", "-"}},
      {"BackOff",          slot::BackOff,      {1, 2},             {"-",            "BACKOFF 1/2",         "-",                  "-",                 "-",                "-"}},
      {"Check",            slot::Check,        {1, 2},             {"-",            "-",                   "CHECKING 1/2",       "-",                 "-",                "-"}},
      {"Check, SLOW",      slot::Check,        {2, 2, kSlow},      {"-",            "-",                   "CHECKING 2/2",       "-",                 "-",                "-"}},
      {"Drain",            slot::Drain,        {1, 2},             {"-",            "DRAINING 1/2 slow",   "DRAINING 1/2 slow",  "DRAINING 1/2 slow", "DRAINING 1/2 slow", "-"}},
      {"Drain at zero",    slot::Drain,        {0, 2, kSlow},      {"-",            "DRAINING 0/2 slow",   "DRAINING 0/2 slow",  "DRAINING 0/2 slow", "DRAINING 0/2 slow", "-"}},
      {"DrainIfUnused",    slot::DrainIfUnused, {0, 2},            {"-",            "-",                   "DRAINING 0/2 slow",  "-",                 "-",                "-"}},
      {"DrainIfUnused, used", slot::DrainIfUnused, {0, 2, kFast, kUsed}, {"-",      "-",                   "-",                  "-",                 "-",                "-"}},
      {"DrainIfUnused, in use", slot::DrainIfUnused, {1, 2},       {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"Close",            slot::Close,        {0, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "CLOSED 0/2"}},
      {"Close, used",      slot::Close,        {0, 2, kSlow, kUsed}, {"-",          "-",                   "-",                  "-",                 "-",                "CLOSED 0/2"}},
      {"Close, lease out", slot::Close,        {1, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"SetLimit",         set_limit,          {6, 7, kSlow},      {"-",            "CONNECTING 6/5",      "OPEN 6/5 slow",      "CHECKING 6/5",      "BACKOFF 6/5",      "DRAINING 6/5 slow"}},
      {"SetLimit, the same", set_limit,        {1, 5},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
      {"ClearUsed",        slot::ClearUsed,    {1, 2, kSlow, kUsed}, {"-",          "CONNECTING 1/2",      "OPEN 1/2 slow",      "CHECKING 1/2",      "BACKOFF 1/2",      "DRAINING 1/2 slow"}},
      {"ClearUsed again",  slot::ClearUsed,    {1, 2},             {"-",            "-",                   "-",                  "-",                 "-",                "-"}},
  };
  // clang-format on
}

TEST(SlotWordTest, EachTransitionLeadsWhereTheTableSays) {
  for (const Row& row : Table()) {
    for (const SlotState state : kStates) {
      const SlotWord start = Word(state, row.start);
      EXPECT_EQ(Show(row.change(start)), row.expected[static_cast<int>(state)])
          << row.transition << " on " << Show(start);
    }
  }
}

TEST(SlotWordTest, HandsOverOnlyAnOpenPlaceWithinTheLimitToSomebodyWhoWaits) {
  for (const SlotState state : kStates) {
    for (const uint32_t leases : {1u, 2u, 3u}) {
      for (const bool somebody_waits : {false, true}) {
        const SlotWord word = Word(state, {leases, 2, kSlow});
        EXPECT_EQ(slot::HandsOver(word, somebody_waits), state == SlotState::kOpen && leases <= 2 && somebody_waits)
            << Show(word);
      }
    }
  }
}

// --- Fields -------------------------------------------------------------------------------------------------------

TEST(SlotWordTest, BeginsClosedAndEmpty) {
  EXPECT_EQ(Show(SlotWord()), "CLOSED 0/0");
  EXPECT_EQ(SlotWord().generation(), 0u);
  EXPECT_EQ(SlotWord().bits(), 0u);
}

TEST(SlotWordTest, EachFieldHoldsItsGreatestValueWithoutTouchingTheOthers) {
  const SlotWord zero;
  EXPECT_EQ(Show(zero.with_leases(524'287)), "CLOSED 524287/0");
  EXPECT_EQ(Show(zero.with_limit(65'535)), "CLOSED 0/65535");
  EXPECT_EQ(Show(zero.with_used(true)), "CLOSED 0/0 used");
  EXPECT_EQ(Show(zero.with_slow(true)), "CLOSED 0/0 slow");
  EXPECT_EQ(Show(zero.with_state(SlotState::kDraining)), "DRAINING 0/0");
  for (const SlotWord word : {zero.with_leases(524'287), zero.with_limit(65'535), zero.with_used(true),
                              zero.with_slow(true), zero.with_state(SlotState::kDraining)}) {
    EXPECT_EQ(word.generation(), 0u) << Show(word);
  }
}

TEST(SlotWordTest, EachFieldCanBeEmptiedWithoutTouchingTheOthers) {
  const SlotWord full = SlotWord(~uint64_t{0}).with_state(SlotState::kDraining);
  EXPECT_EQ(Show(full.with_leases(0)), "DRAINING 0/65535 slow used");
  EXPECT_EQ(Show(full.with_limit(0)), "DRAINING 524287/0 slow used");
  EXPECT_EQ(Show(full.with_used(false)), "DRAINING 524287/65535 slow");
  EXPECT_EQ(Show(full.with_slow(false)), "DRAINING 524287/65535 used");
  EXPECT_EQ(Show(full.with_state(SlotState::kClosed)), "CLOSED 524287/65535 slow used");
  EXPECT_EQ(full.with_leases(0).with_limit(0).generation(), SlotWord::kMaxGeneration);
}

TEST(SlotWordTest, TheFieldsFillTheWord) {
  EXPECT_EQ(SlotWord::kMaxLeases, 524'287u);
  EXPECT_EQ(SlotWord::kMaxGeneration, 16'777'215u);
  EXPECT_EQ(kMaxLimit, 65'535u);
  EXPECT_EQ(SlotWord::kLeaseBits + SlotWord::kLimitBits + SlotWord::kGenerationBits + /*state*/ 3 + /*flags*/ 2, 64);
}

TEST(SlotWordTest, GenerationWrapsToZeroAndNothingElseChanges) {
  SlotWord word = Word(SlotState::kClosed, {0, 7});
  for (uint32_t i = 0; i < SlotWord::kMaxGeneration; ++i) word = word.with_next_generation();
  ASSERT_EQ(word.generation(), SlotWord::kMaxGeneration);

  EXPECT_EQ(word.with_next_generation(), Word(SlotState::kClosed, {0, 7}));
}

TEST(SlotWordTest, ReuseCountsTheGeneration) {
  const SlotWord first = *slot::Reuse(SlotWord(), 5);
  const SlotWord second = *slot::Reuse(*slot::Close(*slot::Drain(first)), 6);
  EXPECT_EQ(first.generation(), 1u);
  EXPECT_EQ(second.generation(), 2u);
  EXPECT_EQ(second.limit(), 6u);
}

TEST(SlotWordTest, LendsUpToTheGreatestLimit) {
  const SlotWord word = Word(SlotState::kOpen, {kMaxLimit - 1, kMaxLimit});
  ASSERT_TRUE(slot::Lend(word).has_value());
  EXPECT_EQ(slot::Lend(word)->leases(), kMaxLimit);
  EXPECT_EQ(slot::Lend(*slot::Lend(word)), std::nullopt);
  EXPECT_EQ(slot::LendLocked(*slot::Lend(word)), std::nullopt);
}

TEST(SlotWordTest, NoOvercommitPassesTheLeaseField) {
  const SlotWord open = Word(SlotState::kOpen, {SlotWord::kMaxLeases - 1, kMaxLimit});
  ASSERT_TRUE(slot::Overcommit(open).has_value());
  EXPECT_EQ(Show(*slot::Overcommit(open)), "OPEN 524287/65535 used");
  EXPECT_EQ(slot::Overcommit(*slot::Overcommit(open)), std::nullopt);

  const SlotWord connecting = Word(SlotState::kConnecting, {SlotWord::kMaxLeases - 1, kMaxLimit});
  ASSERT_TRUE(slot::LendUnready(connecting).has_value());
  EXPECT_EQ(slot::LendUnready(*slot::LendUnready(connecting)), std::nullopt);
}

// --- SLOW and USED ------------------------------------------------------------------------------------------------

TEST(SlotWordTest, AnOvercommittedPlaceIsNotHandedOverUntilTheLimitIsKeptAgain) {
  const SlotWord over = *slot::Overcommit(Word(SlotState::kOpen, {2, 2, kSlow}));
  EXPECT_FALSE(slot::HandsOver(over, /*somebody_waits=*/true));
  EXPECT_TRUE(slot::HandsOver(*slot::ReturnLocked(over), /*somebody_waits=*/true));
}

TEST(SlotWordTest, ALoweredLimitLendsNothingUntilEnoughCameBack) {
  SlotWord word = *slot::SetLimit(Word(SlotState::kOpen, {3, 3}), 2);
  for (const uint32_t left : {2u, 1u}) {
    EXPECT_EQ(slot::Lend(word), std::nullopt) << Show(word);
    word = *slot::Return(word);
    EXPECT_EQ(word.leases(), left);
  }
  EXPECT_TRUE(slot::Lend(word).has_value());
}

TEST(SlotWordTest, UsedOutlastsTheLease) {
  const SlotWord back = *slot::Return(*slot::Lend(Word(SlotState::kOpen, {0, 2})));
  EXPECT_TRUE(back.used());
  EXPECT_EQ(slot::DrainIfUnused(back), std::nullopt);
  EXPECT_TRUE(slot::DrainIfUnused(*slot::ClearUsed(back)).has_value());
}

TEST(SlotWordTest, ANewConnectionIsUsedOnlyIfItServedSomebody) {
  const SlotWord connecting = *slot::Reuse(SlotWord(), 2);
  EXPECT_FALSE(slot::Open(connecting, 0, /*some_still_wait=*/false)->used());
  EXPECT_TRUE(slot::Open(connecting, 1, /*some_still_wait=*/false)->used());
}

TEST(SlotWordTest, ADrainingSlotKeepsItsGenerationUntilItIsReused) {
  const SlotWord open = *slot::Open(*slot::Reuse(SlotWord(), 2), 1, false);
  const SlotWord draining = *slot::Drain(open);
  EXPECT_EQ(draining.generation(), open.generation());
  EXPECT_EQ(slot::Close(*slot::ReturnLocked(draining))->generation(), open.generation());
}

// --- Any word -----------------------------------------------------------------------------------------------------

TEST(SlotWordTest, NoTransitionChangesWhatItShouldNot) {
  constexpr uint64_t kSeed = 20200101;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    SlotWord word(random());
    word = word.with_state(kStates[random() % kSlotStates]);
    if (i % 2 == 0) word = word.with_leases(random() % 3).with_limit(random() % 3);  // The interesting corner.
    if (word.state() == SlotState::kClosed) word = word.with_leases(0);              // What every transition keeps.
    for (const Row& row : Table()) {
      const Next next = row.change(word);
      if (!next) continue;
      SCOPED_TRACE(row.transition + ": " + Show(word) + " -> " + Show(*next));
      ASSERT_NE(*next, word) << "a change that changes nothing";
      ASSERT_TRUE(next->generation() == word.generation() || word.state() == SlotState::kClosed);
      ASSERT_TRUE(next->state() != SlotState::kClosed || next->leases() == 0) << "closed with leases";
      ASSERT_TRUE(next->leases() <= word.leases() || word.state() != SlotState::kDraining) << "lent on DRAINING";
      ASSERT_TRUE(next->leases() <= word.leases() || word.state() != SlotState::kClosed) << "lent on CLOSED";
      ASSERT_LE(next->leases(), word.leases() + 1);
      ASSERT_GE(next->leases() + 1, word.leases());
      ASSERT_TRUE(word.state() != SlotState::kDraining || next->state() == SlotState::kDraining ||
                  next->state() == SlotState::kClosed)
          << "a DRAINING slot lives again";
      ASSERT_TRUE(next->limit() == word.limit() || next->limit() == 5u);
    }
  }
}

TEST(SlotWordTest, EachStateHasItsName) {
  std::string names;
  for (const SlotState state : kStates) names += std::string(ToString(state)) + " ";
  EXPECT_EQ(names, "CLOSED CONNECTING OPEN CHECKING BACKOFF DRAINING ");
}

}  // namespace
}  // namespace chanpool
