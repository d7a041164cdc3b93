// Names that become endpoints: a real DNS server and real echo servers, on addresses of the loopback network.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pool/grpc/channel_pool.h"
#include "pool/testing/fake_clock.h"
#include "tests/fakes/dns_server.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::DnsServer;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::EchoServer;
using ::chanpool::testing::EchoServerOptions;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::Stopwatch;
using ::chanpool::testing::Throughout;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kName[] = "orders.test";

struct Called {
  grpc::Status status;
  std::string authority;
};

Called Call(const std::shared_ptr<grpc::ChannelInterface>& channel, bool wait_for_ready = false) {
  grpc::ClientContext context;
  context.set_wait_for_ready(wait_for_ready);
  context.set_deadline(DeadlineIn(kLimit));
  EchoReply reply;
  const grpc::Status status = Echo::NewStub(channel)->Unary(&context, EchoRequest(), &reply);
  return {status, reply.authority()};
}

// A call that does not hold up the test.
class CallUnderWay {
 public:
  explicit CallUnderWay(std::shared_ptr<grpc::ChannelInterface> channel, bool wait_for_ready = false)
      : thread_([this, channel = std::move(channel), wait_for_ready] {
          status_ = Call(channel, wait_for_ready).status;
          over_.Notify();
        }) {}
  ~CallUnderWay() { thread_.join(); }
  bool over() const { return over_.happened(); }
  grpc::Status Await() {
    EXPECT_TRUE(over_.Await());
    return status_;
  }

 private:
  grpc::Status status_;
  Signal over_;
  std::thread thread_;
};

// Calls without a pause, and how many failed.
class Load {
 public:
  explicit Load(const std::shared_ptr<grpc::ChannelInterface>& channel) {
    for (int i = 0; i < kCallers; ++i) {
      threads_.emplace_back([this, channel] {
        while (!ends_) {
          const grpc::Status status = Call(channel).status;
          ++calls_;
          if (!status.ok()) ++failed_;
        }
      });
    }
  }
  int End() {
    ends_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return failed_;
  }
  ~Load() { End(); }
  int64_t calls() const { return calls_; }

  // More than a test has connections: a thread alone on its connection stays there, whatever others are added.
  static constexpr int kCallers = 8;

 private:
  std::atomic<bool> ends_{false};
  std::atomic<int64_t> calls_{0};
  std::atomic<int> failed_{0};
  std::vector<std::thread> threads_;
};

// A TCP port that takes no connection and refuses none: its backlog is full.
class BlackHole {
 public:
  BlackHole(int family, int port) {
    listener_ = socket(family, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    works_ = bind(listener_, reinterpret_cast<sockaddr*>(&v6), sizeof(v6)) == 0 && listen(listener_, 0) == 0;
    for (int i = 0; works_ && i < 8; ++i) {
      fillers_.push_back(socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0));
      connect(fillers_.back(), reinterpret_cast<sockaddr*>(&v6), sizeof(v6));
    }
  }
  ~BlackHole() {
    for (const int fd : fillers_) close(fd);
    close(listener_);
  }
  bool works() const { return works_; }

 private:
  int listener_ = -1;
  bool works_ = false;
  std::vector<int> fillers_;
};

class EndpointsTest : public ::testing::Test {
 protected:
  ~EndpointsTest() override { pool_ = nullptr; }

  // A server on the port that all of them have.
  EchoServer& Serve(const std::string& host) {
    EchoServerOptions options;
    options.host = host;
    options.port = port_;
    options.serves_health = true;
    servers_[host] = std::make_unique<EchoServer>(options);
    port_ = servers_[host]->port();
    return *servers_[host];
  }
  void Answer(std::vector<std::string> ips, absl::Duration ttl = absl::Seconds(30)) {
    dns_.Set(kName, std::move(ips), ttl);
  }

