// WatchEvents: what happens, from now or from where an earlier watch ended. See pool_admin.proto.
//
//   return WatchEvents(context, admin, request, ticket);
#ifndef CHANPOOL_SERVER_ADMIN_WATCH_EVENTS_H_
#define CHANPOOL_SERVER_ADMIN_WATCH_EVENTS_H_

#include <memory>

#include "chanpool/admin/v1/pool_admin.pb.h"
#include "server/admin/pool_admin.h"
#include "server/admin/watch.h"

namespace chanpool::admin {

// The trailer with the last token, when the process is about to end.
inline constexpr char kResumeTokenTrailer[] = "chanpool-resume-token";

// For gRPC. What is wrong with the request or its token ends it at once. `ticket` is of WatchLimits.
Watch* WatchEvents(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
                   const v1::WatchEventsRequest& request, std::shared_ptr<void> ticket);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_WATCH_EVENTS_H_
