// A file with a few bytes changed at random is read or refused, quickly, and nothing else.
#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/config_diff.h"
#include "server/config/config_reader.h"
#include "server/config/config_writer.h"
#include "server/config/diagnostics.h"
#include "tests/config/random_config.h"

namespace chanpool::config {
namespace {

// What YAML, or we, give a meaning to.
constexpr char kTokens[] = "{}[],:-#&*!|>'\"%@`?~ \n\t\\0159abxeE.+_<=\r\x01\x7f\xc3\xff\xe2\xf0";

std::string Mutated(std::string text, const std::string& other, std::mt19937& random) {
  const auto at = [&random, &text] { return text.empty() ? 0 : random() % (text.size() + 1); };
  for (uint32_t edits = 1 + random() % 3; edits > 0; --edits) {
    const size_t i = at();
    switch (random() % 6) {
      case 0:
        text.insert(i, 1, kTokens[random() % (sizeof(kTokens) - 1)]);
        break;
      case 1:
        text.erase(i, 1 + random() % 3);
        break;
      case 2:
        if (i < text.size()) text[i] = kTokens[random() % (sizeof(kTokens) - 1)];
        break;
      case 3:
        if (i < text.size()) text[i] = static_cast<char>(text[i] ^ (1 << random() % 8));
        break;
      case 4:
        text.insert(i, other.substr(random() % (other.size() + 1), random() % 40));
        break;
      default:
        text.insert(i, text.substr(at(), random() % 40));
    }
  }
  return text;
}

TEST(ConfigMutationTest, ChangedFilesAreReadOrRefused) {
  const auto seed = static_cast<std::mt19937::result_type>(testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE(testing::Message() << "--gtest_random_seed=" << seed);
  std::mt19937 random(seed);
  std::vector<std::string> corpus = {
      "version: 1\npools:\n- name: a\n  target: t\n",
      "version: 1\nadmin: {listeners: [{uds: {path: /a, mode: \"0600\"}}]}\nattach: {uds: {path: /b}}\n",
      "# c\n---\nversion: 1\ndefaults: {max_age: infinite, max_idle: 5m, max_age_jitter: 0.1}\n",
  };
  while (corpus.size() < 20) {
    const std::string yaml = WriteYaml(RandomConfig(random));
    if (yaml.size() < 300) corpus.push_back(yaml);
  }
  int accepted = 0;
  constexpr int kInputs = 20000;
  for (int i = 0; i < kInputs; ++i) {
    const std::string text = Mutated(corpus[random() % corpus.size()], corpus[random() % corpus.size()], random);
    const ReadResult read = ReadConfig(text, "f");
    ASSERT_LE(read.diagnostics.size(), kMaxDiagnostics);
    for (const auto& diagnostic : read.diagnostics) {
      const std::string line = FormatDiagnostic(diagnostic);
      ASSERT_TRUE(std::none_of(line.begin(), line.end(), [](char c) { return static_cast<uint8_t>(c) < 0x20; }))
          << text;
    }
    if (!read.diagnostics.empty()) continue;
    ++accepted;
    ASSERT_EQ(read.config.version(), 1u) << text;
    const ReadResult again = ReadConfig(WriteYaml(read.config), "f");
    ASSERT_TRUE(again.diagnostics.empty()) << text << FormatDiagnostic(again.diagnostics.front());
    ASSERT_TRUE(Diff(read.config, again.config).empty()) << text;
  }
  EXPECT_GT(accepted, kInputs / 50) << "hardly any input came as far as the checks";
  EXPECT_LT(accepted, kInputs) << "no input was refused";
}

}  // namespace
}  // namespace chanpool::config
