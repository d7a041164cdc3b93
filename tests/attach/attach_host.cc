// A sidecar reduced to what attaching needs, for tests with real processes.
//
//   attach_host --attach=PATH --admin=PATH
//
// Prints "ready", then serves until its standard input ends: it never outlives whoever started it.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "pool/core/clock.h"
#include "server/admin/event_log.h"
#include "server/admin/pool_admin.h"
#include "server/admin/pool_admin_service.h"
#include "server/admin/pool_registry.h"
#include "server/attach/attached_processes.h"
#include "server/socket/unix_listener.h"

namespace chanpool {
namespace {

int Serve(const std::string& attach_path, const std::string& admin_path) {
  admin::EventLog events(RealClock());
  admin::PoolRegistry registry(RealClock(), &events);
  AttachedProcesses attached({&events});
  const auto pool_admin = std::make_shared<admin::PoolAdmin>(
      admin::PoolAdmin::Options{&registry, &events, nullptr, &attached, nullptr, "attach-host"});
  admin::PoolAdminService service(pool_admin, {[](const admin::CallFacts&) -> absl::StatusOr<admin::Caller> {
                                    return admin::Caller{"test", admin::Role::ROLE_OPERATOR};
                                  }});
  const auto listener =
      UnixListener::Bind({attach_path}, [&attached](int fd, const UnixPeer& peer) { attached.Accept(fd, peer); });
  if (!listener.ok()) {
    std::fprintf(stderr, "attach_host: %s\n", listener.status().ToString().c_str());
    return 1;
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("unix:", admin_path), grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("ready\n");
  std::fflush(stdout);
  char ignored[256];
  while (read(STDIN_FILENO, ignored, sizeof ignored) > 0) {
  }
  pool_admin->BeginShutdown();
  server->Shutdown(gpr_inf_past(GPR_CLOCK_REALTIME));
  return 0;
}

}  // namespace
}  // namespace chanpool

int main(int argc, char** argv) {
  std::string attach_path, admin_path;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--attach=")) attach_path = std::string(argument);
    if (absl::ConsumePrefix(&argument, "--admin=")) admin_path = std::string(argument);
  }
  if (attach_path.empty() || admin_path.empty()) {
    std::fprintf(stderr, "attach_host: --attach=PATH and --admin=PATH are both needed\n");
    return 2;
  }
  return chanpool::Serve(attach_path, admin_path);
}
