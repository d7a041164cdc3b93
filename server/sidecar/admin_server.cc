#include "server/sidecar/admin_server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pool/core/clock.h"
#include "server/admin/health_service.h"
#include "server/admin/pool_admin_service.h"
#include "server/admin/reflection_service.h"
#include "server/sidecar/socket_mode.h"

namespace chanpool::sidecar {
namespace {

using ::chanpool::config::v1::Role;
using ExternalConnection = grpc::ServerBuilder::experimental_type::ExternalConnectionType;

// No request of PoolAdmin comes near; gRPC's own maximum is 4 MiB.
constexpr int kMaxRequestBytes = 1 << 20;
// Of one connection; poolctl uses a handful.
constexpr int kMaxStreamsPerConnection = 100;
// For the HTTP/2 preface: who connects and says nothing is cut. gRPC's default is 2 minutes.
constexpr int kHandshakeTimeoutMs = 5'000;
// A connection without a call. A watch is a call.
constexpr int kIdleTimeoutMs = 5 * 60 * 1'000;
// For calls in flight when the server ends.
constexpr absl::Duration kShutdownGrace = absl::Seconds(1);

}  // namespace

class AdminServer::Endpoint {
 public:
  Endpoint(std::shared_ptr<admin::PoolAdmin> admin, const std::string& identity, Role role)
      : pool_admin_(admin, {[caller = admin::Caller{identity, role}](const admin::CallFacts&) { return caller; }}),
        health_(admin),
        reflection_(admin::ReflectionService::Version::kV1),
        reflection_alpha_(admin::ReflectionService::Version::kV1Alpha) {
    const bool stranger = role == Role::ROLE_UNSPECIFIED;
    builder_.SetMaxReceiveMessageSize(kMaxRequestBytes);
    builder_.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
    builder_.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
    builder_.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleTimeoutMs);
    // Else a second process on the port would take half of the connections.
    builder_.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder_.RegisterService(&pool_admin_);
    if (!stranger) builder_.RegisterService(&health_);  // It tells which pools there are.
    builder_.RegisterService(&reflection_);
    builder_.RegisterService(&reflection_alpha_);
  }

  // Calls in flight may go on until `deadline`, of the wall.
  void Shutdown(absl::Time deadline) {
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(deadline));
  }

  // The port, or 0 when it cannot be had.
  int ListenOnTcp(const std::string& address) {
    int port = 0;
    builder_.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    server_ = builder_.BuildAndStart();
    return server_ == nullptr ? 0 : port;
  }

  // Before Accept. False: gRPC refuses.
  bool StartForAccepted() {
    acceptor_ = builder_.experimental().AddExternalConnectionAcceptor(ExternalConnection::FROM_FD,
                                                                      grpc::InsecureServerCredentials());
    server_ = builder_.BuildAndStart();
    return server_ != nullptr;
  }

  // Takes `fd`.
  void Accept(int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = -1;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  }

 private:
  admin::PoolAdminService pool_admin_;
  admin::HealthService health_;
  admin::ReflectionService reflection_;
  admin::ReflectionService reflection_alpha_;
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;  // Ends before the services.
};

// One socket, and a server for each user who has connected to it.
class AdminServer::UnixEndpoints {
 public:
  UnixEndpoints(const chanpool::config::v1::UdsListener& config, std::shared_ptr<admin::PoolAdmin> admin)
      : config_(config), admin_(std::move(admin)) {}

  absl::Status Bind() {
    absl::StatusOr<std::unique_ptr<UnixListener>> listener =
        UnixListener::Bind(SocketOptions(config_.path(), config_.mode(), config_.allow_uids_size() > 0),
                           [this](int fd, const UnixPeer& peer) { OnConnection(fd, peer); });
    if (!listener.ok()) return listener.status();
    listener_ = *std::move(listener);
    return absl::OkStatus();
  }

  // After Bind.
  std::shared_ptr<SocketFile> file() const { return listener_->file(); }

  void Shutdown(absl::Time deadline) {
    listener_ = nullptr;
    for (const auto& [uid, endpoint] : by_user_) {
      if (endpoint != nullptr) endpoint->Shutdown(deadline);
    }
    if (strangers_ != nullptr) strangers_->Shutdown(deadline);
  }