  ChannelPoolOptions Options() {
    ChannelPoolOptions options;
    options.name = "orders";
    options.target = absl::StrCat("dns:///", kName, ":", port_);
    options.dns.servers = {dns_.address()};
    options.pool.backoff_initial = absl::Milliseconds(20);
    options.pool.backoff_max = absl::Milliseconds(200);
    options.clock = clock_;
    return options;
  }
  void Make(const ChannelPoolOptions& options) {
    absl::StatusOr<std::shared_ptr<ChannelPool>> made = ChannelPool::Create(options);
    ASSERT_THAT(made, IsOk());
    pool_ = *std::move(made);
  }
  void MakeReady(int connections) {
    ChannelPoolOptions options = Options();
    options.pool.min_connections = options.pool.max_connections = connections;
    Make(options);
    ASSERT_THAT(pool_->WaitForReady(connections, In(kLimit)), IsOk());
    ASSERT_TRUE(Eventually([&] { return Dns().state == ResolutionState::kResolved; }));  // Of both families.
  }
  // 127.0.0.`host`, as an endpoint.
  std::string At(int host) const { return absl::StrCat("ipv4:127.0.0.", host, ":", port_); }
  // Open connections by address.
  std::map<std::string, int> Open() const {
    std::map<std::string, int> open;
    for (const EndpointStats& row : pool_->Endpoints()) open[row.endpoint.address] = row.connections_open;
    return open;
  }
  bool EventuallyOpen(const std::map<std::string, int>& wanted) {
    return Eventually([&] { return Open() == wanted; });
  }
  ResolutionStats Dns() const { return pool_->Resolution().value(); }

  // Kept for good: the thread for names may look at the time when the pool is gone.
  static FakeClock* NewClock() {
    static auto* const clocks = new std::vector<std::unique_ptr<FakeClock>>;
    return clocks->emplace_back(std::make_unique<FakeClock>()).get();
  }

  FakeClock* const fake_clock_ = NewClock();
  Clock* clock_ = nullptr;  // The real one.
  DnsServer dns_;
  int port_ = 0;
  std::map<std::string, std::unique_ptr<EchoServer>> servers_;
  std::shared_ptr<ChannelPool> pool_;
};

// --- Addresses ----------------------------------------------------------------------------------------------------

TEST_F(EndpointsTest, ConnectionsSpreadOverTheAddressesOfATarget) {
  Serve("127.0.0.1"), Serve("127.0.0.2");
  ChannelPoolOptions options = Options();
  options.target = absl::StrCat("ipv4:127.0.0.1:", port_, ",127.0.0.2:", port_);
  options.pool.min_connections = options.pool.max_connections = 4;
  Make(options);
  EXPECT_TRUE(EventuallyOpen({{At(1), 2}, {At(2), 2}}));
  EXPECT_FALSE(pool_->Resolution().has_value());
}

TEST_F(EndpointsTest, AListOfAddressesIsUsedByItsWeights) {
  Serve("127.0.0.1"), Serve("127.0.0.2");
  ChannelPoolOptions options = Options();
  options.target = "orders.example:50051";
  options.endpoints = {{At(1), 1}, {At(2), 3}};
  options.pool.min_connections = options.pool.max_connections = 4;
  Make(options);
  EXPECT_TRUE(EventuallyOpen({{At(1), 1}, {At(2), 3}}));
  const Called called = Call(pool_->channel());
  EXPECT_THAT(called.status, IsOk());
  EXPECT_EQ(called.authority, "orders.example:50051");
}

