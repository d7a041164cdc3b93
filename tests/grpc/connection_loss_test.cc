// What becomes of a pool when its connections are lost, and that nothing but loss ends a call.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "pool/grpc/channel_pool.h"
#include "pool/grpc/closer_thread.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/frame_peer.h"
#include "tests/fakes/sockets.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::EchoServer;
using ::chanpool::testing::EchoServerOptions;
using ::chanpool::testing::EstablishedSocketsTo;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::FramePeer;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::Throughout;
using ::testing::HasSubstr;

constexpr absl::Duration kOutage = absl::Seconds(3);

// A callback call that waits for a connection, however long.
class PatientCall {
 public:
  PatientCall(const std::shared_ptr<grpc::ChannelInterface>& channel, int delay_ms) : stub_(Echo::NewStub(channel)) {
    request_.set_delay_ms(delay_ms);
    context_.set_wait_for_ready(true);
    context_.set_deadline(DeadlineIn(kLimit));
    stub_->async()->Unary(&context_, &request_, &reply_, [this](grpc::Status status) {
      status_ = std::move(status);
      over_.Notify();
    });
  }
  ~PatientCall() {
    context_.TryCancel();
    Await();
  }
  grpc::Status Await() {
    EXPECT_TRUE(over_.Await());
    return status_;
  }
  bool over() const { return over_.happened(); }

 private:
  EchoRequest request_;
  EchoReply reply_;
  grpc::Status status_;
  Signal over_;
  grpc::ClientContext context_;
  const std::unique_ptr<Echo::Stub> stub_;
};

grpc::Status Call(const std::shared_ptr<grpc::ChannelInterface>& channel, bool wait_for_ready = false) {
  grpc::ClientContext context;
  context.set_wait_for_ready(wait_for_ready);
  context.set_deadline(DeadlineIn(kLimit));
  EchoReply reply;
  return Echo::NewStub(channel)->Unary(&context, EchoRequest(), &reply);
}

class ConnectionLossTest : public ::testing::Test {
 protected:
  void Make(const std::string& target, PoolOptions pool) {
    ChannelPoolOptions options;
    options.name = "orders";
    options.target = target;
    options.pool = pool;
    pool_ = ChannelPool::Create(std::move(options)).value();
  }

  // A pool with exactly `connections`, all open.
  void MakeReady(const EchoServer& server, int connections, PoolOptions pool = PoolOptions()) {
    pool.min_connections = pool.max_connections = connections;
    Make(server.target(), pool);
    ASSERT_THAT(pool_->WaitForReady(connections, In(kLimit)), IsOk());
  }

  std::set<std::string> OpenConnections() const {
    std::set<std::string> ids;
    for (const ConnectionStats& connection : pool_->Connections()) {
      if (connection.state == SlotState::kOpen) ids.insert(connection.id.ToString());
    }
    return ids;
  }

  uint64_t Closed(CloseReason reason) const { return pool_->Stats().closed_by_reason[static_cast<int>(reason)]; }

  std::shared_ptr<ChannelPool> pool_;
};

// Accepts whoever dials, hangs up at once, and counts.
class HangsUp {
 public:
  HangsUp() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    accepts_ = std::thread([this] {
      for (;;) {
        const int peer = accept(listener_, nullptr, nullptr);
        if (peer < 0) return;
        ++dials;
        close(peer);
      }
    });
  }
  ~HangsUp() {
    shutdown(listener_, SHUT_RDWR);
    accepts_.join();
    close(listener_);
  }
  std::string target() const { return "ipv4:127.0.0.1:" + std::to_string(port_); }
  std::atomic<int> dials{0};

 private:
  int listener_ = -1;
  int port_ = 0;
  std::thread accepts_;
};

// --- Loss ---------------------------------------------------------------------------------------------------------

TEST_F(ConnectionLossTest, ReplacesEveryConnectionThatIsLost) {
  EchoServer server;
  MakeReady(server, 4);
  const std::set<std::string> before = OpenConnections();
  server.Restart();
  EXPECT_TRUE(Eventually([&] {
    const std::set<std::string> now = OpenConnections();
    return now.size() == 4 && std::none_of(now.begin(), now.end(), [&](const auto& id) { return before.count(id); });
  }));
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server.port()) == 4; }));
  EXPECT_EQ(Closed(CloseReason::kLost), 4);
  EXPECT_THAT(Call(pool_->channel()), IsOk());
}

// Pings of the user's own choosing, at a server that was not told of them.
TEST_F(ConnectionLossTest, PingsThatAServerTakesForAbuseAreNamedWithWhatToDo) {
  EchoServer stock;
  ChannelPoolOptions options;
  options.target = stock.target();
  options.pool.min_connections = options.pool.max_connections = 1;
  options.keepalive.time = absl::Milliseconds(20);
  options.keepalive.permit_without_calls = true;
  pool_ = ChannelPool::Create(std::move(options)).value();
  Signal told;
  std::string why;
  const Subscription events = pool_->Subscribe([&](const PoolEvent& event) {
    if (told.happened() || event.kind != PoolEvent::Kind::kDraining || event.reason != CloseReason::kLost) return;
    why = event.detail;
    told.Notify();
  });
  ASSERT_TRUE(told.Await());
  EXPECT_THAT(why, HasSubstr("keepalive.time 20ms, also without calls) may have earned GOAWAY too_many_pings"));
  EXPECT_THAT(why, HasSubstr("Set keepalive.time to 5m"));
}

