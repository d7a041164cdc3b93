#include "server/admin/pool_update.h"

#include <gmock/gmock.h>

#include <string>

#include "server/admin/proto_time.h"
#include "tests/admin/admin_fixture.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class PoolUpdateTest : public AdminFixture {
 protected:
  PoolUpdateTest() {
    pool_ = AddPool("orders");
    request_.mutable_pool()->set_name("pools/orders");
  }
  v1::Pool Update() { return Get(&Stub::UpdatePool, request_).pool(); }
  grpc::Status TryUpdate() {
    v1::UpdatePoolResponse response;
    return Call(&Stub::UpdatePool, request_, &response);
  }
  void SetMaxConnections(uint32_t value) { request_.mutable_pool()->mutable_options()->set_max_connections(value); }
  void Mask(const std::string& path) { request_.mutable_update_mask()->add_paths(path); }

  std::shared_ptr<Pool> pool_;
  v1::UpdatePoolRequest request_;
};

TEST_F(PoolUpdateTest, AnOverrideHoldsAtOnceAndSaysWhoseItIs) {
  SetMaxConnections(7);
  request_.set_reason("load test");
  const v1::Pool after = Update();
  EXPECT_EQ(after.options().max_connections(), 7u);
  EXPECT_EQ(pool_->options().max_connections, 7);
  ASSERT_EQ(after.overrides_size(), 1);
  EXPECT_EQ(after.overrides(0).path(), "options.max_connections");
  EXPECT_EQ(after.overrides(0).owner_value(), "2");
  EXPECT_EQ(after.overrides(0).value(), "7");
  EXPECT_EQ(after.overrides(0).set_by(), "operator");
  EXPECT_EQ(after.overrides(0).reason(), "load test");
  EXPECT_FALSE(after.overrides(0).has_expire_time());
  EXPECT_EQ(after.generation(), 2u);
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_OVERRIDE_SET), ElementsAre("max_connections is 7: load test"));
}

TEST_F(PoolUpdateTest, AnOverrideSurvivesItsOwnersReconfiguring) {
  SetMaxConnections(7);
  Update();
  PoolOptions owner = SmallPool();
  owner.max_connections = 3;
  EXPECT_THAT(pool_->Reconfigure(owner), IsOk());
  const v1::Pool shown = GetPool("pools/orders");
  EXPECT_EQ(shown.options().max_connections(), 7u);
  EXPECT_EQ(shown.overrides(0).owner_value(), "3");
}

TEST_F(PoolUpdateTest, AnOverrideEndsWithItsTime) {
  SetMaxConnections(7);
  *request_.mutable_ttl() = ToProto(absl::Minutes(30));
  EXPECT_EQ(FromProto(Update().overrides(0).expire_time()), clock_.WallNow() + absl::Minutes(30));
  clock_.Advance(absl::Minutes(30) - absl::Milliseconds(1));
  EXPECT_EQ(pool_->options().max_connections, 7);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(pool_->options(), SmallPool());
  EXPECT_THAT(GetPool("pools/orders").overrides(), SizeIs(0));
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_OVERRIDE_ENDED), ElementsAre(HasSubstr("its time is over")));
}

TEST_F(PoolUpdateTest, WhatMakesNoSenseWithoutAnExpiredOneEndsWithIt) {
  SetMaxConnections(7);
  *request_.mutable_ttl() = ToProto(absl::Minutes(1));
  Update();
  request_.clear_ttl();
  request_.mutable_pool()->clear_options();
  request_.mutable_pool()->mutable_options()->set_min_connections(5);
  Update();
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(pool_->options(), SmallPool());
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_OVERRIDE_ENDED), SizeIs(2));
}

TEST_F(PoolUpdateTest, AMaskThatNamesWhatIsLeftOutTakesItBack) {
  SetMaxConnections(7);
  request_.mutable_pool()->mutable_options()->set_max_waiters(5);
  Update();
  request_.mutable_pool()->clear_options();
  Mask("max_connections");
  EXPECT_EQ(Update().options().max_connections(), 2u);
  EXPECT_EQ(pool_->options().max_waiters, 5);
  request_.clear_update_mask();
  Mask("options.*");
  EXPECT_THAT(Update().overrides(), SizeIs(0));
  EXPECT_EQ(pool_->options(), SmallPool());
}

