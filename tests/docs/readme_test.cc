// The README's code is code that builds, its shell block runs, and its commands exist.
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
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "examples/processes/program.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

// Where the README's shell block has its socket.
constexpr char kShownFolder[] = "/tmp/chanpool";

// What the block takes as given: the programs in the path. It ends with what it started.
constexpr char kAsAReader[] = R"(
set -euo pipefail
export PATH="$PWD/server:$PWD/client:$TOOLS:$PATH"
cd "$FOLDER"
trap 'kill $(jobs -p); wait' EXIT
set -x
)";

std::string Read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The lines of each block that begins with "```" and `language`.
std::vector<std::string> CodeBlocks(const std::string& markdown, const std::string& language) {
  std::vector<std::string> blocks;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(markdown, '\n')) {
    if (absl::StartsWith(line, "```")) {
      inside = line == absl::StrCat("```", language);
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

// "get pools" of every `poolctl get pools -o wide`: the words before the first argument that cannot be one.
std::set<std::string> PoolctlCommands(const std::string& text) {
  static const std::regex command("`poolctl ((?:[a-z]+ ?){1,2})[^`]*`");
  std::set<std::string> commands;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), command); at != std::sregex_iterator(); ++at) {
    commands.insert(std::string(absl::StripSuffix((*at)[1].str(), " ")));
  }
  return commands;
}

std::string OutputOf(const char* command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "r"), &pclose);
  std::string output;
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) output.append(buffer.data(), n);
  return output;
}

TEST(ReadmeTest, ShowsCodeThatTheQuickstartBuilds) {
  const std::vector<std::string> blocks = CodeBlocks(Read("README.md"), "cpp");
  ASSERT_THAT(blocks, SizeIs(1));
  EXPECT_TRUE(absl::StrContains(Outdented(Read("examples/quickstart/quickstart.cc")), blocks[0])) << blocks[0];
}

TEST(ReadmeTest, ShowsAShellBlockThatRuns) {
  const std::vector<std::string> blocks = CodeBlocks(Read("README.md"), "sh");
  ASSERT_THAT(blocks, SizeIs(1));
  ASSERT_THAT(blocks[0], HasSubstr(kShownFolder));
  const std::string grpcurl = FindTool("grpcurl");
  ASSERT_NE(grpcurl, "") << "grpcurl is not installed; run scripts/install_tools.sh grpcurl";
  const TemporaryFolder folder;

  const std::string block = absl::StrReplaceAll(blocks[0], {{kShownFolder, folder.path()}});
  const Finished ran = RunToEnd(
      {"/bin/bash", "-c", absl::StrCat(kAsAReader, block)},
      {absl::StrCat("FOLDER=", folder.path()), absl::StrCat("TOOLS=", absl::StripSuffix(grpcurl, "/grpcurl"))});

  EXPECT_EQ(ran.exit, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("orders lends again"));
  EXPECT_THAT(ran.out, HasSubstr("\"name\": \"pools/orders\""));
}

TEST(ReadmeTest, NamesOnlyCommandsOfPoolctlThatExist) {
  const std::set<std::string> shown = PoolctlCommands(Read("README.md"));
  EXPECT_THAT(shown, IsSupersetOf({"get pools", "drain orders", "reload"}));
  for (const std::string& command : shown) {
    std::vector<std::string> words = absl::StrSplit(command, ' ');
    words.insert(words.begin(), "client/poolctl");
    words.push_back("--help");
    const Finished help = RunToEnd(words);
    EXPECT_EQ(help.exit, 0) << "poolctl has no command " << command << ": " << help.err;
  }
}

TEST(ReadmeTest, NamesOnlyCommandsThatExist) {
  const std::set<std::string> shown = MakeTargets(Read("README.md"));
  EXPECT_THAT(shown, IsSupersetOf({"demo", "test"}));
  EXPECT_THAT(MakeTargets(OutputOf("make help")), IsSupersetOf(shown));
}

}  // namespace
}  // namespace chanpool
