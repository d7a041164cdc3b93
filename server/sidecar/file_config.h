// The configuration that holds, where it came from, and how it becomes another one.
//
//   FileConfig config({.path = "/etc/chanpoold.yaml"}, &pools, &events, RealClock());
//   absl::Status loaded = config.Load();          // once, before anything serves
//   config.Reload(request, caller);               // by RPC, or by SIGHUP
//
// A reload reads the file once into memory, checks all of it, makes what is new aside, and swaps: everything comes into
// force, or nothing does and the error says where. The same text again changes nothing, not even the generation.
#ifndef CHANPOOL_SERVER_SIDECAR_FILE_CONFIG_H_
#define CHANPOOL_SERVER_SIDECAR_FILE_CONFIG_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "chanpool/admin/v1/instance.pb.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "chanpool/config/v1/config.pb.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "server/admin/config_source.h"
#include "server/admin/event_log.h"
#include "server/sidecar/pool_set.h"

namespace chanpool::sidecar {

// The text of a file. kInvalidArgument when it is none (a folder, a pipe, a device) or over 1 MiB; what the system says
// when it can't be read.
absl::StatusOr<std::string> ReadConfigFile(const std::string& path);

// Thread-safe; one reload at a time, others wait for it.
class FileConfig : public admin::ConfigSource {
 public:
  struct Options {
    std::string path;  // Empty: runs on `built_in`, and there is nothing to reload.
    chanpool::config::v1::Config built_in = {};
  };

  // `pools`, `events` and `clock` outlive it.
  FileConfig(Options options, PoolSet* pools, admin::EventLog* events, Clock* clock);

  // The first configuration; makes its pools. Once.
  absl::Status Load();

  // What holds.
  chanpool::config::v1::Config running() const;

  // --- admin::ConfigSource ---
  absl::StatusOr<chanpool::admin::v1::GetConfigResponse> Get(chanpool::admin::v1::ConfigView view) override;
  absl::StatusOr<chanpool::admin::v1::ReloadConfigResponse> Reload(
      const chanpool::admin::v1::ReloadConfigRequest& request, const admin::Caller& caller) override;
  void Describe(chanpool::admin::v1::Instance& instance) override;

 private:
  absl::StatusOr<chanpool::admin::v1::ReloadConfigResponse> Change(
      const chanpool::admin::v1::ReloadConfigRequest& request, std::vector<std::shared_ptr<ChannelPool>>& gone)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  admin::EventLog* const events_;
  Clock* const clock_;

  mutable Mutex mu_;
  PoolSet* const pools_ ABSL_PT_GUARDED_BY(mu_);
  chanpool::config::v1::Config running_ ABSL_GUARDED_BY(mu_);
  std::string running_text_ ABSL_GUARDED_BY(mu_);
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time in_force_since_ ABSL_GUARDED_BY(mu_);  // Of the wall.
  std::optional<chanpool::admin::v1::Reload> last_reload_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_FILE_CONFIG_H_
