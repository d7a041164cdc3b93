// That `make bench-calls` runs, whatever its figures are.
#include <string>
#include <vector>

#include "examples/demo/upstream_process.h"
#include "examples/processes/program.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool::bench {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

Finished Ratios(const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {demo::PathBeside("../../bench/call_ratios")};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return RunToEnd(arguments, {}, absl::Minutes(5));
}

TEST(CallRatiosTest, HasARowForEachSideAndNamesEachBarInItsLastLine) {
  const Finished run = Ratios({"--rounds=1", "--quick"});
  ASSERT_EQ(run.exit, 0) << run.err;
  EXPECT_THAT(run.out, ContainsRegex("pool of 10 / plain channel +1 "));
  EXPECT_THAT(run.out, ContainsRegex("pool of 20 / round robin over 20 +1 "));
  EXPECT_THAT(run.out, ContainsRegex("pool, cold / plain channel, cold +1 .*pool, warm / plain channel, cold +1 "));
  EXPECT_THAT(run.out, ContainsRegex("pool of 4, dials for 1,000 calls +1 "));
  EXPECT_THAT(run.out, ContainsRegex("pool, least loaded / round robin over 4, p99 +1 "));
  EXPECT_THAT(run.out, ContainsRegex("pool / plain channels, allocated +1 "));
  EXPECT_THAT(run.out,
              ContainsRegex("\ncalls: [0-5] of 5 bars held: 100 ms = .*at least 0.95.* 50 ms = .*at least 0.9.*"
                            " CPU us at 1 = .*at most 1.* CPU us at 16 = .* CPU us at 128 = [^\n]*\n$"));
  EXPECT_THAT(run.err, HasSubstr("call_ratios: The first call, TLS"));
  EXPECT_THAT(run.err, HasSubstr("call_ratios: A connection for each call, TLS"));
}

TEST(CallRatiosTest, ComparesOnlyWhatIsAskedFor) {
  const Finished run = Ratios({"--rounds=2", "--quick", "--only=memory"});
  ASSERT_EQ(run.exit, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(ContainsRegex("plain channels, resident +2 "), Not(HasSubstr("MiB/s")),
                             HasSubstr("\ncalls: no bar among these\n")));
}

TEST(CallRatiosTest, SaysWhatThereIsToAskFor) {
  const Finished run = Ratios({"--only=memory,walls"});
  EXPECT_EQ(run.exit, 2);
  EXPECT_THAT(run.err, AllOf(HasSubstr("--only=memory,walls is no argument"), HasSubstr("in-flight: ")));
  EXPECT_EQ(Ratios({"--help"}).exit, 0);
}

}  // namespace
}  // namespace chanpool::bench
