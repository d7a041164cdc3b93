#include "server/admin/pool_admin_service.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/annotations.pb.h"
#include "server/admin/status_details.h"
#include "tests/admin/admin_fixture.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const google::protobuf::ServiceDescriptor& Service() {
  return *v1::GetPoolRequest::descriptor()->file()->FindServiceByName("PoolAdmin");
}

class PoolAdminServiceTest : public AdminFixture {
 protected:
  // How a call with these bytes ends, whatever its kind: after the first answer, if there is one.
  grpc::Status CallRaw(const std::string& method, const std::string& bytes) {
    grpc::GenericStub stub(channel());
    const auto context = NewContext();
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(context.get(), absl::StrCat("/chanpool.admin.v1.PoolAdmin/", method), &queue);
    const auto next = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(queue.Next(&tag, &ok));
      return ok;
    };
    call->StartCall(nullptr);
    next();
    const grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1);
    call->WriteLast(request, grpc::WriteOptions(), nullptr);
    next();
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    if (next()) context->TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    next();
    queue.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
    }
    return status;
  }
};

// --- The gate, for every method that there is ---------------------------------------------------------------------

TEST_F(PoolAdminServiceTest, EveryMethodSaysWhichRoleItTakes) {
  for (int i = 0; i < Service().method_count(); ++i) {
    const auto& options = Service().method(i)->options();
    const Role role = options.GetExtension(v1::required_role);
    EXPECT_NE(role, Role::ROLE_UNSPECIFIED) << Service().method(i)->name();
    EXPECT_EQ(options.GetExtension(v1::mutates), role == Role::ROLE_OPERATOR) << Service().method(i)->name();
  }
}

TEST_F(PoolAdminServiceTest, EveryMethodRefusesACallerWithoutItsRoleBeforeItReadsTheRequest) {
  for (int i = 0; i < Service().method_count(); ++i) {
    const std::string& method = Service().method(i)->name();
    const bool mutates = Service().method(i)->options().GetExtension(v1::mutates);
    Be(mutates ? "viewer" : "nobody");
    const grpc::Status status = CallRaw(method, "\xff no message");
    EXPECT_THAT(status, StatusIs(grpc::StatusCode::PERMISSION_DENIED)) << method;
    EXPECT_EQ(InfoOf(status).reason(), "ROLE_REQUIRED") << method;
    EXPECT_EQ(InfoOf(status).metadata().at("required_role"), mutates ? "ROLE_OPERATOR" : "ROLE_VIEWER") << method;
  }
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_CALLER_DENIED), SizeIs(Service().method_count()));
}

TEST_F(PoolAdminServiceTest, ARefusalNamesTheRoleAsPeopleWriteIt) {
  Be("viewer");
  v1::DrainPoolResponse response;
  EXPECT_THAT(Call(&Stub::DrainPool, v1::DrainPoolRequest(), &response),
              StatusIs(grpc::StatusCode::PERMISSION_DENIED, "DrainPool needs the role operator; viewer has viewer"));
  Be("nobody");
  v1::GetInstanceResponse instance;
  EXPECT_THAT(Call(&Stub::GetInstance, v1::GetInstanceRequest(), &instance),
              StatusIs(grpc::StatusCode::PERMISSION_DENIED, "GetInstance needs the role viewer; nobody has none"));
}

TEST_F(PoolAdminServiceTest, ACallerThatIsRefusedAgainAndAgainDoesNotFillTheEventLog) {
  Be("viewer");
  const auto try_it = [this] {
    v1::DrainPoolResponse response;
    EXPECT_THAT(Call(&Stub::DrainPool, v1::DrainPoolRequest(), &response),
                StatusIs(grpc::StatusCode::PERMISSION_DENIED));
  };
  for (int i = 0; i < 20; ++i) try_it();
  clock_.Advance(absl::Seconds(10));
  try_it();
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_CALLER_DENIED),
              ElementsAre("DrainPool refused: it needs the role operator; viewer has viewer",
                          "DrainPool refused: it needs the role operator; viewer has viewer (refused 19 times more "
                          "before)"));
}

TEST_F(PoolAdminServiceTest, EveryMethodRefusesBytesThatAreNoRequest) {
  for (int i = 0; i < Service().method_count(); ++i) {
    for (const std::string& bytes : {std::string("\x0a\xff"), std::string(300, '\x0b')}) {
      const std::string& method = Service().method(i)->name();
      const grpc::Status status = CallRaw(method, bytes);
      EXPECT_THAT(status, StatusIs(grpc::StatusCode::INVALID_ARGUMENT)) << method;
      EXPECT_EQ(InfoOf(status).reason(), "MALFORMED_REQUEST") << method;
      EXPECT_THAT(FieldsOf(status), ElementsAre("")) << method;
    }
  }
}

