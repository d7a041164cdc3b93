// The proxy's faults as its two ends see them, by sockets of the test's own.
#include "tests/fault/fault_proxy.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/fakes/eventually.h"

namespace chanpool::fault {
namespace {

using ::chanpool::testing::Eventually;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Stopwatch;
using ::chanpool::testing::Throughout;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// One end of a connection. Whatever waits does so for kLimit at most.
class End {
 public:
  explicit End(int fd = -1) : fd_(fd) {
    const timeval limit = {absl::ToInt64Seconds(kLimit), 0};
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    const int on = 1;
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  End(End&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}
  End& operator=(End&& from) noexcept {
    std::swap(fd_, from.fd_);
    return *this;
  }
  ~End() { Close(); }

  static End Dial(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(port);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return End(fd);
    close(fd);
    return End();
  }

  bool ok() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

  bool Send(const std::string& bytes) {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // So many bytes; fewer if the other end ends first.
  std::string Receive(size_t size) {
    std::string bytes(size, '\0');
    const ssize_t got = recv(fd_, bytes.data(), size, MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }
  bool IsAtEnd() {
    char c = 0;
    return recv(fd_, &c, 1, 0) == 0;
  }
  bool IsReset() {
    char c = 0;
    return recv(fd_, &c, 1, 0) < 0 && errno == ECONNRESET;
  }
  // Nothing has come, neither bytes nor an end.
  bool IsQuiet() {
    char c = 0;
    return recv(fd_, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

 private:
  int fd_;
};

class FaultProxyTest : public ::testing::Test {
 protected:
  FaultProxyTest() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd, 64), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    listener_ = End(fd);
    proxy_ = std::make_unique<FaultProxy>(ntohs(address.sin_port));
  }

  void Connect(End& client, End& server) {
    client = End::Dial(proxy_->port());
    ASSERT_TRUE(client.ok());
    server = End(accept(listener_.fd(), nullptr, nullptr));
    ASSERT_TRUE(server.ok());
  }
  void Connect() { Connect(client_, server_); }

  void ExpectPasses(End& from, End& to) {
    ASSERT_TRUE(from.Send("hello"));
    EXPECT_EQ(to.Receive(5), "hello");
  }

  End listener_, client_, server_;
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(FaultProxyTest, PassesBytesAndEndsBothWays) {
  Connect();
  ExpectPasses(client_, server_);
  ExpectPasses(server_, client_);
  client_.Close();
  EXPECT_TRUE(server_.IsAtEnd());
  server_.Close();
  EXPECT_TRUE(Eventually([&] { return proxy_->open() == 0; }));
  EXPECT_EQ(proxy_->accepted(), 1);
}

TEST_F(FaultProxyTest, PassesMoreThanItHolds) {
  Connect();
  const std::string much(3'000'000, 'x');
  std::thread sender([&] { EXPECT_TRUE(client_.Send(much)); });
  EXPECT_EQ(server_.Receive(much.size()), much);
  sender.join();
}

TEST_F(FaultProxyTest, HangsUpOnWhomTheServerDoesNotTake) {
  listener_.Close();
  End client = End::Dial(proxy_->port());
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(client.IsReset());
}

TEST_F(FaultProxyTest, DelaysEachWay) {
  Connect();
  proxy_->Delay(absl::Milliseconds(80));
  for (const auto& [from, to] : {std::pair(&client_, &server_), std::pair(&server_, &client_)}) {
    const Stopwatch watch;
    ExpectPasses(*from, *to);
    EXPECT_GE(watch.Elapsed(), absl::Milliseconds(79));
  }
}

TEST_F(FaultProxyTest, WhatIsDroppedNeverComesAndTheConnectionStays) {
  Connect();
  proxy_->Drop();
  ASSERT_TRUE(client_.Send("lost"));
  ASSERT_TRUE(server_.Send("lost"));
  EXPECT_TRUE(Throughout([&] { return client_.IsQuiet() && server_.IsQuiet(); }, absl::Milliseconds(100)));
  proxy_->Heal();
  ExpectPasses(client_, server_);
  ExpectPasses(server_, client_);
}

TEST_F(FaultProxyTest, ABlackHoleAcknowledgesAndHoldsEverything) {
  Connect();
  proxy_->BlackHole();
  ASSERT_TRUE(client_.Send("hello"));
  EXPECT_TRUE(Eventually([&] {
    int unacknowledged = -1;
    return ioctl(client_.fd(), TIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0;
  }));
  server_.Close();  // Which the client does not learn.
  EXPECT_TRUE(Throughout([&] { return client_.IsQuiet(); }, absl::Milliseconds(100)));
  End late = End::Dial(proxy_->port());
  EXPECT_TRUE(late.ok());
  EXPECT_TRUE(late.Send("hello"));
  proxy_->Heal();
  End late_server(accept(listener_.fd(), nullptr, nullptr));
  EXPECT_EQ(late_server.Receive(5), "hello");
  EXPECT_TRUE(client_.Receive(1).empty()) << "the server's end did not come through";
}

TEST_F(FaultProxyTest, ABlackHoleGivesBackWhatAClientHangsUp) {
  Connect();
  proxy_->Strand();
  client_.Close();
  EXPECT_TRUE(Eventually([&] { return proxy_->open() == 0; }));
}

TEST_F(FaultProxyTest, StrandsWhatIsOpenAndPassesWhatComes) {
  Connect();
  proxy_->Strand();
  proxy_->Heal();
  ASSERT_TRUE(client_.Send("lost"));
  End client, server;
  Connect(client, server);
  ExpectPasses(client, server);
  ExpectPasses(server, client);
  EXPECT_TRUE(server_.IsQuiet());
}

TEST_F(FaultProxyTest, ResetsBothEnds) {
  Connect();
  ExpectPasses(client_, server_);
  proxy_->Reset();
  EXPECT_TRUE(client_.IsReset());
  EXPECT_TRUE(server_.IsReset());
  End client, server;
  Connect(client, server);
  ExpectPasses(client, server);
}

TEST_F(FaultProxyTest, EndsTheServersDirectionAlone) {
  Connect();
  proxy_->HalfClose();
  EXPECT_TRUE(client_.IsAtEnd());
  ExpectPasses(client_, server_);
  ASSERT_TRUE(server_.Send("lost"));
  EXPECT_TRUE(client_.IsAtEnd());
}

TEST_F(FaultProxyTest, CutsWhatItPassesIntoManySegments) {
  Connect();
  proxy_->ByteByByte();
  const std::string bytes = "two hundred bytes, one at a time" + std::string(168, '.');
  ASSERT_TRUE(client_.Send(bytes));
  EXPECT_EQ(server_.Receive(bytes.size()), bytes);
  tcp_info info = {};
  socklen_t size = sizeof(info);
  ASSERT_EQ(getsockopt(server_.fd(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_GE(info.tcpi_data_segs_in, 10);  // Unless it is cut: one.
}

TEST_F(FaultProxyTest, CorruptsOneByteOfTheNextApplicationDataAlone) {
  Connect();
  const std::string handshake = std::string("\x16\x03\x03\x00\x14", 5) + std::string(20, '\x17');
  const std::string data = std::string("\x17\x03\x03\x01\x2c", 5) + std::string(300, 'd');
  proxy_->CorruptNextRecord();
  EXPECT_EQ(proxy_->to_be_corrupted(), 1);
  // Records need not arrive as they are cut.
  for (const std::string& part :
       {handshake.substr(0, 3), handshake.substr(3) + data.substr(0, 4), data.substr(4), data}) {
    ASSERT_TRUE(server_.Send(part));
  }
  EXPECT_EQ(client_.Receive(handshake.size()), handshake);
  const std::string got = client_.Receive(data.size());
  ASSERT_EQ(got.size(), data.size());
  int different = 0;
  for (size_t i = 0; i < got.size(); ++i) different += got[i] != data[i];
  EXPECT_EQ(different, 1);
  EXPECT_EQ(got.substr(0, 5), data.substr(0, 5));
  EXPECT_EQ(client_.Receive(data.size()), data);
  EXPECT_EQ(proxy_->corrupted(), 1);
  EXPECT_EQ(proxy_->to_be_corrupted(), 0);
  EXPECT_EQ(proxy_->open_corrupted(), 1);
}

TEST_F(FaultProxyTest, WhereNothingIsAcceptedDialsHearNothing) {
  Connect();
  proxy_->StopAccepting();
  End late = End::Dial(proxy_->port());
  ASSERT_TRUE(late.ok());
  ASSERT_TRUE(late.Send("hello"));
  EXPECT_TRUE(Throughout([&] { return proxy_->accepted() == 1 && late.IsQuiet(); }, absl::Milliseconds(100)));
  ExpectPasses(client_, server_);
  proxy_->Heal();
  End late_server(accept(listener_.fd(), nullptr, nullptr));
  EXPECT_EQ(late_server.Receive(5), "hello");
}

TEST_F(FaultProxyTest, RefusesDialsAndServesOnItsPortAgain) {
  Connect();
  proxy_->Refuse();
  EXPECT_FALSE(End::Dial(proxy_->port()).ok());
  EXPECT_EQ(errno, ECONNREFUSED);
  ExpectPasses(client_, server_);
  proxy_->Heal();
  End client, server;
  Connect(client, server);
  ExpectPasses(client, server);
}

}  // namespace
}  // namespace chanpool::fault
