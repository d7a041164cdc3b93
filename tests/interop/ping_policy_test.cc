// Servers count pings, and end the connection of whoever sends too many: not one of ours. tests/interop/quiet_soak.cc
// has the same for servers with default settings, which takes minutes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/interop/interop_server.h"
#include "tests/interop/quiet_pool.h"

namespace chanpool {
namespace {

using ::chanpool::testing::EchoServer;
using ::chanpool::testing::EchoServerOptions;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::InteropServer;
using ::chanpool::testing::QuietPool;
using ::chanpool::testing::ServerLanguage;
using ::chanpool::testing::Throughout;

// The third ping that comes faster ends the connection.
constexpr absl::Duration kMinimum = absl::Seconds(2);

EchoServerOptions WithMinimum() {
  EchoServerOptions options;
  options.min_ping_interval = kMinimum;
  return options;
}

KeepaliveOptions PingEach(absl::Duration time) {
  KeepaliveOptions keepalive;
  keepalive.time = time;
  keepalive.permit_without_calls = true;
  return keepalive;
}

class PingPolicyTest : public ::testing::Test {
 protected:
  EchoServer cpp_{WithMinimum()};
  InteropServer python_{ServerLanguage::kPython, {"--min-ping-seconds=2"}};
  InteropServer stock_go_{ServerLanguage::kGo};
};

TEST_F(PingPolicyTest, QuietPoolsKeepTheirConnections) {
  // More pings than would be forgiven, at a period just above what is allowed; and probes of which each is a call.
  const absl::Duration kPeriod = kMinimum + absl::Milliseconds(300);
  const QuietPool pinging_cpp("C++, pings", cpp_.target(), absl::InfiniteDuration(), PingEach(kPeriod));
  const QuietPool pinging_python("Python, pings", python_.target(), absl::InfiniteDuration(), PingEach(kPeriod));
  const QuietPool probing_cpp("C++, probes", cpp_.target(), absl::Milliseconds(200), KeepaliveOptions());
  const QuietPool probing_python("Python, probes", python_.target(), absl::Milliseconds(200), KeepaliveOptions());
  const QuietPool probing_go("Go, probes", stock_go_.target(), absl::Milliseconds(200), KeepaliveOptions());
  const std::vector<const QuietPool*> probing = {&probing_cpp, &probing_python, &probing_go};
  const std::vector<const QuietPool*> all = {&pinging_cpp, &pinging_python, &probing_cpp, &probing_python, &probing_go};

  const bool kept = Throughout(
      [&] { return std::all_of(all.begin(), all.end(), [](const QuietPool* pool) { return pool->HasKeptAll(); }); },
      5 * kPeriod);

  for (const QuietPool* pool : all) EXPECT_TRUE(kept) << pool->Summary();
  for (const QuietPool* pool : probing) EXPECT_GE(pool->probes(), 5 * QuietPool::kConnections) << pool->Summary();
}

// Else the claim above says nothing.
TEST_F(PingPolicyTest, ThoseServersEndTheConnectionsOfWhoeverPingsTooOften) {
  const QuietPool cpp("C++", cpp_.target(), absl::InfiniteDuration(), PingEach(kMinimum / 4));
  const QuietPool python("Python", python_.target(), absl::InfiniteDuration(), PingEach(kMinimum / 4));
  const QuietPool go("Go", stock_go_.target(), absl::InfiniteDuration(), PingEach(kMinimum / 4));
  EXPECT_TRUE(Eventually([&] { return !cpp.HasKeptAll() && !python.HasKeptAll() && !go.HasKeptAll(); }))
      << cpp.Summary() << "; " << python.Summary() << "; " << go.Summary();
}

}  // namespace
}  // namespace chanpool