TEST_F(PoolAdminServiceTest, TextThatIsNotUtf8IsMalformed) {
  EXPECT_EQ(InfoOf(CallRaw("GetPool", "\x0a\x02\xc3\x28")).reason(), "MALFORMED_REQUEST");
}

TEST_F(PoolAdminServiceTest, EveryMethodRefusesCallersThatAreNotKnown) {
  Be("");
  for (int i = 0; i < Service().method_count(); ++i) {
    const grpc::Status status = CallRaw(Service().method(i)->name(), "");
    EXPECT_THAT(status, StatusIs(grpc::StatusCode::UNAUTHENTICATED)) << Service().method(i)->name();
    EXPECT_EQ(InfoOf(status).reason(), "UNAUTHENTICATED");
  }
}

TEST_F(PoolAdminServiceTest, WithoutAuthorizeNobodyIsAllowed) {
  StartServer();
  PoolAdminService closed(admin_, {});
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&closed);
  const auto server = builder.BuildAndStart();
  const auto stub =
      v1::PoolAdmin::NewStub(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  v1::GetInstanceResponse response;
  EXPECT_THAT(stub->GetInstance(NewContext().get(), {}, &response), StatusIs(grpc::StatusCode::PERMISSION_DENIED));
}

TEST_F(PoolAdminServiceTest, ARequestThatIsTooLargeIsRefused) {
  v1::GetPoolRequest request;
  request.set_name(std::string(2 << 20, 'x'));
  v1::GetPoolResponse response;
  EXPECT_THAT(Call(&Stub::GetPool, request, &response), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
}

// --- Reading ------------------------------------------------------------------------------------------------------

TEST_F(PoolAdminServiceTest, TheInstanceSaysWhoAnswers) {
  UseConfig();
  UseRemote();
  AddPool("orders");
  const v1::Instance instance = Get(&Stub::GetInstance, v1::GetInstanceRequest()).instance();
  EXPECT_EQ(instance.name(), "tester");
  EXPECT_EQ(instance.pools(), 1u);
  EXPECT_EQ(instance.state(), v1::INSTANCE_STATE_SERVING);
  EXPECT_EQ(instance.config_path(), "/etc/chanpool/chanpoold.yaml");
  EXPECT_EQ(instance.listeners(0), "tcp:127.0.0.1:7400");
  EXPECT_EQ(instance.processes(0).name(), "processes/shop");
  admin_->SetListeners({"tcp:127.0.0.1:1"});
  admin_->BeginShutdown();
  const v1::Instance later = Get(&Stub::GetInstance, v1::GetInstanceRequest()).instance();
  EXPECT_EQ(later.state(), v1::INSTANCE_STATE_STOPPING);
  EXPECT_EQ(later.listeners(0), "tcp:127.0.0.1:1");
  EXPECT_EQ(later.instance_id(), instance.instance_id());
}

TEST_F(PoolAdminServiceTest, APoolShowsWhatIsConfiguredDecidedAndTheCase) {
  const auto pool = AddPool("orders");
  const Place place = *pool->AcquireNow(false);
  const v1::Pool shown = GetPool("pools/orders");
  EXPECT_EQ(shown.target(), "dns:///orders:50051");
  EXPECT_EQ(shown.options().max_connections(), 2u);
  EXPECT_EQ(shown.admin_state(), v1::ADMIN_STATE_ACTIVE);
  EXPECT_EQ(shown.health(), v1::HEALTH_HEALTHY);
  EXPECT_EQ(shown.size().current(), 1u);
  EXPECT_EQ(shown.size().active(), 1u);
  EXPECT_EQ(shown.size().idle(), 0u);
  EXPECT_EQ(shown.size().max(), 2u);
  EXPECT_EQ(shown.leases().active(), 1u);
  EXPECT_EQ(shown.leases().capacity(), 2u);
  EXPECT_EQ(shown.generation(), 1u);
  EXPECT_FALSE(shown.has_keepalive());
}

TEST_F(PoolAdminServiceTest, ATargetThatItsOwnerChangedIsShown) {
  AddPool("orders");
  chanpool::config::v1::PoolConfig channel;
  channel.mutable_keepalive()->mutable_time()->set_seconds(300);
  EXPECT_THAT(registry_.SetTarget("orders", "dns:///new:1", channel), IsOk());
  EXPECT_EQ(GetPool("pools/orders").target(), "dns:///new:1");
  EXPECT_EQ(GetPool("pools/orders").keepalive().time().seconds(), 300);
  EXPECT_FALSE(GetPool("pools/orders").has_channel()) << "keepalive stands beside it";
  EXPECT_THAT(registry_.SetTarget("none", "", {}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(PoolAdminServiceTest, APoolShowsHowItsConnectionsAreMadeAndNothingTwice) {
  AddPool("orders");
  chanpool::config::v1::PoolConfig channel;
  channel.set_name("orders");
  channel.set_target("dns:///old:1");
  channel.mutable_options()->set_max_connections(77);
  channel.mutable_retry()->add_calls()->set_max_attempts(3);
  channel.mutable_health()->set_check(chanpool::config::v1::HEALTH_CHECK_WATCH);
  channel.mutable_tls()->set_ca_file("/ca.pem");
  channel.add_endpoints()->set_address("unix:/a");
  channel.mutable_dns()->add_servers("10.0.0.2");
  channel.mutable_transport()->set_compression(chanpool::config::v1::COMPRESSION_GZIP);
  EXPECT_THAT(registry_.SetTarget("orders", "dns:///new:1", channel), IsOk());
  channel.clear_name();
  channel.clear_target();
  channel.clear_options();
  EXPECT_EQ(GetPool("pools/orders").channel().SerializeAsString(), channel.SerializeAsString());
}

TEST_F(PoolAdminServiceTest, ThePoolOfAnApplicationIsNamedToWhoeverLeavesOutItsFirstPart) {
  UseRemote();
  AddPool("cards");
  for (const std::string name : {"pools/carts", "pools/shop"}) {
    v1::GetPoolRequest request;
    request.set_name(name);
    v1::GetPoolResponse response;
    const grpc::Status status = Call(&Stub::GetPool, request, &response);
    EXPECT_THAT(status, StatusIs(grpc::StatusCode::NOT_FOUND, HasSubstr("did you mean processes/shop/pools/carts?")));
  }
}

TEST_F(PoolAdminServiceTest, APoolThatIsNotThereNamesTheClosest) {
  AddPool("orders");
  AddPool("billing");
  v1::GetPoolRequest request;
  request.set_name("pools/order");
  v1::GetPoolResponse response;
  const grpc::Status status = Call(&Stub::GetPool, request, &response);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::NOT_FOUND, HasSubstr("did you mean pools/orders?")));
  EXPECT_EQ(InfoOf(status).reason(), "POOL_NOT_FOUND");
  EXPECT_EQ(InfoOf(status).metadata().at("closest"), "pools/orders");
  google::rpc::ResourceInfo resource;
  ASSERT_TRUE(FindDetail(status, &resource));
  EXPECT_EQ(resource.resource_name(), "pools/order");
}

TEST_F(PoolAdminServiceTest, NamesThatAreNoNamesAreRefused) {
  for (const std::string& name :
       {std::string(), std::string("orders"), std::string("pools/"), std::string("pools/../x"),
        std::string("pools/%2e"), std::string("pools/A"), std::string("pools/a/b"), std::string("pools/a\n"),
        std::string("pools/-"), std::string("processes/shop"), std::string("processes/../pools/a"),
        std::string("processes//pools/a"), std::string("processes/a/processes/b/pools/c"),
        "pools/" + std::string(4096, 'a')}) {
    v1::GetPoolRequest request;
    request.set_name(name);
    v1::GetPoolResponse response;
    const grpc::Status status = Call(&Stub::GetPool, request, &response);
    EXPECT_THAT(status, StatusIs(grpc::StatusCode::INVALID_ARGUMENT)) << name;
    EXPECT_EQ(InfoOf(status).reason(), "FIELD_INVALID") << name;
    EXPECT_THAT(FieldsOf(status), ElementsAre("name")) << name;
  }
}

TEST_F(PoolAdminServiceTest, ListsComeInPagesThatNeitherRepeatNorMiss) {
  UseRemote();
  for (const char* name : {"a-b", "a", "c", "b"}) AddPool(name);
  std::vector<std::string> names;
  v1::ListPoolsRequest request;
  request.set_page_size(2);
  do {
    const v1::ListPoolsResponse response = Get(&Stub::ListPools, request);
    EXPECT_LE(response.pools_size(), 2);
    for (const v1::Pool& pool : response.pools()) names.push_back(pool.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("pools/a", "pools/a-b", "pools/b", "pools/c", "processes/shop/pools/carts"));
}

TEST_F(PoolAdminServiceTest, WrongPagesAreRefused) {
  AddPool("a");
  AddPool("b");
  v1::ListPoolsRequest first;
  first.set_page_size(1);
  const std::string token = Get(&Stub::ListPools, first).next_page_token();
  ASSERT_FALSE(token.empty());

  v1::ListPoolsResponse pools;
  v1::ListPoolsRequest negative;
  negative.set_page_size(-1);
  negative.set_page_token("no token");
  const grpc::Status status = Call(&Stub::ListPools, negative, &pools);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_THAT(FieldsOf(status), ElementsAre("page_size", "page_token"));

  v1::ListConnectionsRequest other;
  other.set_parent("pools/a");
  other.set_page_token(token);
  v1::ListConnectionsResponse connections;
  EXPECT_THAT(FieldsOf(Call(&Stub::ListConnections, other, &connections)), ElementsAre("page_token"));
}

TEST_F(PoolAdminServiceTest, ConnectionsOfOnePoolOrOfAllAreListed) {
  const auto pool = AddPool("orders");
  AddPool("orders-eu");
  const Place place = *pool->AcquireNow(false);
  v1::ListConnectionsRequest request;
  request.set_parent("pools/orders");
  const v1::ListConnectionsResponse one = Get(&Stub::ListConnections, request);
  ASSERT_EQ(one.connections_size(), 1);
  EXPECT_EQ(one.connections(0).state(), v1::CONNECTION_STATE_ACTIVE);
  EXPECT_EQ(one.connections(0).leases(), 1u);
  EXPECT_EQ(one.connections(0).max_leases(), 2u);

  request.set_parent("pools/-");
  request.set_page_size(1);
  std::vector<std::string> pools;
  do {
    const v1::ListConnectionsResponse page = Get(&Stub::ListConnections, request);
    for (const auto& connection : page.connections()) {
      pools.push_back(connection.name().substr(0, connection.name().find("/connections")));
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(pools, ElementsAre("pools/orders", "pools/orders-eu"));
}

TEST_F(PoolAdminServiceTest, EndpointsSayWhatEachOfThemGets) {
  const auto pool = AddPool("orders");
  AddPool("orders-eu");
  ASSERT_EQ(pool->SetEndpoints({{"ipv4:10.0.0.1:1"}, {"ipv4:10.0.0.2:1", /*weight=*/3}}), absl::OkStatus());
  const Place place = *pool->AcquireNow(false);
  v1::ListEndpointsRequest request;
  request.set_parent("pools/orders");
  const v1::ListEndpointsResponse one = Get(&Stub::ListEndpoints, request);
  ASSERT_EQ(one.endpoints_size(), 2);
  EXPECT_THAT(one.endpoints(0).name(), HasSubstr("pools/orders/endpoints/"));
  EXPECT_EQ(one.endpoints(0).address(), "ipv4:10.0.0.1:1");
  EXPECT_EQ(one.endpoints(0).state(), v1::ENDPOINT_STATE_HEALTHY);
  EXPECT_EQ(one.endpoints(1).weight(), 3u);
  EXPECT_EQ(one.endpoints(0).leases() + one.endpoints(1).leases(), 1u);
  EXPECT_EQ(one.resolutions_size(), 0) << "nobody resolves here";

  request.set_parent("pools/-");
  request.set_page_size(1);
  std::vector<std::string> addresses;
  do {
    const v1::ListEndpointsResponse page = Get(&Stub::ListEndpoints, request);
    for (const auto& endpoint : page.endpoints()) addresses.push_back(endpoint.address());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(addresses, ElementsAre("ipv4:10.0.0.1:1", "ipv4:10.0.0.2:1", ""));
}

TEST_F(PoolAdminServiceTest, StatsCountWhatCallersDid) {
  UseRemote();
  const auto pool = AddPool("orders");
  { const Place place = *pool->AcquireNow(false); }
  const v1::GetStatsResponse all = Get(&Stub::GetStats, v1::GetStatsRequest());
  ASSERT_EQ(all.stats_size(), 2);
  EXPECT_EQ(all.stats(0).name(), "pools/orders");
  EXPECT_EQ(all.stats(0).acquired(), 1u);
  EXPECT_EQ(all.stats(0).released(), 1u);
  EXPECT_EQ(all.stats(0).connections_idle(), 1u);
  EXPECT_THAT(all.stats(0).closed_by_reason(), SizeIs(kCloseReasons));
  EXPECT_EQ(all.stats(1).name(), "processes/shop/pools/carts");

  v1::GetStatsRequest request;
  request.add_pools("processes/shop/pools/carts");
  EXPECT_EQ(Get(&Stub::GetStats, request).stats_size(), 1);
  request.add_pools("pools/none");
  v1::GetStatsResponse response;
  EXPECT_THAT(Call(&Stub::GetStats, request, &response), StatusIs(grpc::StatusCode::NOT_FOUND));
}

TEST_F(PoolAdminServiceTest, TimesAreInTheStatisticsOfThoseWhoAskForThem) {
  const auto pool = AddPool("orders");
  { const Place place = *pool->AcquireNow(false); }
  v1::GetStatsRequest request;
  const v1::PoolStats without = Get(&Stub::GetStats, request).stats(0);
  EXPECT_FALSE(without.has_fast_waits() || without.has_holds() || without.has_connects());
  EXPECT_THAT(without.slow_waits(), IsEmpty());
  EXPECT_EQ(without.connections_used(), 1u);

  request.set_include_histograms(true);
  const v1::PoolStats with = Get(&Stub::GetStats, request).stats(0);
  EXPECT_EQ(with.fast_waits().one_in(), 64u) << "a sample, and says so";
  EXPECT_EQ(with.holds().one_in(), 64u);
  EXPECT_THAT(with.slow_waits(), SizeIs(kAcquireOutcomes));
  const v1::Histogram& dials = with.connects();
  EXPECT_EQ(dials.one_in(), 1u);
  ASSERT_EQ(dials.bucket_counts_size(), dials.explicit_bounds_size() + 1);
  EXPECT_EQ(dials.explicit_bounds(0), 1e-5) << "seconds";
  uint64_t count = 0;
  for (const uint64_t bucket : dials.bucket_counts()) count += bucket;
  EXPECT_EQ(count, 1u);
}

TEST_F(PoolAdminServiceTest, CallsInFlightAreListedOldestFirstUpToALimit) {
  const auto pool = AddPool("orders");
  { const Place place = *pool->AcquireNow(false); }
  const absl::Time deadline = clock_.WallNow() + absl::Seconds(5);
  target_.SetCalls({{{}, "/shop.Orders/Get", absl::Milliseconds(20)},
                    {{}, "/shop.Orders/List", absl::Seconds(3), deadline},
                    {{}, "/shop.Orders/Get", absl::Seconds(2)}},
                   CallTotals(), {});
  v1::ListCallsRequest request;
  request.set_parent("pools/orders");
  const v1::ListCallsResponse all = Get(&Stub::ListCalls, request);
  ASSERT_EQ(all.calls_size(), 3);
  EXPECT_EQ(all.calls(0).method(), "/shop.Orders/List");
  EXPECT_EQ(all.calls(0).connection(), absl::StrCat("pools/orders/connections/", pool->Connections()[0].id.ToString()));
  EXPECT_EQ(all.calls(0).age().seconds(), 3);
  EXPECT_EQ(all.calls(0).deadline().seconds(), absl::ToUnixSeconds(deadline));
  EXPECT_FALSE(all.calls(1).has_deadline());
  EXPECT_EQ(all.calls(2).age().nanos(), 20'000'000);
  EXPECT_FALSE(all.truncated());

  request.set_limit(2);
  const v1::ListCallsResponse oldest = Get(&Stub::ListCalls, request);
  EXPECT_EQ(oldest.calls_size(), 2);
  EXPECT_TRUE(oldest.truncated());
  request.set_limit(-1);
  v1::ListCallsResponse response;
  EXPECT_THAT(Call(&Stub::ListCalls, request, &response), StatusIs(grpc::StatusCode::INVALID_ARGUMENT));
}

TEST_F(PoolAdminServiceTest, AConnectionTellsItsErrorRateWithItsCounts) {
  const auto pool = AddPool("orders");
  { const Place place = *pool->AcquireNow(false); }
  v1::ListConnectionsRequest request;
  request.set_parent("pools/orders");
  const v1::Connection unused = Get(&Stub::ListConnections, request).connections(0);
  EXPECT_EQ(unused.requests(), 0u);
  EXPECT_FALSE(unused.has_error_rate());

  CallTotals ended;
  ended.by_code[0] = 90;
  ended.by_code[static_cast<int>(absl::StatusCode::kAborted)] = 10;
  target_.SetCalls({}, ended, {});
  const v1::Connection used = Get(&Stub::ListConnections, request).connections(0);
  EXPECT_EQ(used.requests(), 100u);
  EXPECT_EQ(used.errors(), 10u);
  EXPECT_EQ(used.error_rate(), 0.10);
}

TEST_F(PoolAdminServiceTest, MethodsAreInTheStatisticsOfThoseWhoAskForThem) {
  const auto pool = AddPool("orders");
  MethodStats get{"/shop.Orders/Get", {}};
  get.calls.by_code[0] = 3;
  get.calls.by_code[static_cast<int>(absl::StatusCode::kNotFound)] = 1;
  for (int i = 0; i < 4; ++i) get.calls.times.Add(absl::Milliseconds(2));
  target_.SetCalls({}, CallTotals(), {get});
  v1::GetStatsRequest request;
  EXPECT_EQ(Get(&Stub::GetStats, request).stats(0).methods_size(), 0);

  request.set_include_methods(true);
  const v1::PoolStats with = Get(&Stub::GetStats, request).stats(0);
  ASSERT_EQ(with.methods_size(), 1);
  const v1::MethodStats& shown = with.methods(0);
  EXPECT_EQ(shown.method(), "/shop.Orders/Get");
  EXPECT_EQ(shown.requests(), 4u);
  EXPECT_EQ(shown.errors(), 1u);
  EXPECT_EQ(shown.error_rate(), 0.25);
  EXPECT_EQ(shown.by_code_size(), 2);
  EXPECT_EQ(shown.by_code().at("NOT_FOUND"), 1u);
  EXPECT_EQ(shown.times().one_in(), 1u) << "every call is timed, and it says so";
  EXPECT_EQ(shown.times().sum().nanos(), 8'000'000);
}

TEST_F(PoolAdminServiceTest, AFullPoolIsExplained) {
  PoolOptions options = SmallPool();
  options.max_connections = 1;
  const auto pool = AddPool("orders", options);
  std::vector<Place> places;
  while (Place place = pool->TryAcquire()) places.push_back(std::move(place));
  ASSERT_FALSE(places.empty());
  (void)pool->AcquireAsync(absl::InfiniteFuture(), [](const absl::StatusOr<Place>&) {});
  v1::ExplainPoolRequest request;
  request.set_name("pools/orders");
  const v1::Explanation full = Get(&Stub::ExplainPool, request).explanation();
  EXPECT_EQ(full.name(), "pools/orders");
  EXPECT_EQ(full.health(), v1::HEALTH_OVERLOADED);
  ASSERT_GE(full.findings_size(), 1);
  EXPECT_EQ(full.findings(0).limit(), "max_connections");
  EXPECT_EQ(full.findings(0).knob(), "max_connections");
  EXPECT_EQ(full.findings(0).value(), "2");
  EXPECT_THAT(full.findings(0).evidence(), HasSubstr("1 waiting"));
  EXPECT_EQ(full.findings(0).since_time().seconds(), absl::ToUnixSeconds(clock_.WallNow()));
  EXPECT_EQ(full.savings().opened(), 1u);

  request.set_name("pools/none");
  v1::ExplainPoolResponse response;
  EXPECT_THAT(Call(&Stub::ExplainPool, request, &response), StatusIs(grpc::StatusCode::NOT_FOUND));
}

TEST_F(PoolAdminServiceTest, AffinityKeysAreToldByTheirHashAlone) {
  const auto pool = AddPool("orders");
  LeaseOptions by_key;
  by_key.affinity_key = "customer 7";
  for (int i = 0; i < 4'000; ++i) (void)pool->TryAcquire(by_key);
  v1::ExplainPoolRequest request;
  request.set_name("pools/orders");
  const v1::Explanation shown = Get(&Stub::ExplainPool, request).explanation();
  ASSERT_EQ(shown.hot_keys_size(), 1);
  EXPECT_THAT(shown.hot_keys(0).hash(), SizeIs(16));
  EXPECT_EQ(shown.hot_keys(0).one_in(), 64u);
  EXPECT_THAT(shown.DebugString(), Not(HasSubstr("customer")));
}

TEST_F(PoolAdminServiceTest, DecisionsAreListedNewestFirstPageByPage) {
  PoolOptions options = SmallPool();
  options.max_connections = 1;
  options.max_waiters = 0;
  const auto pool = AddPool("orders", options);
  std::vector<Place> places;
  while (Place place = pool->TryAcquire()) places.push_back(std::move(place));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(pool->Acquire(absl::InfiniteFuture()).ok());
  v1::ListDecisionsRequest request;
  request.set_parent("pools/orders");
  const v1::ListDecisionsResponse all = Get(&Stub::ListDecisions, request);
  ASSERT_GE(all.decisions_size(), 2);
  EXPECT_EQ(all.decisions(0).kind(), "refused");
  EXPECT_EQ(all.decisions(0).limit(), "max_waiters");
  EXPECT_EQ(all.decisions(0).count(), 3u);
  EXPECT_THAT(all.decisions(0).text(), HasSubstr("max_waiters 0 is the limit"));
  EXPECT_EQ(all.decisions(0).last_time().seconds(), absl::ToUnixSeconds(clock_.WallNow()));

  std::vector<uint64_t> one_by_one;
  request.set_page_size(1);
  do {
    const v1::ListDecisionsResponse page = Get(&Stub::ListDecisions, request);
    ASSERT_EQ(page.decisions_size(), 1);
    one_by_one.push_back(page.decisions(0).sequence());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  ASSERT_EQ(one_by_one.size(), static_cast<size_t>(all.decisions_size()));
  for (size_t i = 0; i < one_by_one.size(); ++i) EXPECT_EQ(one_by_one[i], all.decisions(i).sequence());
  EXPECT_EQ(one_by_one.back(), 1u);
}

// --- Configuration ------------------------------------------------------------------------------------------------

TEST_F(PoolAdminServiceTest, WithoutAConfigurationItSaysSo) {
  v1::GetConfigResponse config;
  grpc::Status status = Call(&Stub::GetConfig, v1::GetConfigRequest(), &config);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::FAILED_PRECONDITION));
  EXPECT_EQ(InfoOf(status).reason(), "NO_CONFIGURATION");
  v1::ReloadConfigResponse reloaded;
  status = Call(&Stub::ReloadConfig, v1::ReloadConfigRequest(), &reloaded);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::FAILED_PRECONDITION));
}

TEST_F(PoolAdminServiceTest, TheRunningConfigurationIsWhatNobodyNamedOtherwise) {
  UseConfig();
  EXPECT_EQ(Get(&Stub::GetConfig, v1::GetConfigRequest()).yaml(), "CONFIG_VIEW_RUNNING");
  v1::GetConfigRequest request;
  request.set_view(static_cast<v1::ConfigView>(9));
  v1::GetConfigResponse response;
  EXPECT_THAT(FieldsOf(Call(&Stub::GetConfig, request, &response)), ElementsAre("view"));
}

TEST_F(PoolAdminServiceTest, AReloadIsDoneInTheCallersName) {
  UseConfig();
  EXPECT_EQ(Get(&Stub::ReloadConfig, v1::ReloadConfigRequest()).generation(), 2u);
  EXPECT_EQ(config_.reloaded_by, "operator");
}

TEST_F(PoolAdminServiceTest, AFailedReloadKeepsItsDiagnostics) {
  UseConfig();
  v1::ConfigDiagnostics diagnostics;
  diagnostics.add_diagnostics()->set_line(7);
  config_.reload_error =
      ErrorBuilder(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID", "c.yaml:7: no").Detail(diagnostics).Build();
  v1::ReloadConfigResponse response;
  const grpc::Status status = Call(&Stub::ReloadConfig, v1::ReloadConfigRequest(), &response);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::INVALID_ARGUMENT, "c.yaml:7: no"));
  v1::ConfigDiagnostics found;
  ASSERT_TRUE(FindDetail(status, &found));
  EXPECT_EQ(found.diagnostics(0).line(), 7u);
}

TEST_F(PoolAdminServiceTest, AReloadThatTakesLongHoldsUpNoOtherCall) {
  UseConfig();
  AddPool("orders");
  chanpool::testing::Signal begun;
  chanpool::testing::Signal go_on;
  config_.during_reload = [&] {
    begun.Notify();
    go_on.Await();
  };
  StartServer();
  v1::ReloadConfigResponse reloaded;
  chanpool::testing::Signal ended;
  const auto context = NewContext();
  const v1::ReloadConfigRequest request;
  stub().async()->ReloadConfig(context.get(), &request, &reloaded, [&](const grpc::Status& status) {
    EXPECT_THAT(status, IsOk());
    ended.Notify();
  });
  ASSERT_TRUE(begun.Await());
  EXPECT_EQ(GetPool("pools/orders").name(), "pools/orders");
  go_on.Notify();
  EXPECT_TRUE(ended.Await());
}

// --- Attached processes -------------------------------------------------------------------------------------------

TEST_F(PoolAdminServiceTest, CallsAboutAnAttachedProcessArePassedOn) {
  UseRemote();
  v1::DrainPoolRequest drain;
  drain.set_name("processes/shop/pools/carts");
  Get(&Stub::DrainPool, drain);
  EXPECT_EQ(remote_.called(), "shop DrainPool");
  EXPECT_EQ(GetOperation("processes/shop/operations/1").name(), "processes/shop/operations/1");

  drain.set_name("processes/none/pools/carts");
  v1::DrainPoolResponse response;
  const grpc::Status status = Call(&Stub::DrainPool, drain, &response);
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::NOT_FOUND, HasSubstr("none")));
  InfoOf(status);
}

TEST_F(PoolAdminServiceTest, WhatIsFalseOrZeroIsSaidNotLeftOut) {
  AddPool("orders");
  EXPECT_TRUE(GetPool("pools/orders").has_stale());
  EXPECT_TRUE(Get(&Stub::GetStats, v1::GetStatsRequest()).stats(0).has_stale());
  v1::UndrainPoolRequest undrain;
  undrain.set_name("pools/orders");
  const v1::UndrainPoolResponse undrained = Get(&Stub::UndrainPool, undrain);
  EXPECT_TRUE(undrained.has_changed());
  EXPECT_FALSE(undrained.changed());
}

TEST_F(PoolAdminServiceTest, APoolOfAProcessThatDoesNotAnswerIsShownAsItWasHeardLast) {
  UseRemote();
  remote_.Tell([](FakeRemote::Answers& answers) {
    answers.pool.set_target("dns:///carts:50051");
    answers.call_error = absl::UnavailableError("shop is gone for 4s");
  });
  const v1::Pool pool = GetPool("processes/shop/pools/carts");
  EXPECT_EQ(pool.target(), "dns:///carts:50051");
  EXPECT_TRUE(pool.stale());

  v1::GetPoolRequest request;
  request.set_name("processes/shop/pools/none");
  v1::GetPoolResponse response;
  EXPECT_THAT(Call(&Stub::GetPool, request, &response), StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("gone")));
  v1::DrainPoolRequest drain;
  drain.set_name("processes/shop/pools/carts");
  v1::DrainPoolResponse drained;
  EXPECT_THAT(Call(&Stub::DrainPool, drain, &drained), StatusIs(grpc::StatusCode::UNAVAILABLE));

  remote_.Tell([](FakeRemote::Answers& answers) { answers.call_error = absl::NotFoundError("no such pool"); });
  request.set_name("processes/shop/pools/carts");
  EXPECT_THAT(Call(&Stub::GetPool, request, &response), StatusIs(grpc::StatusCode::NOT_FOUND));
}

