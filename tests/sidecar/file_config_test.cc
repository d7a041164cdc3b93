// Claims of server/sidecar/file_config.h and pool_set.h: a reload is all or nothing, and no call notices it.
#include "server/sidecar/file_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/admin/event_log.h"
#include "server/admin/managed_pool.h"
#include "server/admin/pool_registry.h"
#include "server/admin/pool_view.h"
#include "server/sidecar/pool_set.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/sockets.h"
#include "tests/fakes/status_matchers.h"
#include "tests/fakes/test_certificates.h"

namespace chanpool::sidecar {
namespace {

using ::chanpool::admin::v1::ReloadConfigRequest;
using ::chanpool::admin::v1::ReloadConfigResponse;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::EchoServer;
using ::chanpool::testing::EchoServerOptions;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::TestAuthority;
using ::chanpool::testing::TestPair;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileConfigTest : public ::testing::Test {
 protected:
  FileConfigTest() {
    std::string folder = "/tmp/file_config_test.XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~FileConfigTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& pools) { std::ofstream(path(), std::ios::trunc) << "version: 1\npools:\n" << pools; }
  void Load(const std::string& pools) {
    Write(pools);
    config_ = std::make_unique<FileConfig>(FileConfig::Options{path()}, &pools_, &events_, RealClock());
    ASSERT_THAT(config_->Load(), IsOk());
  }
  absl::StatusOr<ReloadConfigResponse> Reload(const std::string& pools, ReloadConfigRequest request = {}) {
    Write(pools);
    return config_->Reload(request, {"test", admin::Role::ROLE_OPERATOR});
  }
  std::string Pool(const std::string& name, const std::string& more = "") const {
    return PoolTo(server_.target(), name, more);
  }
  static std::string PoolTo(const std::string& target, const std::string& name, const std::string& more) {
    return absl::StrCat("  - {name: ", name, ", target: \"", target, "\"", more.empty() ? "" : ", ", more, "}\n");
  }
  std::string path() const { return folder_ + "/c.yaml"; }

  std::string folder_;
  EchoServer server_;
  admin::EventLog events_{RealClock()};
  admin::PoolRegistry registry_{RealClock(), &events_};
  PoolSet pools_{&registry_};
  std::unique_ptr<FileConfig> config_;
};

TEST_F(FileConfigTest, APoolThatIsTheSameKeepsItsConnectionsAndCounters) {
  Load(Pool("orders") + Pool("payments"));
  const std::shared_ptr<ChannelPool> orders = pools_.Find("orders");
  ASSERT_THAT(orders->WaitForReady(1, In(kLimit)), IsOk());
  const ConnectionId before = orders->Connections()[0].id;
  const auto reload = Reload(Pool("orders") + Pool("payments", "max_connections: 20"));
  ASSERT_TRUE(reload.ok()) << reload.status();
  EXPECT_EQ(reload->generation(), 2u);
  ASSERT_EQ(reload->changes_size(), 1);
  EXPECT_EQ(reload->changes(0).path(), "pools/payments.max_connections");
  EXPECT_EQ(pools_.Find("orders"), orders);
  EXPECT_EQ(orders->Connections()[0].id, before);
  EXPECT_EQ(pools_.Find("payments")->options().max_connections, 20);
}

TEST_F(FileConfigTest, ChangedOptionsKeepTheConnections) {
  Load(Pool("orders", "max_connections: 3"));
  const std::shared_ptr<ChannelPool> orders = pools_.Find("orders");
  ASSERT_THAT(orders->WaitForReady(1, In(kLimit)), IsOk());
  const ConnectionId before = orders->Connections()[0].id;
  ASSERT_TRUE(Reload(Pool("orders", "max_connections: 9")).ok());
  EXPECT_EQ(orders->options().max_connections, 9);
  EXPECT_EQ(orders->Connections()[0].id, before);
}

TEST_F(FileConfigTest, AnotherTargetRecyclesThatPoolOnly) {
  EchoServer other;
  Load(Pool("orders") + Pool("payments"));
  const std::shared_ptr<ChannelPool> orders = pools_.Find("orders");
  ASSERT_THAT(orders->WaitForReady(1, In(kLimit)), IsOk());
  const auto reload = Reload(absl::StrCat("  - {name: orders, target: \"", other.target(), "\"}\n") + Pool("payments"));
  ASSERT_TRUE(reload.ok()) << reload.status();
  EXPECT_THAT(reload->recycled_pools(), ElementsAre("pools/orders"));
  EXPECT_EQ(pools_.Find("orders"), orders) << "the same pool, with its counters";
  EXPECT_TRUE(Eventually([&] {
    return chanpool::testing::EstablishedSocketsTo(other.port()) == 1 &&
           chanpool::testing::EstablishedSocketsTo(server_.port()) == 1;
  }));
}

TEST_F(FileConfigTest, AnotherTransportRecyclesAndADefaultThatIsWrittenOutDoesNot) {
  Load(Pool("orders"));
  const std::shared_ptr<ChannelPool> orders = pools_.Find("orders");
  const auto written_out = Reload(Pool("orders", "transport: {max_receive_message_bytes: 4194304, compression: none}"));
  ASSERT_TRUE(written_out.ok()) << written_out.status();
  EXPECT_THAT(written_out->changes(), IsEmpty());
  EXPECT_THAT(written_out->recycled_pools(), IsEmpty());
  const auto larger = Reload(Pool("orders", "transport: {max_receive_message_bytes: 8388608}"));
  ASSERT_TRUE(larger.ok()) << larger.status();
  EXPECT_THAT(larger->recycled_pools(), ElementsAre("pools/orders"));
  EXPECT_EQ(orders->channel_options().transport.max_receive_message_bytes, 8388608);
}

TEST_F(FileConfigTest, PoolAdminShowsTheChannelOfTheFileAndOfAReload) {
  const auto channel = [&] { return admin::ShowPool(*registry_.Find("orders")).channel(); };
  Load(Pool("orders", "health: {check: check}, retry: {calls: [{max_attempts: 3}]}, max_connections: 3"));
  EXPECT_EQ(channel().health().check(), chanpool::config::v1::HEALTH_CHECK_CHECK);
  EXPECT_EQ(channel().retry().calls(0).max_attempts(), 3u);
  EXPECT_FALSE(channel().has_options()) << "those in force stand beside it";
  ASSERT_TRUE(Reload(Pool("orders", "transport: {compression: gzip}")).ok());
  EXPECT_EQ(channel().transport().compression(), chanpool::config::v1::COMPRESSION_GZIP);
  EXPECT_FALSE(channel().has_retry());
}

TEST_F(FileConfigTest, PoolsComeAndGo) {
  Load(Pool("orders"));
  const auto reload = Reload(Pool("payments"));
  ASSERT_TRUE(reload.ok()) << reload.status();
  EXPECT_THAT(reload->added_pools(), ElementsAre("pools/payments"));
  EXPECT_THAT(reload->removed_pools(), ElementsAre("pools/orders"));
  EXPECT_EQ(registry_.Find("orders"), nullptr);
  EXPECT_NE(registry_.Find("payments"), nullptr);
}

TEST_F(FileConfigTest, AnUnreachableNewTargetDoesNotHoldUpTheRest) {
  Load(Pool("orders"));
  EXPECT_TRUE(Reload(Pool("orders", "max_connections: 7") + "  - {name: dead, target: \"ipv4:127.0.0.1:1\"}\n").ok());
  EXPECT_EQ(pools_.Find("orders")->options().max_connections, 7);
}

TEST_F(FileConfigTest, OneErrorAndNothingChanges) {
  Load(Pool("orders", "max_connections: 3"));
  const auto reload = Reload(Pool("orders", "max_connections: 9") + "  - {name: new, target: \"ipv4:nonsense\"}\n");
  EXPECT_THAT(reload.status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("new")));
  EXPECT_EQ(pools_.Find("orders")->options().max_connections, 3);
  EXPECT_EQ(pools_.Find("new"), nullptr);
  admin::v1::Instance instance;
  config_->Describe(instance);
  EXPECT_EQ(instance.config_generation(), 1u);
  EXPECT_TRUE(instance.config_drift());
  EXPECT_FALSE(instance.last_reload().ok());
}

TEST_F(FileConfigTest, ADryRunSaysWhatWouldChangeAndChangesNothing) {
  Load(Pool("orders", "max_connections: 3"));
  ReloadConfigRequest dry;
  dry.set_validate_only(true);
  const auto reload = Reload(Pool("orders", "max_connections: 9") + Pool("new"), dry);
  ASSERT_TRUE(reload.ok()) << reload.status();
  EXPECT_EQ(reload->changes_size(), 2);
  EXPECT_EQ(reload->generation(), 1u);
  EXPECT_EQ(pools_.Find("orders")->options().max_connections, 3);
  EXPECT_EQ(pools_.Find("new"), nullptr);
}

TEST_F(FileConfigTest, TheSameTextAgainChangesNothing) {
  Load(Pool("orders"));
  const auto reload = Reload(Pool("orders"));
  ASSERT_TRUE(reload.ok());
  EXPECT_THAT(reload->changes(), IsEmpty());
  EXPECT_EQ(reload->generation(), 1u);
}

TEST_F(FileConfigTest, AnotherGenerationThanExpectedIsAborted) {
  Load(Pool("orders"));
  ReloadConfigRequest request;
  request.set_expected_generation(5);
  EXPECT_THAT(Reload(Pool("orders"), request).status(), StatusIs(absl::StatusCode::kAborted, HasSubstr("1 holds")));
  chanpool::admin::v1::Instance instance;
  config_->Describe(instance);
  EXPECT_FALSE(instance.has_last_reload()) << "a lost race says nothing of the file";
}

TEST_F(FileConfigTest, NewOptionsThatAnOverrideDoesNotGoWithAreRefused) {
  Load(Pool("orders"));
  ASSERT_THAT(pools_.Find("orders")->engine()->Override([](PoolOptions& options) { options.max_connections = 2; }),
              IsOk());
  const auto reload = Reload(Pool("orders", "min_connections: 5"));
  EXPECT_THAT(reload.status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("operator")));
  EXPECT_EQ(pools_.Find("orders")->options().min_connections, 1);
}

TEST_F(FileConfigTest, SaysWhichNewValuesAnOverrideHides) {
  Load(Pool("orders"));
  admin::ManagedPool::OverrideChange change;
  change.values.set_max_connections(9);
  change.fields = {"max_connections"};
  ASSERT_TRUE(registry_.Find("orders")->Change(change).ok());
  const auto reload = Reload(Pool("orders", "max_connections: 5, max_waiters: 3"));
  ASSERT_TRUE(reload.ok()) << reload.status();
  ASSERT_EQ(reload->warnings_size(), 1);
  EXPECT_EQ(reload->warnings(0).path(), "pools/orders.max_connections");
  EXPECT_THAT(reload->warnings(0).message(), HasSubstr("keeps it at 9"));
  EXPECT_EQ(pools_.Find("orders")->options().max_connections, 9);
}

TEST_F(FileConfigTest, EveryReloadIsAnEvent) {
  Load(Pool("orders"));
  const uint64_t before = events_.head();
  ASSERT_TRUE(Reload(Pool("orders", "max_waiters: 5")).ok());
  ASSERT_FALSE(Reload("nonsense").ok());
  std::vector<admin::v1::EventType> types;
  for (const admin::v1::Event& event : events_.Read(before, 100).events) {
    if (event.resource() == "config") types.push_back(event.type());
  }
  EXPECT_THAT(types, ElementsAre(admin::v1::EVENT_TYPE_CONFIG_RELOADED, admin::v1::EVENT_TYPE_CONFIG_REFUSED));
}

// 20 reloads, each of which changes the options, the pings (a recycle) or nothing, under four callers.
TEST_F(FileConfigTest, NoCallFailsWhileConfigurationsChange) {
  Load(Pool("orders", "max_connections: 4, target_leases_per_connection: 1"));
  const std::shared_ptr<ChannelPool> orders = pools_.Find("orders");
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0}, failed{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      const auto stub = Echo::NewStub(orders->channel());
      while (!stop.load()) {
        grpc::ClientContext context;
        EchoRequest request;
        EchoReply reply;
        (stub->Unary(&context, request, &reply).ok() ? answered : failed).fetch_add(1);
      }
    });
  }
  // In turn: options, which hold at once; keepalive and another target, which take new connections.
  EchoServer other_server;
  for (int i = 0; i < 20; ++i) {
    const int before = answered.load();
    const std::string& target = i % 4 < 2 ? server_.target() : other_server.target();
    const std::string keepalive = i % 3 == 0 ? ", keepalive: {time: 6m}" : "";
    const auto reload =
        Reload(PoolTo(target, "orders",
                      absl::StrCat("max_connections: ", 2 + i % 4, ", target_leases_per_connection: 1", keepalive)));
    ASSERT_TRUE(reload.ok()) << reload.status();
    ASSERT_TRUE(Eventually([&] { return answered.load() > before + 20; }));
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failed.load(), 0) << "of " << answered.load();
}

