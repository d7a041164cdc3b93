#include "server/config/channel_keys.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace chanpool::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

v1::PoolConfig Keys(const std::string& text) {
  v1::PoolConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  return config;
}

ChannelPoolOptions OptionsOf(const std::string& pool) { return ToChannelPoolOptions(Keys(pool)); }

// Each key of a pool's channels, with another value than it has by default.
constexpr char kEveryKey[] = R"(
    name: "orders" target: "orders:50051"
    keepalive { time { seconds: 300 } timeout { seconds: 7 } permit_without_calls: true }
    endpoints { address: "ipv4:10.0.0.1:50051" weight: 3 }
    dns {
      servers: "10.0.0.2" servers: "10.0.0.3:5353" timeout { seconds: 1 } min_ttl { seconds: 2 }
      max_ttl { seconds: 3 } min_interval { nanos: 500000 }
    }
    retry {
      calls {
        methods: "shop.Orders/GetOrder" methods: "shop.Stock" max_attempts: 4 codes: STATUS_CODE_ABORTED
        codes: STATUS_CODE_UNAVAILABLE initial_backoff { nanos: 5000000 } max_backoff { seconds: 7 }
        backoff_multiplier: 1.5 attempt_timeout { seconds: 8 } timeout { seconds: 9 } wait_for_ready: true
      }
      max_tokens: 50 token_ratio: 0.5 buffer_bytes: 1000
    }
    health { check: HEALTH_CHECK_WATCH service: "shop.Orders" }
    tls {
      ca_file: "/ca" certificate_file: "/certificate" key_file: "/key" server_name: "orders.shop"
      check_every { seconds: 315576000000 }
    }
    transport {
      max_receive_message_bytes: 5000001 max_send_message_bytes: 5000002 max_metadata_bytes: 5000003
      user_agent_prefix: "shop/1" compression: COMPRESSION_DEFLATE bdp_probe: false initial_window_bytes: 70000
      max_frame_bytes: 20000 write_buffer_bytes: 0 hpack_decoder_bytes: 1 hpack_encoder_bytes: 2 http_proxy: false
    }
    diversity { backend_header: "x-backend" rerolls_per_minute: 0 })";

// The paths of the fields below `message` that are not set.
std::vector<std::string> Unset(const Message& message, const std::string& path) {
  std::vector<std::string> unset;
  const google::protobuf::Reflection* const reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    const std::string name = absl::StrCat(path, field->name());
    if (name == "options") continue;  // They are the engine's.
    const bool set =
        field->is_repeated() ? reflection->FieldSize(message, field) > 0 : reflection->HasField(message, field);
    if (!set) {
      unset.push_back(name);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
               field->message_type() != google::protobuf::Duration::descriptor()) {
      const Message& below = field->is_repeated() ? reflection->GetRepeatedMessage(message, field, 0)
                                                  : reflection->GetMessage(message, field);
      for (const std::string& each : Unset(below, name + ".")) unset.push_back(each);
    }
  }
  return unset;
}

TEST(ChannelKeysTest, EveryKeyGoesThereAndBack) {
  const v1::PoolConfig keys = Keys(kEveryKey);
  EXPECT_EQ(Unset(keys, ""), std::vector<std::string>()) << "a new key: say here what it is";
  EXPECT_EQ(ToPoolConfig(ToChannelPoolOptions(keys)).DebugString(), keys.DebugString());
}

TEST(ChannelKeysTest, WhatHasItsDefaultIsNoKey) {
  EXPECT_EQ(ToPoolConfig(OptionsOf("name: 'a' target: 'b'")).DebugString(),
            Keys("name: 'a' target: 'b'").DebugString());
  const v1::PoolConfig tls = Keys("name: 'a' tls { } retry { calls { } } endpoints { address: 'unix:/a' }");
  EXPECT_EQ(ToPoolConfig(ToChannelPoolOptions(tls)).DebugString(), tls.DebugString());
}

TEST(ChannelKeysTest, AFunctionThatTellsBackendsApartShowsAsDiversityWithoutAHeader) {
  ChannelPoolOptions options;
  options.diversity.backend_of = [](const grpc::ClientContext&) { return std::string(); };
  EXPECT_EQ(ToPoolConfig(options).DebugString(), Keys("name: '' target: '' diversity { }").DebugString());
}

TEST(ChannelKeysTest, EveryKeyOfRetryReachesTheChannels) {
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

TEST(ChannelKeysTest, EveryKeyOfDiversityReachesTheChannels) {
  const DiversityOptions some = OptionsOf("diversity { backend_header: 'x-backend' rerolls_per_minute: 0 }").diversity;
  EXPECT_EQ(some.backend_header, "x-backend");
  EXPECT_EQ(some.rerolls_per_minute, 0);
  EXPECT_EQ(OptionsOf("diversity { backend_header: 'x-backend' }").diversity.rerolls_per_minute, 6);
  EXPECT_FALSE(OptionsOf("name: 'a'").diversity.on());
}

TEST(ChannelKeysTest, EveryKeyOfHealthReachesTheChannels) {
  const HealthOptions check = OptionsOf("health { check: HEALTH_CHECK_CHECK service: 'shop.Orders' }").health;
  EXPECT_EQ(check.check, HealthCheck::kCheck);
  EXPECT_EQ(check.service, "shop.Orders");
  EXPECT_EQ(OptionsOf("health { check: HEALTH_CHECK_WATCH }").health.check, HealthCheck::kWatch);
  EXPECT_EQ(OptionsOf("name: 'a'").health.check, HealthCheck::kOff);
}

TEST(ChannelKeysTest, TransportReachesTheChannels) {
  EXPECT_EQ(OptionsOf("transport { max_receive_message_bytes: 5000000 }").transport.max_receive_message_bytes, 5000000);
}

TEST(ChannelKeysTest, NothingIsTriedAgainWhereNothingIsSaid) {
  EXPECT_FALSE(AsksForAnything(OptionsOf("name: 'a'").retry));
}

}  // namespace
}  // namespace chanpool::config
