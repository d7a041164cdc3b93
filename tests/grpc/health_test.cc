// Connections to servers that say whether they serve: gRPC's own health service, and servers without one.
#include "pool/grpc/health.h"

#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <cstddef>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.pb.h"
#include "gtest/gtest.h"
#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/sockets.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using testing::DeadlineIn;
using testing::EchoServer;
using testing::EstablishedSocketsTo;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::In;
using testing::IsOk;
using testing::kLimit;
using testing::StatusIs;

constexpr char kService[] = "orders.v1.Orders";

// A server with gRPC's own health service.
class HealthServer {
 public:
  HealthServer() {
    grpc::EnableDefaultHealthCheckService(true);  // For the servers that are built from here on.
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    server_ = builder.BuildAndStart();
    grpc::EnableDefaultHealthCheckService(false);
  }
  ~HealthServer() { server_->Shutdown(DeadlineIn(absl::ZeroDuration())); }

  int port() const { return port_; }
  std::string target() const { return absl::StrCat("ipv4:127.0.0.1:", port_); }
  void Serve(bool serves) { server_->GetHealthCheckService()->SetServingStatus(kService, serves); }

 private:
  testing::Echo::Service service_;  // A server must have one.
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class HealthTest : public ::testing::TestWithParam<HealthCheck> {
 protected:
  std::shared_ptr<ChannelPool> MakePool(const std::string& target) {
    ChannelPoolOptions options;
    options.target = target;
    options.health.check = GetParam();
    options.health.service = kService;
    options.pool.max_connections = 2;
    options.pool.backoff_initial = absl::Milliseconds(1);
    options.pool.backoff_max = absl::Milliseconds(20);
    options.pool.validate_every = absl::Milliseconds(20);  // What asks where nothing watches.
    return *ChannelPool::Create(options);
  }
};

TEST_P(HealthTest, AConnectionOpensOnceItsServerServes) {
  HealthServer server;
  server.Serve(false);
  const auto pool = MakePool(server.target());
  EXPECT_TRUE(Eventually([&] { return !pool->Stats().last_dial_error.ok(); }));
  EXPECT_THAT(pool->Stats().last_dial_error, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("NOT_SERVING")));
  EXPECT_EQ(pool->Stats().connections_open, 0);
  EXPECT_EQ(EstablishedSocketsTo(server.port()), 1) << "it is connected all the time";

  server.Serve(true);
  EXPECT_THAT(pool->WaitForReady(1, In(kLimit)), IsOk());
}

TEST_P(HealthTest, AServerThatStopsServingGetsNoMoreCallsWhileThoseOnItGoOn) {
  HealthServer server;
  server.Serve(true);
  const auto pool = MakePool(server.target());
  ASSERT_THAT(pool->WaitForReady(1, In(kLimit)), IsOk());
  absl::StatusOr<Lease> lease = pool->Acquire(In(kLimit));
  ASSERT_THAT(lease.status(), IsOk());

  server.Serve(false);
  if (GetParam() == HealthCheck::kCheck) lease->Suspect();  // As a routine, only those are asked that carry nothing.
  EXPECT_TRUE(Eventually([&] { return lease->draining(); }));
  EXPECT_TRUE(Eventually([&] { return pool->Stats().connections_open == 0; }));
  EXPECT_EQ(lease->channel()->GetState(false), GRPC_CHANNEL_READY) << "nothing was cut";
  EXPECT_THAT(pool->Acquire(In(absl::Milliseconds(50))).status(), StatusIs(absl::StatusCode::kDeadlineExceeded));

  server.Serve(true);
  EXPECT_THAT(pool->WaitForReady(1, In(kLimit)), IsOk());
}

TEST_P(HealthTest, AServerWithoutAHealthServiceServes) {
  EchoServer server;
  const auto pool = MakePool(server.target());
  EXPECT_THAT(pool->WaitForReady(1, In(kLimit)), IsOk());
  EXPECT_TRUE(Eventually([&] { return pool->Stats().health_checks > 2; }));
  EXPECT_EQ(pool->Stats().health_checks_removed, 0u);
}

TEST_P(HealthTest, AServiceThatTheServerDoesNotKnowIsNamedInTheError) {
  HealthServer server;  // Was told of no service.
  const auto pool = MakePool(server.target());
  EXPECT_TRUE(Eventually([&] { return !pool->Stats().last_dial_error.ok(); }));
  EXPECT_THAT(pool->Stats().last_dial_error, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("health service")));
}

TEST_P(HealthTest, NothingIsLeftOfAPoolThatIsGone) {
  HealthServer server;
  server.Serve(true);
  ASSERT_THAT(MakePool(server.target())->WaitForReady(1, In(kLimit)), IsOk());
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server.port()) == 0; }));
}

INSTANTIATE_TEST_SUITE_P(By, HealthTest, ::testing::Values(HealthCheck::kCheck, HealthCheck::kWatch),
                         [](const auto& info) { return info.param == HealthCheck::kCheck ? "Check" : "Watch"; });

TEST(HealthMessagesTest, SayWhatTheServerSays) {
  EXPECT_EQ(HealthRequest(""), "");
  EXPECT_EQ(HealthRequest("ab"),
            "\x0a\x02"
            "ab");
  EXPECT_THAT(ServingOf("\x08\x01"), IsOk());
  EXPECT_THAT(ServingOf(""), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("UNKNOWN")));
  EXPECT_THAT(ServingOf("\x08\x02"), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("NOT_SERVING")));
  EXPECT_THAT(ServingOf("\x08\x03"), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("SERVICE_UNKNOWN")));
  EXPECT_THAT(ServingOf("\x08\x09"), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("status 9")));
  EXPECT_THAT(ServingOf("\x08"), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no HealthCheckResponse")));
}

TEST(HealthMessagesTest, AreThoseOfTheGeneratedCode) {
  for (const size_t length : {0, 1, 127, 128, 20'000}) {
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(std::string(length, 's'));
    EXPECT_EQ(HealthRequest(request.service()), request.SerializeAsString()) << length;
  }
  // What a later version of the message may carry as well is passed over, and of two statuses the last one holds.
  google::protobuf::UnknownFieldSet more;
  more.AddVarint(1, 2);
  more.AddLengthDelimited(2, "why");
  more.AddFixed32(3, 1);
  more.AddFixed64(4, 1);
  more.AddVarint(500, 1u << 30);
  more.AddVarint(1, 1);
  std::string response;
  ASSERT_TRUE(more.SerializeToString(&response));
  EXPECT_THAT(ServingOf(response), IsOk());
  for (size_t cut = 0; cut < response.size(); ++cut) (void)ServingOf(response.substr(0, cut));
}

// A peer may send anything.
TEST(HealthMessagesTest, NothingServesThatDoesNotForTheGeneratedCode) {
  std::mt19937 random(20261128);
  int served = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes(random() % 6, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 2 == 0 ? random() % 24 : random());
    grpc::health::v1::HealthCheckResponse response;
    const bool serves =
        response.ParseFromString(bytes) && response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
    if (!ServingOf(bytes).ok()) continue;
    EXPECT_TRUE(serves) << absl::CHexEscape(bytes);
    ++served;
  }
  EXPECT_GT(served, 20);
}

}  // namespace
}  // namespace chanpool