TEST_F(ConnectionLossTest, TheFirstCallAfterALossEndsWithTheReason) {
  EchoServer server;
  MakeReady(server, 1);
  server.Stop();
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().dial_failures > 0; }));
  EXPECT_TRUE(Eventually([&] {
    const grpc::Status status = Call(pool_->channel());
    EXPECT_THAT(status, StatusIs(grpc::StatusCode::UNAVAILABLE));
    return absl::StrContains(status.error_message(), "refused");
  }));
}

TEST_F(ConnectionLossTest, LendsNoConnectionThatIsLostAndNotReportedYet) {
  auto server = std::make_unique<EchoServer>();
  MakeReady(*server, 2);
  // The closer's thread, which reports losses, is held up by a user's callback.
  Signal held_up, go_on, over;
  pool_->AcquireAsync(In(kLimit), [&](const absl::StatusOr<Lease>&) {
    held_up.Notify();
    go_on.Await();
    over.Notify();
  });
  ASSERT_TRUE(held_up.Await());
  server = nullptr;
  const bool refused = Eventually([this] { return !pool_->Acquire(In(absl::Milliseconds(20))).ok(); });
  EXPECT_TRUE(refused && !over.happened()) << "the pool lends what gRPC knows to be lost";
  go_on.Notify();
  EXPECT_TRUE(over.Await());
}

TEST_F(ConnectionLossTest, DialsOneAtATimeOnItsBackoffDuringAnOutage) {
  EchoServer server;
  MakeReady(server, 10);
  std::atomic<int> most_at_once{0};
  server.Stop();
  // Ten are lost at once: each loss may start a dial before the first has failed. From then on one stands for all.
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().connections_backoff == 1; }));
  const uint64_t dials_before = pool_->Stats().dial_failures;
  EXPECT_TRUE(Throughout(
      [&] {
        const PoolStats stats = pool_->Stats();
        most_at_once = std::max(most_at_once.load(), stats.connections_connecting + stats.connections_backoff);
        return stats.connections_open == 0;
      },
      kOutage));
  EXPECT_EQ(most_at_once, 1);
  // 100 ms x 1.6^n, +-20 %: 4 steps are at most 1.7 s long, 8 at least 5.6 s. Ten losses at once are one step.
  EXPECT_GE(pool_->Stats().dial_failures - dials_before, 3);
  EXPECT_LE(pool_->Stats().dial_failures - dials_before, 8);
  server.Start();
  EXPECT_THAT(pool_->WaitForReady(10, In(kLimit)), IsOk());
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server.port()) == 10; }));
}

TEST_F(ConnectionLossTest, APeerThatHangsUpAtOnceIsDialledOnTheBackoff) {
  HangsUp peer;
  PoolOptions pool;
  pool.min_connections = pool.max_connections = 10;
  Make(peer.target(), pool);
  // The ten first dials begin at once; the first to fail does not stop those under way.
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().connections_backoff == 1 && peer.dials >= 10; }));
  const int before = peer.dials;
  EXPECT_TRUE(Throughout([&] { return pool_->Stats().connections_open == 0; }, kOutage));
  EXPECT_GE(peer.dials - before, 2);
  EXPECT_LE(peer.dials - before, 8);
}

TEST_F(ConnectionLossTest, CallsThatWaitForReadySurviveAnOutage) {
  EchoServer server;
  MakeReady(server, 2);
  server.Stop();
  // Both losses are known: a call that is written to a broken connection ends with it.
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().dial_failures > 0 && pool_->Stats().connections_open == 0; }));
  std::vector<std::unique_ptr<PatientCall>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(std::make_unique<PatientCall>(pool_->channel(), 0));
  std::vector<grpc::Status> statuses(5);
  std::vector<std::thread> blocked;
  for (grpc::Status& status : statuses) {
    blocked.emplace_back([&] { status = Call(pool_->channel(), /*wait_for_ready=*/true); });
  }
  EXPECT_TRUE(
      Throughout([&] { return std::none_of(calls.begin(), calls.end(), [](auto& c) { return c->over(); }); }, kOutage));
  server.Start();
  for (std::thread& thread : blocked) thread.join();
  for (const grpc::Status& status : statuses) EXPECT_THAT(status, IsOk());
  for (const auto& call : calls) EXPECT_THAT(call->Await(), IsOk());
}

