#include "pool/core/options.h"

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using testing::StrEq;

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
            "preconnect_ratio: 1\n"
            "max_connecting: 10\n"
            "max_connects_per_second: 0\n"
            "shrink_below: 0\n"
            "shrink_interval: 10s\n"
            "shrink_cooldown: 1m\n"
            "max_shrink_step: 2\n"
            "selection: least_loaded\n"
            "leak_after: inf\n"
            "validate_after_idle: inf\n"
            "validate_every: inf\n"
            "probe_after_silence: inf\n"
            "probe_timeout: 5s\n"
            "subset_size: 0\n"
            "slow_start: 0\n"
            "max_ejected: 0.1\n"
            "ejection_time: 30s\n");
}

// --- The table ----------------------------------------------------------------------------------------------------

// Stands for a value of any member.
struct Anything {
  template <typename T>
  operator T() const;
};

template <typename Aggregate, typename... Members>
constexpr auto IsMadeFrom(int) -> decltype(Aggregate{std::declval<Members>()...}, true) {
  return true;
}
template <typename Aggregate, typename... Members>
constexpr bool IsMadeFrom(long) {
  return false;
}

// How many members an aggregate has: the most values that it can be made from.
template <typename Aggregate, typename... Members>
constexpr size_t MemberCount() {
  if constexpr (IsMadeFrom<Aggregate, Members..., Anything>(0)) {
    return MemberCount<Aggregate, Members..., Anything>();
  } else {
    return sizeof...(Members);
  }
}

TEST(OptionsTest, TheTableHasEveryMember) { EXPECT_EQ(PoolOptionTable().size(), MemberCount<PoolOptions>()); }

TEST(OptionsTest, TheTableTellsTheDefaults) {
  for (const OptionInfo& option : PoolOptionTable()) EXPECT_EQ(option.text(PoolOptions()), option.default_text);
}

