// Calls as operators see them: what became of them, by method, and those in flight.
//
//   for (const CallInFlight& call : pool.Calls(100)) *response.add_calls() = ShowCall(call, name,
//   pool.clock()->WallNow()); for (const MethodStats& row : FoldMethods(pool.Methods(), 100)) *stats.add_methods() =
//   ShowMethod(row);
#ifndef CHANPOOL_SERVER_ADMIN_CALL_VIEW_H_
#define CHANPOOL_SERVER_ADMIN_CALL_VIEW_H_

#include <cstddef>
#include <string>
#include <vector>

#include "chanpool/admin/v1/call.pb.h"
#include "chanpool/admin/v1/stats.pb.h"
#include "pool/core/call_stats.h"

namespace chanpool::admin {

// `pool` is its resource name.
chanpool::admin::v1::Call ShowCall(const CallInFlight& call, const std::string& pool);

chanpool::admin::v1::MethodStats ShowMethod(const MethodStats& method);

// At most `most` rows, and one more: what does not fit goes to kOtherMethods, so that the sum stays.
std::vector<MethodStats> FoldMethods(std::vector<MethodStats> methods, size_t most);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_CALL_VIEW_H_
