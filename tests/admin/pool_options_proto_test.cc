#include "server/admin/pool_options_proto.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <map>
#include <string>

#include "chanpool/config/v1/annotations.pb.h"
#include "server/admin/enum_text.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::testing::HasSubstr;
using Proto = chanpool::config::v1::PoolOptions;

PoolOptions Unlike() {
  PoolOptions options;
  options.min_connections = 2;
  options.max_connections = 21;
  options.max_leases_per_connection = 22;
  options.target_leases_per_connection = 17;
  options.max_surge = 4;
  options.max_waiters = 0;
  options.connect_timeout = absl::Milliseconds(1500);
  options.acquire_timeout = absl::InfiniteDuration();
  options.max_idle = absl::InfiniteDuration();
  options.max_age = absl::Nanoseconds(7'000'000'001);
  options.max_age_jitter = 0.25;
  options.drain_grace = absl::ZeroDuration();
  options.overflow = OverflowPolicy::kReject;
  options.backoff_initial = absl::Milliseconds(3);
  options.backoff_max = absl::Hours(24 * 365);
  options.preconnect_ratio = 1.5;
  options.max_connecting = 3;
  options.max_connects_per_second = 2.5;
  options.shrink_below = 0.5;
  options.shrink_interval = absl::Seconds(7);
  options.shrink_cooldown = absl::InfiniteDuration();
  options.max_shrink_step = 5;
  options.selection = SelectionPolicy::kMostRecentlyUsed;
  options.leak_after = absl::Seconds(31);
  options.validate_after_idle = absl::Seconds(32);
  options.validate_every = absl::Seconds(33);
  options.probe_after_silence = absl::Seconds(34);
  options.probe_timeout = absl::Milliseconds(3500);
  options.subset_size = 34;
  options.slow_start = absl::Seconds(35);
  options.max_ejected = 0.36;
  options.ejection_time = absl::Seconds(37);
  return options;
}

TEST(PoolOptionsProtoTest, TheExampleDiffersFromTheDefaultsInEveryOption) {
  for (const OptionInfo& option : PoolOptionTable()) {
    EXPECT_NE(option.text(Unlike()), option.text(PoolOptions())) << option.name;
  }
}

TEST(PoolOptionsProtoTest, APolicyIsWrittenAlikeInCodeAndOnTheWire) {
  const auto& overflow = *chanpool::config::v1::OverflowPolicy_descriptor();
  for (int i = 1; i < overflow.value_count(); ++i) {
    EXPECT_EQ(ToString(static_cast<OverflowPolicy>(i - 1)), EnumText(*overflow.FindValueByNumber(i)));
  }
  const auto& selection = *chanpool::config::v1::SelectionPolicy_descriptor();
  for (int i = 1; i < selection.value_count(); ++i) {
    EXPECT_EQ(ToString(static_cast<SelectionPolicy>(i - 1)), EnumText(*selection.FindValueByNumber(i)));
  }
}

TEST(PoolOptionsProtoTest, EveryOptionComesBackAsItWas) {
  const Proto proto = ToProto(Unlike());
  for (int i = 0; i < Proto::descriptor()->field_count(); ++i) {
    EXPECT_TRUE(proto.GetReflection()->HasField(proto, Proto::descriptor()->field(i)))
        << Proto::descriptor()->field(i)->name();
  }
  const absl::StatusOr<PoolOptions> back = FromProto(proto, PoolOptions());
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->DebugString(), Unlike().DebugString());
  EXPECT_TRUE(*back == Unlike());
}

TEST(PoolOptionsProtoTest, WhatIsLeftOutStaysAsTheDefaultsHaveIt) {
  Proto proto;
  proto.set_max_connections(33);
  PoolOptions expected = Unlike();
  expected.max_connections = 33;
  const absl::StatusOr<PoolOptions> options = FromProto(proto, Unlike());
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->DebugString(), expected.DebugString());
}

TEST(PoolOptionsProtoTest, TheDocumentedDefaultsAreTheLibrarys) {
  const Proto defaults = ToProto(PoolOptions());
  for (int i = 0; i < Proto::descriptor()->field_count(); ++i) {
    const auto* field = Proto::descriptor()->field(i);
    EXPECT_EQ(FieldText(defaults, field->name()), field->options().GetExtension(chanpool::config::v1::default_text))
        << field->name();
  }
}

TEST(PoolOptionsProtoTest, FieldsArePrintedAsAPersonWritesThem) {
  const Proto proto = ToProto(Unlike());
  const std::map<std::string, std::string> expected = {{"max_connections", "21"}, {"connect_timeout", "1.5s"},
                                                       {"max_idle", "infinite"},  {"max_age_jitter", "0.25"},
                                                       {"overflow", "reject"},    {"drain_grace", "0s"}};
  for (const auto& [field, text] : expected) EXPECT_EQ(FieldText(proto, field), text) << field;
  EXPECT_EQ(FieldText(Proto(), "max_idle"), "");
  EXPECT_EQ(FieldText(proto, "no_such_field"), "");
}

TEST(PoolOptionsProtoTest, TheLongestDurationIsInfinite) {
  Proto proto;
  proto.mutable_max_age()->set_seconds(315'576'000'000);
  const absl::StatusOr<PoolOptions> options = FromProto(proto, PoolOptions());
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->max_age, absl::InfiniteDuration());
  EXPECT_EQ(ToProto(*options).max_age().seconds(), 315'576'000'000);
}

TEST(PoolOptionsProtoTest, WhatNoOptionCanHoldIsNamed) {
  Proto too_long;
  too_long.mutable_max_age()->set_seconds(315'576'000'001);
  EXPECT_THAT(FromProto(too_long, PoolOptions()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_age:")));

  Proto two_signs;
  two_signs.mutable_max_idle()->set_seconds(1);
  two_signs.mutable_max_idle()->set_nanos(-1);
  EXPECT_THAT(FromProto(two_signs, PoolOptions()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_idle: 1s and -1ns have two signs")));

  Proto too_many;
  too_many.set_max_waiters(3'000'000'000);
  EXPECT_THAT(FromProto(too_many, PoolOptions()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_waiters: 3000000000")));

  Proto no_policy;
  no_policy.set_overflow(static_cast<chanpool::config::v1::OverflowPolicy>(7));
  EXPECT_THAT(FromProto(no_policy, PoolOptions()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("overflow: 7")));
}

}  // namespace
}  // namespace chanpool::admin
