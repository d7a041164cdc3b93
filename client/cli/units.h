// Numbers and durations as people read and write them. Programs get JSON, which never passes through here.
#ifndef CHANPOOL_CLIENT_CLI_UNITS_H_
#define CHANPOOL_CLIENT_CLI_UNITS_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace chanpool::cli {

// In one unit: 31s, 12m, 5h, 3d. Negative counts as zero: clocks of two machines differ.
std::string Age(absl::Duration age);
// What was measured: with three digits below a minute, in whole seconds above: 1.18ms, 31.2s, 2m5s, 1h2m.
std::string Elapsed(absl::Duration elapsed);
// What somebody has written, with all its digits: 250ms, 30s, 1m30s, infinite.
std::string Written(absl::Duration duration);
// 1, 999, 1.2k, 18.2k, 3.4M.
std::string Short(double number);
// "1 call", "2 calls".
std::string Count(uint64_t n, absl::string_view noun);

// 250ms, 30s, 1h30m, 7d; no sign, and always with a unit. kInvalidArgument says how to write it.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

absl::Duration FromProto(const google::protobuf::Duration& duration);
// Not infinite, at most 10,000 years.
google::protobuf::Duration ToProto(absl::Duration duration);
absl::Time FromProto(const google::protobuf::Timestamp& time);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_UNITS_H_
