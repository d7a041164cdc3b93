// The README's code is code that builds, and its commands exist.
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using ::testing::IsSupersetOf;
using ::testing::SizeIs;

std::string Read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The lines of each ```cpp block.
std::vector<std::string> CodeBlocks(const std::string& markdown) {
  std::vector<std::string> blocks;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(markdown, '\n')) {
    if (absl::StartsWith(line, "```")) {
      inside = line == "```cpp";
      if (inside) blocks.emplace_back();
    } else if (inside) {
      absl::StrAppend(&blocks.back(), line, "\n");
    }
  }
  return blocks;
}

// Code of a function's body as it stands outside of one.
std::string Outdented(const std::string& code) {
  std::vector<std::string> lines = absl::StrSplit(code, '\n');
  for (std::string& line : lines) line = std::string(absl::StripPrefix(line, "  "));
  return absl::StrJoin(lines, "\n");
}

// Every X of "make X".
std::set<std::string> MakeTargets(const std::string& text) {
  static const std::regex make_target("\\bmake ([a-z]+)");
  std::set<std::string> targets;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), make_target); at != std::sregex_iterator(); ++at) {
    targets.insert((*at)[1].str());
  }
  return targets;
}

std::string OutputOf(const char* command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "r"), &pclose);
  std::string output;
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) output.append(buffer.data(), n);
  return output;
}

TEST(ReadmeTest, ShowsCodeThatTheQuickstartBuilds) {
  const std::vector<std::string> blocks = CodeBlocks(Read("README.md"));
  ASSERT_THAT(blocks, SizeIs(1));
  EXPECT_TRUE(absl::StrContains(Outdented(Read("examples/quickstart/quickstart.cc")), blocks[0])) << blocks[0];
}

TEST(ReadmeTest, NamesOnlyCommandsThatExist) {
  const std::set<std::string> shown = MakeTargets(Read("README.md"));
  EXPECT_THAT(shown, IsSupersetOf({"demo", "test"}));
  EXPECT_THAT(MakeTargets(OutputOf("make help")), IsSupersetOf(shown));
}

}  // namespace
}  // namespace chanpool
