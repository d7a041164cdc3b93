// A service, what it calls, and the sidecar, each in a process of its own: whatever becomes of the sidecar, no call of
// the service is lost; whatever becomes of the service, the sidecar knows within seconds.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/pool_admin.grpc.pb.h"
#include "examples/demo/upstream_process.h"
#include "examples/processes/program.h"
#include "tests/e2e/sidecar_under_test.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using chanpool::admin::v1::AttachedProcess;
using chanpool::admin::v1::DrainPoolRequest;
using chanpool::admin::v1::DrainPoolResponse;
using chanpool::admin::v1::GetInstanceRequest;
using chanpool::admin::v1::GetInstanceResponse;
using chanpool::admin::v1::ListPoolsRequest;
using chanpool::admin::v1::ListPoolsResponse;
using chanpool::admin::v1::Pool;
using chanpool::admin::v1::ProcessState;
using chanpool::admin::v1::UndrainPoolRequest;
using chanpool::admin::v1::UndrainPoolResponse;
using chanpool::demo::UpstreamProcess;
using chanpool::testing::BinaryPath;
using chanpool::testing::DeadlineIn;
using chanpool::testing::Eventually;
using chanpool::testing::IsOk;
using chanpool::testing::StatusIs;
using chanpool::testing::Stopwatch;
using chanpool::testing::Throughout;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr ProcessState kLive = ProcessState::PROCESS_STATE_LIVE;
constexpr ProcessState kStale = ProcessState::PROCESS_STATE_STALE;
constexpr ProcessState kLost = ProcessState::PROCESS_STATE_LOST;
constexpr absl::Duration kSoon = absl::Seconds(5);

class AttachTest : public ::testing::Test {
 protected:
  AttachTest() { upstream_ = std::move(UpstreamProcess::Start(BinaryPath("examples/demo/upstream"), 100)).value(); }
  ~AttachTest() override { service_.reset(); }