TEST_F(ConnectionLossTest, AServerThatSendsGoawayCutsNoCall) {
  EchoServerOptions options;
  options.max_connection_age = absl::Milliseconds(300);
  options.max_connection_age_grace = absl::Seconds(30);
  EchoServer server(options);
  MakeReady(server, 3);
  const std::set<std::string> before = OpenConnections();
  std::vector<std::unique_ptr<PatientCall>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(std::make_unique<PatientCall>(pool_->channel(), 1'200));
  EXPECT_TRUE(Eventually([&] { return Closed(CloseReason::kLost) + pool_->Stats().connections_draining >= 3; }));
  for (const auto& call : calls) EXPECT_THAT(call->Await(), IsOk());
  EXPECT_TRUE(Eventually([&] {
    const std::set<std::string> now = OpenConnections();
    return now.size() == 3 && std::none_of(now.begin(), now.end(), [&](const auto& id) { return before.count(id); });
  }));
}

// --- What is not loss cuts no call --------------------------------------------------------------------------------

TEST_F(ConnectionLossTest, AgeCutsNoCall) {
  EchoServer server;
  PoolOptions pool;
  pool.max_age = absl::Milliseconds(300);
  pool.drain_grace = absl::Milliseconds(100);
  MakeReady(server, 2, pool);
  grpc::ClientContext context;
  const auto stream = Echo::NewStub(pool_->channel())->Bidi(&context);
  EchoReply reply;
  const auto echo = [&] { return stream->Write(EchoRequest()) && stream->Read(&reply); };
  ASSERT_TRUE(echo());
  PatientCall call(pool_->channel(), 1'500);
  // Several lives of the other connections later.
  EXPECT_TRUE(Eventually([&] { return Closed(CloseReason::kMaxAge) >= 4; }));
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().connections_lingering >= 1; }));
  EXPECT_TRUE(echo());
  EXPECT_THAT(call.Await(), IsOk());
  stream->WritesDone();
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_F(ConnectionLossTest, IdleTimeCutsNoCall) {
  EchoServer server;
  PoolOptions pool;
  pool.min_connections = 0;
  pool.max_idle = absl::Milliseconds(100);
  Make(server.target(), pool);
  ASSERT_THAT(pool_->WaitForReady(4, In(kLimit)), IsOk());
  grpc::ClientContext context;
  const auto stream = Echo::NewStub(pool_->channel())->Bidi(&context);
  EchoReply reply;
  ASSERT_TRUE(stream->Write(EchoRequest()) && stream->Read(&reply));
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server.port()) == 1; }));
  EXPECT_EQ(Closed(CloseReason::kIdle), 3);
  // Quiet for several times max_idle, but not over.
  EXPECT_TRUE(Throughout([&] { return pool_->Stats().connections_open == 1; }, absl::Milliseconds(500)));
  EXPECT_TRUE(stream->Write(EchoRequest()) && stream->Read(&reply));
  stream->WritesDone();
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().connections == 0; }));
}

// Until the closer has done what it was given before.
void AwaitCloser() {
  Signal done;
  CloserThread::Get()->Post([&done] { done.Notify(); });
  ASSERT_TRUE(done.Await());
}

TEST(UnfinishedDialTest, WhatIsGivenUpWhileItsServerIsSlowLeavesNoConnection) {
  FramePeer peer;
  peer.HoldGreetings();
  ChannelPoolOptions options;
  options.target = peer.target();
  options.pool.min_connections = options.pool.max_connections = options.pool.max_connecting = 3;
  std::shared_ptr<ChannelPool> pool = ChannelPool::Create(options).value();
  ASSERT_TRUE(Eventually([&] { return peer.connections() == 3; }));
  pool.reset();
  AwaitCloser();
  peer.Greet();  // Too late.
  EXPECT_TRUE(Eventually([&] { return peer.connections() == 0; })) << peer.connections() << " are left";
}

TEST(UnfinishedDialTest, NorDoesWhatIsGivenUpWhileItDialsOnceMore) {
  FramePeer peer;
  peer.HoldGreetings();
  peer.HangUpOn(1);
  ChannelPoolOptions options;
  options.target = peer.target();
  std::shared_ptr<ChannelPool> pool = ChannelPool::Create(options).value();
  // gRPC says TRANSIENT_FAILURE since the first, and nothing of those that come after.
  ASSERT_TRUE(Eventually([&] { return !peer.settings().empty() && pool->Stats().dial_failures >= 2; }));
  pool.reset();
  AwaitCloser();
  peer.Greet();  // Too late.
  EXPECT_TRUE(Eventually([&] { return peer.connections() == 0; })) << peer.connections() << " are left";
}

TEST_F(ConnectionLossTest, ShrinkingCutsNoCall) {
  EchoServer server;
  PoolOptions pool;
  pool.max_leases_per_connection = 1;
  MakeReady(server, 4, pool);
  std::vector<std::unique_ptr<PatientCall>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(std::make_unique<PatientCall>(pool_->channel(), 500));
  PoolOptions narrow = pool_->options();
  narrow.min_connections = narrow.max_connections = narrow.max_surge = 1;
  ASSERT_THAT(pool_->Reconfigure(narrow), IsOk());
  EXPECT_EQ(pool_->Stats().connections_draining, 3);
  for (const auto& call : calls) EXPECT_THAT(call->Await(), IsOk());
  calls.clear();
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server.port()) == 1; }));
  EXPECT_EQ(Closed(CloseReason::kShrunk), 3);
}

}  // namespace
}  // namespace chanpool
