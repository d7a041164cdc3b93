// The real poolctl as a process, and the page about it.
#include <stdio.h>
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/command_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_pool_admin.h"

namespace chanpool::cli {
namespace {

using ::chanpool::testing::FakePoolAdmin;
using ::testing::HasSubstr;

struct Ran {
  int exit_code = -1;
  std::string output;  // Both streams.
};

Ran RunBinary(const std::string& words) {
  Ran ran;
  FILE* const pipe = popen(absl::StrCat("client/poolctl ", words, " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) ran.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) ran.exit_code = WEXITSTATUS(status);
  return ran;
}

MATCHER_P(EndsWith, exit_code, "") { return arg.exit_code == exit_code; }

void PrintTo(const Ran& ran, std::ostream* out) {
  *out << "exit code " << ran.exit_code << ", output:\n" << ran.output;
}

TEST(BinaryTest, AsksAServerAndEndsWithTheRightCode) {
  FakePoolAdmin server;
  const Ran listed = RunBinary(absl::StrCat("-e ", server.endpoint(), " get pools -o name"));
  EXPECT_THAT(listed, EndsWith(0));
  EXPECT_EQ(listed.output, "pools/billing\npools/orders\nprocesses/shop/pools/stock\n");
  EXPECT_THAT(RunBinary(absl::StrCat("-e ", server.endpoint(), " describe pool order")), EndsWith(5));
  EXPECT_THAT(RunBinary("gte pools"), EndsWith(2));
  EXPECT_THAT(RunBinary("-e unix:/nowhere get pools"), EndsWith(3));
}

TEST(DocumentTest, ThePageHasEveryCommandWithAnExampleOfItsHelp) {
  std::ifstream file("docs/poolctl.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  for (const Command& command : Commands()) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("| `", command.words))) << "no row for this command";
    bool example = false;
    for (const Example& each : command.examples) {
      example = example || absl::StrContains(page, absl::StrCat("`poolctl ", each.command, "`"));
    }
    EXPECT_TRUE(example) << command.words << " has none of its examples in docs/poolctl.md";
    for (const std::string& alias : command.aliases) EXPECT_THAT(page, HasSubstr(absl::StrCat("`", alias, "`")));
  }
  for (const Flag& flag : GlobalFlags()) {
    if (flag.name == "help") continue;
    EXPECT_THAT(page, HasSubstr(VariableOf(flag.name)));
  }
}

}  // namespace
}  // namespace chanpool::cli