  // The first time, or again after a kill: on the same sockets.
  void StartSidecar() {
    folder_.Write("chanpoold.yaml",
                  absl::StrCat("version: 1\nadmin: {listeners: [{uds: {path: ", folder_.path(), "/admin.sock}}]}\n",
                               "attach: {uds: {path: ", folder_.path(), "/attach.sock}}\n"));
    sidecar_ = std::make_unique<Program>(std::vector<std::string>{BinaryPath("server/chanpoold"), "--config",
                                                                  absl::StrCat(folder_.path(), "/chanpoold.yaml")});
    ASSERT_TRUE(sidecar_->AwaitOutput(" ready")) << sidecar_->output();
    // A channel of its own each time: gRPC shares and backs off otherwise.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    admin_ = chanpool::admin::v1::PoolAdmin::NewStub(grpc::CreateCustomChannel(
        absl::StrCat("unix:", folder_.path(), "/admin.sock"), grpc::InsecureChannelCredentials(), arguments));
  }

  std::unique_ptr<Program> NewService() {
    return std::make_unique<Program>(std::vector<std::string>{
        BinaryPath("examples/microservice/microservice"), absl::StrCat("--orders=", upstream_->target()),
        absl::StrCat("--attach=", folder_.path(), "/attach.sock"), "--rate=50"});
  }
  void StartService() {
    service_ = NewService();
    ASSERT_TRUE(service_->AwaitOutput("in_flight=")) << service_->output();
  }
  static void Kill(Program& program) {
    program.Signal(SIGKILL);
    EXPECT_EQ(program.AwaitExit(), 128 + SIGKILL);
  }
  // How many times it said so.
  static int Count(const Program& program, const std::string& text) {
    const std::string output = program.output();
    int count = 0;
    for (size_t at = output.find(text); at != std::string::npos; at = output.find(text, at + 1)) ++count;
    return count;
  }

  // What the sidecar says of one process.
  ProcessState StateOf(const std::string& name) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(2)));
    GetInstanceResponse response;
    if (!admin_->GetInstance(&context, GetInstanceRequest(), &response).ok()) {
      return ProcessState::PROCESS_STATE_UNSPECIFIED;
    }
    for (const AttachedProcess& process : response.instance().processes()) {
      if (process.name() == name) return process.state();
    }
    return ProcessState::PROCESS_STATE_UNSPECIFIED;
  }
  bool Becomes(const std::string& name, ProcessState state, absl::Duration limit = testing::kLimit) {
    return Eventually([&] { return StateOf(name) == state; }, limit);
  }

  std::vector<Pool> Pools() {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(2)));
    ListPoolsResponse response;
    EXPECT_THAT(admin_->ListPools(&context, ListPoolsRequest(), &response), IsOk());
    return {response.pools().begin(), response.pools().end()};
  }

  grpc::Status Drain(const std::string& pool) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(10)));
    DrainPoolRequest request;
    request.set_name(pool);
    DrainPoolResponse response;
    return admin_->DrainPool(&context, request, &response);
  }
  grpc::Status Undrain(const std::string& pool) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(10)));
    UndrainPoolRequest request;
    request.set_name(pool);
    UndrainPoolResponse response;
    return admin_->UndrainPool(&context, request, &response);
  }

  // Ends the service; the line in which it counts its calls.
  std::string EndService() {
    service_->Signal(SIGTERM);
    EXPECT_EQ(service_->AwaitExit(), 0);
    const std::string output = service_->output();
    const size_t total = output.rfind("total ");
    return total == std::string::npos ? output : output.substr(total);
  }
  // Callers that a pool has refused until now.
  uint64_t Refused(const std::string& pool) {
    chanpool::admin::v1::GetStatsRequest request;
    request.add_pools(pool);
    chanpool::admin::v1::GetStatsResponse response;
    grpc::ClientContext context;
    const grpc::Status status = admin_->GetStats(&context, request, &response);
    return status.ok() && response.stats_size() == 1 ? response.stats(0).unavailable() : 0;
  }
  // Lost or refused none, of many.
  void ExpectNoCallLost() {
    const std::string total = EndService();
    EXPECT_THAT(total, HasSubstr(" failed=0 refused=0 left_out=0 "));
    EXPECT_THAT(total, Not(HasSubstr("total ok=0 ")));
  }

  const TemporaryFolder folder_;
  std::unique_ptr<UpstreamProcess> upstream_;
  std::unique_ptr<Program> sidecar_, service_;
  std::unique_ptr<chanpool::admin::v1::PoolAdmin::Stub> admin_;
};

TEST_F(AttachTest, ShowsAndSteersThePoolsOfAService) {
  StartSidecar();
  StartService();
  ASSERT_TRUE(Becomes("processes/shop", kLive));
  ASSERT_TRUE(Eventually([this] { return Pools().size() == 2; }));
  EXPECT_EQ(Pools()[0].name(), "processes/shop/pools/orders");
  EXPECT_EQ(Pools()[0].target(), upstream_->target());
  EXPECT_THAT(Drain("processes/shop/pools/order"), StatusIs(grpc::StatusCode::NOT_FOUND));

  EXPECT_THAT(Drain("processes/shop/pools/payments"), IsOk());
  EXPECT_TRUE(
      Eventually([this] { return Pools()[1].admin_state() == chanpool::admin::v1::AdminState::ADMIN_STATE_DRAINED; }));
  EXPECT_TRUE(Eventually([this] { return Refused("processes/shop/pools/payments") > 0; })) << "a drained pool refuses";
  EXPECT_THAT(Undrain("processes/shop/pools/payments"), IsOk());
  EXPECT_TRUE(
      Eventually([this] { return Pools()[1].admin_state() == chanpool::admin::v1::AdminState::ADMIN_STATE_ACTIVE; }));

  const std::string total = EndService();
  EXPECT_THAT(total, HasSubstr(" failed=0 "));
  EXPECT_THAT(total, HasSubstr(" orders.failed=0 orders.refused=0 "));
  EXPECT_THAT(total, Not(HasSubstr("payments.refused=0"))) << "a drained pool refuses";
  // It ended on purpose: nothing was lost.
  EXPECT_TRUE(Becomes("processes/shop", ProcessState::PROCESS_STATE_UNSPECIFIED, kSoon));
}

