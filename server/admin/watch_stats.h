// WatchStats: the numbers of pools, again and again. See pool_admin.proto.
//
//   return WatchStats(context, admin, request, ticket);
#ifndef CHANPOOL_SERVER_ADMIN_WATCH_STATS_H_
#define CHANPOOL_SERVER_ADMIN_WATCH_STATS_H_

#include <memory>

#include "chanpool/admin/v1/pool_admin.pb.h"
#include "server/admin/pool_admin.h"
#include "server/admin/watch.h"

namespace chanpool::admin {

// For gRPC. What is wrong with the request ends it at once. `ticket` is of WatchLimits.
Watch* WatchStats(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
                  const v1::WatchStatsRequest& request, std::shared_ptr<void> ticket);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_WATCH_STATS_H_
