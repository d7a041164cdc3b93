// How the nouns of PoolAdmin look in a table: names of enums without their prefix, tones, "3/8", ages.
#ifndef CHANPOOL_CLIENT_CLI_POOL_CELLS_H_
#define CHANPOOL_CLIENT_CLI_POOL_CELLS_H_

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "client/cli/table.h"

namespace chanpool::cli {

// "DRAINING" for ADMIN_STATE_DRAINING; "" for ..._UNSPECIFIED; the number for a value that is newer than this program.
std::string ValueName(const google::protobuf::EnumDescriptor* type, int value, absl::string_view prefix);

std::string Name(chanpool::admin::v1::AdminState state);
std::string Name(chanpool::admin::v1::Health health);
std::string Name(chanpool::admin::v1::ConnectionState state);
std::string Name(chanpool::admin::v1::EndpointState state);
std::string Name(chanpool::admin::v1::ResolutionState state);
std::string Name(chanpool::admin::v1::OperationState state);
std::string Name(chanpool::admin::v1::OperationKind kind);
std::string Name(chanpool::admin::v1::Severity severity);
std::string Name(chanpool::admin::v1::EventType type);
std::string Name(chanpool::admin::v1::InstanceState state);
std::string Name(chanpool::admin::v1::ProcessState state);

// What was decided, and how it is; of a stale pool "STALE" and "since 12:03:44", because neither is known any more.
Cell StateCell(const chanpool::admin::v1::Pool& pool);
Cell HealthCell(const chanpool::admin::v1::Pool& pool, absl::Time now, absl::TimeZone zone);
Cell StateCell(const chanpool::admin::v1::Operation& operation);
Cell StateCell(const chanpool::admin::v1::Connection& connection);
Cell StateCell(const chanpool::admin::v1::Endpoint& endpoint);

// The time of day if it is today, else with the date. Empty for the epoch, which is a time that is not set.
std::string Clock(absl::Time time, absl::Time now, absl::TimeZone zone);
// Of a key that an operator has changed: "owner: 32; by uid:1000; ends in 20m; sale". `source`, where it is not empty,
// is who says so below it: "owner: 32 from file; ...".
std::string OverrideText(const chanpool::admin::v1::Override& entry, absl::string_view source, absl::Time now);
// How long ago; empty for a time that is not set.
std::string Ago(absl::Time time, absl::Time now);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_POOL_CELLS_H_