TEST_F(EndpointsTest, AnEndpointThatIsNoneIsRefusedByName) {
  ChannelPoolOptions options = Options();
  options.target = "orders:1";
  options.endpoints = {{"ipv4:nowhere"}};
  EXPECT_THAT(ChannelPool::Create(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("endpoints: \"ipv4:nowhere\"")));
  options.endpoints = {{"ipv4:10.0.0.1:1"}, {"ipv4:10.0.0.1:1"}};
  EXPECT_THAT(ChannelPool::Create(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  options.endpoints = {};
  options.dns.timeout = absl::ZeroDuration();
  EXPECT_THAT(ChannelPool::Create(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dns.timeout")));
}

TEST_F(EndpointsTest, ServersSeeTheAuthorityOfAPlainChannel) {
  Serve("127.0.0.1");
  Answer({"127.0.0.1"});
  const std::string name = absl::StrCat(kName, ":", port_), address = absl::StrCat("127.0.0.1:", port_);
  const std::string of_both = absl::StrCat("ipv4:", address, ",127.0.0.2:", port_);
  // A plain channel asks our server too.
  const std::string plain_name = absl::StrCat("dns://", dns_.address(), "/", name);
  const std::pair<std::string, std::string> targets[] = {
      {name, plain_name},
      {absl::StrCat("dns:///", name), plain_name},
      {address, address},
      {absl::StrCat("ipv4:", address), absl::StrCat("ipv4:", address)},
      {of_both, of_both}};
  for (const auto& [target, plain_target] : targets) {
    ChannelPoolOptions options = Options();
    options.target = target;
    Make(options);
    const Called plain = Call(grpc::CreateChannel(plain_target, grpc::InsecureChannelCredentials()));
    const Called early = Call(pool_->channel());
    ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
    const Called later = Call(pool_->channel());
    ASSERT_THAT(plain.status, IsOk()) << target;
    ASSERT_THAT(early.status, IsOk()) << target;
    ASSERT_THAT(later.status, IsOk()) << target;
    EXPECT_EQ(early.authority, plain.authority) << target;
    EXPECT_EQ(later.authority, plain.authority) << target;
  }
}

TEST_F(EndpointsTest, AnAuthorityOfTheUsersStays) {
  Serve("127.0.0.1");
  Answer({"127.0.0.1"});
  for (const char* argument : {GRPC_ARG_DEFAULT_AUTHORITY, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG}) {
    ChannelPoolOptions options = Options();
    options.channel_arguments.SetString(argument, "mine");
    Make(options);
    ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
    EXPECT_EQ(Call(pool_->channel()).authority, "mine") << argument;
  }
}

TEST_F(EndpointsTest, LocalhostAndNumbersNeedNoServer) {
  Serve("127.0.0.1");
  for (const std::string& target : {absl::StrCat("localhost:", port_), absl::StrCat("127.0.0.1:", port_)}) {
    ChannelPoolOptions options = Options();
    options.target = target;
    Make(options);
    const Called called = Call(pool_->channel());
    EXPECT_THAT(called.status, IsOk()) << target;
    EXPECT_EQ(called.authority, target);
    EXPECT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  }
  EXPECT_EQ(dns_.queries(DnsServer::kA), 0);
}

TEST_F(EndpointsTest, LocalhostIsOfBothFamiliesWhateverTheHostsFileSays) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    if (std::string(host) == "::1" && !BlackHole(AF_INET6, 0).works()) GTEST_SKIP() << "no IPv6 here";
    servers_.clear();  // Nobody else has the port.
    Serve(host);
    ChannelPoolOptions options = Options();
    options.target = absl::StrCat("LocalHost:", port_);
    Make(options);
    EXPECT_THAT(Call(pool_->channel()).status, IsOk()) << host;
    EXPECT_TRUE(EventuallyOpen({{servers_[host]->target(), 1}})) << host;
  }
}

TEST_F(EndpointsTest, ANameBehindAnHttpProxyIsLeftToGrpcAndThePoolSaysSo) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  ChannelPoolOptions options = Options();
  options.target = "dns:///orders.test:1";
  Make(options);
  unsetenv("http_proxy");
  EXPECT_FALSE(pool_->Resolution().has_value());
  EXPECT_THAT(pool_->warnings(), Contains(HasSubstr("HTTP proxy http://127.0.0.1:1")));
}

TEST_F(EndpointsTest, AListOfAddressesIsDialledPastAnHttpProxyAndThePoolSaysSo) {
  Serve("127.0.0.1");
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  ChannelPoolOptions options = Options();
  options.target = "orders.example:50051";
  options.endpoints = {{At(1)}};
  Make(options);
  const grpc::Status status = Call(pool_->channel()).status;
  unsetenv("http_proxy");
  EXPECT_THAT(status, IsOk());
  EXPECT_THAT(pool_->warnings(), Contains(HasSubstr("not through the HTTP proxy http://127.0.0.1:1")));
}

TEST_F(EndpointsTest, OtherSchemesStayGrpcs) {
  ChannelPoolOptions options = Options();
  options.target = "xds:///orders";
  Make(options);
  EXPECT_FALSE(pool_->Resolution().has_value());
  EXPECT_THAT(pool_->warnings(), IsEmpty());
  EXPECT_THAT(Open(), ElementsAre(Pair("", 0)));
}

// --- The first answer ---------------------------------------------------------------------------------------------

TEST_F(EndpointsTest, TheFirstCallWaitsForTheAnswer) {
  Serve("127.0.0.1");
  dns_.SetReplies(DnsServer::Reply::kSilence);
  Answer({"127.0.0.1"});
  ChannelPoolOptions options = Options();
  options.dns.timeout = absl::Seconds(2);  // Asks again each half second.
  options.pool.min_connections = 0;
  Make(options);
  CallUnderWay call(pool_->channel());
  ASSERT_TRUE(Eventually([&] { return dns_.queries(DnsServer::kA) >= 1; }));
  EXPECT_TRUE(Eventually([&] { return pool_->channel()->GetState(false) == GRPC_CHANNEL_CONNECTING; }));
  EXPECT_FALSE(call.over());
  dns_.SetReplies(DnsServer::Reply::kAnswer);
  EXPECT_THAT(call.Await(), IsOk());
}

TEST_F(EndpointsTest, ANameThatDoesNotExistFailsTheFirstCallWithThatReason) {
  port_ = 1;
  Make(Options());
  const grpc::Status first = Call(pool_->channel()).status;
  EXPECT_THAT(first, StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("name \"orders.test\": Domain name not found")));
  EXPECT_TRUE(Eventually([&] { return Dns().state == ResolutionState::kFailed; }));
  EXPECT_THAT(Dns().last_error, HasSubstr("name \"orders.test\": Domain name not found"));
  EXPECT_THAT(pool_->Acquire(In(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("name \"orders.test\"")));
}

TEST_F(EndpointsTest, AServerThatIsSilentFailsTheFirstCallAfterItsTimeOut) {
  port_ = 1;
  dns_.SetReplies(DnsServer::Reply::kSilence);
  ChannelPoolOptions options = Options();
  options.dns.timeout = absl::Milliseconds(100);
  Make(options);
  EXPECT_THAT(Call(pool_->channel()).status,
              StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("no answer within 100ms")));
  EXPECT_THAT(Dns().last_error, HasSubstr("no answer within 100ms"));
}

