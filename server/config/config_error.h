// What PoolAdmin answers when a configuration is refused.
//
//   if (!read.diagnostics.empty()) return ConfigError(read.diagnostics);
#ifndef CHANPOOL_SERVER_CONFIG_CONFIG_ERROR_H_
#define CHANPOOL_SERVER_CONFIG_CONFIG_ERROR_H_

#include <vector>

#include "absl/status/status.h"
#include "chanpool/admin/v1/pool_admin.pb.h"

namespace chanpool::config {

// kInvalidArgument, CONFIG_INVALID: the first error and how many there are as a message, all of them as a BadRequest
// and as ConfigDiagnostics. `diagnostics` has at least one.
absl::Status ConfigError(const std::vector<chanpool::admin::v1::ConfigDiagnostic>& diagnostics);

// What such an error carries; none for another one.
std::vector<chanpool::admin::v1::ConfigDiagnostic> DiagnosticsOf(const absl::Status& error);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CONFIG_ERROR_H_
