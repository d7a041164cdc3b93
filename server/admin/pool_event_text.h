// What a pool tells, as an event of the process.
//
//   chanpool::admin::v1::Event event = ToProto(pool_event, "pools/orders");
#ifndef CHANPOOL_SERVER_ADMIN_POOL_EVENT_TEXT_H_
#define CHANPOOL_SERVER_ADMIN_POOL_EVENT_TEXT_H_

#include <string>

#include "chanpool/admin/v1/event.pb.h"
#include "pool/core/events.h"

namespace chanpool::admin {

// `pool` is its resource name. Without seq and time: PoolEvent::time is of the pool's clock.
chanpool::admin::v1::Event ToProto(const PoolEvent& event, const std::string& pool);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_EVENT_TEXT_H_