TEST_F(EndpointsTest, APatientCallOutlivesAnOutageOfDns) {
  Serve("127.0.0.1");
  dns_.SetReplies(DnsServer::Reply::kFailure);
  Answer({"127.0.0.1"});
  Make(Options());
  CallUnderWay call(pool_->channel(), /*wait_for_ready=*/true);
  ASSERT_TRUE(Eventually([&] { return Dns().failures >= 3; })) << "the pool tries again by its back-off";
  EXPECT_FALSE(call.over());
  dns_.SetReplies(DnsServer::Reply::kAnswer);
  EXPECT_THAT(call.Await(), IsOk());
  EXPECT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
}

TEST_F(EndpointsTest, AFamilyWhoseQuestionIsNotAnsweredHoldsNobodyUp) {
  Serve("127.0.0.1");
  dns_.SetReply(DnsServer::kAaaa, DnsServer::Reply::kSilence);
  Answer({"127.0.0.1"});
  ChannelPoolOptions options = Options();
  options.dns.timeout = absl::Seconds(60);
  Make(options);
  EXPECT_THAT(Call(pool_->channel()).status, IsOk());
  EXPECT_TRUE(Eventually([&] {
                return Open() == std::map<std::string, int>{{At(1), 1}};
              }) ||
              pool_->WaitForReady(1, In(kLimit)).ok());
  EXPECT_EQ(Dns().failures, 0u);
}

TEST_F(EndpointsTest, AFamilyWhoseAddressSwallowsDialsHoldsNobodyUpWhicheverIsKnownFirst) {
  Serve("127.0.0.1");
  BlackHole hole(AF_INET6, port_);
  if (!hole.works()) GTEST_SKIP() << "no IPv6 here";
  Answer({"127.0.0.1", "::1"});
  for (const DnsServer::Type first : {DnsServer::kA, DnsServer::kAaaa}) {
    const DnsServer::Type later = first == DnsServer::kA ? DnsServer::kAaaa : DnsServer::kA;
    dns_.SetReply(later, DnsServer::Reply::kSilence);
    ChannelPoolOptions options = Options();
    options.dns.timeout = absl::Seconds(1);  // Asks again each quarter of it.
    options.pool.min_connections = 2;
    options.pool.connect_timeout = absl::Minutes(1);
    const int before = dns_.queries(first);
    Make(options);
    CallUnderWay call(pool_->channel());
    ASSERT_TRUE(Eventually([&] { return dns_.queries(first) > before; }));
    dns_.SetReply(later, DnsServer::Reply::kAnswer);
    EXPECT_THAT(call.Await(), IsOk());
    EXPECT_TRUE(EventuallyOpen({{At(1), 2}}));
  }
}