TEST_F(PoolAdminServiceTest, WhereNothingCanAttachThereIsNoProcess) {
  v1::GetPoolRequest request;
  request.set_name("processes/shop/pools/carts");
  v1::GetPoolResponse response;
  EXPECT_EQ(InfoOf(Call(&Stub::GetPool, request, &response)).reason(), "PROCESS_NOT_FOUND");
}

// --- The registry -------------------------------------------------------------------------------------------------

TEST_F(PoolAdminServiceTest, PoolsComeAndGoAndEventsSaySo) {
  AddPool("orders");
  EXPECT_THAT(registry_.Add({"orders", "", pools_["orders"]}), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(registry_.Add({"Orders", "", pools_["orders"]}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(registry_.Add({"none", "", nullptr}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(registry_.Remove("orders"), IsOk());
  EXPECT_THAT(registry_.Remove("orders"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_POOL_ADDED), ElementsAre("added, dials dns:///orders:50051"));
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_POOL_REMOVED), SizeIs(1));
  EXPECT_THAT(Get(&Stub::ListPools, v1::ListPoolsRequest()).pools(), IsEmpty());
}

TEST_F(PoolAdminServiceTest, WhatHappensInAPoolIsAnEvent) {
  const auto pool = AddPool("orders");
  target_.LoseAll(absl::UnavailableError("reset"));
  Settle();
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_CONNECTION_CLOSED), ElementsAre(HasSubstr("closed (lost)")));
  for (const v1::Event& event : events_.Read(0, 100).events) {
    if (event.type() != v1::EVENT_TYPE_CONNECTION_CLOSED) continue;
    EXPECT_EQ(event.resource(), "pools/orders/connections/0-1");
    EXPECT_EQ(event.severity(), v1::SEVERITY_WARNING);
  }
}

}  // namespace
}  // namespace chanpool::admin
