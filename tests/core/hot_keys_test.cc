#include "pool/core/hot_keys.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "pool/core/key_choice.h"

namespace chanpool {
namespace {

void Note(HotKeys& keys, const std::string& key, int times = 1) {
  for (int i = 0; i < times; ++i) keys.Note(key, StableHash(key));
}

TEST(HotKeysTest, WhoAsksMostComesFirst) {
  HotKeys keys;
  Note(keys, "seldom");
  Note(keys, "often", 3);
  const std::vector<KeyStats> seen = keys.Read();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].text, "often");
  EXPECT_EQ(seen[0].hash, StableHash("often"));
  EXPECT_EQ(seen[0].count, 3u);
  EXPECT_EQ(seen[0].error, 0u) << "while all fit nothing is guessed";
  EXPECT_EQ(seen[0].one_in, HotKeys::kSampling);
}

TEST(HotKeysTest, AStreamOfOtherKeysNeitherGrowsTheListNorHidesTheHotOnes) {
  HotKeys keys;
  constexpr int kRounds = 2'000;
  for (int i = 0; i < kRounds; ++i) {
    Note(keys, "hot", 2);
    Note(keys, "warm");
    for (int other = 0; other < 3; ++other) Note(keys, "once " + std::to_string(3 * i + other));
  }
  const std::vector<KeyStats> seen = keys.Read();
  ASSERT_EQ(seen.size(), static_cast<size_t>(HotKeys::kMaxKeys));
  EXPECT_EQ(seen[0].text, "hot");
  EXPECT_EQ(seen[1].text, "warm");
  for (const auto& [rank, truth] : {std::pair<int, uint64_t>{0, 2 * kRounds}, {1, kRounds}}) {
    EXPECT_GE(seen[rank].count, truth);
    EXPECT_LE(seen[rank].count - seen[rank].error, truth);
  }
  for (const KeyStats& key : seen) EXPECT_LE(key.error, 6u * kRounds / HotKeys::kMaxKeys);
}

TEST(HotKeysTest, ALongKeyIsCutAndStillItself) {
  HotKeys keys;
  const std::string a = std::string(100, 'x') + "a", b = std::string(100, 'x') + "b";
  Note(keys, a);
  Note(keys, b, 2);
  const std::vector<KeyStats> seen = keys.Read();
  ASSERT_EQ(seen.size(), 2u) << "two keys, though what is kept of their text is the same";
  EXPECT_EQ(seen[0].text, std::string(HotKeys::kMaxText, 'x'));
}

}  // namespace
}  // namespace chanpool
