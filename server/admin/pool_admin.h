// What PoolAdmin does, without a server around it: operations, events, overrides over a registry of pools.
//
//   EventLog events(RealClock());
//   PoolRegistry registry(RealClock(), &events);
//   auto admin = std::make_shared<PoolAdmin>(PoolAdmin::Options{.registry = &registry, .events = &events, ...});
//   PoolAdminService service(admin, {.authorize = SameUser});     // pool_admin_service.h
//   builder.RegisterService(&service);
#ifndef CHANPOOL_SERVER_ADMIN_POOL_ADMIN_H_
#define CHANPOOL_SERVER_ADMIN_POOL_ADMIN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "pool/core/clock.h"
#include "server/admin/config_source.h"
#include "server/admin/event_log.h"
#include "server/admin/pool_registry.h"
#include "server/admin/remote_processes.h"

namespace chanpool::admin {

// Thread-safe.
class PoolAdmin {
 public:
  struct Options {
    PoolRegistry* registry = nullptr;  // Outlives this, as all below.
    EventLog* events = nullptr;
    ConfigSource* config = nullptr;           // Null: no configuration; ReloadConfig and GetConfig say so.
    RemoteProcesses* remote = nullptr;        // Null: nothing can attach here.
    Clock* clock = nullptr;                   // Null: the process's.
    std::string name;                         // Of the process: "chanpoold", or the application's own.
    std::vector<std::string> listeners = {};  // As in Instance.
  };

  explicit PoolAdmin(Options options);
  ~PoolAdmin();  // Ends its operations' bookkeeping and its watches; pools stay as they are.

  // From now on Instance says STOPPING, and watches end with UNAVAILABLE and their last token. Idempotent.
  void BeginShutdown();
  // Once the sockets are bound.
  void SetListeners(std::vector<std::string> listeners);
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_ADMIN_H_
