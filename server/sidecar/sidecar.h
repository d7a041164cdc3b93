// chanpoold without its command line: its pools, the applications that attach, and the doors through which operators
// and Prometheus look at them.
//
//   absl::StatusOr<std::unique_ptr<Sidecar>> sidecar = Sidecar::Start({.config_path = "chanpoold.yaml", .log = Print});
//   (*sidecar)->Reload();                                       // on SIGHUP
//   (*sidecar)->BeginDrain();                                   // on SIGTERM; then until Drained()
#ifndef CHANPOOL_SERVER_SIDECAR_SIDECAR_H_
#define CHANPOOL_SERVER_SIDECAR_SIDECAR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/admin/event_log.h"
#include "server/admin/pool_admin.h"
#include "server/admin/pool_registry.h"
#include "server/attach/attached_processes.h"
#include "server/sidecar/admin_server.h"
#include "server/sidecar/file_config.h"
#include "server/sidecar/pool_set.h"
#include "server/sidecar/prober.h"
#include "server/socket/unix_listener.h"
#include "server/web/http_listener.h"

namespace chanpool::sidecar {

// Thread-safe.
class Sidecar {
 public:
  struct Options {
    std::string config_path;  // Empty: the built-in configuration.
    // Gets one line for each thing an operator should know. Any thread; must not block for long.
    std::function<void(absl::string_view)> log;
  };

  // Reads the configuration, makes its pools, binds every socket, or does nothing of it. Does not wait for connections.
  static absl::StatusOr<std::unique_ptr<Sidecar>> Start(Options options);

  // Closes every door, then the pools. Up to 1 s for calls in flight.
  ~Sidecar();

  // The file again, as ReloadConfig does. The log says how it went.
  void Reload();

  // Tells watchers and health checks that the end is near, and drains the pools. The doors stay open.
  void BeginDrain();
  // For who ends the process without waiting for the destructor; valid during it and after.
  std::vector<std::shared_ptr<SocketFile>> socket_files() const;
  // Whether every pool is drained.
  bool Drained() const;

 private:
  explicit Sidecar(Options options);
  absl::Status Open();
  web::HttpListener::Options HttpOptions(const chanpool::config::v1::HttpListener& listen) const;

  const Options options_;
  admin::EventLog events_;
  // Shared with the rounds of the prober, one of which may still run.
  const std::shared_ptr<admin::PoolRegistry> registry_;
  PoolSet pools_;
  std::unique_ptr<FileConfig> config_;
  std::unique_ptr<AttachedProcesses> attached_;
  std::unique_ptr<UnixListener> attach_listener_;
  std::shared_ptr<admin::PoolAdmin> admin_;
  std::unique_ptr<Prober> prober_;
  std::unique_ptr<AdminServer> admin_server_;
  std::unique_ptr<web::HttpListener> http_;
};

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_SIDECAR_H_