TEST_F(FileConfigTest, TlsOfAPoolIsReadFromItsFiles) {
  const TestAuthority authority("root", In(absl::Hours(24 * 300)));
  const TestPair pair = authority.Issue("localhost", In(-absl::Hours(1)), In(absl::Hours(24 * 90)));
  std::ofstream(folder_ + "/ca.pem") << authority.certificate();
  std::ofstream(folder_ + "/c.pem") << pair.certificate;
  std::ofstream(folder_ + "/c.key") << pair.key;
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({pair.key, pair.certificate});
  EchoServerOptions options;
  options.credentials = grpc::SslServerCredentials(tls);
  EchoServer server(options);
  const std::string more = absl::StrCat("tls: {ca_file: ", folder_, "/ca.pem, certificate_file: ", folder_,
                                        "/c.pem, key_file: ", folder_, "/c.key, server_name: localhost}");
  Load(PoolTo(server.target(), "orders", more));
  EXPECT_THAT(pools_.Find("orders")->WaitForReady(1, In(kLimit)), IsOk());
  EXPECT_EQ(pools_.Find("orders")->Certificate()->subject, "CN=localhost");

  // Another pool's key: refused where it stands, and what runs stays.
  std::ofstream(folder_ + "/other.key") << authority.Issue("other", In(-absl::Hours(1)), In(absl::Hours(1))).key;
  const auto reload =
      Reload(PoolTo(server.target(), "orders",
                    absl::StrCat("tls: {certificate_file: ", folder_, "/c.pem, key_file: ", folder_, "/other.key}")));
  EXPECT_THAT(reload.status(), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("pools[0].tls.key_file: " + folder_ + "/other.key is not the key")));
  EXPECT_EQ(pools_.Find("orders")->Certificate()->last_error, "");
}

}  // namespace
}  // namespace chanpool::sidecar
