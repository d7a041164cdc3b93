// What an UpdatePoolRequest asks for, once its mask is understood.
//
//   RequestChecks checks;
//   PoolUpdate update = ReadPoolUpdate(request, caller, checks);
//   if (!checks.ok()) ... else if (!update.not_options.empty()) ...FIELD_REQUIRES_RELOAD
#ifndef CHANPOOL_SERVER_ADMIN_POOL_UPDATE_H_
#define CHANPOOL_SERVER_ADMIN_POOL_UPDATE_H_

#include <string>
#include <vector>

#include "chanpool/admin/v1/pool_admin.pb.h"
#include "server/admin/caller.h"
#include "server/admin/managed_pool.h"
#include "server/admin/request_checks.h"

namespace chanpool::admin {

// A plain value.
struct PoolUpdate {
  ManagedPool::OverrideChange change;
  // Fields of Pool that only the pool's owner can change: "target", "keepalive", "channel".
  std::vector<std::string> not_options;
};

// What is wrong with the mask, the ttl and the reason goes to `checks`; the values are for ManagedPool::Check.
PoolUpdate ReadPoolUpdate(const chanpool::admin::v1::UpdatePoolRequest& request, const Caller& caller,
                          RequestChecks& checks);

// What the change from `before` to `after` allows, but servers may not like.
std::vector<std::string> WarningsOf(const PoolOptions& before, const PoolOptions& after);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_UPDATE_H_
