#include "server/config/config_diff.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/config_reader.h"
#include "server/config/effective_options.h"
#include "tests/config/random_config.h"

namespace chanpool::config {
namespace {

using chanpool::config::v1::Config;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

Config Read(const std::string& yaml) {
  ReadResult read = ReadConfig(absl::StrCat("version: 1\n", yaml), "f");
  EXPECT_TRUE(read.diagnostics.empty()) << read.diagnostics.front().ShortDebugString();
  return read.config;
}

// "path: old -> new (class)"
std::vector<std::string> Changes(const std::string& before, const std::string& after) {
  std::vector<std::string> texts;
  for (const auto& change : Diff(Read(before), Read(after))) {
    const std::string reload = chanpool::config::v1::ReloadClass_Name(change.reload_class());
    texts.push_back(absl::StrCat(change.path(), ": ", change.old_value(), " -> ", change.new_value(), " (",
                                 reload.substr(sizeof("RELOAD_CLASS_") - 1), ")"));
  }
  return texts;
}

TEST(ConfigDiffTest, NamesEachChangedOptionOfAPool) {
  EXPECT_THAT(
      Changes("pools: [{name: orders, target: a, max_connections: 10, keepalive: {time: 6m}}]",
              "pools: [{name: orders, target: b, max_connections: 32, keepalive: {time: 7m}, overflow: reject}]"),
      ElementsAre("pools/orders.target: a -> b (RECYCLE)", "pools/orders.keepalive.time: 6m -> 7m (RECYCLE)",
                  "pools/orders.max_connections: 10 -> 32 (HOT)", "pools/orders.overflow: overcommit -> reject (HOT)"));
}

TEST(ConfigDiffTest, TransportAndDnsThatAreLeftOutAreTheSameAsOnesThatSayNothing) {
  EXPECT_THAT(
      Changes("pools: [{name: a, target: t}]",
              "pools: [{name: a, target: t, transport: {compression: gzip, max_metadata_bytes: 8192}, "
              "dns: {timeout: 2s}}]"),
      ElementsAre("pools/a.dns.timeout: 5s -> 2s (RECYCLE)", "pools/a.transport.compression: none -> gzip (RECYCLE)"));
  EXPECT_THAT(Changes("pools: [{name: a, target: t, transport: {bdp_probe: false, http_proxy: true}}]",
                      "pools: [{name: a, target: t}]"),
              ElementsAre("pools/a.transport.bdp_probe: false -> true (RECYCLE)"));
}

TEST(ConfigDiffTest, ShowsAChangeOfDefaultsAtEachPoolThatItChanges) {
  EXPECT_THAT(Changes("defaults: {max_idle: 1m}\npools: [{name: b, target: t}, {name: a, target: t, max_idle: 2m}]",
                      "defaults: {max_idle: 3m}\npools: [{name: b, target: t}, {name: a, target: t, max_idle: 2m}]"),
              ElementsAre("defaults.max_idle: 1m -> 3m (HOT)", "pools/b.max_idle: 1m -> 3m (HOT)"));
  EXPECT_THAT(Changes("pools: [{name: b, target: t}]", "defaults: {max_age: infinite}\npools: [{name: b, target: t}]"),
              ElementsAre("defaults.max_age: 1h -> infinite (HOT)", "pools/b.max_age: 1h -> infinite (HOT)"));
}

TEST(ConfigDiffTest, NamesPoolsThatCameAndWent) {
  EXPECT_THAT(Changes("pools: [{name: a, target: ta}, {name: b, target: tb}]",
                      "pools: [{name: c, target: tc, max_surge: 2}, {name: b, target: tb}]"),
              ElementsAre("pools/a: ta ->  (HOT)", "pools/c:  -> tc (HOT)"));
}

TEST(ConfigDiffTest, FindsListenersThatTakeARestart) {
  EXPECT_THAT(
      Changes("admin: {listeners: [{uds: {path: /a}}]}",
              "admin: {listeners: [{uds: {path: /b, allow_uids: [1, 2]}}, {tcp: {port: 0}}]}\n"
              "http: {listen: {port: 9402}}"),
      ElementsAre("admin.listeners[0].uds.path: /a -> /b (RESTART)",
                  "admin.listeners[0].uds.allow_uids: [] -> [1, 2] (RESTART)",
                  "admin.listeners[1].tcp.address:  -> 127.0.0.1 (RESTART)",
                  "admin.listeners[1].tcp.port:  -> 0 (RESTART)", "admin.listeners[1].tcp.role:  -> viewer (RESTART)",
                  "http.listen.address:  -> 127.0.0.1 (RESTART)", "http.listen.port:  -> 9402 (RESTART)"));
}

TEST(ConfigDiffTest, ATimeLimitThatIsTakenAwayIsNotOneOfZero) {
  EXPECT_THAT(Changes("pools: [{name: a, target: t, retry: {calls: [{max_attempts: 2, timeout: 10s}]}}]",
                      "pools: [{name: a, target: t, retry: {calls: [{max_attempts: 2, attempt_timeout: 1s}]}}]"),
              ElementsAre("pools/a.retry.calls[0].attempt_timeout:  -> 1s (RECYCLE)",
                          "pools/a.retry.calls[0].timeout: 10s ->  (RECYCLE)"));
}

TEST(ConfigDiffTest, WhatIsWrittenDifferentlyAndHoldsTheSameIsNoChange) {
  EXPECT_THAT(Changes("admin: {listeners: [{uds: {path: /a}}, {tcp: {port: 1}}]}\n"
                      "pools: [{name: a, target: t, keepalive: {time: 6m}}, {name: b, target: t}]",
                      "admin: {listeners: [{uds: {path: /a, mode: \"0600\", role: operator}}, "
                      "{tcp: {port: 1, address: 127.0.0.1, role: viewer}}]}\n"
                      "http: {}\ndefaults: {max_connections: 10}\n"
                      "pools: [{name: b, target: t, max_idle: 300s}, {name: a, target: t, max_age: 60m,"
                      "         keepalive: {time: 360s, timeout: 20s, permit_without_calls: false}}]"),
              IsEmpty());
}

TEST(ConfigDiffTest, AConfigurationDiffersFromOthersAndNotFromItself) {
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    const Config config = RandomConfig(random);
    EXPECT_THAT(Diff(config, config), IsEmpty());
    Config other = config;
    other.add_pools()->set_name("another");
    other.mutable_pools(other.pools_size() - 1)->set_target("t");
    EXPECT_THAT(Diff(config, other), Not(IsEmpty()));
  }
}

TEST(EffectiveOptionsTest, PutsAPoolsOptionsOverDefaultsOverTheBuiltInOnes) {
  const Config config = Read(
      "defaults: {max_idle: 1500ms, max_connections: 20}\n"
      "pools: [{name: a, target: t, max_idle: 2s, overflow: reject}, {name: b, target: t}]");
  chanpool::PoolOptions expected;
  expected.max_connections = 20;
  expected.max_idle = absl::Milliseconds(1500);
  EXPECT_EQ(EffectiveOptions(config, config.pools(1)), expected);
  expected.max_idle = absl::Seconds(2);  // Not 2.5 s: a duration is one value.
  expected.overflow = OverflowPolicy::kReject;
  EXPECT_EQ(EffectiveOptions(config, config.pools(0)), expected);
}

}  // namespace
}  // namespace chanpool::config
