#include "client/cli/pool_cells.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {

namespace v1 = ::chanpool::admin::v1;

std::string ValueName(const google::protobuf::EnumDescriptor* type, int value, absl::string_view prefix) {
  if (value == 0) return "";
  const google::protobuf::EnumValueDescriptor* const known = type->FindValueByNumber(value);
  if (known == nullptr) return absl::StrCat(value);
  return std::string(absl::StripPrefix(known->name(), prefix));
}

std::string Name(v1::AdminState state) { return ValueName(v1::AdminState_descriptor(), state, "ADMIN_STATE_"); }
std::string Name(v1::Health health) { return ValueName(v1::Health_descriptor(), health, "HEALTH_"); }
std::string Name(v1::ConnectionState state) {
  return ValueName(v1::ConnectionState_descriptor(), state, "CONNECTION_STATE_");
}
std::string Name(v1::EndpointState state) {
  return ValueName(v1::EndpointState_descriptor(), state, "ENDPOINT_STATE_");
}
std::string Name(v1::ResolutionState state) {
  return ValueName(v1::ResolutionState_descriptor(), state, "RESOLUTION_STATE_");
}
std::string Name(v1::OperationState state) {
  return ValueName(v1::OperationState_descriptor(), state, "OPERATION_STATE_");
}
std::string Name(v1::OperationKind kind) { return ValueName(v1::OperationKind_descriptor(), kind, "OPERATION_KIND_"); }
std::string Name(v1::Severity severity) { return ValueName(v1::Severity_descriptor(), severity, "SEVERITY_"); }
std::string Name(v1::EventType type) { return ValueName(v1::EventType_descriptor(), type, "EVENT_TYPE_"); }
std::string Name(v1::InstanceState state) {
  return ValueName(v1::InstanceState_descriptor(), state, "INSTANCE_STATE_");
}
std::string Name(v1::ProcessState state) { return ValueName(v1::ProcessState_descriptor(), state, "PROCESS_STATE_"); }

Cell StateCell(const v1::Pool& pool) {
  if (pool.stale()) return {"STALE", Tone::kBad};
  const bool active = pool.admin_state() == v1::ADMIN_STATE_ACTIVE;
  return {Name(pool.admin_state()), active ? Tone::kPlain : Tone::kWarning};
}

Cell HealthCell(const v1::Pool& pool, absl::Time now, absl::TimeZone zone) {
  if (pool.stale()) {
    const std::string since = Clock(FromProto(pool.snapshot_time()), now, zone);
    return {since.empty() ? "" : absl::StrCat("since ", since), Tone::kBad};
  }
  const v1::Health health = pool.health();
  const Tone tone = health == v1::HEALTH_UNSPECIFIED ? Tone::kFaint
                    : health == v1::HEALTH_HEALTHY   ? Tone::kGood
                    : health == v1::HEALTH_DEGRADED  ? Tone::kWarning
                                                     : Tone::kBad;
  return {Name(health), tone};
}

Cell StateCell(const v1::Operation& operation) {
  if (operation.stale()) return {"STALE", Tone::kBad};
  const v1::OperationState state = operation.state();
  const Tone tone = state == v1::OPERATION_STATE_SUCCEEDED ? Tone::kGood
                    : state == v1::OPERATION_STATE_RUNNING ? Tone::kPlain
                    : state == v1::OPERATION_STATE_FAILED  ? Tone::kBad
                                                           : Tone::kWarning;
  return {Name(state), tone};
}

Cell StateCell(const v1::Connection& connection) {
  const v1::ConnectionState state = connection.state();
  const bool works = state == v1::CONNECTION_STATE_ACTIVE || state == v1::CONNECTION_STATE_IDLE;
  const Tone tone = works ? Tone::kGood : state == v1::CONNECTION_STATE_BACKOFF ? Tone::kBad : Tone::kWarning;
  return {Name(state), tone};
}

Cell StateCell(const v1::Endpoint& endpoint) {
  const v1::EndpointState state = endpoint.state();
  const Tone tone = state == v1::ENDPOINT_STATE_HEALTHY ? Tone::kGood
                    : state == v1::ENDPOINT_STATE_SPARE ? Tone::kFaint
                                                        : Tone::kBad;
  return {Name(state), tone};
}

std::string Clock(absl::Time time, absl::Time now, absl::TimeZone zone) {
  if (time <= absl::UnixEpoch()) return "";
  const bool today = absl::ToCivilDay(time, zone) == absl::ToCivilDay(now, zone);
  return absl::FormatTime(today ? "%H:%M:%S" : "%Y-%m-%d %H:%M", time, zone);
}

std::string OverrideText(const v1::Override& entry, absl::string_view source, absl::Time now) {
  std::string text = absl::StrCat("owner: ", Visible(entry.owner_value()), source.empty() ? "" : " from ", source);
  if (!entry.set_by().empty()) absl::StrAppend(&text, "; by ", Visible(entry.set_by()));
  const absl::Time ends = FromProto(entry.expire_time());
  if (ends > absl::UnixEpoch()) absl::StrAppend(&text, "; ends in ", Age(ends - now));
  if (!entry.reason().empty()) absl::StrAppend(&text, "; ", Visible(entry.reason()));
  return text;
}

std::string Ago(absl::Time time, absl::Time now) {
  if (time <= absl::UnixEpoch()) return "";
  return Age(now - time);
}

}  // namespace chanpool::cli
