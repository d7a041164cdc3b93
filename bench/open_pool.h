// A pool whose connections are open from the start, over no network at all: what is left to measure is the engine.
//
//   OpenPool pool(/*connections=*/10, /*leases_per_connection=*/1);
//   const absl::StatusOr<Place> place = pool->Acquire(absl::InfiniteFuture());
//   CountUse(*place);
#ifndef CHANPOOL_BENCH_OPEN_POOL_H_
#define CHANPOOL_BENCH_OPEN_POOL_H_

#include <memory>

#include "pool/core/pool.h"

namespace chanpool::bench {

// Statistics are on, as always. All share one closer, as the pools of a program do. Thread-safe; every place is back
// before it ends.
class OpenPool {
 public:
  OpenPool(int connections, int leases_per_connection);
  ~OpenPool();

  Pool* operator->() const { return pool_.get(); }

 private:
  std::shared_ptr<Pool> pool_;
};

// Bumps a plain counter in the connection that `place`, of an OpenPool, is on: what users do with what they were lent.
// For pools of one lease a connection, where no other thread is on it.
void CountUse(const Place& place);

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_OPEN_POOL_H_
