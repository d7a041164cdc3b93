// A pool that nobody uses, so that what goes over its connections is its own: probes and pings. Does the server mind?
//
//   QuietPool pool("Go", server.target(), /*probe_every=*/absl::Seconds(10), KeepaliveOptions());
//   ... minutes later ...
//   EXPECT_TRUE(pool.HasKeptAll()) << pool.Summary();
#ifndef CHANPOOL_TESTS_INTEROP_QUIET_POOL_H_
#define CHANPOOL_TESTS_INTEROP_QUIET_POOL_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "pool/grpc/channel_pool.h"
#include "pool/grpc/keepalive.h"

namespace chanpool::testing {

// Thread-safe.
class QuietPool {
 public:
  static constexpr int kConnections = 3;

  // With its connections open when it returns; else the test fails. `probe_every` is PoolOptions::validate_every.
  QuietPool(const std::string& name, const std::string& target, absl::Duration probe_every, KeepaliveOptions keepalive);

  // Every connection is the one of the beginning: the server has closed none, for too_many_pings or else.
  bool HasKeptAll() const;
  // Probes, each answered.
  uint64_t probes() const { return pool_->Stats().health_checks; }
  // "Go: 72 probes on 3 connections, 0 lost, 0 gave no answer".
  std::string Summary() const;

 private:
  std::shared_ptr<ChannelPool> pool_;
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_INTEROP_QUIET_POOL_H_
