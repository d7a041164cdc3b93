#include "server/admin/pool_options_proto.h"

#include <google/protobuf/descriptor.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

// A policy's number on the wire is one above its own: 0 is "not said".
template <typename Policy>
absl::Status ReadPolicy(absl::string_view field, int value, const google::protobuf::EnumDescriptor& type,
                        Policy& into) {
  if (value == 0) return absl::OkStatus();
  if (type.FindValueByNumber(value) != nullptr) {
    into = static_cast<Policy>(value - 1);
    return absl::OkStatus();
  }
  std::vector<std::string> known;
  for (int i = 1; i < type.value_count(); ++i) {
    known.push_back(absl::StrCat(EnumText(*type.value(i)), " (", type.value(i)->number(), ")"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, " is no policy; set ", absl::StrJoin(known, " or ")));
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

#define CHANPOOL_POLICY(name, Policy)                                                                          \
  {                                                                                                            \
#name,                                                                                                       \
   [](const Proto& proto, PoolOptions& options) {                                                               \
     return ReadPolicy(#name, proto.name(), *chanpool::config::v1::Policy##_descriptor(), options.name);        \
   },                                                                                                           \
   [](const PoolOptions& options, Proto& proto) {                                                               \
     proto.set_##name(static_cast<chanpool::config::v1::Policy>(static_cast<int>(options.name) + 1));           \
   } \
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
    CHANPOOL_POLICY(overflow, OverflowPolicy),
    CHANPOOL_DURATION(backoff_initial),
    CHANPOOL_DURATION(backoff_max),
    CHANPOOL_SCALAR(preconnect_ratio),
    CHANPOOL_SCALAR(max_connecting),
    CHANPOOL_SCALAR(max_connects_per_second),
    CHANPOOL_SCALAR(shrink_below),
    CHANPOOL_DURATION(shrink_interval),
    CHANPOOL_DURATION(shrink_cooldown),
    CHANPOOL_SCALAR(max_shrink_step),
    CHANPOOL_POLICY(selection, SelectionPolicy),
    CHANPOOL_DURATION(leak_after),
    CHANPOOL_DURATION(validate_after_idle),
    CHANPOOL_DURATION(validate_every),
    CHANPOOL_SCALAR(subset_size),
    CHANPOOL_DURATION(slow_start),
    CHANPOOL_SCALAR(max_ejected),
    CHANPOOL_DURATION(ejection_time),
    CHANPOOL_DURATION(probe_after_silence),
    CHANPOOL_DURATION(probe_timeout),
};

#undef CHANPOOL_SCALAR
#undef CHANPOOL_DURATION
#undef CHANPOOL_POLICY

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
