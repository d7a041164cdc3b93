// What every command prints in every format, compared with tests/client/golden. After a wanted change:
//
//   bazel run //tests/client:golden_test -- --update
//
// writes the files anew; then read the difference as if a user had sent it.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/command_table.h"
#include "client/cli/visible_text.h"
#include "gtest/gtest.h"
#include "tests/client/command_run.h"
#include "tests/client/fake_pool_admin.h"

namespace chanpool::cli {
namespace {

namespace v1 = ::chanpool::admin::v1;

using ::chanpool::testing::CommandRun;
using ::chanpool::testing::FakePoolAdmin;

bool update = false;

// Where the golden files are: beside this test, or in the tree when they are to be written.
std::string Path(const std::string& name) {
  const char* const tree = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  return absl::StrCat(update && tree != nullptr ? absl::StrCat(tree, "/") : "", "tests/client/golden/", name, ".txt");
}

// What each command is tried with; every command must be here.
const std::map<std::string, std::vector<std::string>>& Arguments() {
  static const auto* arguments = new std::map<std::string, std::vector<std::string>>{
      {"get pools", {"", "orders"}},
      {"get connections", {"", "orders"}},
      {"get endpoints", {"", "orders"}},
      {"get operations", {""}},
      {"get instance", {""}},
      {"describe pool", {"orders"}},
      {"stats", {"", "--times", "--methods"}},
      {"calls", {"billing", "billing --limit 1"}},
      {"explain", {"billing"}},
      {"decisions", {"billing"}},
      {"events", {""}},
      {"top", {"--once", "--batch -n 2"}},
      {"set", {"orders max_connections=40 --ttl 30m", "orders max_idle- --dry-run"}},
      {"drain", {"orders --deadline 60s", "orders --detach", "orders --dry-run"}},
      {"undrain", {"orders"}},
      {"recycle", {"orders", "orders --detach"}},
      {"operation get", {"4"}},
      {"operation wait", {"4"}},
      {"operation cancel", {"4"}},
      {"reload", {"", "--dry-run"}},
      {"config get", {"orders", "orders max_connections retry dns", "shop/stock max_connections"}},
      {"config view", {""}},
      {"config validate", {""}},
      {"version", {"", "--client"}},
      {"completion", {"bash", "zsh", "fish"}},
  };
  return *arguments;
}

// The answers of a server whose drain and recycle end well.
void Script(FakePoolAdmin& server, const std::string& command) {
  v1::Operation end = command == "recycle" ? server.recycle : server.drain;
  end.set_state(v1::OPERATION_STATE_SUCCEEDED);
  end.mutable_progress()->clear_blockers();
  end.mutable_progress()->set_connections_remaining(0);
  end.mutable_progress()->set_leases_remaining(0);
  end.mutable_end_time()->set_seconds(end.start_time().seconds() + 31);
  end.mutable_end_time()->set_nanos(200'000'000);
  server.watch = {{command == "recycle" ? server.recycle : server.drain, nullptr}, {end, nullptr}};
}

// One run as the file shows it.
std::string Transcript(const std::string& words, FakePoolAdmin& server) {
  CommandRun run;
  run.variables["POOLCTL_ENDPOINT"] = server.endpoint();
  const int exit_code = run.Run(words, server);
  std::string text = absl::StrCat("$ poolctl ", words, "\n", run.out());
  if (!run.err().empty()) absl::StrAppend(&text, "--- stderr\n", run.err());
  absl::StrAppend(&text, "--- exit ", exit_code, "\n\n");
  return absl::StrReplaceAll(text, {{server.endpoint(), "unix:ADMIN.SOCK"}});
}

void Compare(const std::string& name, const std::string& text) {
  if (update) {
    std::ofstream(Path(name)) << text;
    return;
  }
  std::ifstream file(Path(name));
  const std::string golden(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(text, golden) << "in " << Path(name)
                          << "; if this is wanted: bazel run //tests/client:golden_test -- --update";
}

TEST(GoldenTest, EveryCommandPrintsEachOfItsFormatsAsBefore) {
  for (const Command& command : Commands()) {
    ASSERT_EQ(Arguments().count(command.words), 1u) << command.words << " has no golden file";
    std::string text;
    for (const std::string& arguments : Arguments().at(command.words)) {
      std::vector<std::string> formats = absl::StrSplit(command.formats, '|', absl::SkipEmpty());
      if (formats.empty()) formats = {""};
      for (const std::string& format : formats) {
        FakePoolAdmin server;
        Script(server, command.words);
        absl::StrAppend(&text, Transcript(absl::StrCat(command.words, arguments.empty() ? "" : " ", arguments,
                                                       format.empty() ? "" : " -o ", format),
                                          server));
      }
    }
    Compare(absl::StrReplaceAll(command.words, {{" ", "_"}}), text);
  }
}

TEST(GoldenTest, EveryHelpTextIsAsBefore) {
  FakePoolAdmin server;
  std::string text = Transcript("--help", server) + Transcript("get --help", server);
  for (const Command& command : Commands()) absl::StrAppend(&text, Transcript(command.words + " --help", server));
  Compare("help", text);
}

TEST(GoldenTest, HelpAndTablesFitEightyColumns) {
  FakePoolAdmin server;
  for (const Command& command : Commands()) {
    CommandRun run;
    run.env.terminal = &run.terminal;
    run.variables["POOLCTL_COLOR"] = "never";
    run.variables["POOLCTL_ENDPOINT"] = server.endpoint();
    std::vector<std::string> help = absl::StrSplit(command.words, ' ');
    help.push_back("--help");
    ASSERT_EQ(run.Run(help), 0);
    for (const absl::string_view line : absl::StrSplit(run.out(), '\n')) EXPECT_LE(line.size(), 80u) << line;
  }
  for (const std::string words :
       {"get pools", "get connections", "get operations", "stats", "stats --times", "stats --methods", "calls billing",
        "decisions billing", "top --once", "reload", "get instance", "describe pool billing"}) {
    CommandRun run;
    run.env.terminal = &run.terminal;
    run.variables["POOLCTL_COLOR"] = "never";
    run.variables["POOLCTL_ENDPOINT"] = server.endpoint();
    ASSERT_EQ(run.Run(absl::StrSplit(words, ' ')), 0);
    for (const absl::string_view line : absl::StrSplit(run.out(), '\n')) {
      EXPECT_LE(Width(line), 80u) << words << ": " << line;
      EXPECT_FALSE(!line.empty() && line.back() == ' ') << words << " has trailing spaces: " << line;
    }
  }
}

}  // namespace
}  // namespace chanpool::cli

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) chanpool::cli::update = chanpool::cli::update || std::string(argv[i]) == "--update";
  return RUN_ALL_TESTS();
}
