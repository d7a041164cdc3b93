#include "tests/tidy/rules.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool::tidy {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// What is found in one file that is named in its BUILD.bazel.
std::vector<std::string> FindingsIn(const std::string& path, const std::string& text) {
  const size_t slash = path.rfind('/');
  const Files files = {{path, text},
                       {path.substr(0, slash) + "/BUILD.bazel", "srcs = [\"" + path.substr(slash + 1) + "\"]"}};
  std::vector<std::string> found;
  for (const Finding& finding : Check(files)) found.push_back(finding.ToString());
  return found;
}

TEST(RulesTest, PassesCodeThatKeepsThem) {
  EXPECT_THAT(FindingsIn("pool/grpc/channel_pool.h",
                         "// Lends channels.\n#include \"absl/time/time.h\"\n#include \"grpcpp/channel.h\"\n"
                         "#include \"pool/core/pool.h\"\n#include \"pool/grpc/lease.h\"\n"),
              IsEmpty());
}

TEST(RulesTest, FindsAnIncludeThatPointsUp) {
  EXPECT_THAT(FindingsIn("pool/core/pool.cc", "#include <vector>\n\n#include \"pool/grpc/channel_pool.h\"\n"),
              ElementsAre(AllOf(StartsWith("pool/core/pool.cc:3: arrow: "),
                                HasSubstr("may not include pool/grpc/channel_pool.h"),
                                HasSubstr("Abseil and the standard library only"))));
}

TEST(RulesTest, FindsAnIncludeOfASiblingTransport) {
  EXPECT_THAT(FindingsIn("pool/http2/session.cc", "#include \"pool/grpc/channel_pool.h\"\n"),
              ElementsAre(StartsWith("pool/http2/session.cc:1: arrow: ")));
}

TEST(RulesTest, KeepsThePoolOutOfTheClient) {
  EXPECT_THAT(
      FindingsIn("client/cli/render.cc", "#include \"pool/core/stats.h\"\n#include \"grpcpp/channel.h\"\n"),
      ElementsAre(StartsWith("client/cli/render.cc:1: arrow: "), StartsWith("client/cli/render.cc:2: arrow: ")));
}

TEST(RulesTest, KeepsGrpcAndProtobufOutOfTheCoreAndItsFakes) {
  for (const std::string folder : {"pool/core", "pool/testing"}) {
    for (const std::string include : {"<grpcpp/grpcpp.h>", "\"grpc/grpc.h\"", "\"google/protobuf/message.h\""}) {
      EXPECT_THAT(FindingsIn(folder + "/a.cc", "#include " + include + "\n"),
                  ElementsAre(StartsWith(folder + "/a.cc:1: arrow: ")))
          << include;
    }
  }
}

TEST(RulesTest, KeepsTestsOutOfTheProduct) {
  const std::string include = "#include \"tests/fakes/echo_server.h\"\n";
  for (const std::string path : {"pool/grpc/a.cc", "server/admin/a.cc", "client/cli/a.cc", "examples/demo/a.cc"}) {
    EXPECT_THAT(FindingsIn(path, include), ElementsAre(HasSubstr(":1: arrow: "))) << path;
  }
  EXPECT_THAT(FindingsIn("tests/grpc/a.cc", include), IsEmpty());
  EXPECT_THAT(FindingsIn("bench/a.cc", include), IsEmpty());
}

TEST(RulesTest, AsksForARowForANewFolder) {
  EXPECT_THAT(FindingsIn("pool/quic/a.cc", ""), ElementsAre(HasSubstr("no row in Arrows()")));
  EXPECT_THAT(FindingsIn("lib/a.cc", ""), ElementsAre(HasSubstr("no row in Arrows()")));
}

TEST(RulesTest, FindsReadingTheClock) {
  for (const std::string read :
       {"absl::Now()", "std::chrono::steady_clock::now()", "std::chrono::system_clock::now()"}) {
    EXPECT_THAT(FindingsIn("pool/core/pool.cc", "\nauto now = " + read + ";\n"),
                ElementsAre(AllOf(StartsWith("pool/core/pool.cc:2: clock: "), HasSubstr("pool/core/clock.h"))))
        << read;
  }
}

TEST(RulesTest, LetsATimeOfARealClockBeNamed) {
  EXPECT_THAT(FindingsIn("pool/grpc/a.cc", "auto never = std::chrono::system_clock::time_point::max();\n"), IsEmpty());
}

TEST(RulesTest, FindsSleeping) {
  for (const std::string sleep :
       {"absl::SleepFor(d)", "std::this_thread::sleep_for(d)", "std::this_thread::sleep_until(t)", "usleep(5)",
        "nanosleep (&t, nullptr)", "sleep(1)"}) {
    EXPECT_THAT(FindingsIn("tests/core/pool_test.cc", "  " + sleep + ";\n"),
                ElementsAre(AllOf(StartsWith("tests/core/pool_test.cc:1: sleep: "), HasSubstr("FakeClock::Advance"))))
        << sleep;
  }
}

