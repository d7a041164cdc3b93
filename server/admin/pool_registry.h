// The pools that PoolAdmin shows and steers. An application fills one; chanpoold's reload changes one.
//
//   PoolRegistry registry(RealClock(), &events);
//   absl::Status added = registry.Add({"orders", pool->target(), pool->engine()});
//
// Keeps, beside each pool, what the pool itself does not know: its target, and what operators have overridden, which
// survives when the owner reconfigures, or replaces the options by a reload.
#ifndef CHANPOOL_SERVER_ADMIN_POOL_REGISTRY_H_
#define CHANPOOL_SERVER_ADMIN_POOL_REGISTRY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "chanpool/config/v1/config.pb.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "pool/core/pool.h"
#include "server/admin/pool_name.h"

namespace chanpool::admin {

class EventLog;
class ManagedPool;  // managed_pool.h

// Thread-safe.
class PoolRegistry {
 public:
  // How a pool is made known.
  struct Registration {
    std::string name;            // [a-z]([a-z0-9-]{0,61}[a-z0-9])?
    std::string target;          // Shown; may be empty.
    std::shared_ptr<Pool> pool;  // ChannelPool::engine(), or any other transport's.
    // Shown: how its connections are made, by the keys of chanpoold's file. What is left out is as in the defaults;
    // name, target and options in it are ignored.
    chanpool::config::v1::PoolConfig channel = {};
  };

  // `events` gets what happens in the pools, and POOL_ADDED, POOL_REMOVED. Both outlive the registry.
  PoolRegistry(Clock* clock, EventLog* events);
  // As Remove of each, but without a word: overrides end with who could end them.
  ~PoolRegistry();

  // kInvalidArgument for a name that is none (pool_name.h) or a null pool, kAlreadyExists.
  absl::Status Add(Registration registration);
  // Forgets it, with its overrides; the pool itself is its owner's. kNotFound.
  absl::Status Remove(absl::string_view name);
  // After its owner has redirected it: shows these from now on. kNotFound.
  absl::Status SetTarget(absl::string_view name, std::string target, chanpool::config::v1::PoolConfig channel);

  // Null if there is none.
  std::shared_ptr<ManagedPool> Find(absl::string_view name) const;
  // In the order of their names.
  std::vector<std::shared_ptr<ManagedPool>> List() const;

 private:
  Clock* const clock_;
  EventLog* const events_;
  mutable Mutex mu_;
  std::map<std::string, std::shared_ptr<ManagedPool>> pools_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_REGISTRY_H_