TEST_F(PoolUpdateTest, OnlyWhatTheMaskNamesIsRead) {
  SetMaxConnections(7);
  request_.mutable_pool()->mutable_options()->set_max_waiters(5);
  Mask("options.max_waiters");
  Update();
  EXPECT_EQ(pool_->options().max_connections, 2);
  EXPECT_EQ(pool_->options().max_waiters, 5);
}

TEST_F(PoolUpdateTest, CheckingChangesNothingAndShowsWhatWouldBe) {
  const v1::Pool before = GetPool("pools/orders");
  SetMaxConnections(7);
  request_.set_validate_only(true);
  const v1::Pool would = Update();
  EXPECT_EQ(would.options().max_connections(), 7u);
  EXPECT_EQ(would.size().max(), 7u);
  EXPECT_THAT(would.overrides(), SizeIs(1));
  EXPECT_EQ(pool_->options(), SmallPool());
  EXPECT_EQ(GetPool("pools/orders").etag(), before.etag());
}

TEST_F(PoolUpdateTest, AnEtagOfAnEarlierStateIsRefused) {
  request_.set_etag(GetPool("pools/orders").etag());
  SetMaxConnections(7);
  const std::string after = Update().etag();
  EXPECT_NE(after, request_.etag());
  const grpc::Status status = TryUpdate();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::ABORTED));
  EXPECT_EQ(InfoOf(status).reason(), "ETAG_MISMATCH");
  EXPECT_EQ(InfoOf(status).metadata().at("etag"), after);
}

TEST_F(PoolUpdateTest, TheEtagChangesWithEachChangeAlsoThereAndBack) {
  const std::string first = GetPool("pools/orders").etag();
  EXPECT_EQ(GetPool("pools/orders").etag(), first);
  SetMaxConnections(7);
  Update();
  request_.mutable_pool()->clear_options();
  Mask("*");
  EXPECT_NE(Update().etag(), first);
  const std::string second = GetPool("pools/orders").etag();
  pool_->BeginDrain();
  EXPECT_NE(GetPool("pools/orders").etag(), second);
}

TEST_F(PoolUpdateTest, TakingBackWhatIsNotThereIsNoChange) {
  const std::string etag = GetPool("pools/orders").etag();
  const size_t events = MessagesOf(v1::EVENT_TYPE_POOL_RECONFIGURED).size();
  Mask("options.max_connections");
  EXPECT_EQ(Update().etag(), etag);
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_POOL_RECONFIGURED), SizeIs(events));
}

TEST_F(PoolUpdateTest, EverythingThatIsWrongIsSaidAtOnce) {
  SetMaxConnections(0);
  request_.mutable_pool()->mutable_options()->set_max_age_jitter(2);
  request_.mutable_pool()->mutable_options()->mutable_max_idle()->set_seconds(400'000'000'000);
  *request_.mutable_ttl() = ToProto(absl::Milliseconds(1));
  request_.set_reason("a\nb");
  const grpc::Status status = TryUpdate();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::INVALID_ARGUMENT));
  EXPECT_EQ(InfoOf(status).reason(), "FIELD_INVALID");
  EXPECT_THAT(FieldsOf(status),
              ::testing::UnorderedElementsAre("reason", "ttl", "pool.options.max_idle", "pool.options.max_connections",
                                              "pool.options.max_age_jitter"));
  EXPECT_EQ(pool_->options(), SmallPool());
}

TEST_F(PoolUpdateTest, ThatAnotherOptionDoesNotFitIsBlamedOnTheOneThatWasAskedFor) {
  request_.mutable_pool()->mutable_options()->mutable_backoff_initial()->set_seconds(60);
  const grpc::Status status = TryUpdate();
  EXPECT_THAT(FieldsOf(status), ElementsAre("pool.options.backoff_initial"));
}

TEST_F(PoolUpdateTest, AnUnknownPathNamesTheNearest) {
  Mask("options.max_conections");
  const grpc::Status status = TryUpdate();
  EXPECT_EQ(InfoOf(status).reason(), "MASK_PATH_UNKNOWN");
  EXPECT_THAT(FieldsOf(status), ElementsAre("update_mask.paths[0]"));
  EXPECT_THAT(status.error_message(), HasSubstr("did you mean options.max_connections?"));
}