TEST(RulesTest, FindsASharedCondition) {
  EXPECT_THAT(FindingsIn("server/proxy/proxy.cc", "std::condition_variable changed_;\n"),
              ElementsAre(AllOf(StartsWith("server/proxy/proxy.cc:1: condition: "), HasSubstr("Wakeup"))));
}

TEST(RulesTest, LeavesRealTimeToTheClockAndToProgramsAboutTheRealWorld) {
  const std::string text = "// Opens.\nstd::condition_variable c; auto n = absl::Now(); usleep(1);\n";
  for (const std::string path :
       {"pool/core/clock.cc", "pool/core/clock.h", "pool/testing/fake_clock.h", "examples/demo/main.cc",
        "bench/call.cc", "tests/e2e/a.cc", "tests/fault/a.cc", "tests/fakes/a.cc"}) {
    EXPECT_THAT(FindingsIn(path, text), IsEmpty()) << path;
  }
  EXPECT_EQ(FindingsIn("pool/core/clockwork.cc", text).size(), 3);
}

TEST(RulesTest, FindsExceptions) {
  EXPECT_THAT(FindingsIn("examples/demo/main.cc", "try {\n  throw 1;\n} catch (int) {\n}\n"),
              ElementsAre(AllOf(StartsWith("examples/demo/main.cc:2: exception: "), HasSubstr("absl::Status")),
                          StartsWith("examples/demo/main.cc:3: exception: ")));
}

TEST(RulesTest, FindsNothingInCommentsAndLiterals) {
  EXPECT_THAT(FindingsIn("pool/core/pool.cc",
                         "// Never throw absl::Now().\n/* catch (\n usleep(1) */\n"
                         "auto s = \"throw \\\" usleep(1)\";\nauto r = R\"x(throw )\" usleep(1))x\";\n"
                         "// #include \"pool/grpc/a.h\"\nint n = 1'000;  // throw\nchar c = '\"';  // throw\n"),
              IsEmpty());
}

TEST(RulesTest, SeesCodeBehindLiterals) {
  EXPECT_THAT(FindingsIn("pool/core/pool.cc", "f('\"', R\"(\")\", \"/*\", 1'0); throw 1;\n"),
              ElementsAre(HasSubstr(":1: exception: ")));
}

TEST(RulesTest, FindsPartsOfOtherNamesNowhere) {
  EXPECT_THAT(
      FindingsIn("pool/core/pool.cc", "int asleep(int); rethrow(); new (std::nothrow) int; absl::NowOrNever();\n"),
      IsEmpty());
}

TEST(RulesTest, FindsAHeaderWithoutAnOpeningComment) {
  EXPECT_THAT(FindingsIn("pool/core/a.h", "#ifndef A\n// Late.\n"),
              ElementsAre(StartsWith("pool/core/a.h:1: opening: ")));
}

TEST(RulesTest, FindsNamesThatAnswerNothing) {
  for (const std::string name : {"utils", "common", "helpers", "manager", "impl", "pool_impl", "string_utils"}) {
    EXPECT_THAT(FindingsIn("pool/core/" + name + ".cc", ""), ElementsAre(HasSubstr(":1: name: "))) << name;
  }
  EXPECT_THAT(FindingsIn("pool/core/implicit_commons.cc", ""), IsEmpty());
}

TEST(RulesTest, FindsAFileThatIsInNoTarget) {
  const Files files = {{"pool/core/BUILD.bazel", "srcs = [\"pool.cc\"],  # \"old.cc\"\n"},
                       {"pool/core/pool.cc", ""},
                       {"pool/core/old.cc", ""},
                       {"pool/core/ol.cc", ""},
                       {"pool/grpc/lease.cc", ""}};
  const std::vector<Finding> findings = Check(files);
  ASSERT_EQ(findings.size(), 3);
  EXPECT_THAT(findings[0].ToString(), StartsWith("pool/core/ol.cc:1: unbuilt: "));
  EXPECT_THAT(findings[1].ToString(),
              AllOf(StartsWith("pool/core/old.cc:1: unbuilt: "), HasSubstr("pool/core/BUILD.bazel")));
  EXPECT_THAT(findings[2].ToString(), HasSubstr("name it in pool/grpc/BUILD.bazel"));
}

TEST(RulesTest, TakesAFileOfASubfolderForBuiltByThePackageAbove) {
  EXPECT_THAT(Check({{"pool/core/BUILD.bazel", "\"deep/a.cc\""}, {"pool/core/deep/a.cc", ""}}), IsEmpty());
}

}  // namespace
}  // namespace chanpool::tidy
