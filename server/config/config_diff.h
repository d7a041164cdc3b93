// What differs between two configurations: what a reload would change, value by value.
//
//   for (const auto& change : Diff(running, read.config)) printf("%s: %s -> %s\n", ...);
//   // pools/orders.max_connections: 10 -> 32
//
// Values are compared as they hold: a key that is written out with its default is no change, and a change of `defaults`
// shows at every pool that it changes.
#ifndef CHANPOOL_SERVER_CONFIG_CONFIG_DIFF_H_
#define CHANPOOL_SERVER_CONFIG_CONFIG_DIFF_H_

#include <vector>

#include "chanpool/admin/v1/pool_admin.pb.h"
#include "chanpool/config/v1/config.pb.h"

namespace chanpool::config {

// First the keys of the file in its order, `defaults.max_idle` or `admin.listeners[0].uds.path`, then the pools by
// name: `pools/orders` for one that was added or removed, with its target as the new or old value, otherwise its keys
// as `pools/orders.target`. The order of pools is none. Both configurations are such as ReadConfig accepts. Pure and
// thread-safe.
std::vector<chanpool::admin::v1::FieldChange> Diff(const chanpool::config::v1::Config& before,
                                                   const chanpool::config::v1::Config& after);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CONFIG_DIFF_H_