TEST_F(EndpointsTest, OneServerOfTwoThatIsDownFailsNoFirstCall) {
  Serve("127.0.0.2");  // Nobody listens on 127.0.0.1.
  for (int i = 0; i < 20; ++i) {
    Answer({"127.0.0.1", "127.0.0.2"});
    ChannelPoolOptions options = Options();
    options.pool.min_connections = i % 2 == 0 ? 0 : 2;
    Make(options);
    EXPECT_THAT(Call(pool_->channel()).status, IsOk());
  }
}

TEST_F(EndpointsTest, TheOtherFamilyIsUsedWhenTheFirstOneDies) {
  Serve("127.0.0.1");
  if (!BlackHole(AF_INET6, port_).works()) GTEST_SKIP() << "no IPv6 here";
  Answer({"127.0.0.1", "::1"});
  MakeReady(1);
  ASSERT_EQ(Open(), (std::map<std::string, int>{{At(1), 1}}));
  servers_["127.0.0.1"]->Stop();
  Serve("::1");
  EXPECT_TRUE(EventuallyOpen({{servers_["::1"]->target(), 1}}));
  EXPECT_THAT(Call(pool_->channel()).status, IsOk());
}

// --- Later answers ------------------------------------------------------------------------------------------------

TEST_F(EndpointsTest, OneLookUpServesThePoolUntilItsTtlIsOver) {
  clock_ = fake_clock_;
  Serve("127.0.0.1");
  Answer({"127.0.0.1"}, absl::Seconds(30));
  MakeReady(200);
  EXPECT_EQ(dns_.queries(DnsServer::kA), 1);
  EXPECT_EQ(dns_.queries(DnsServer::kAaaa), 1);
  EXPECT_EQ(Dns().misses, 1u);
  EXPECT_EQ(Dns().hits, 200u);
  EXPECT_EQ(Dns().failures, 0u);
  EXPECT_EQ(Dns().ttl, absl::Seconds(30));
  fake_clock_->Advance(absl::Seconds(29));
  EXPECT_TRUE(Throughout([&] { return dns_.queries(DnsServer::kA) == 1; }, absl::Milliseconds(100)));
  fake_clock_->Advance(absl::Seconds(1));
  EXPECT_TRUE(Eventually([&] { return Dns().misses == 2 && dns_.queries(DnsServer::kA) == 2; }));
}

TEST_F(EndpointsTest, TheTtlIsHeldWithinItsBounds) {
  clock_ = fake_clock_;
  Serve("127.0.0.1");
  Answer({"127.0.0.1"}, absl::ZeroDuration());
  MakeReady(1);
  EXPECT_EQ(Dns().ttl, absl::Seconds(5));
  Answer({"127.0.0.1"}, absl::Hours(24));
  fake_clock_->Advance(absl::Seconds(5));
  EXPECT_TRUE(Eventually([&] { return Dns().ttl == absl::Minutes(5); }));
}

TEST_F(EndpointsTest, AddedAndRemovedServersFailNoCall) {
  clock_ = fake_clock_;
  Serve("127.0.0.1"), Serve("127.0.0.2"), Serve("127.0.0.3");
  Answer({"127.0.0.1", "127.0.0.2"});
  MakeReady(4);
  ASSERT_TRUE(EventuallyOpen({{At(1), 2}, {At(2), 2}}));
  Load load(pool_->channel());
  ASSERT_TRUE(Eventually([&] { return load.calls() > 100; }));
  Answer({"127.0.0.2", "127.0.0.3"});
  fake_clock_->Advance(absl::Seconds(30));
  EXPECT_TRUE(Eventually([&] {
    fake_clock_->Advance(absl::Milliseconds(100));
    return Open() == std::map<std::string, int>{{At(2), 2}, {At(3), 2}};
  }));
  const int64_t before = servers_["127.0.0.3"]->calls(), of_removed = servers_["127.0.0.1"]->calls();
  EXPECT_TRUE(Eventually([&] {
    fake_clock_->Advance(absl::Seconds(1));  // It starts slowly.
    return servers_["127.0.0.3"]->calls() > before + 100;
  })) << "an added one gets load";
  EXPECT_EQ(load.End(), 0);
  EXPECT_LE(servers_["127.0.0.1"]->calls(), of_removed + Load::kCallers) << "but for calls that were under way";
}

