#include "server/admin/proto_time.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace chanpool::admin {
namespace {

constexpr int64_t kMaxNanos = 999'999'999;
// 0001-01-01 and 9999-12-31T23:59:59, by google/protobuf/timestamp.proto.
constexpr int64_t kFirstSecond = -62'135'596'800;
constexpr int64_t kLastSecond = 253'402'300'799;

}  // namespace

google::protobuf::Timestamp ToProto(absl::Time time) {
  const absl::Time in_range = std::clamp(time, absl::FromUnixSeconds(kFirstSecond), absl::FromUnixSeconds(kLastSecond));
  google::protobuf::Timestamp proto;
  proto.set_seconds(absl::ToUnixSeconds(in_range));  // Rounds down, so that nanos are never negative.
  proto.set_nanos(static_cast<int32_t>((in_range - absl::FromUnixSeconds(proto.seconds())) / absl::Nanoseconds(1)));
  return proto;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  const absl::Duration limit = absl::Seconds(kMaxProtoSeconds);
  absl::Duration rest = std::clamp(duration, -limit, limit);
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(rest, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::IDivDuration(rest, absl::Nanoseconds(1), &rest)));
  return proto;
}

absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& duration) {
  const int64_t seconds = duration.seconds();
  const int64_t nanos = duration.nanos();
  if (seconds < -kMaxProtoSeconds || seconds > kMaxProtoSeconds || nanos < -kMaxNanos || nanos > kMaxNanos) {
    return absl::InvalidArgumentError(absl::StrCat(seconds, "s and ", nanos, "ns is no duration; set at most ",
                                                   kMaxProtoSeconds, "s and ", kMaxNanos, "ns"));
  }
  if ((seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) {
    return absl::InvalidArgumentError(absl::StrCat(seconds, "s and ", nanos, "ns have two signs; set the same"));
  }
  if (seconds == kMaxProtoSeconds) return absl::InfiniteDuration();
  if (seconds == -kMaxProtoSeconds) return -absl::InfiniteDuration();
  return absl::Seconds(seconds) + absl::Nanoseconds(nanos);
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(std::clamp(time.seconds(), kFirstSecond, kLastSecond)) +
         absl::Nanoseconds(std::clamp<int64_t>(time.nanos(), 0, kMaxNanos));
}

std::string DurationText(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return "infinite";
  if (duration == absl::ZeroDuration()) return "0s";  // A bare 0 is no duration in a configuration.
  return absl::FormatDuration(duration);
}

}  // namespace chanpool::admin
