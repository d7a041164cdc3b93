// What is kept of one lease beside its place, for the few that have more: a lease that is watched, and one whose holder
// wants to hear when its connection starts draining.
#ifndef CHANPOOL_POOL_CORE_LEASE_NOTE_H_
#define CHANPOOL_POOL_CORE_LEASE_NOTE_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "pool/core/connector.h"
#include "pool/core/lease_options.h"

namespace chanpool {

class LeaseWatch;

// A callback that runs once or never: whoever is first, its delivery or its cancellation. Thread-safe.
class DrainNotice {
 public:
  explicit DrainNotice(std::function<void(absl::Duration)> callback) : callback_(std::move(callback)) {}

  void Deliver(absl::Duration grace_left) {
    if (ended_.exchange(true, std::memory_order_acq_rel)) return;
    callback_(grace_left);
    callback_ = nullptr;
  }
  // The callback does not begin after this. One that has begun goes on.
  void Cancel() {
    if (!ended_.exchange(true, std::memory_order_acq_rel)) callback_ = nullptr;
  }

  // Where it stands among those of its connection; kNowhere once it was taken from there. Under the pool's lock.
  static constexpr size_t kNowhere = static_cast<size_t>(-1);
  size_t at = kNowhere;

 private:
  std::atomic<bool> ended_{false};
  std::function<void(absl::Duration)> callback_;  // Touched by who has set ended_.
};

// Owned by its Place.
struct LeaseNote {
  // Where it is watched; null if it is not. The rest is the watch's.
  LeaseWatch* watch = nullptr;
  ConnectionId connection;
  absl::Time since;  // Of the pool's clock.
  BorrowSite site = BorrowSite::Here();
  size_t stripe = 0;
  bool told = false;
  LeaseNote *previous = nullptr, *next = nullptr;

  // Null if its holder wants none.
  std::shared_ptr<DrainNotice> notice;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_LEASE_NOTE_H_
