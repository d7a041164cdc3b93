// An acquire without a thread: what Pool::AcquireAsync keeps between the call and its callback.
#ifndef CHANPOOL_POOL_CORE_ASYNC_ACQUIRE_H_
#define CHANPOOL_POOL_CORE_ASYNC_ACQUIRE_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/core/pool.h"
#include "pool/core/waiters.h"

namespace chanpool {

// Kept by whoever will deliver it: the queue, then the closer's task; and by the caller's handle.
class AsyncAcquire {
 public:
  AsyncAcquire(std::shared_ptr<Pool> owner, std::function<void(absl::StatusOr<Place>)> then, BorrowSite by)
      : pool(std::move(owner)), site(by), callback(std::move(then)) {
    waiter.async = this;
  }

  const std::shared_ptr<Pool> pool;
  const BorrowSite site;
  // When it took the slow path; InfinitePast if it found a place at once. Written before anybody else knows of it.
  absl::Time begun = absl::InfinitePast();
  std::function<void(absl::StatusOr<Place>)> callback;  // Touched by the delivering task only.
  // Guarded by the pool's lock:
  Waiter waiter;
  std::shared_ptr<AsyncAcquire> self;  // While it is queued.
  bool delivered = false;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_ASYNC_ACQUIRE_H_