TEST_F(PoolUpdateTest, APathThatOnlyShowsIsRefused) {
  Mask("health");
  EXPECT_EQ(InfoOf(TryUpdate()).reason(), "FIELD_INVALID");
}

TEST_F(PoolUpdateTest, NothingToChangeIsSaid) { EXPECT_THAT(FieldsOf(TryUpdate()), ElementsAre("update_mask")); }

TEST_F(PoolUpdateTest, TheTargetComesFromTheFileWhichIsNamed) {
  UseConfig();
  Mask("target");
  const grpc::Status status = TryUpdate();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::FAILED_PRECONDITION, HasSubstr("/etc/chanpool/chanpoold.yaml")));
  EXPECT_EQ(InfoOf(status).reason(), "FIELD_REQUIRES_RELOAD");
  google::rpc::PreconditionFailure failure;
  ASSERT_TRUE(FindDetail(status, &failure));
  EXPECT_EQ(failure.violations(0).subject(), "pools/orders.target");
}

TEST_F(PoolUpdateTest, WhatConnectionsAreMadeWithComesFromTheFileAsWell) {
  for (const char* path : {"keepalive.time", "channel", "channel.retry"}) {
    request_.clear_update_mask();
    Mask(path);
    EXPECT_EQ(InfoOf(TryUpdate()).reason(), "FIELD_REQUIRES_RELOAD") << path;
  }
}

TEST_F(PoolUpdateTest, WhatServersMayNotLikeIsAWarning) {
  request_.mutable_pool()->mutable_options()->set_max_leases_per_connection(1000);
  EXPECT_THAT(Get(&Stub::UpdatePool, request_).warnings(), ElementsAre(HasSubstr("most servers allow 100 streams")));
}

TEST_F(PoolUpdateTest, ARemovedPoolHasItsOwnersOptionsAgain) {
  SetMaxConnections(7);
  Update();
  EXPECT_THAT(registry_.Remove("orders"), IsOk());
  EXPECT_EQ(pool_->options(), SmallPool());
}

TEST_F(PoolUpdateTest, OverridesEndWithTheRegistryThatCouldEndThem) {
  PoolOptions owner = SmallPool();
  const std::shared_ptr<Pool> pool = Pool::Create({"carts", owner, target_.NewConnector(), &clock_, &closer_, 1});
  {
    PoolRegistry registry(&clock_, &events_);
    EXPECT_THAT(registry.Add({"carts", "dns:///carts:50051", pool}), IsOk());
    ManagedPool::OverrideChange change;
    change.values.set_max_connections(7);
    change.fields = {"max_connections"};
    change.ttl = absl::Minutes(5);
    EXPECT_THAT(registry.Find("carts")->Change(change).status(), IsOk());
    EXPECT_EQ(pool->options().max_connections, 7);
  }
  EXPECT_EQ(pool->options(), owner);
  pool->Destroy();
}

TEST_F(PoolUpdateTest, AnEventSaysHowLongAnOverrideHoldsAsItWasAskedFor) {
  SetMaxConnections(7);
  *request_.mutable_ttl() = ToProto(absl::Minutes(5));
  Update();
  EXPECT_THAT(MessagesOf(v1::EVENT_TYPE_OVERRIDE_SET), ElementsAre("max_connections is 7 for 5m"));
}

TEST_F(PoolUpdateTest, AnUnspecifiedPolicyIsNoOverride) {
  request_.mutable_pool()->mutable_options()->set_overflow(chanpool::config::v1::OVERFLOW_POLICY_UNSPECIFIED);
  EXPECT_THAT(FieldsOf(TryUpdate()), ElementsAre("update_mask")) << "it is as if nothing were said";
  Mask("overflow");
  EXPECT_THAT(Update().overrides(), SizeIs(0));
}

TEST_F(PoolUpdateTest, ADestroyedPoolTakesNoChange) {
  pool_->Destroy();
  SetMaxConnections(7);
  const grpc::Status status = TryUpdate();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::FAILED_PRECONDITION));
  EXPECT_EQ(InfoOf(status).reason(), "POOL_DESTROYED");
}

}  // namespace
}  // namespace chanpool::admin
