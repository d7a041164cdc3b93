#include "server/web/metrics_text.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "examples/processes/program.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/events.h"

namespace chanpool::web {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Two bounds, and a count of its own in each bucket.
chanpool::admin::v1::Histogram Times(uint64_t count, uint32_t one_in) {
  chanpool::admin::v1::Histogram times;
  times.add_explicit_bounds(0.00001);
  times.add_explicit_bounds(2.5);
  for (uint64_t i = 0; i < 3; ++i) times.add_bucket_counts(count + i);
  times.mutable_sum()->set_seconds(static_cast<int64_t>(count));
  times.mutable_sum()->set_nanos(500'000'000);
  times.set_one_in(one_in);
  return times;
}

chanpool::admin::v1::PoolStats& AddStats(MetricsSnapshot& snapshot, const std::string& name) {
  auto& stats = snapshot.stats.emplace_back();
  stats.set_name(name);
  return stats;
}

// One of everything: an own pool with a different number in each field, one that rests, and two applications.
MetricsSnapshot Fixed() {
  MetricsSnapshot snapshot;
  auto& instance = snapshot.instance;
  instance.set_name("chanpoold");
  instance.set_version("0.2.0");
  instance.set_grpc_version("1.51.1");
  instance.mutable_start_time()->set_seconds(1700000000);
  instance.mutable_start_time()->set_nanos(250000000);
  instance.set_config_generation(3);
  instance.set_config_drift(true);
  instance.mutable_last_reload()->set_ok(false);
  instance.mutable_config_time()->set_seconds(1700000100);
  for (const auto state : {chanpool::admin::v1::PROCESS_STATE_LIVE, chanpool::admin::v1::PROCESS_STATE_LIVE,
                           chanpool::admin::v1::PROCESS_STATE_LOST}) {
    instance.add_processes()->set_state(state);
  }

  auto& orders = AddStats(snapshot, "pools/orders");
  orders.set_connections_idle(1);
  orders.set_connections_active(2);
  orders.set_connections_connecting(3);
  orders.set_connections_backoff(4);
  orders.set_connections_checking(5);
  orders.set_connections_draining(6);
  (*orders.mutable_endpoints_by_state())["healthy"] = 2;
  (*orders.mutable_endpoints_by_state())["backoff"] = 1;
  (*orders.mutable_endpoints_by_state())["made up"] = 5;
  orders.set_dns_hits(41);
  orders.set_dns_misses(9);
  orders.set_dns_failures(2);
  orders.set_connections_min(7);
  orders.set_connections_max(8);
  orders.set_leases(9);
  orders.set_lease_capacity(10);
  orders.set_waiters(11);
  orders.set_waiters_max(12);
  orders.set_distinct_backends(3);
  orders.set_rerolls(13);
  orders.set_acquired(9007199254740991);  // The largest that a double holds with all its neighbours.
  orders.set_overcommitted(14);
  orders.set_rejected(15);
  orders.set_timed_out(16);
  orders.set_cancelled(17);
  orders.set_unavailable(18);
  orders.set_opened(19);
  orders.set_dial_failures(20);
  (*orders.mutable_closed_by_reason())["idle"] = 21;
  (*orders.mutable_closed_by_reason())["max_age"] = 22;
  (*orders.mutable_closed_by_reason())["of a newer library"] = 23;
  *orders.mutable_fast_waits() = Times(100, 64);
  int outcomes = 0;
  for (const char* outcome : {"ok", "timed_out", "rejected", "cancelled", "unavailable", "of a newer library"}) {
    (*orders.mutable_slow_waits())[outcome] = Times(200 + 10 * outcomes++, 1);
  }
  *orders.mutable_holds() = Times(300, 64);
  *orders.mutable_connects() = Times(400, 1);
  *orders.mutable_failed_connects() = Times(500, 1);
  auto& get = *orders.add_methods();
  get.set_method("/shop.Orders/Get");
  (*get.mutable_by_code())["OK"] = 600;
  (*get.mutable_by_code())["NOT_FOUND"] = 7;
  (*get.mutable_by_code())["of a newer library"] = 8;
  *get.mutable_times() = Times(200, 1);
  auto& other = *orders.add_methods();
  other.set_method("other");
  (*other.mutable_by_code())["OK"] = 9;
  AddStats(snapshot, "pools/resting");
  AddStats(snapshot, "processes/shop/pools/orders").set_leases(24);
  auto& gone = AddStats(snapshot, "processes/gone/pools/orders");
  gone.set_leases(25);
  gone.set_stale(true);

  auto& draining = snapshot.pools.emplace_back();
  draining.set_name("pools/orders");
  draining.set_admin_state(chanpool::admin::v1::ADMIN_STATE_DRAINING);
  draining.add_overrides();
  draining.add_overrides();
  draining.mutable_certificate()->mutable_expire_time()->set_seconds(1800000000);
  draining.mutable_certificate()->set_last_error("the key does not fit");
  for (const auto& [name, state] :
       {std::pair{"pools/resting", chanpool::admin::v1::ADMIN_STATE_DRAINED},
        std::pair{"processes/shop/pools/orders", chanpool::admin::v1::ADMIN_STATE_ACTIVE}}) {
    snapshot.pools.emplace_back().set_name(name);
    snapshot.pools.back().set_admin_state(state);
  }
  return snapshot;
}

std::string File(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(MetricsTextTest, NamesLabelsAndHelpAreTheContract) {
  EXPECT_EQ(MetricsText(Fixed()), File("tests/web/metrics.golden.txt"))
      << "dashboards and alerts of users stand on these names. Where the change is meant, the new text goes into "
         "tests/web/metrics.golden.txt";
}

// What `promtool check metrics` looks at, for machines without it.
TEST(MetricsTextTest, KeepsTheRulesOfPrometheus) {
  std::map<std::string, std::string> types;
  std::set<std::string> helps, series;
  for (const absl::string_view line : absl::StrSplit(MetricsText(Fixed()), '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (absl::StartsWith(line, "# HELP ")) {
      EXPECT_TRUE(helps.insert(words[2]).second) << line;
      EXPECT_GT(words.size(), 3u) << "no help: " << line;
    } else if (absl::StartsWith(line, "# TYPE ")) {
      EXPECT_TRUE(types.emplace(words[2], words[3]).second) << line;
    } else {
      const size_t value = line.rfind(' ');
      EXPECT_TRUE(series.insert(std::string(line.substr(0, value))).second) << "twice: " << line;
      std::string name(line.substr(0, line.find_first_of("{ ")));
      for (const char* of_histogram : {"_bucket", "_sum", "_count"}) {
        const std::string family(absl::StripSuffix(name, of_histogram));
        if (family != name && types.count(family) > 0 && types.at(family) == "histogram") name = family;
      }
      EXPECT_EQ(types.count(name) + helps.count(name), 2u) << "HELP or TYPE is missing: " << line;
    }
  }
  for (const auto& [name, type] : types) {
    EXPECT_EQ(absl::EndsWith(name, "_total"), type == "counter") << name;
    for (const char* wrong :
         {"milli", "micro", "nano", "_ms", "minutes", "percent", "kilobytes", "_count", "_bucket"}) {
      EXPECT_FALSE(absl::StrContains(name, wrong)) << name << " is not in base units, or has a name of histograms";
    }
  }
  EXPECT_GT(types.size(), 23u);
}

TEST(MetricsTextTest, PleasesPromtool) {
  const std::string promtool = FindTool("promtool");
  ASSERT_NE(promtool, "") << "promtool is not installed; run scripts/install_tools.sh promtool";
  const std::string file = absl::StrCat(::testing::TempDir(), "/metrics.txt");
  std::ofstream(file) << MetricsText(Fixed());
  EXPECT_EQ(std::system(absl::StrCat(promtool, " check metrics < ", file, " >&2").c_str()), 0);
}

TEST(MetricsTextTest, KnowsEveryReasonThatTheLibraryHas) {
  std::vector<std::string> reasons;
  for (int i = 0; i < kCloseReasons; ++i) reasons.push_back(ToString(static_cast<CloseReason>(i)));
  EXPECT_EQ(KnownCloseReasons(), reasons);
}

TEST(MetricsTextTest, HasNoSeriesTwiceWhateverItIsGiven) {
  MetricsSnapshot snapshot;
  snapshot.instance.set_name("chanpoold");
  AddStats(snapshot, "pools/a");
  AddStats(snapshot, "pools/a");
  AddStats(snapshot, "processes/chanpoold/pools/a");
  AddStats(snapshot, "no pool");
  const std::string text = MetricsText(snapshot);
  EXPECT_THAT(text, HasSubstr("chanpool_leases{process=\"chanpoold\",pool=\"a\"} 0\n"
                              "chanpool_leases{process=\"processes/chanpoold\",pool=\"a\"} 0\n"
                              "# HELP"));
  EXPECT_THAT(text, Not(HasSubstr("no pool")));
}

TEST(MetricsTextTest, AProcessThatTellsOfTooManyMethodsMakesNoMoreSeriesAndLosesNoCall) {
  MetricsSnapshot snapshot;
  auto& stats = AddStats(snapshot, "processes/shop/pools/a");
  constexpr int kMethods = 500;
  for (int i = 0; i < kMethods; ++i) {
    auto& row = *stats.add_methods();
    row.set_method(i % 2 == 0 ? absl::StrCat("/a.A/M", i) : std::string(300, 'x'));
    (*row.mutable_by_code())["OK"] = 1;
    *row.mutable_times() = Times(1, 1);
  }
  *stats.add_methods() = stats.methods(0);  // Twice.
  int series = 0;
  double calls = 0;
  for (const absl::string_view line : absl::StrSplit(MetricsText(snapshot), '\n')) {
    if (!absl::StartsWith(line, "chanpool_calls_total{")) continue;
    ++series;
    calls += std::stod(std::string(line.substr(line.rfind(' '))));
  }
  EXPECT_LE(series, 102);
  EXPECT_EQ(calls, kMethods + 1);
}

TEST(MetricsTextTest, LeavesOutWhatIsNoHistogram) {
  MetricsSnapshot snapshot;
  auto& stats = AddStats(snapshot, "processes/shop/pools/a");
  chanpool::admin::v1::Histogram no_last_bucket = Times(1, 1), falling = Times(1, 1), unbounded = Times(1, 1), many;
  no_last_bucket.mutable_bucket_counts()->RemoveLast();
  falling.set_explicit_bounds(1, 0);
  unbounded.set_explicit_bounds(1, std::numeric_limits<double>::infinity());
  for (int i = 0; i < 100'000; ++i) many.add_explicit_bounds(i);
  for (int i = 0; i < 100'001; ++i) many.add_bucket_counts(i);
  *stats.mutable_fast_waits() = no_last_bucket;
  *stats.mutable_holds() = falling;
  *stats.mutable_connects() = unbounded;
  *stats.mutable_failed_connects() = many;
  EXPECT_THAT(MetricsText(snapshot), Not(HasSubstr("_bucket")));
  stats.mutable_holds()->set_explicit_bounds(1, 3);
  EXPECT_THAT(MetricsText(snapshot),
              HasSubstr("chanpool_hold_duration_seconds_bucket{process=\"shop\",pool=\"a\",le=\"3\"} 3"));
}

TEST(MetricsTextTest, EscapesLabels) {
  MetricsSnapshot snapshot;
  AddStats(snapshot, "processes/a\"b\\\n/pools/c");
  EXPECT_THAT(MetricsText(snapshot), HasSubstr(R"(chanpool_leases{process="a\"b\\\n",pool="c"} 0)"));
}

TEST(MetricsTextTest, BeforeAnyReloadTheConfigurationIsThatOfTheStart) {
  MetricsSnapshot snapshot;
  snapshot.instance.mutable_start_time()->set_seconds(1700000000);
  const std::string text = MetricsText(snapshot);
  EXPECT_THAT(text, HasSubstr("\nchanpool_config_last_reload_successful 1\n"));
  EXPECT_THAT(text, HasSubstr("\nchanpool_config_last_reload_success_timestamp_seconds 1700000000\n"));
}

}  // namespace
}  // namespace chanpool::web