 private:
  Role RoleOf(uid_t uid) const {
    if (uid == 0 || uid == geteuid()) return Role::ROLE_OPERATOR;
    const auto& allowed = config_.allow_uids();
    if (std::find(allowed.begin(), allowed.end(), uid) == allowed.end()) return Role::ROLE_UNSPECIFIED;
    return config_.role() == Role::ROLE_UNSPECIFIED ? Role::ROLE_OPERATOR : config_.role();
  }

  // On the listener's one thread. Users without a role get a server too, one for all of them: it says
  // PERMISSION_DENIED, where a closed socket would say nothing.
  void OnConnection(int fd, const UnixPeer& peer) {
    const Role role = RoleOf(peer.uid);
    const bool stranger = role == Role::ROLE_UNSPECIFIED;
    std::unique_ptr<Endpoint>& endpoint = stranger ? strangers_ : by_user_[peer.uid];
    if (endpoint == nullptr) {
      endpoint = std::make_unique<Endpoint>(admin_, stranger ? "uid:other" : absl::StrCat("uid:", peer.uid), role);
      if (!endpoint->StartForAccepted()) endpoint = nullptr;
    }
    if (endpoint == nullptr) {
      close(fd);
    } else {
      endpoint->Accept(fd);
    }
  }

  const chanpool::config::v1::UdsListener config_;
  const std::shared_ptr<admin::PoolAdmin> admin_;
  // Of the listener's thread, while there is one. At most one for each allowed user, root and this process's own.
  std::map<uid_t, std::unique_ptr<Endpoint>> by_user_;
  std::unique_ptr<Endpoint> strangers_;
  std::unique_ptr<UnixListener> listener_;
};

AdminServer::AdminServer() = default;

AdminServer::~AdminServer() {
  // One for all: of the wall, which is what gRPC takes.
  const absl::Time deadline = RealClock()->WallNow() + kShutdownGrace;
  for (const auto& sockets : unix_) sockets->Shutdown(deadline);
  for (const auto& endpoint : tcp_) endpoint->Shutdown(deadline);
}

std::vector<std::shared_ptr<SocketFile>> AdminServer::socket_files() const {
  std::vector<std::shared_ptr<SocketFile>> files;
  for (const auto& sockets : unix_) files.push_back(sockets->file());
  return files;
}

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const chanpool::config::v1::Admin& config,
                                                                std::shared_ptr<admin::PoolAdmin> admin) {
  std::unique_ptr<AdminServer> server(new AdminServer);
  for (const chanpool::config::v1::AdminListener& listener : config.listeners()) {
    if (listener.has_uds()) {
      auto sockets = std::make_unique<UnixEndpoints>(listener.uds(), admin);
      if (absl::Status bound = sockets->Bind(); !bound.ok()) return bound;
      server->unix_.push_back(std::move(sockets));
      server->listeners_.push_back(absl::StrCat("unix:", listener.uds().path()));
      continue;
    }
    const chanpool::config::v1::TcpListener& tcp = listener.tcp();
    const std::string host = tcp.address().empty() ? "127.0.0.1" : tcp.address();
    const std::string bracketed = host.find(':') == std::string::npos ? host : absl::StrCat("[", host, "]");
    auto endpoint = std::make_unique<Endpoint>(admin, absl::StrCat("tcp:", host),
                                               tcp.role() == Role::ROLE_UNSPECIFIED ? Role::ROLE_VIEWER : tcp.role());
    const int port = endpoint->ListenOnTcp(absl::StrCat(bracketed, ":", tcp.port()));
    if (port == 0) {
      return absl::AlreadyExistsError(absl::StrCat("admin listener ", bracketed, ":", tcp.port(),
                                                   " cannot be bound; is the port taken? 0 takes a free one"));
    }
    server->tcp_.push_back(std::move(endpoint));
    server->listeners_.push_back(absl::StrCat("tcp:", bracketed, ":", port));
  }
  return server;
}

}  // namespace chanpool::sidecar
