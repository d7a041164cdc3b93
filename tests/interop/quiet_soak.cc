// Minutes of quiet pools that probe their connections, against servers with default settings in C++, Go and Python:
// none of them may take the probes for abuse, and close.
//
//   bazel run //tests/interop:quiet_soak -- 240        # seconds; in `make soak`
//
// A line for each server, and 0 if every connection was kept.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/interop/interop_server.h"
#include "tests/interop/quiet_pool.h"

namespace chanpool::testing {
namespace {

// Pings as frequent would be the end of a connection within the minute: stock servers allow one in 5.
constexpr absl::Duration kProbeEvery = absl::Seconds(10);

bool AllKept(const std::vector<std::unique_ptr<QuietPool>>& pools) {
  for (const auto& pool : pools) {
    if (!pool->HasKeptAll()) return false;
  }
  return true;
}

int Soak(int seconds) {
  const EchoServer cpp;
  const InteropServer go(ServerLanguage::kGo), python(ServerLanguage::kPython);
  std::vector<std::unique_ptr<QuietPool>> pools;
  pools.push_back(std::make_unique<QuietPool>("C++", cpp.target(), kProbeEvery, KeepaliveOptions()));
  pools.push_back(std::make_unique<QuietPool>("Go", go.target(), kProbeEvery, KeepaliveOptions()));
  pools.push_back(std::make_unique<QuietPool>("Python", python.target(), kProbeEvery, KeepaliveOptions()));
  const Stopwatch watch;
  const bool kept = Throughout([&] { return AllKept(pools); }, absl::Seconds(seconds));
  for (const auto& pool : pools) {
    std::printf("quiet for %d s, %s\n", static_cast<int>(absl::ToInt64Seconds(watch.Elapsed())),
                pool->Summary().c_str());
  }
  return kept && !::testing::Test::HasFailure() ? 0 : 1;
}

}  // namespace
}  // namespace chanpool::testing

int main(int argc, char** argv) {
  int seconds = 0;
  if (argc != 2 || !absl::SimpleAtoi(argv[1], &seconds) || seconds <= 0) {
    std::fprintf(stderr, "usage: quiet_soak SECONDS\n");
    return 2;
  }
  ::testing::InitGoogleTest();
  return chanpool::testing::Soak(seconds);
}
