#include "server/admin/pool_options_proto.h"

#include <google/protobuf/descriptor.h>

#include <limits>

#include "absl/strings/str_cat.h"
#include "server/admin/enum_text.h"
#include "server/admin/proto_time.h"

namespace chanpool::admin {
namespace {

using Proto = chanpool::config::v1::PoolOptions;
using google::protobuf::FieldDescriptor;

absl::Status Read(absl::string_view field, uint32_t value, int& into) {
  constexpr uint32_t kMax = std::numeric_limits<int>::max();
  if (value > kMax) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, " is above any limit; set at most ", kMax));
  }
  into = static_cast<int>(value);
  return absl::OkStatus();
}

absl::Status Read(absl::string_view /*field*/, double value, double& into) {
  into = value;
  return absl::OkStatus();
}

absl::Status Read(absl::string_view field, const google::protobuf::Duration& value, absl::Duration& into) {
  const absl::StatusOr<absl::Duration> duration = FromProto(value);
  if (!duration.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", duration.status().message()));
  }
  into = *duration;
  return absl::OkStatus();
}

absl::Status ReadOverflow(const Proto& proto, PoolOptions& options) {
  switch (proto.overflow()) {
    case chanpool::config::v1::OVERFLOW_POLICY_UNSPECIFIED:
      return absl::OkStatus();
    case chanpool::config::v1::OVERFLOW_POLICY_OVERCOMMIT:
      options.overflow = OverflowPolicy::kOvercommit;
      return absl::OkStatus();
    case chanpool::config::v1::OVERFLOW_POLICY_REJECT:
      options.overflow = OverflowPolicy::kReject;
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("overflow: ", proto.overflow(), " is no policy; set overcommit (1) or reject (2)"));
  }
}

// One row for each field: how it is read and written.
struct Row {
  const char* field;
  absl::Status (*read)(const Proto& proto, PoolOptions& options);
  void (*write)(const PoolOptions& options, Proto& proto);
};

#define CHANPOOL_SCALAR(name)                                                      \
  {                                                                                \
#name,                                                                           \
   [](const Proto& proto, PoolOptions& options) {                                   \
     return proto.has_##name() ? Read(#name, proto.name(), options.name) : absl::OkStatus(); \
   },                                                                               \
   [](const PoolOptions& options, Proto& proto) { proto.set_##name(options.name); } \
  }
#define CHANPOOL_DURATION(name)                                                    \
  {                                                                                \
#name,                                                                           \
   [](const Proto& proto, PoolOptions& options) {                                   \
     return proto.has_##name() ? Read(#name, proto.name(), options.name) : absl::OkStatus(); \
   },                                                                               \
   [](const PoolOptions& options, Proto& proto) { *proto.mutable_##name() = ToProto(options.name); } \
  }

constexpr Row kRows[] = {
    CHANPOOL_SCALAR(min_connections),
    CHANPOOL_SCALAR(max_connections),
    CHANPOOL_SCALAR(max_leases_per_connection),
    CHANPOOL_SCALAR(target_leases_per_connection),
    CHANPOOL_SCALAR(max_surge),
    CHANPOOL_SCALAR(max_waiters),
    CHANPOOL_DURATION(connect_timeout),
    CHANPOOL_DURATION(acquire_timeout),
    CHANPOOL_DURATION(max_idle),
    CHANPOOL_DURATION(max_age),
    CHANPOOL_SCALAR(max_age_jitter),
    CHANPOOL_DURATION(drain_grace),
    {"overflow", ReadOverflow,
     [](const PoolOptions& options, Proto& proto) {
       proto.set_overflow(options.overflow == OverflowPolicy::kReject
                              ? chanpool::config::v1::OVERFLOW_POLICY_REJECT
                              : chanpool::config::v1::OVERFLOW_POLICY_OVERCOMMIT);
     }},
    CHANPOOL_DURATION(backoff_initial),
    CHANPOOL_DURATION(backoff_max),
    CHANPOOL_SCALAR(preconnect_ratio),
    CHANPOOL_SCALAR(max_connecting),
    CHANPOOL_SCALAR(max_connects_per_second),
    CHANPOOL_SCALAR(shrink_below),
    CHANPOOL_DURATION(shrink_interval),
    CHANPOOL_DURATION(shrink_cooldown),
    CHANPOOL_SCALAR(max_shrink_step),
    CHANPOOL_SCALAR(subset_size),
    CHANPOOL_DURATION(slow_start),
    CHANPOOL_SCALAR(max_ejected),
    CHANPOOL_DURATION(ejection_time),
};

#undef CHANPOOL_SCALAR
#undef CHANPOOL_DURATION

}  // namespace

Proto ToProto(const PoolOptions& options) {
  Proto proto;
  for (const Row& row : kRows) row.write(options, proto);
  return proto;
}

absl::StatusOr<PoolOptions> FromProto(const Proto& proto, const PoolOptions& defaults) {
  PoolOptions options = defaults;
  for (const Row& row : kRows) {
    const absl::Status read = row.read(proto, options);
    if (!read.ok()) return read;
  }
  return options;
}

absl::Status ApplyField(const Proto& proto, absl::string_view field, PoolOptions& options) {
  for (const Row& row : kRows) {
    if (row.field == field) return row.read(proto, options);
  }
  return absl::OkStatus();
}

std::string FieldText(const Proto& proto, absl::string_view field) {
  const FieldDescriptor* descriptor = Proto::descriptor()->FindFieldByName(std::string(field));
  if (descriptor == nullptr) return "";
  const google::protobuf::Reflection& reflection = *proto.GetReflection();
  if (!reflection.HasField(proto, descriptor)) return "";
  switch (descriptor->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection.GetUInt32(proto, descriptor));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(reflection.GetDouble(proto, descriptor));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = descriptor->enum_type()->FindValueByNumber(reflection.GetEnumValue(proto, descriptor));
      return value == nullptr ? absl::StrCat(reflection.GetEnumValue(proto, descriptor)) : EnumText(*value);
    }
    default: {  // A Duration: a test visits every field.
      const auto& duration = static_cast<const google::protobuf::Duration&>(reflection.GetMessage(proto, descriptor));
      const absl::StatusOr<absl::Duration> value = FromProto(duration);
      return value.ok() ? DurationText(*value) : absl::StrCat(duration.seconds(), "s");
    }
  }
}

}  // namespace chanpool::admin
