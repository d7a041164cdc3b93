// WatchOperation: one operation, whenever it changes, until it has ended. See pool_admin.proto.
//
//   return WatchOperation(context, admin, caller, request, ticket);
#ifndef CHANPOOL_SERVER_ADMIN_WATCH_OPERATION_H_
#define CHANPOOL_SERVER_ADMIN_WATCH_OPERATION_H_

#include <memory>

#include "chanpool/admin/v1/pool_admin.pb.h"
#include "server/admin/caller.h"
#include "server/admin/pool_admin.h"
#include "server/admin/watch.h"

namespace chanpool::admin {

// For gRPC. What is wrong with the request ends it at once. One of an attached process is asked for every 250 ms.
// `ticket` is of WatchLimits.
Watch* WatchOperation(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
                      const Caller& caller, const v1::WatchOperationRequest& request, std::shared_ptr<void> ticket);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_WATCH_OPERATION_H_
