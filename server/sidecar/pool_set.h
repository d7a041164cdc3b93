// The pools that a configuration asks for, and the step from one configuration to the next: all of it or nothing.
//
//   absl::StatusOr<PoolSet::Plan> plan = pools.Prepare(config);           // makes what is new aside
//   absl::StatusOr<PoolSet::Outcome> outcome = pools.Apply(*std::move(plan));
//
// Either may fail, and then nothing has changed.
//
// A pool that is the same in both keeps its connections and counters. Options change in place; another target or
// channel recycles its connections, new before old; a pool that is gone drains.
#ifndef CHANPOOL_SERVER_SIDECAR_POOL_SET_H_
#define CHANPOOL_SERVER_SIDECAR_POOL_SET_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "chanpool/config/v1/config.pb.h"
#include "pool/core/mutex.h"
#include "pool/core/options.h"
#include "pool/grpc/channel_pool.h"
#include "server/admin/pool_registry.h"

namespace chanpool::sidecar {

// One thread at a time; the registry and the pools are used by others meanwhile.
class PoolSet {
 public:
  // Outlived by `registry`.
  explicit PoolSet(admin::PoolRegistry* registry) : registry_(registry) {}
  // The pools leave the registry and drain.
  ~PoolSet();

  // What a pool is to be.
  struct Wanted {
    chanpool::config::v1::PoolConfig channel;  // Without its options.
    PoolOptions options;
  };

  // What Apply will do.
  struct Plan {
    std::map<std::string, std::shared_ptr<ChannelPool>> added;  // They dial already.
    std::map<std::string, Wanted> wanted;                       // Every pool, by name.
  };

  // The names of pools, in order.
  struct Outcome {
    std::vector<std::string> added;
    std::vector<std::string> removed;
    std::vector<std::string> recycled;
    // What left the set; dropped by whoever holds no lock: gRPC ends its channels then.
    std::vector<std::shared_ptr<ChannelPool>> gone;
  };

  // `config` has been read without errors. kInvalidArgument names the pool for which it makes no sense: gRPC does not
  // understand the target, or an operator's override does not go with the new options.
  // With `dry_run` no pool is made: the plan is not for Apply.
  absl::StatusOr<Plan> Prepare(const chanpool::config::v1::Config& config, bool dry_run = false) const;
  // kAborted when an operator has changed a pool since, so that the new options do not go with it any more.
  absl::StatusOr<Outcome> Apply(Plan plan) ABSL_NO_THREAD_SAFETY_ANALYSIS;

  // What an operator has put over an option of a pool, by its name in PoolOptions, as text; empty: nothing.
  std::string OverriddenBy(const std::string& pool, const std::string& option) const;

  // Null if there is none.
  std::shared_ptr<ChannelPool> Find(const std::string& name) const;

 private:
  struct Owned {
    std::shared_ptr<ChannelPool> pool;
    Wanted as;
  };

  admin::PoolRegistry* const registry_;
  std::map<std::string, Owned> pools_;
};

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_POOL_SET_H_
