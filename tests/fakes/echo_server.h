// A real gRPC server in this process, on a port of its own that it keeps while it is down.
//
//   EchoServer server;
//   auto pool = ChannelPool::Create({.target = server.target()});
//   server.Stop(absl::ZeroDuration());   // calls in progress end; dials are refused
//   server.Start();                      // same port
//
// A call that waits (delay_ms) costs no thread.
#ifndef CHANPOOL_TESTS_FAKES_ECHO_SERVER_H_
#define CHANPOOL_TESTS_FAKES_ECHO_SERVER_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "pool/core/mutex.h"

namespace chanpool::testing {

struct EchoServerOptions {
  // Any of 127.0.0.0/8, so that several servers can have one port; or "::1".
  std::string host = "127.0.0.1";
  int port = 0;                    // 0: one that is free.
  int max_concurrent_streams = 0;  // 0: gRPC's default, no limit.
  // GOAWAY after so long; then the calls on the connection have the grace to end.
  absl::Duration max_connection_age = absl::InfiniteDuration();
  absl::Duration max_connection_age_grace = absl::InfiniteDuration();
  // Pings that come faster are abuse, and the third earns GOAWAY. Infinite: gRPC's default, 5 minutes.
  absl::Duration min_ping_interval = absl::InfiniteDuration();
  // Answers the pool's probes by a health service of its own. Without it gRPC answers UNIMPLEMENTED, from handlers in
  // its library whose destruction ThreadSanitizer takes for a race.
  bool serves_health = false;
  // What it calls itself: x-backend in the initial metadata of each response, and x-backend-last in the trailing.
  // Empty: nothing of that.
  std::string backend = "";
  // Null: insecure.
  std::shared_ptr<grpc::ServerCredentials> credentials = nullptr;
};

// Thread-safe, but for Stop and Start: one thread at a time.
class EchoServer {
 public:
  // Serves when it returns.
  explicit EchoServer(EchoServerOptions options = EchoServerOptions());
  ~EchoServer();  // Stops at once.
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

  std::string target() const;  // "ipv4:127.0.0.1:40123", "ipv6:[::1]:40123"
  int port() const { return port_; }

  // Sends GOAWAY, gives the calls in progress so long to end, cancels the rest, closes everything.
  void Stop(absl::Duration grace = absl::ZeroDuration());
  // After Stop: serves again, on the same port.
  void Start();
  void Restart(absl::Duration grace = absl::ZeroDuration());

  // Since the beginning, over all restarts.
  int64_t calls() const;        // That arrived.
  int64_t in_progress() const;  // Of those: not ended yet.
  int peers() const;            // Distinct client sockets that made a call.

 private:
  class Service;
  class Health;

  const EchoServerOptions options_;
  int port_holder_ = -1;  // A socket that is bound and never listens: nobody else gets the port while we are down.
  int port_ = 0;
  const std::unique_ptr<Service> service_;
  const std::unique_ptr<Health> health_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_FAKES_ECHO_SERVER_H_
