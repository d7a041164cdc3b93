#include "pool/core/options.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(OptionsTest, DefaultsAreThoseOfTheDocumentation) {
  EXPECT_EQ(PoolOptions().DebugString(),
            "min_connections: 1\n"
            "max_connections: 10\n"
            "max_leases_per_connection: 100\n"
            "target_leases_per_connection: 80\n"
            "max_surge: 1\n"
            "max_waiters: 1000\n"
            "connect_timeout: 10s\n"
            "acquire_timeout: 30s\n"
            "max_idle: 5m\n"
            "max_age: 1h\n"
            "max_age_jitter: 0.1\n"
            "drain_grace: 30s\n"
            "overflow: overcommit\n"
            "backoff_initial: 100ms\n"
            "backoff_max: 10s\n"
            "leak_after: inf\n"
            "validate_after_idle: inf\n"
            "validate_every: inf\n");
}

TEST(OptionsTest, DefaultsAreValid) { EXPECT_EQ(PoolOptions().Validate(), absl::OkStatus()); }

TEST(OptionsTest, TheEndsOfEveryRangeAreValid) {
  PoolOptions low;
  low.min_connections = 0;
  low.max_connections = low.max_leases_per_connection = low.target_leases_per_connection = 1;
  low.max_surge = low.max_waiters = 0;
  low.connect_timeout = low.max_idle = low.max_age = low.backoff_initial = low.backoff_max = absl::Milliseconds(1);
  low.acquire_timeout = low.drain_grace = absl::ZeroDuration();
  low.max_age_jitter = 0;
  low.overflow = OverflowPolicy::kReject;
  EXPECT_EQ(low.Validate(), absl::OkStatus());

  PoolOptions high;
  high.min_connections = high.max_connections = high.max_surge = kMaxConnections;
  high.max_leases_per_connection = high.target_leases_per_connection = kMaxLeasesPerConnection;
  high.max_waiters = kMaxWaiters;
  high.acquire_timeout = high.max_idle = high.max_age = high.drain_grace = absl::InfiniteDuration();
  high.max_age_jitter = 1;
  EXPECT_EQ(high.Validate(), absl::OkStatus());
}

struct BadValue {
  std::string name;     // Begins the message.
  std::string value;    // As the message has it.
  std::string nearest;  // The right value that it proposes.
  std::function<void(PoolOptions& options)> set;
};

std::vector<BadValue> BadValues() {
  const absl::Duration forever = absl::InfiniteDuration(), negative = -absl::Seconds(1);
  return {
      {"min_connections", "-1", "at least 0", [](PoolOptions& o) { o.min_connections = -1; }},
      {"min_connections", "11", "at most 10", [](PoolOptions& o) { o.min_connections = 11; }},
      {"max_connections", "0", "at least 1", [](PoolOptions& o) { o.max_connections = 0; }},
      {"max_connections", "4097", "at most 4096", [](PoolOptions& o) { o.max_connections = 4097; }},
      {"max_leases_per_connection", "0", "at least 1", [](PoolOptions& o) { o.max_leases_per_connection = 0; }},
      {"max_leases_per_connection", "65536", "at most 65535",
       [](PoolOptions& o) { o.max_leases_per_connection = 65536; }},
      {"target_leases_per_connection", "0", "at least 1", [](PoolOptions& o) { o.target_leases_per_connection = 0; }},
      {"target_leases_per_connection", "65536", "at most 65535",
       [](PoolOptions& o) { o.target_leases_per_connection = 65536; }},
      {"max_surge", "-1", "at least 0", [](PoolOptions& o) { o.max_surge = -1; }},
      {"max_surge", "11", "at most 10", [](PoolOptions& o) { o.max_surge = 11; }},
      {"max_waiters", "-1", "at least 0", [](PoolOptions& o) { o.max_waiters = -1; }},
      {"max_waiters", "1000001", "at most 1000000", [](PoolOptions& o) { o.max_waiters = 1000001; }},
      {"connect_timeout", "0", "at least 1ms", [](PoolOptions& o) { o.connect_timeout = absl::ZeroDuration(); }},
      {"connect_timeout", "infinite", "10s", [=](PoolOptions& o) { o.connect_timeout = forever; }},
      {"acquire_timeout", "-1s", "at least 0", [=](PoolOptions& o) { o.acquire_timeout = negative; }},
      {"max_idle", "0", "at least 1ms", [](PoolOptions& o) { o.max_idle = absl::ZeroDuration(); }},
      {"max_age", "500us", "at least 1ms", [](PoolOptions& o) { o.max_age = absl::Microseconds(500); }},
      {"max_age_jitter", "-0.1", "at least 0", [](PoolOptions& o) { o.max_age_jitter = -0.1; }},
      {"max_age_jitter", "1.5", "at most 1", [](PoolOptions& o) { o.max_age_jitter = 1.5; }},
      {"max_age_jitter", "nan", "at least 0", [](PoolOptions& o) { o.max_age_jitter = std::nan(""); }},
      {"drain_grace", "-1s", "at least 0", [=](PoolOptions& o) { o.drain_grace = negative; }},
      {"overflow", "7", "kOvercommit or kReject", [](PoolOptions& o) { o.overflow = static_cast<OverflowPolicy>(7); }},
      {"backoff_initial", "0", "at least 1ms", [](PoolOptions& o) { o.backoff_initial = absl::ZeroDuration(); }},
      {"backoff_max", "50ms", "at least 100ms", [](PoolOptions& o) { o.backoff_max = absl::Milliseconds(50); }},
      {"backoff_max", "infinite", "10s", [=](PoolOptions& o) { o.backoff_max = forever; }},
      {"leak_after", "0", "at least 1ms", [](PoolOptions& o) { o.leak_after = absl::ZeroDuration(); }},
      {"validate_after_idle", "0", "at least 1ms",
       [](PoolOptions& o) { o.validate_after_idle = absl::ZeroDuration(); }},
      {"validate_every", "-1s", "at least 1ms", [=](PoolOptions& o) { o.validate_every = negative; }},
  };
}

TEST(OptionsTest, EveryBadValueIsRefusedByNameWithTheNearestRightOne) {
  for (const BadValue& bad : BadValues()) {
    PoolOptions options;
    bad.set(options);
    const absl::Status refused = options.Validate();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << bad.name << " = " << bad.value;
    EXPECT_THAT(std::string(refused.message()),
                AllOf(StartsWith(bad.name + ": " + bad.value + " "), HasSubstr("; set " + bad.nearest)));
  }
}

TEST(OptionsTest, EveryOptionCanBeRefused) {
  std::string text = PoolOptions().DebugString();
  for (const BadValue& bad : BadValues()) {
    const size_t at = text.find(bad.name + ":");
    if (at != std::string::npos) text.erase(at, text.find('\n', at) + 1 - at);
  }
  EXPECT_EQ(text, "") << "options without a bad value in this test";
}

TEST(OptionsTest, EveryOptionMakesTwoSetsDiffer) {
  for (const BadValue& other : BadValues()) {
    PoolOptions options;
    other.set(options);
    EXPECT_NE(options, PoolOptions()) << other.name;
  }
  EXPECT_EQ(PoolOptions(), PoolOptions());
}

}  // namespace
}  // namespace chanpool
