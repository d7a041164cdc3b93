#include "server/admin/pool_view.h"

#include <gmock/gmock.h>

namespace chanpool::admin {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'600'000'000);

PoolStats Open(int connections, int64_t leases, int64_t free) {
  PoolStats stats;
  stats.connections = stats.connections_open = connections;
  stats.leases = leases;
  stats.free = free;
  stats.capacity = leases + free;
  return stats;
}

v1::Health ShowHealth(const PoolStats& stats, absl::Time now) {
  return admin::ShowHealth(stats.state, HealthOf(stats, now));
}

TEST(PoolViewTest, APoolWithAPlaceIsHealthy) {
  EXPECT_EQ(ShowHealth(Open(2, 3, 1), kNow), v1::HEALTH_HEALTHY);
  EXPECT_THAT(ConditionsOf(Open(2, 3, 1), PoolOptions(), kNow), IsEmpty());
}

TEST(PoolViewTest, APoolThatNobodyUsesIsHealthyWithoutAConnection) {
  EXPECT_EQ(ShowHealth(PoolStats(), kNow), v1::HEALTH_HEALTHY);
}

TEST(PoolViewTest, APlaceBesideADialThatFailsIsDegraded) {
  PoolStats stats = Open(1, 0, 2);
  stats.connections_backoff = 1;
  stats.retry_at = kNow + absl::Milliseconds(1200);
  stats.last_dial_error = absl::UnavailableError("refused");
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_DEGRADED);
  EXPECT_THAT(ConditionsOf(stats, PoolOptions(), kNow),
              ElementsAre("1 connection waits to dial again, next in 1.2s; last dial error: refused"));
}

TEST(PoolViewTest, APlaceBesideASuspectIsDegraded) {
  PoolStats stats = Open(1, 0, 2);
  stats.connections_checking = 2;
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_DEGRADED);
  EXPECT_THAT(ConditionsOf(stats, PoolOptions(), kNow), ElementsAre(HasSubstr("2 connections suspected")));
}

TEST(PoolViewTest, AFullPoolIsOverloadedAndSaysHowFull) {
  PoolStats stats = Open(2, 4, 0);
  stats.waiters = 3;
  PoolOptions options;
  options.max_connections = 2;
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_OVERLOADED);
  EXPECT_THAT(ConditionsOf(stats, options, kNow),
              ElementsAre("full: 4 leases on 4 places of 2 connections (max_connections 2)",
                          "3 callers wait for a place (max_waiters 1000)"));
}

TEST(PoolViewTest, CallersWithoutAConnectionMakeItUnavailable) {
  PoolStats stats;
  stats.connections = stats.connections_connecting = 1;
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_HEALTHY) << "it has just begun, and nobody waits";
  stats.waiters = 1;
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_UNAVAILABLE);
}

TEST(PoolViewTest, ATargetThatRefusesEveryDialMakesItUnavailable) {
  PoolStats stats;
  stats.connections = stats.connections_backoff = 1;
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_UNAVAILABLE);
}

TEST(PoolViewTest, WhatWasDecidedIsNoQuestionOfHealth) {
  PoolStats stats;
  stats.state = PoolAdminState::kDraining;
  stats.connections = stats.connections_draining = 3;
  stats.leases = 41;
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_UNSPECIFIED);
  EXPECT_EQ(AdminStateOf(stats), v1::ADMIN_STATE_DRAINING);
  EXPECT_THAT(ConditionsOf(stats, PoolOptions(), kNow), ElementsAre("it drains: 41 calls on 3 connections"));
  stats.state = PoolAdminState::kDrained;
  EXPECT_EQ(AdminStateOf(stats), v1::ADMIN_STATE_DRAINED);
}

TEST(PoolViewTest, APausedPoolSaysForHowLong) {
  PoolStats stats = Open(1, 0, 2);
  stats.state = PoolAdminState::kPaused;
  stats.pause_left = absl::Milliseconds(7499);
  EXPECT_EQ(ShowHealth(stats, kNow), v1::HEALTH_UNSPECIFIED);
  EXPECT_EQ(AdminStateOf(stats), v1::ADMIN_STATE_PAUSED);
  EXPECT_THAT(ConditionsOf(stats, PoolOptions(), kNow), Contains("it is paused for 7.5s more: callers wait"));
}

TEST(PoolViewTest, ConnectionsOfTheTransportsOwnAreNamed) {
  PoolStats stats = Open(1, 0, 2);
  stats.connections_extra = 2;
  EXPECT_THAT(ConditionsOf(stats, PoolOptions(), kNow), ElementsAre(HasSubstr("up to 2 connections made by the")));
}

TEST(PoolViewTest, ADrainingConnectionSaysWhy) {
  ConnectionStats row;
  row.id = {3, 17};
  row.state = SlotState::kDraining;
  row.reason = CloseReason::kMaxAge;
  row.leases = 2;
  const v1::Connection shown = ShowConnection(row, "pools/orders");
  EXPECT_EQ(shown.name(), "pools/orders/connections/3-17");
  EXPECT_EQ(shown.state(), v1::CONNECTION_STATE_DRAINING);
  EXPECT_EQ(shown.drain_reason(), "max_age");
  row.state = SlotState::kOpen;
  EXPECT_EQ(ShowConnection(row, "pools/orders").state(), v1::CONNECTION_STATE_ACTIVE);
  EXPECT_EQ(ShowConnection(row, "pools/orders").drain_reason(), "");
}

TEST(PoolViewTest, AConnectionSaysWhichBackendAnswers) {
  ConnectionStats row;
  EXPECT_EQ(ShowConnection(row, "pools/orders").backend(), "");
  row.backend = "orders-7";
  EXPECT_EQ(ShowConnection(row, "pools/orders").backend(), "orders-7");
}

TEST(PoolViewTest, ACertificateIsShownWithItsEnd) {
  CertificateState certificate;
  certificate.subject = "CN=shop";
  certificate.not_after = kNow + absl::Hours(24 * 90);
  certificate.ends_first = "/c.pem";
  certificate.changes = 2;
  const v1::Certificate shown = ShowCertificate(certificate);
  EXPECT_EQ(shown.subject(), "CN=shop");
  EXPECT_EQ(shown.expire_time().seconds(), absl::ToUnixSeconds(certificate.not_after));
  EXPECT_EQ(shown.ends_first(), "/c.pem");
  EXPECT_EQ(shown.changes(), 2u);
  EXPECT_THAT(ConditionsOf(certificate, kNow), IsEmpty());
  EXPECT_FALSE(ShowCertificate(CertificateState()).has_expire_time()) << "of no file";
}

TEST(PoolViewTest, ACertificateThatEndsAndFilesThatAreNoGoodAreConditions) {
  CertificateState certificate;
  certificate.ends_first = "/c.pem";
  certificate.not_after = kNow + absl::Hours(24 * 9 + 1);
  certificate.last_error = "tls.key_file: /c.key is gone";
  EXPECT_THAT(
      ConditionsOf(certificate, kNow),
      ElementsAre("it keeps its certificates, since those in the files now are no good: tls.key_file: /c.key is "
                  "gone",
                  "/c.pem expires in 9 days"));
  EXPECT_THAT(ConditionsOf(certificate, certificate.not_after),
              Contains("/c.pem has expired: no connection can be made"));
}

}  // namespace
}  // namespace chanpool::admin