TEST(OptionsTest, EachOptionIsInTheTableOnceWithAUnit) {
  std::set<std::string> names;
  for (const OptionInfo& option : PoolOptionTable()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name << " is there twice";
    EXPECT_THAT(option.unit,
                AnyOf(StrEq("count"), StrEq("count per second"), StrEq("ratio"), StrEq("duration"), StrEq("policy")))
        << option.name;
    EXPECT_STREQ(ToString(option.change), "hot") << option.name;
  }
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
  low.max_connecting = 1;
  low.max_connects_per_second = 0.001;
  low.shrink_interval = absl::Milliseconds(1);
  low.shrink_cooldown = absl::ZeroDuration();
  low.max_shrink_step = 1;
  low.max_ejected = 0;
  low.ejection_time = absl::Milliseconds(1);
  EXPECT_EQ(low.Validate(), absl::OkStatus());

  PoolOptions high;
  high.min_connections = high.max_connections = high.max_surge = kMaxConnections;
  high.max_leases_per_connection = high.target_leases_per_connection = kMaxLeasesPerConnection;
  high.max_waiters = kMaxWaiters;
  high.acquire_timeout = high.max_idle = high.max_age = high.drain_grace = absl::InfiniteDuration();
  high.max_age_jitter = 1;
  high.preconnect_ratio = 3;
  high.max_connecting = kMaxConnections;
  high.max_connects_per_second = 1e6;
  high.shrink_below = 1;
  high.shrink_cooldown = absl::InfiniteDuration();
  high.max_shrink_step = kMaxConnections;
  high.subset_size = 1'000'000;
  high.slow_start = absl::Hours(24);
  high.max_ejected = 1;
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
      {"selection", "5", "kLeastLoaded, kPack, kRoundRobin, kLeastRecentlyUsed or kMostRecentlyUsed",
       [](PoolOptions& o) { o.selection = static_cast<SelectionPolicy>(5); }},
      {"backoff_initial", "0", "at least 1ms", [](PoolOptions& o) { o.backoff_initial = absl::ZeroDuration(); }},
      {"backoff_max", "50ms", "at least 100ms", [](PoolOptions& o) { o.backoff_max = absl::Milliseconds(50); }},
      {"backoff_max", "infinite", "10s", [=](PoolOptions& o) { o.backoff_max = forever; }},
      {"preconnect_ratio", "0.5", "at least 1", [](PoolOptions& o) { o.preconnect_ratio = 0.5; }},
      {"preconnect_ratio", "3.5", "at most 3", [](PoolOptions& o) { o.preconnect_ratio = 3.5; }},
      {"preconnect_ratio", "nan", "at least 1", [](PoolOptions& o) { o.preconnect_ratio = std::nan(""); }},
      {"max_connecting", "0", "at least 1", [](PoolOptions& o) { o.max_connecting = 0; }},
      {"max_connecting", "4097", "at most 4096", [](PoolOptions& o) { o.max_connecting = 4097; }},
      {"max_connects_per_second", "-1", "at least 0.001", [](PoolOptions& o) { o.max_connects_per_second = -1; }},
      {"max_connects_per_second", "inf", "at most 1000000, or 0",
       [](PoolOptions& o) { o.max_connects_per_second = std::numeric_limits<double>::infinity(); }},
      {"max_connects_per_second", "nan", "at least 0.001",
       [](PoolOptions& o) { o.max_connects_per_second = std::nan(""); }},
      {"shrink_below", "-0.5", "at least 0", [](PoolOptions& o) { o.shrink_below = -0.5; }},
      {"shrink_below", "1.5", "at most 1", [](PoolOptions& o) { o.shrink_below = 1.5; }},
      {"shrink_below", "nan", "at least 0", [](PoolOptions& o) { o.shrink_below = std::nan(""); }},
      {"shrink_interval", "0", "at least 1ms", [](PoolOptions& o) { o.shrink_interval = absl::ZeroDuration(); }},
      {"shrink_interval", "infinite", "10s", [=](PoolOptions& o) { o.shrink_interval = forever; }},
      {"shrink_cooldown", "-1s", "at least 0", [=](PoolOptions& o) { o.shrink_cooldown = negative; }},
      {"max_shrink_step", "0", "at least 1", [](PoolOptions& o) { o.max_shrink_step = 0; }},
      {"max_shrink_step", "4097", "at most 4096", [](PoolOptions& o) { o.max_shrink_step = 4097; }},
      {"leak_after", "0", "at least 1ms", [](PoolOptions& o) { o.leak_after = absl::ZeroDuration(); }},
      {"validate_after_idle", "0", "at least 1ms",
       [](PoolOptions& o) { o.validate_after_idle = absl::ZeroDuration(); }},
      {"validate_every", "-1s", "at least 1ms", [=](PoolOptions& o) { o.validate_every = negative; }},
      {"probe_after_silence", "0", "at least 1ms",
       [](PoolOptions& o) { o.probe_after_silence = absl::ZeroDuration(); }},
      {"probe_timeout", "0", "at least 1ms", [](PoolOptions& o) { o.probe_timeout = absl::ZeroDuration(); }},
      {"probe_timeout", "infinite", "5s or what", [](PoolOptions& o) { o.probe_timeout = absl::InfiniteDuration(); }},
      {"subset_size", "-1", "at least 0", [](PoolOptions& o) { o.subset_size = -1; }},
      {"slow_start", "-1s", "at least 0", [](PoolOptions& o) { o.slow_start = absl::Seconds(-1); }},
      {"slow_start", "infinite", "1m, or 0 for none", [](PoolOptions& o) { o.slow_start = absl::InfiniteDuration(); }},
      {"max_ejected", "1.5", "at most 1", [](PoolOptions& o) { o.max_ejected = 1.5; }},
      {"max_ejected", "-0.1", "at least 0 (none)", [](PoolOptions& o) { o.max_ejected = -0.1; }},
      {"ejection_time", "0", "at least 1ms", [](PoolOptions& o) { o.ejection_time = absl::ZeroDuration(); }},
      {"ejection_time", "infinite", "30s, or max_ejected 0",
       [](PoolOptions& o) { o.ejection_time = absl::InfiniteDuration(); }},
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

TEST(OptionsTest, TheTableShowsEveryChange) {
  for (const BadValue& other : BadValues()) {
    PoolOptions options;
    other.set(options);
    for (const OptionInfo& option : PoolOptionTable()) {
      EXPECT_EQ(option.text(options) != option.default_text, option.name == other.name)
          << option.name << " when " << other.name << " is changed";
    }
  }
}

TEST(OptionsTest, EveryOptionMakesTwoSetsDiffer) {
  for (const BadValue& other : BadValues()) {
    PoolOptions options;
    other.set(options);
    EXPECT_NE(options, PoolOptions()) << other.name;
  }
  EXPECT_EQ(PoolOptions(), PoolOptions());
}

// --- Warnings -----------------------------------------------------------------------------------------------------

TEST(OptionsTest, DefaultsGiveNoWarning) { EXPECT_THAT(Warnings(PoolOptions()), IsEmpty()); }

TEST(OptionsTest, ExclusiveConnectionsGiveNoWarning) {
  PoolOptions options;
  options.max_leases_per_connection = 1;
  EXPECT_THAT(Warnings(options), IsEmpty()) << "the default target counts as 1";
}

struct Suspicious {
  std::string begins;   // The option and its value.
  std::string why;      // What it has to do with.
  std::string nearest;  // The right value that it proposes.
  std::function<void(PoolOptions& options)> set;
};

std::vector<Suspicious> SuspiciousValues() {
  return {
      {"target_leases_per_connection: 50 ", "max_leases_per_connection (20)", "at most 20",
       [](PoolOptions& o) { o.target_leases_per_connection = 50, o.max_leases_per_connection = 20; }},
      {"max_surge: 0 ", "the only one", "1", [](PoolOptions& o) { o.max_surge = 0, o.max_connections = 1; }},
      {"max_idle: 5m ", "max_age (1m)", "at most 1m", [](PoolOptions& o) { o.max_age = absl::Minutes(1); }},
      {"max_age: 5s ", "connect_timeout (10s)", "at least 10s",
       [](PoolOptions& o) { o.max_age = absl::Seconds(5), o.max_idle = o.drain_grace = absl::Seconds(1); }},
      {"drain_grace: 2h ", "max_age (1h)", "at most 1h", [](PoolOptions& o) { o.drain_grace = absl::Hours(2); }},
      {"preconnect_ratio: 1.5 ", "max_connections (10)", "1",
       [](PoolOptions& o) { o.preconnect_ratio = 1.5, o.min_connections = 10; }},
      {"shrink_below: 0.5 ", "max_connections (10)", "0, or a lower min_connections",
       [](PoolOptions& o) { o.shrink_below = 0.5, o.min_connections = 10; }},
      {"shrink_below: 0.5 ", "max_connections (1)", "0, or a lower min_connections",
       [](PoolOptions& o) { o.shrink_below = 0.5, o.min_connections = 0, o.max_connections = 1; }},
      {"shrink_below: 0.9 ", "a little more load", "at most 0.8", [](PoolOptions& o) { o.shrink_below = 0.9; }},
      {"max_connects_per_second: 0.1 ", "takes 1m40s", "at least 0.333333",
       [](PoolOptions& o) { o.max_connects_per_second = 0.1, o.min_connections = 10, o.max_connections = 11; }},
  };
}

TEST(OptionsTest, EachWarningNamesOptionValueReasonAndTheNearestRightValue) {
  for (const Suspicious& suspicious : SuspiciousValues()) {
    PoolOptions options;
    suspicious.set(options);
    ASSERT_EQ(options.Validate(), absl::OkStatus()) << suspicious.begins;
    EXPECT_THAT(Warnings(options), ElementsAre(AllOf(StartsWith(suspicious.begins), HasSubstr(suspicious.why),
                                                     HasSubstr("; set " + suspicious.nearest))));
  }
}

TEST(OptionsTest, APeakAboveTheCapacityIsAWarning) {
  PoolOptions options;
  options.min_connections = 2;
  options.max_connections = 5;
  options.max_leases_per_connection = 10;
  options.target_leases_per_connection = 8;
  EXPECT_THAT(Warnings(options, 20), IsEmpty());
  EXPECT_THAT(Warnings(options, 21),
              ElementsAre("min_connections: 2 of 10 leases carry 20, and up to 21 were wanted at "
                          "one time: a burst waits for dials; set at least 3"));
  EXPECT_THAT(Warnings(options, 51),
              ElementsAre("max_connections: 5 of 10 leases carry 50, and up to 51 were wanted at one time: callers "
                          "wait, or go beyond the limit; set at least 6"));
  options.min_connections = 0;
  EXPECT_THAT(Warnings(options, 21), IsEmpty()) << "a pool that opens nothing ahead is a choice";
}

}  // namespace
}  // namespace chanpool
