// Tells events to whoever subscribed, in order, on the closer's thread, and never waits for a slow subscriber.
//
//   auto feed = std::make_shared<EventFeed>(closer);
//   Subscription subscription = feed->Subscribe([](const PoolEvent& event) { ... });
//   feed->Append(event);      // under whatever lock orders the events
//   feed->Flush();            // after unlocking: delivery begins
#ifndef CHANPOOL_POOL_CORE_EVENT_FEED_H_
#define CHANPOOL_POOL_CORE_EVENT_FEED_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "pool/core/connector.h"
#include "pool/core/events.h"
#include "pool/core/mutex.h"

namespace chanpool {

// Ends the subscription when destroyed, without waiting: a callback that has begun, or is about to begin, on the
// closer's thread may still run then. So let the callback own what it uses.
class Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::function<void()> end) : end_(std::move(end)) {}
  Subscription(Subscription&& from) noexcept : end_(std::exchange(from.end_, nullptr)) {}
  Subscription& operator=(Subscription&& from) noexcept {  // Ends the one held before, and leaves `from` empty.
    const std::function<void()> before = std::exchange(end_, std::exchange(from.end_, nullptr));
    if (before) before();
    return *this;
  }
  ~Subscription() {
    if (end_) end_();
  }

  // False: nothing is subscribed, and the callback is never called.
  explicit operator bool() const { return end_ != nullptr; }

 private:
  std::function<void()> end_;
};

// Thread-safe. What is appended is delivered even if everybody else has given the feed up.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  // Events that one subscriber may have waiting; beyond, they are left out, and the sequence shows the gap.
  static constexpr size_t kMaxQueued = 1024;
  // Each event is queued for every one of them, under the lock that orders the events: some 100 us for so many.
  static constexpr size_t kMaxSubscribers = 4096;

  // `closer` outlives the feed.
  explicit EventFeed(Closer* closer);

  // `callback` is not null and runs on the closer's thread, one event at a time. It must not block. Empty beyond
  // kMaxSubscribers, and after fork.
  Subscription Subscribe(std::function<void(const PoolEvent&)> callback);

  // Gives `event` the next sequence number, and queues it for each subscriber. Calls nobody.
  void Append(PoolEvent event);

  // Has the closer deliver what was appended. Not under a lock of the caller's.
  void Flush();

 private:
  struct Subscriber {
    std::function<void(const PoolEvent&)> callback;
    std::atomic<bool> ended{false};
    // Guarded by the feed's lock:
    std::deque<PoolEvent> queue;
    bool delivering = false;  // A task is posted or running.
  };

  void End(const std::shared_ptr<Subscriber>& subscriber);
  void Deliver(const std::shared_ptr<Subscriber>& subscriber);

  Closer* const closer_;
  const uint64_t fork_epoch_;
  Mutex mu_;
  uint64_t last_sequence_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::shared_ptr<Subscriber>> subscribers_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Subscriber>> to_flush_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_EVENT_FEED_H_
