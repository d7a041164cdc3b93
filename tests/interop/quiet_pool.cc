#include "tests/interop/quiet_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::testing {

QuietPool::QuietPool(const std::string& name, const std::string& target, absl::Duration probe_every,
                     KeepaliveOptions keepalive) {
  ChannelPoolOptions options;
  options.name = name;
  options.target = target;
  options.keepalive = keepalive;
  options.pool.min_connections = options.pool.max_connections = kConnections;
  options.pool.validate_every = probe_every;
  pool_ = ChannelPool::Create(options).value();
  EXPECT_THAT(pool_->WaitForReady(kConnections, In(kLimit)), IsOk());
}

bool QuietPool::HasKeptAll() const {
  const PoolStats stats = pool_->Stats();
  // One that is probed is open, and lends nothing meanwhile.
  return stats.connections_open + stats.connections_checking == kConnections && stats.opened == kConnections;
}

std::string QuietPool::Summary() const {
  const PoolStats stats = pool_->Stats();
  const auto closed = [&](CloseReason reason) { return stats.closed_by_reason[static_cast<int>(reason)]; };
  return absl::StrCat(pool_->name(), ": ", stats.health_checks, " probes on ", kConnections, " connections, ",
                      closed(CloseReason::kLost), " lost, ", closed(CloseReason::kProbeFailed), " gave no answer");
}

}  // namespace chanpool::testing
