// Keepalive against a peer of which everything is seen.
#include "pool/grpc/keepalive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/frame_peer.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::FramePeer;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::Stopwatch;
using ::chanpool::testing::Throughout;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;

class KeepaliveTest : public ::testing::Test {
 protected:
  void MakeReady(const KeepaliveOptions& keepalive, absl::Duration probe_timeout = absl::Seconds(5)) {
    ChannelPoolOptions options;
    options.name = "orders";
    options.target = peer_.target();
    options.keepalive = keepalive;
    options.pool.max_connections = 1;
    options.pool.probe_timeout = probe_timeout;
    pool_ = ChannelPool::Create(std::move(options)).value();
    ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  }

  FramePeer peer_;
  std::shared_ptr<ChannelPool> pool_;
};

TEST_F(KeepaliveTest, SendsNoPingByDefault) {
  MakeReady(KeepaliveOptions());
  EXPECT_TRUE(Throughout([&] { return peer_.pings() == 0; }, absl::Seconds(2)));
}

TEST_F(KeepaliveTest, SendsNoPingWithoutCallsUnlessPermitted) {
  KeepaliveOptions keepalive;
  keepalive.time = absl::Milliseconds(200);
  MakeReady(keepalive);
  EXPECT_TRUE(Throughout([&] { return peer_.pings() == 0; }, absl::Seconds(2)));
}

TEST_F(KeepaliveTest, PingsAtItsPeriodAlsoWithoutCalls) {
  KeepaliveOptions keepalive;
  keepalive.time = absl::Milliseconds(500);
  keepalive.permit_without_calls = true;
  MakeReady(keepalive);
  // Far more than the two that gRPC would send without data in between.
  const Stopwatch watch;
  ASSERT_TRUE(Eventually([&] { return peer_.pings() >= 6; }));
  EXPECT_THAT(watch.Elapsed() / 6, AllOf(Ge(absl::Milliseconds(400)), Le(absl::Milliseconds(1500))));
  EXPECT_EQ(pool_->Stats().connections_open, 1);
}

TEST_F(KeepaliveTest, NoticesAPeerThatFellSilentAndEndsItsCalls) {
  KeepaliveOptions keepalive;
  keepalive.time = absl::Milliseconds(500);
  keepalive.timeout = absl::Milliseconds(500);
  MakeReady(keepalive);
  const ConnectionId before = pool_->Connections().at(0).id;
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  const EchoRequest request;
  EchoReply reply;
  grpc::Status status;
  Signal over;
  const auto stub = Echo::NewStub(pool_->channel());
  stub->async()->Unary(&context, &request, &reply, [&](grpc::Status s) {
    status = std::move(s);
    over.Notify();
  });
  ASSERT_TRUE(Eventually([&] { return peer_.calls() == 1 && peer_.pings() >= 1; }));

  peer_.FallSilent();

  const Stopwatch watch;
  ASSERT_TRUE(over.Await());
  // time + timeout, and up to 1 s more; half a second for a busy machine.
  EXPECT_LE(watch.Elapsed(), keepalive.time + keepalive.timeout + absl::Milliseconds(1500));
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_TRUE(Eventually([&] {
    const std::vector<ConnectionStats> now = pool_->Connections();
    return now.empty() || now.at(0).id != before;
  }));
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kLost)] == 1; }));
}

// The other way to find a dead peer: suspicion, and a probe that was sent and not answered.
TEST_F(KeepaliveTest, ASuspectThatIsSilentEndsItsCalls) {
  MakeReady(KeepaliveOptions(), /*probe_timeout=*/absl::Milliseconds(500));
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  const EchoRequest request;
  EchoReply reply;
  grpc::Status status;
  Signal over;
  const auto stub = Echo::NewStub(pool_->channel());
  stub->async()->Unary(&context, &request, &reply, [&](grpc::Status s) {
    status = std::move(s);
    over.Notify();
  });
  ASSERT_TRUE(Eventually([&] { return peer_.calls() == 1; }));
  pool_->Acquire(In(kLimit)).value().Suspect();
  ASSERT_TRUE(over.Await());
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("found dead")));
}

// A retry policy has no part in it: what this side cancels gRPC does not try again.
TEST_F(KeepaliveTest, ACallThatIsOwedAnAnswerEndsOnceWithTheReasonWithinTheConfiguredTime) {
  ChannelPoolOptions options;
  options.name = "orders";
  options.target = peer_.target();
  options.pool.probe_after_silence = absl::Milliseconds(400);
  options.pool.probe_timeout = absl::Milliseconds(400);
  options.retry.calls.resize(1);
  options.retry.calls[0].max_attempts = 5;
  pool_ = ChannelPool::Create(options).value();
  ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  const std::string connection = pool_->Connections().at(0).id.ToString();
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  EchoReply reply;

  const Stopwatch watch;
  const grpc::Status status = Echo::NewStub(pool_->channel())->Unary(&context, EchoRequest(), &reply);

  EXPECT_THAT(status, StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(status.error_message(),
            "connection found dead: pool \"orders\" gave up connection " + connection + " with its calls");
  // Of silence, and for the answer; a busy machine may take a second more.
  EXPECT_THAT(watch.Elapsed(), AllOf(Ge(absl::Milliseconds(400)), Le(absl::Milliseconds(1800))));
  EXPECT_EQ(peer_.calls(), 2) << "the call, once, and the probe";
}

}  // namespace
}  // namespace chanpool