TEST_F(AttachTest, LosesNoCallWithoutASidecarAndAttachesWhenItComes) {
  StartService();
  StartSidecar();
  EXPECT_TRUE(Becomes("processes/shop", kLive, kSoon));
  ExpectNoCallLost();
}

TEST_F(AttachTest, LosesNoCallWhenTheSidecarIsKilledAndStartedAgain) {
  StartSidecar();
  StartService();
  ASSERT_TRUE(Becomes("processes/shop", kLive));
  for (int i = 0; i < 3; ++i) {
    Kill(*sidecar_);
    StartSidecar();
    EXPECT_TRUE(Becomes("processes/shop", kLive, kSoon));
  }
  EXPECT_LE(Count(*service_, "not attached"), 3) << service_->output();
  ExpectNoCallLost();
}

TEST_F(AttachTest, LosesNoCallWhileTheSidecarStandsStill) {
  StartSidecar();
  StartService();
  ASSERT_TRUE(Becomes("processes/shop", kLive));

  sidecar_->Signal(SIGSTOP);
  Throughout([] { return true; }, absl::Seconds(10));
  sidecar_->Signal(SIGCONT);

  EXPECT_TRUE(Becomes("processes/shop", kLive, kSoon));
  EXPECT_EQ(Count(*service_, "not attached"), 0) << service_->output();
  ExpectNoCallLost();
}

TEST_F(AttachTest, EndsAServicePromptlyWhileTheSidecarStandsStill) {
  StartSidecar();
  StartService();
  ASSERT_TRUE(Becomes("processes/shop", kLive));
  sidecar_->Signal(SIGSTOP);

  const Stopwatch watch;
  ExpectNoCallLost();

  EXPECT_LT(watch.Elapsed(), kSoon);
  sidecar_->Signal(SIGCONT);
}

TEST_F(AttachTest, MarksAServiceThatStandsStillStaleAndLiveAgainWhenItGoesOn) {
  StartSidecar();
  StartService();
  ASSERT_TRUE(Becomes("processes/shop", kLive));
  ASSERT_TRUE(Eventually([this] { return Pools().size() == 2; }));

  service_->Signal(SIGSTOP);
  EXPECT_TRUE(Becomes("processes/shop", kStale, kSoon));
  EXPECT_TRUE(Pools()[0].stale());
  EXPECT_THAT(Drain("processes/shop/pools/orders"), StatusIs(grpc::StatusCode::UNAVAILABLE));
  Throughout([] { return true; }, absl::Seconds(10));
  EXPECT_EQ(StateOf("processes/shop"), kStale);

  service_->Signal(SIGCONT);
  EXPECT_TRUE(Becomes("processes/shop", kLive, kSoon));
  EXPECT_FALSE(Pools()[0].stale());
  EXPECT_EQ(Count(*service_, "not attached"), 0) << service_->output();
  ExpectNoCallLost();
}

TEST_F(AttachTest, KnowsAServiceAgainThatWasKilledAndStarted) {
  StartSidecar();
  StartService();
  ASSERT_TRUE(Becomes("processes/shop", kLive));

  Kill(*service_);
  EXPECT_TRUE(Becomes("processes/shop", kLost, kSoon));
  EXPECT_TRUE(Eventually([this] { return Pools().size() == 2 && Pools()[0].stale(); }));

  StartService();
  EXPECT_TRUE(Becomes("processes/shop", kLive, kSoon));
  EXPECT_EQ(StateOf("processes/shop-2"), ProcessState::PROCESS_STATE_UNSPECIFIED);
  ExpectNoCallLost();
}

TEST_F(AttachTest, TellsTwoServicesOfOneNameApart) {
  StartSidecar();
  StartService();
  ASSERT_TRUE(Becomes("processes/shop", kLive));
  const std::unique_ptr<Program> second = NewService();
  EXPECT_TRUE(Becomes("processes/shop-2", kLive));
  EXPECT_TRUE(second->AwaitOutput("attached as shop-2"));
  EXPECT_TRUE(Eventually([this] { return Pools().size() == 4; }));
  ExpectNoCallLost();
}

}  // namespace
}  // namespace chanpool
