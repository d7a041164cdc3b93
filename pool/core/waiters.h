// Callers in arrival order, each with its deadline and its own wake-up.
//
//   Waiter waiter;                       // on the waiting thread's stack, or inside an AsyncAcquire
//   queue.PushBack(&waiter);             // under the pool's lock, like everything here
//   Waiter* first = queue.PopFront();
//
// First in, first out: last in, first out has unbounded tails.
#ifndef CHANPOOL_POOL_CORE_WAITERS_H_
#define CHANPOOL_POOL_CORE_WAITERS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/check.h"
#include "pool/core/clock.h"

namespace chanpool {

struct Slot;
class AsyncAcquire;

// Which connection a caller wants: LeaseOptions, as they are kept.
struct Wishes {
  bool fresh = false;           // One that never lent. A waiter stands in the line of those who want that.
  std::optional<uint64_t> key;  // StableHash of its affinity key. Of no account while it waits.
};

struct Waiter {
  absl::Time deadline = absl::InfiniteFuture();  // Of the pool's clock.
  AsyncAcquire* async = nullptr;                 // Null: a thread is parked on `wakeup`.
  Wakeup wakeup;
  Wishes wishes;

  // Under the pool's lock. Once it has left the queue it has either a slot or a refusal.
  bool queued = false;
  uint64_t arrival = 0;  // Which of all that ever queued: the two lines are served as one where they meet.
  Slot* granted = nullptr;
  absl::Status refusal;

  Waiter* previous = nullptr;
  Waiter* next = nullptr;
};

// An intrusive list: no allocation, and O(1) removal of one that gives up. One thread at a time.
class WaiterQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  int size() const { return size_; }
  Waiter* first() const { return first_; }

  void PushBack(Waiter* w) {
    CHANPOOL_CHECK(!w->queued);
    w->queued = true;
    w->previous = last_;
    w->next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = w;
    last_ = w;
    ++size_;
  }

  void Remove(Waiter* w) {
    CHANPOOL_CHECK(w->queued);
    (w->previous == nullptr ? first_ : w->previous->next) = w->next;
    (w->next == nullptr ? last_ : w->next->previous) = w->previous;
    w->queued = false;
    --size_;
  }

  // Null when empty.
  Waiter* PopFront() {
    Waiter* w = first_;
    if (w != nullptr) Remove(w);
    return w;
  }

 private:
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  int size_ = 0;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_WAITERS_H_
