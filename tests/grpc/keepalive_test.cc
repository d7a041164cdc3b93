// Keepalive against a peer of which everything is seen: a few lines of HTTP/2, enough for gRPC to become READY.
#include "pool/grpc/keepalive.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "pool/core/mutex.h"
#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::Eventually;
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

// Speaks HTTP/2 as far as frames: answers SETTINGS and, until it falls silent, PING. Never answers a call.
class FramePeer {
 public:
  FramePeer() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    accepts_ = std::thread([this] { Accept(); });
  }

  ~FramePeer() {
    shutdown(listener_, SHUT_RDWR);
    accepts_.join();
    close(listener_);
    {
      MutexLock lock(&mu_);
      for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : serves_) thread.join();
  }

  std::string target() const { return "ipv4:127.0.0.1:" + std::to_string(port_); }

  // From now on it reads and says nothing, as if the network had swallowed it.
  void FallSilent() { silent_ = true; }

  int pings() const { return pings_; }
  int calls() const { return calls_; }

 private:
  static constexpr uint8_t kHeaders = 1, kSettings = 4, kPing = 6, kAck = 1;

  void Accept() {
    for (;;) {
      const int socket = accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      MutexLock lock(&mu_);
      sockets_.insert(socket);
      serves_.emplace_back([this, socket] { Serve(socket); });
    }
  }

  void Serve(int socket) {
    std::string preface(24, '\0');  // "PRI * HTTP/2.0..."
    if (Read(socket, preface)) {
      Send(socket, kSettings, 0, "");
      std::string header(9, '\0');
      while (Read(socket, header)) {
        const auto byte = [&header](int i) { return static_cast<uint8_t>(header[i]); };
        std::string payload(byte(0) << 16 | byte(1) << 8 | byte(2), '\0');
        if (!Read(socket, payload)) break;
        const uint8_t type = byte(3), flags = byte(4);
        calls_ += type == kHeaders;
        if (type == kSettings && (flags & kAck) == 0) Send(socket, kSettings, kAck, "");
        if (type == kPing && (flags & kAck) == 0) {
          ++pings_;
          Send(socket, kPing, kAck, payload);
        }
      }
    }
    MutexLock lock(&mu_);
    sockets_.erase(socket);
    close(socket);
  }

  static bool Read(int socket, std::string& all) {
    size_t have = 0;
    while (have < all.size()) {
      const ssize_t n = recv(socket, &all[have], all.size() - have, 0);
      if (n <= 0) return false;
      have += n;
    }
    return true;
  }

  void Send(int socket, uint8_t type, uint8_t flags, const std::string& payload) {
    if (silent_) return;
    std::string frame(9, '\0');
    frame[2] = static_cast<char>(payload.size());
    frame[3] = static_cast<char>(type);
    frame[4] = static_cast<char>(flags);
    frame += payload;
    send(socket, frame.data(), frame.size(), MSG_NOSIGNAL);
  }

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> silent_{false};
  std::atomic<int> pings_{0};
  std::atomic<int> calls_{0};
  Mutex mu_;
  std::set<int> sockets_ ABSL_GUARDED_BY(mu_);
  std::thread accepts_;
  std::vector<std::thread> serves_;  // Written by accepts_, read once that is joined.
};

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

}  // namespace
}  // namespace chanpool
