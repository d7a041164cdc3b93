// Times and durations as messages, and back.
//
//   *event.mutable_time() = ToProto(clock->WallNow());
//   absl::StatusOr<absl::Duration> ttl = FromProto(request.ttl());   // kInvalidArgument: "-5s and 7ns have two signs"
//
// The longest duration that there is as a message, 315576000000s, stands for an infinite one in both directions.
#ifndef CHANPOOL_SERVER_ADMIN_PROTO_TIME_H_
#define CHANPOOL_SERVER_ADMIN_PROTO_TIME_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace chanpool::admin {

// 10,000 years, by google/protobuf/duration.proto.
inline constexpr int64_t kMaxProtoSeconds = 315'576'000'000;

// Cut to nanoseconds and to the range of the message.
google::protobuf::Timestamp ToProto(absl::Time time);
google::protobuf::Duration ToProto(absl::Duration duration);

// kInvalidArgument for what is no valid message: out of range, or seconds and nanos of two signs.
absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& duration);
// Any message: what is out of range is cut.
absl::Time FromProto(const google::protobuf::Timestamp& time);

// As a person writes it: "10s", "5m", "1m30s", "infinite".
std::string DurationText(absl::Duration duration);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_PROTO_TIME_H_
