#include "server/admin/health_service.h"

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/admin/admin_fixture.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthServiceTest : public AdminFixture {
 protected:
  HealthServiceTest() { Be(""); }  // It is for everybody.

  HealthCheckResponse::ServingStatus Check(const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    const auto stub = grpc::health::v1::Health::NewStub(channel());
    EXPECT_THAT(stub->Check(NewContext().get(), request, &response), IsOk()) << service;
    return response.status();
  }
};

TEST_F(HealthServiceTest, TheProcessTheServiceAndEachPoolAreNamed) {
  AddPool("orders");
  for (const char* service : {"", "chanpool.admin.v1.PoolAdmin", "pools/orders"}) {
    EXPECT_EQ(Check(service), HealthCheckResponse::SERVING) << service;
  }
}

TEST_F(HealthServiceTest, WhatIsNotThereIsNotFound) {
  HealthCheckRequest request;
  request.set_service("pools/none");
  HealthCheckResponse response;
  const auto stub = grpc::health::v1::Health::NewStub(channel());
  EXPECT_THAT(stub->Check(NewContext().get(), request, &response), StatusIs(grpc::StatusCode::NOT_FOUND));
}

TEST_F(HealthServiceTest, APoolOfAnAttachedProcessIsNamedWithItsProcess) {
  UseRemote();
  const std::string carts = "processes/shop/pools/carts";
  const auto served = [&](const std::function<void(v1::Pool&)>& change) {
    remote_.Tell([&](FakeRemote::Answers& answers) { change(answers.pool); });
    return Check(carts);
  };
  EXPECT_EQ(Check(carts), HealthCheckResponse::SERVING);
  EXPECT_EQ(served([](v1::Pool& pool) { pool.set_stale(true); }), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(served([](v1::Pool& pool) { pool.set_stale(false); }), HealthCheckResponse::SERVING);
  EXPECT_EQ(served([](v1::Pool& pool) { pool.set_admin_state(v1::ADMIN_STATE_DRAINING); }),
            HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(served([](v1::Pool& pool) { pool.set_admin_state(v1::ADMIN_STATE_ACTIVE); }), HealthCheckResponse::SERVING);
  EXPECT_EQ(served([](v1::Pool& pool) { pool.set_health(v1::HEALTH_UNAVAILABLE); }), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(served([](v1::Pool& pool) { pool.set_health(v1::HEALTH_OVERLOADED); }), HealthCheckResponse::SERVING);

  HealthCheckRequest request;
  request.set_service("processes/shop/pools/none");
  HealthCheckResponse response;
  const auto stub = grpc::health::v1::Health::NewStub(channel());
  EXPECT_THAT(stub->Check(NewContext().get(), request, &response), StatusIs(grpc::StatusCode::NOT_FOUND));
}

TEST_F(HealthServiceTest, APoolThatDrainsDoesNotServe) {
  AddPool("orders")->BeginDrain();
  EXPECT_EQ(Check("pools/orders"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, APoolWithoutAConnectionDoesNotServe) {
  target_.SetDial(FakeTarget::Dial::kRefuse);
  AddPool("orders");
  EXPECT_EQ(Check("pools/orders"), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, NothingServesWhenTheProcessIsAboutToEnd) {
  AddPool("orders");
  StartServer();
  admin_->BeginShutdown();
  for (const char* service : {"", "chanpool.admin.v1.PoolAdmin", "pools/orders"}) {
    EXPECT_EQ(Check(service), HealthCheckResponse::NOT_SERVING) << service;
  }
}

TEST_F(HealthServiceTest, AWatchIsToldOfEachChange) {
  HealthCheckRequest request;
  request.set_service("pools/orders");
  const auto stub = grpc::health::v1::Health::NewStub(channel());
  const auto context = NewContext();
  const auto reader = stub->Watch(context.get(), request);
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  const auto pool = AddPool("orders");
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  pool->BeginDrain();
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  context->TryCancel();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_THAT(reader->Finish(), StatusIs(grpc::StatusCode::CANCELLED));
}

}  // namespace
}  // namespace chanpool::admin
