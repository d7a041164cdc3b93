// The small parts that make text: what is safe to show, tables, units, JSON and YAML.
#include <string>

#include "client/cli/json_text.h"
#include "client/cli/nearest.h"
#include "client/cli/table.h"
#include "client/cli/times_text.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"
#include "gtest/gtest.h"

namespace chanpool::cli {
namespace {

TEST(VisibleTextTest, TurnsWhatATerminalWouldObeyIntoLetters) {
  EXPECT_EQ(Visible("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(Visible("two\nlines\ttab"), "two\\nlines tab");
  EXPECT_EQ(Visible("\xc2\x9b"
                    "31m"),
            "\\u009b31m");  // The one-byte form of ESC [.
  EXPECT_EQ(Visible("\xe2\x80\xae"
                    "x"),
            "\\u202ex");                                                             // Right to left.
  EXPECT_EQ(Visible("\xff\xc0\xaf\xed\xa0\x80"), "\\xff\\xc0\\xaf\\xed\\xa0\\x80");  // No UTF-8.
  EXPECT_EQ(Visible("café – 日本 🙂"), "café – 日本 🙂");
  EXPECT_EQ(VisibleLines("a\nb\r"), "a\nb\\x0d");
}

TEST(VisibleTextTest, ClipsByCharacters) {
  EXPECT_EQ(Clip("abcdef", 6), "abcdef");
  EXPECT_EQ(Clip("abcdef", 4), "abc…");
  EXPECT_EQ(Clip("éééé", 3), "éé…");
  EXPECT_EQ(Clip("abc", 0), "");
}

TEST(TableTest, LinesUpWithoutTrailingSpacesAndFitsTheTerminal) {
  Table table({{"NAME"}, {"N", Align::kRight}, {"TARGET", Align::kLeft, /*elastic=*/true}});
  table.Add({{"é"}, {"1"}, {"dns:///somewhere:50051"}});
  table.Add({{"orders"}, {"1000"}, {""}});
  EXPECT_EQ(table.Text({}),
            "NAME       N  TARGET\n"
            "é          1  dns:///somewhere:50051\n"
            "orders  1000  -\n");
  Layout narrow;
  narrow.headers = false;
  narrow.columns = 24;
  EXPECT_EQ(table.Text(narrow),
            "é          1  dns:///so…\n"
            "orders  1000  -\n");
}

TEST(UnitsTest, DurationsAreWrittenAsPeopleReadThem) {
  EXPECT_EQ(Age(absl::Seconds(-5)), "0s");
  EXPECT_EQ(Age(absl::Seconds(119)), "119s");
  EXPECT_EQ(Age(absl::Minutes(5)), "5m");
  EXPECT_EQ(Age(absl::Hours(47)), "47h");
  EXPECT_EQ(Age(absl::Hours(72)), "3d");
  EXPECT_EQ(Elapsed(absl::ZeroDuration()), "0s");
  EXPECT_EQ(Elapsed(absl::Nanoseconds(1'178'380)), "1.18ms");
  EXPECT_EQ(Elapsed(absl::Nanoseconds(108'181)), "108us");
  EXPECT_EQ(Elapsed(absl::Microseconds(999'960)), "1s");
  EXPECT_EQ(Elapsed(absl::Milliseconds(1'133)), "1.13s");
  EXPECT_EQ(Elapsed(absl::Milliseconds(31'240)), "31.2s");
  EXPECT_EQ(Elapsed(absl::Milliseconds(59'990)), "1m0s");
  EXPECT_EQ(Elapsed(absl::Seconds(3725)), "1h2m");
  EXPECT_EQ(Written(absl::Hours(1)), "1h");
  EXPECT_EQ(Written(absl::Minutes(90)), "1h30m");
  EXPECT_EQ(Written(absl::Milliseconds(250)), "250ms");
  EXPECT_EQ(Written(absl::Seconds(10)), "10s");
  EXPECT_EQ(Written(absl::Seconds(315'576'000'000)), "infinite");
}

TEST(UnitsTest, ADurationWithoutAUnitIsRefused) {
  EXPECT_EQ(*ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("7d"), absl::Hours(168));
  for (const char* wrong : {"", "30", "0", "-5s", "+5s", "inf", "5 s", "s", "99999999999999h", "1e9s"}) {
    EXPECT_FALSE(ParseDuration(wrong).ok()) << wrong;
  }
}

TEST(UnitsTest, NumbersKeepThreeDigits) {
  EXPECT_EQ(Short(0), "0");
  EXPECT_EQ(Short(999.4), "999");
  EXPECT_EQ(Short(999.6), "1.0k");
  EXPECT_EQ(Short(18'249), "18.2k");
  EXPECT_EQ(Short(3'400'000), "3.4M");
}

TEST(TimesTextTest, AQuantileIsTheBoundThatItDoesNotExceed) {
  chanpool::admin::v1::Histogram histogram;
  for (const double bound : {0.00001, 0.025, 10.0}) histogram.add_explicit_bounds(bound);
  for (const uint64_t count : {50, 40, 9, 1}) histogram.add_bucket_counts(count);
  histogram.mutable_sum()->set_seconds(2);
  histogram.set_one_in(1);
  const TimesText times(histogram);
  EXPECT_EQ(times.count(), "100");
  EXPECT_EQ(times.mean(), "20ms");
  EXPECT_EQ(times.AtMost(0.5), "<= 10us");
  EXPECT_EQ(times.AtMost(0.51), "<= 25ms");
  EXPECT_EQ(times.AtMost(0.99), "<= 10s");
  EXPECT_EQ(times.AtMost(1), "> 10s");
  histogram.set_one_in(64);
  EXPECT_EQ(TimesText(histogram).count(), "~6400") << "estimated, and says so";
  EXPECT_EQ(TimesText(histogram).mean(), "20ms");
}

TEST(TimesTextTest, WhatIsNoHistogramIsEmpty) {
  chanpool::admin::v1::Histogram histogram;
  EXPECT_EQ(TimesText(histogram).count(), "");
  EXPECT_EQ(TimesText(histogram).AtMost(0.5), "");
  histogram.add_explicit_bounds(1);
  histogram.add_bucket_counts(7);
  EXPECT_EQ(TimesText(histogram).mean(), "") << "a bucket is missing";
  histogram.add_bucket_counts(0);
  EXPECT_EQ(TimesText(histogram).count(), "7");
}

TEST(JsonTextTest, LaysOutAndTranslatesToYaml) {
  const std::string json =
      R"({"items":[{"name":"pools/a","size":0,"s":"12","yes":"no","t":"a: b\n","e":[],"o":{}},[1,"x"]]})";
  EXPECT_EQ(Laid(R"({"a":[],"b":{"c":[1,{"d":"x, \"y\""}]}})"),
            "{\n  \"a\": [],\n  \"b\": {\n    \"c\": [\n      1,\n      {\n        \"d\": \"x, \\\"y\\\"\"\n"
            "      }\n    ]\n  }\n}\n");
  EXPECT_EQ(Yaml(json),
            "items:\n"
            "  - name: pools/a\n"
            "    size: 0\n"
            "    s: \"12\"\n"
            "    \"yes\": \"no\"\n"
            "    t: \"a: b\\n\"\n"
            "    e: []\n"
            "    o: {}\n"
            "  - - 1\n"
            "    - x\n");
}

TEST(NearestTest, FindsWhatWasMeantAndNothingElse) {
  EXPECT_EQ(Nearest("gte", {"get", "set", "top"}), "get");
  EXPECT_EQ(Nearest("dran", {"drain", "undrain"}), "drain");
  EXPECT_EQ(Nearest("frobnicate", {"get", "set"}), "");
  EXPECT_EQ(Nearest("", {"get"}), "");
}

}  // namespace
}  // namespace chanpool::cli
