// What operators do to a service that is busy, twenty times each: no call that was accepted is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/demo/upstream_process.h"
#include "examples/processes/program.h"
#include "tests/e2e/sidecar_under_test.h"

namespace chanpool::testing {
namespace {

using ::testing::HasSubstr;

constexpr int kTimes = 20;

// A sidecar with a pool of its own, and a microservice with two, all to one upstream.
class SteeringUnderLoadTest : public ::testing::Test {
 protected:
  SteeringUnderLoadTest() {
    auto upstream = demo::UpstreamProcess::Start(BinaryPath("examples/demo/upstream"), /*max_streams=*/100);
    EXPECT_TRUE(upstream.ok()) << upstream.status();
    upstream_ = *std::move(upstream);
    sidecar_ = std::make_unique<SidecarUnderTest>(Own("max_connections: 2"));
    // Calls take 50 ms: at each drain some are in flight.
    service_ = std::make_unique<Program>(std::vector<std::string>{
        BinaryPath("examples/microservice/microservice"), absl::StrCat("--orders=", upstream_->target()),
        absl::StrCat("--attach=", sidecar_->attach_socket()), "--rate=300", "--delay_ms=50", "--max_leases=4",
        "--name=shop"});
    EXPECT_TRUE(service_->AwaitOutput("ok=")) << service_->output();
    for (int i = 0; i < 200 && sidecar_->Poolctl({"get", "pools", "-o", "name"}).out.find("shop") == std::string::npos;
         ++i) {
      absl::SleepFor(absl::Milliseconds(50));
    }
  }

  std::string Own(const std::string& options) const {
    return absl::StrCat("  - {name: warehouse, target: \"", upstream_->target(), "\", ", options, "}\n");
  }

  struct Counts {
    int64_t ok = 0, refused = 0;
  };
  // Of all calls until now, as the service prints it each second.
  Counts NextCounts() {
    const size_t from = service_->output().size();
    EXPECT_TRUE(service_->AwaitOutput("in_flight=", from)) << service_->output();
    const std::string printed = service_->output().substr(from);
    const auto number = [&printed](const std::string& name) -> int64_t {
      const size_t at = printed.find(name);
      return at == std::string::npos ? -1 : std::atoll(printed.c_str() + at + name.size());
    };
    return {number("ok="), number("refused=")};
  }

  // What the service has counted when it ended.
  std::string Total() {
    service_->Signal(SIGTERM);
    EXPECT_EQ(service_->AwaitExit(), 0) << service_->output();
    const std::string output = service_->output();
    const size_t at = output.rfind("total ");
    return at == std::string::npos ? output : output.substr(at);
  }

  std::unique_ptr<demo::UpstreamProcess> upstream_;
  std::unique_ptr<SidecarUnderTest> sidecar_;
  std::unique_ptr<Program> service_;
};

TEST_F(SteeringUnderLoadTest, TwentyDrainsLoseNoCallThatWasAccepted) {
  for (int i = 0; i < kTimes; ++i) {
    const Finished drain = sidecar_->Poolctl({"drain", "shop/orders", "--deadline", "20s"});
    ASSERT_EQ(drain.exit, 0) << drain.out << drain.err;
    ASSERT_EQ(sidecar_->Poolctl({"undrain", "shop/orders"}).exit, 0);
  }
  const Counts undrained = NextCounts(), later = NextCounts();
  EXPECT_GT(undrained.refused, 0) << "no call met a drain";
  EXPECT_GT(later.ok, undrained.ok);
  EXPECT_EQ(later.refused, undrained.refused) << "refused after the last undrain";
  const std::string total = Total();
  EXPECT_THAT(total, HasSubstr(" failed=0 "));
  EXPECT_THAT(total, HasSubstr("left_out=0 "));
  EXPECT_THAT(total, HasSubstr("payments.refused=0")) << "the other pool was not drained";
}

// Until the sidecar carries calls itself, what a reload changes is its own pools alone; the pools under load are
// steered by overrides and recycles. A pool that is reloaded under load: tests/sidecar/file_config_test.cc.
TEST_F(SteeringUnderLoadTest, TwentyReloadsRecyclesAndOverridesFailNoCall) {
  for (int i = 0; i < kTimes; ++i) {
    sidecar_->WriteConfig(Own(absl::StrCat("max_connections: ", 3 + i % 5)));
    const Finished reload = sidecar_->Poolctl({"reload"});
    ASSERT_EQ(reload.exit, 0) << reload.err;
    const Finished set =
        sidecar_->Poolctl({"set", "shop/orders", absl::StrCat("max_connections=", 5 + i % 7), "--reason", "test"});
    ASSERT_EQ(set.exit, 0) << set.err;
    const Finished recycle = sidecar_->Poolctl({"recycle", "shop/payments"});
    ASSERT_EQ(recycle.exit, 0) << recycle.out << recycle.err;
  }
  EXPECT_GT(NextCounts().ok, 0);
  EXPECT_THAT(Total(), HasSubstr(" failed=0 refused=0 left_out=0 "));
}

TEST_F(SteeringUnderLoadTest, ADrainWithOtherParametersIsAConflictUnlessItSupersedes) {
  // A call of a minute holds the first drain up.
  Program holder({BinaryPath("examples/microservice/microservice"), absl::StrCat("--orders=", upstream_->target()),
                  absl::StrCat("--attach=", sidecar_->attach_socket()), "--rate=5", "--delay_ms=60000",
                  "--deadline_ms=120000", "--name=slow"});
  ASSERT_TRUE(holder.AwaitOutput("in_flight="));
  for (int i = 0; i < 200 && sidecar_->Poolctl({"get", "pools", "-o", "name"}).out.find("slow") == std::string::npos;
       ++i) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  const Finished first = sidecar_->Poolctl({"drain", "slow/orders", "--deadline", "10m", "--detach"});
  ASSERT_EQ(first.exit, 0) << first.out << first.err;
  EXPECT_EQ(sidecar_->Poolctl({"drain", "slow/orders", "--deadline", "10m", "--detach"}).exit, 0) << "the same again";
  const Finished other = sidecar_->Poolctl({"drain", "slow/orders", "--deadline", "5m", "--detach"});
  EXPECT_EQ(other.exit, 7) << other.out << other.err;
  EXPECT_THAT(other.err, HasSubstr("OPERATION_CONFLICT"));
  const Finished by_grpcurl =
      sidecar_->Grpcurl("DrainPool", R"({"name": "processes/slow/pools/orders", "deadline": "300s"})");
  EXPECT_EQ(by_grpcurl.exit, 64 + 10) << by_grpcurl.out << by_grpcurl.err;
  EXPECT_THAT(by_grpcurl.err, HasSubstr("\"OPERATION_CONFLICT\""));
  EXPECT_EQ(sidecar_->Poolctl({"drain", "slow/orders", "--deadline", "5m", "--detach", "--supersede"}).exit, 0);
  const Finished late = sidecar_->Poolctl({"drain", "slow/orders", "--deadline", "1s", "--supersede"});
  EXPECT_EQ(late.exit, 8) << "what is left is said: " << late.out << late.err;
  EXPECT_THAT(late.err + late.out, HasSubstr("connections/"));
  EXPECT_EQ(sidecar_->Poolctl({"undrain", "slow/orders"}).exit, 0);
}

}  // namespace
}  // namespace chanpool::testing
