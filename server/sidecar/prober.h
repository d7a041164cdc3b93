// Asks quiet connections for a sign of life, so that one that died without a word is noticed before a caller does.
//
//   Prober prober([&registry] { return EnginesOf(registry); }, RealClock());   // until it is destroyed
//
// One connection of each pool at a time, in turn: a connection that is asked lends nothing meanwhile.
#ifndef CHANPOOL_SERVER_SIDECAR_PROBER_H_
#define CHANPOOL_SERVER_SIDECAR_PROBER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "pool/core/clock.h"
#include "pool/core/pool.h"

namespace chanpool::sidecar {

// How often each pool has one of its connections asked. With 10 connections each is asked every 100 s, which stock
// servers tolerate for calls without limit and for pings would not (5 min).
inline constexpr absl::Duration kProbeInterval = absl::Seconds(10);

// Thread-safe.
class Prober {
 public:
  // Called at each round, on the clock's thread; must not block.
  using ListPools = std::function<std::vector<std::shared_ptr<Pool>>()>;

  // `clock` outlives it.
  Prober(ListPools list_pools, Clock* clock);
  // A round that has begun may still run.
  ~Prober();

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_PROBER_H_
