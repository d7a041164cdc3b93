// A pool as operators see it: what it is doing, how well, and why not better.
//
//   chanpool::admin::v1::Pool shown = ShowPool(*managed);
//   chanpool::admin::v1::PoolStats numbers = ShowStats(*managed);
//
// Health says what is the case (a place for the next caller?), admin_state what was decided.
#ifndef CHANPOOL_SERVER_ADMIN_POOL_VIEW_H_
#define CHANPOOL_SERVER_ADMIN_POOL_VIEW_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "chanpool/admin/v1/pool.pb.h"
#include "chanpool/admin/v1/stats.pb.h"
#include "pool/core/endpoint.h"
#include "pool/core/resolution.h"
#include "pool/core/stats.h"
#include "server/admin/managed_pool.h"

namespace chanpool::admin {

// As it is now. Thread-safe, as all below; none blocks.
chanpool::admin::v1::Pool ShowPool(ManagedPool& managed);
// With these options, overrides and etag in the place of its own: as it would be.
chanpool::admin::v1::Pool ShowPool(ManagedPool& managed, const ManagedPool::Facts& facts);

// What is shown of a pool's numbers beside the counters and gauges.
struct StatsParts {
  bool histograms = false;  // How long things took.
  // What became of calls: at most so many methods, and the others as one.
  std::optional<size_t> methods = std::nullopt;
};
chanpool::admin::v1::PoolStats ShowStats(ManagedPool& managed, StatsParts parts = StatsParts());

// `pool` is its resource name.
chanpool::admin::v1::Connection ShowConnection(const ConnectionStats& row, const std::string& pool);

chanpool::admin::v1::Endpoint ShowEndpoint(const EndpointStats& row, const std::string& pool, absl::Time now);
chanpool::admin::v1::Resolution ShowResolution(const ResolutionStats& stats, const std::string& pool, absl::Time now);

// The rules, of plain numbers. `now` is of the pool's clock.
chanpool::admin::v1::AdminState AdminStateOf(const PoolStats& stats);
chanpool::admin::v1::Health ShowHealth(PoolAdminState state, PoolHealth health);
std::vector<std::string> ConditionsOf(const PoolStats& stats, const PoolOptions& options, absl::Time now);
// The same for its certificates.
chanpool::admin::v1::Certificate ShowCertificate(const CertificateState& certificate);
std::vector<std::string> ConditionsOf(const CertificateState& certificate, absl::Time wall_now);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_VIEW_H_