TEST_F(EndpointsTest, TheLastGoodAnswerHoldsWhileDnsFails) {
  clock_ = fake_clock_;
  Serve("127.0.0.1");
  Answer({"127.0.0.1"});
  MakeReady(1);
  dns_.SetReplies(DnsServer::Reply::kFailure);
  fake_clock_->Advance(absl::Seconds(30));
  ASSERT_TRUE(Eventually([&] { return Dns().state == ResolutionState::kStale; }));
  EXPECT_EQ(Dns().failures, 1u);
  EXPECT_THAT(Dns().last_error, HasSubstr("name \"orders.test\": Could not contact DNS servers"));
  EXPECT_EQ(Open(), (std::map<std::string, int>{{At(1), 1}}));
  EXPECT_THAT(Call(pool_->channel()).status, IsOk());
  dns_.SetReplies(DnsServer::Reply::kAnswer);
  fake_clock_->Advance(absl::Seconds(10));
  EXPECT_TRUE(Eventually([&] { return Dns().state == ResolutionState::kResolved; }));
}

TEST_F(EndpointsTest, ANameThatVanishesKeepsItsServers) {
  clock_ = fake_clock_;
  Serve("127.0.0.1");
  Answer({"127.0.0.1"});
  MakeReady(1);
  Answer({});
  fake_clock_->Advance(absl::Seconds(30));
  ASSERT_TRUE(Eventually([&] { return Dns().state == ResolutionState::kStale; }));
  EXPECT_EQ(Open(), (std::map<std::string, int>{{At(1), 1}}));
}

TEST_F(EndpointsTest, ALostConnectionAsksAgainButNotTooOften) {
  clock_ = fake_clock_;
  Serve("127.0.0.1"), Serve("127.0.0.2");
  Answer({"127.0.0.1"}, absl::Hours(1));
  MakeReady(1);
  ASSERT_TRUE(Eventually([&] { return Dns().misses == 1; }));
  Answer({"127.0.0.2"}, absl::Hours(1));  // It moves.
  servers_["127.0.0.1"]->Stop();
  ASSERT_TRUE(Eventually([&] { return pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kLost)] > 0; }));
  EXPECT_TRUE(Throughout([&] { return dns_.queries(DnsServer::kA) == 1; }, absl::Milliseconds(100)))
      << "min_interval is 10 s";
  fake_clock_->Advance(absl::Seconds(10));
  EXPECT_TRUE(EventuallyOpen({{At(2), 1}}));
}

TEST_F(EndpointsTest, MoreEndpointsThanConnectionsIsAWarning) {
  Serve("127.0.0.1"), Serve("127.0.0.2"), Serve("127.0.0.3");
  Answer({"127.0.0.1", "127.0.0.2", "127.0.0.3"});
  MakeReady(2);
  EXPECT_TRUE(Eventually([&] { return pool_->Endpoints().size() == 3; }));
  EXPECT_THAT(pool_->engine()->Warnings(), Contains(HasSubstr("below the 3 endpoints")));
}

TEST_F(EndpointsTest, RedirectedToAnotherNameTheOldServersLendUntilItHasAnAddress) {
  Serve("127.0.0.1"), Serve("127.0.0.2");
  Answer({"127.0.0.1"});
  MakeReady(2);
  Load load(pool_->channel());
  ChannelPoolOptions options = pool_->channel_options();
  options.target = absl::StrCat("dns:///moved.test:", port_);
  ASSERT_THAT(pool_->Redirect(options), IsOk());
  EXPECT_TRUE(Eventually([&] { return Dns().name == "moved.test" && Dns().failures >= 2; }));
  EXPECT_EQ(pool_->Stats().connections_open, 2);
  dns_.Set("moved.test", {"127.0.0.2"}, absl::Seconds(30));
  EXPECT_TRUE(EventuallyOpen({{At(2), 2}}));
  EXPECT_EQ(load.End(), 0);
}

TEST_F(EndpointsTest, APoolThatEndsWhileItsNameIsLookedUpEndsAtOnce) {
  port_ = 1;
  dns_.SetReplies(DnsServer::Reply::kSilence);
  for (int i = 0; i < 20; ++i) Make(Options());
  CallUnderWay call(pool_->channel());
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().leases == 1; }));
  EXPECT_THAT(pool_->Drain(In(absl::Milliseconds(1)), OnDeadline::kCancelCalls), IsOk());
  EXPECT_THAT(call.Await(), StatusIs(grpc::StatusCode::UNAVAILABLE));
}

}  // namespace
}  // namespace chanpool
