// Where a process's configuration comes from, as PoolAdmin needs to know it. chanpoold has one; an application that
// embeds pools has none.
#ifndef CHANPOOL_SERVER_ADMIN_CONFIG_SOURCE_H_
#define CHANPOOL_SERVER_ADMIN_CONFIG_SOURCE_H_

#include "absl/status/statusor.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "server/admin/caller.h"

namespace chanpool::admin {

// Thread-safe. Its functions may read a file: they are called on threads that may block.
class ConfigSource {
 public:
  virtual ~ConfigSource() = default;

  virtual absl::StatusOr<chanpool::admin::v1::GetConfigResponse> Get(chanpool::admin::v1::ConfigView view) = 0;

  // kInvalidArgument carries ConfigDiagnostics as a payload (status_details.h); kAborted for another generation.
  virtual absl::StatusOr<chanpool::admin::v1::ReloadConfigResponse> Reload(
      const chanpool::admin::v1::ReloadConfigRequest& request, const Caller& caller) = 0;

  // Fills in config_generation, config_path, config_time, config_drift and last_reload.
  virtual void Describe(chanpool::admin::v1::Instance& instance) = 0;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_CONFIG_SOURCE_H_
