#include "server/sidecar/channel_options.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace chanpool::sidecar {
namespace {

ChannelPoolOptions OptionsOf(const std::string& pool) {
  chanpool::config::v1::PoolConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(pool, &config));
  return ToChannelPoolOptions(config);
}

TEST(ChannelOptionsTest, EveryKeyOfRetryReachesTheChannels) {
  const ChannelPoolOptions options = OptionsOf(R"(
      retry {
        calls {
          methods: "shop.Orders/GetOrder" methods: "shop.Stock" max_attempts: 4 codes: STATUS_CODE_ABORTED
          codes: STATUS_CODE_UNAVAILABLE initial_backoff { nanos: 5000000 } max_backoff { seconds: 7 }
          backoff_multiplier: 1.5 attempt_timeout { seconds: 8 } timeout { seconds: 9 }
        }
        calls { wait_for_ready: true }
        max_tokens: 50 token_ratio: 0.5 buffer_bytes: 1000
      })");
  ASSERT_EQ(options.retry.calls.size(), 2);
  const CallPolicy& first = options.retry.calls[0];
  EXPECT_EQ(first.methods, (std::vector<std::string>{"shop.Orders/GetOrder", "shop.Stock"}));
  EXPECT_EQ(first.max_attempts, 4);
  EXPECT_EQ(first.codes, (std::vector<grpc::StatusCode>{grpc::StatusCode::ABORTED, grpc::StatusCode::UNAVAILABLE}));
  EXPECT_EQ(first.initial_backoff, absl::Milliseconds(5));
  EXPECT_EQ(first.max_backoff, absl::Seconds(7));
  EXPECT_EQ(first.backoff_multiplier, 1.5);
  EXPECT_EQ(first.attempt_timeout, absl::Seconds(8));
  EXPECT_EQ(first.timeout, absl::Seconds(9));
  EXPECT_FALSE(first.wait_for_ready);
  EXPECT_TRUE(options.retry.calls[1].wait_for_ready);
  EXPECT_EQ(options.retry.max_tokens, 50);
  EXPECT_EQ(options.retry.token_ratio, 0.5);
  EXPECT_EQ(options.retry.buffer_bytes, 1000);
}

TEST(ChannelOptionsTest, EveryKeyOfDiversityReachesTheChannels) {
  const DiversityOptions some = OptionsOf("diversity { backend_header: 'x-backend' rerolls_per_minute: 0 }").diversity;
  EXPECT_EQ(some.backend_header, "x-backend");
  EXPECT_EQ(some.rerolls_per_minute, 0);
  EXPECT_EQ(OptionsOf("diversity { backend_header: 'x-backend' }").diversity.rerolls_per_minute, 6);
  EXPECT_FALSE(OptionsOf("name: 'a'").diversity.on());
}

TEST(ChannelOptionsTest, EveryKeyOfHealthReachesTheChannels) {
  const HealthOptions check = OptionsOf("health { check: HEALTH_CHECK_CHECK service: 'shop.Orders' }").health;
  EXPECT_EQ(check.check, HealthCheck::kCheck);
  EXPECT_EQ(check.service, "shop.Orders");
  EXPECT_EQ(OptionsOf("health { check: HEALTH_CHECK_WATCH }").health.check, HealthCheck::kWatch);
  EXPECT_EQ(OptionsOf("name: 'a'").health.check, HealthCheck::kOff);
}

TEST(ChannelOptionsTest, TransportReachesTheChannels) {
  EXPECT_EQ(OptionsOf("transport { max_receive_message_bytes: 5000000 }").transport.max_receive_message_bytes, 5000000);
}

TEST(ChannelOptionsTest, NothingIsTriedAgainWhereNothingIsSaid) {
  EXPECT_FALSE(AsksForAnything(OptionsOf("name: 'a'").retry));
}

}  // namespace
}  // namespace chanpool::sidecar
