// The sockets on which operators reach PoolAdmin, each with its own gRPC servers and threads: they answer whatever the
// rest of the process does.
//
//   absl::StatusOr<std::unique_ptr<AdminServer>> server = AdminServer::Start(config.admin(), admin);
//   for (const std::string& url : (*server)->listeners()) ...        // "unix:/run/chanpool/admin.sock"
//
// On a UNIX socket the kernel says who connects. Each user gets a gRPC server of their own behind the one socket, so
// that every call on it is known to be theirs; nothing that a caller sends can change that.
#ifndef CHANPOOL_SERVER_SIDECAR_ADMIN_SERVER_H_
#define CHANPOOL_SERVER_SIDECAR_ADMIN_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "chanpool/config/v1/config.pb.h"
#include "server/admin/pool_admin.h"
#include "server/socket/unix_listener.h"

namespace chanpool::sidecar {

// Thread-safe.
class AdminServer {
 public:
  // Binds every listener of `config`, or none. Errors name the listener: see UnixListener::Bind; kAlreadyExists for a
  // TCP port that is taken.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const chanpool::config::v1::Admin& config,
                                                            std::shared_ptr<admin::PoolAdmin> admin);

  // Accepts nothing more, gives calls in flight up to 1 s, then ends them. PoolAdmin::BeginShutdown comes first, or
  // watches are cut.
  ~AdminServer();

  // As in Instance.listeners, with the ports that were really taken.
  const std::vector<std::string>& listeners() const { return listeners_; }
  // Of its UNIX sockets.
  std::vector<std::shared_ptr<SocketFile>> socket_files() const;

 private:
  class Endpoint;  // One gRPC server with its services.
  class UnixEndpoints;

  AdminServer();

  std::vector<std::unique_ptr<Endpoint>> tcp_;
  std::vector<std::unique_ptr<UnixEndpoints>> unix_;
  std::vector<std::string> listeners_;
};

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_ADMIN_SERVER_H_
