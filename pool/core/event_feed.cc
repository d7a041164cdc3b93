#include "pool/core/event_feed.h"

#include <algorithm>

#include "pool/core/check.h"
#include "pool/core/fork_epoch.h"

namespace chanpool {

EventFeed::EventFeed(Closer* closer) : closer_(closer), fork_epoch_(CountForks()) {}

Subscription EventFeed::Subscribe(std::function<void(const PoolEvent&)> callback) {
  CHANPOOL_CHECK(callback != nullptr);
  if (ForkEpoch() != fork_epoch_) return Subscription();
  auto subscriber = std::make_shared<Subscriber>();
  subscriber->callback = std::move(callback);
  {
    MutexLock lock(&mu_);
    if (subscribers_.size() >= kMaxSubscribers) return Subscription();
    subscribers_.push_back(subscriber);
  }
  return Subscription([weak = weak_from_this(), subscriber] {
    subscriber->ended.store(true, std::memory_order_release);
    if (const std::shared_ptr<EventFeed> feed = weak.lock()) feed->End(subscriber);
  });
}

void EventFeed::End(const std::shared_ptr<Subscriber>& subscriber) {
  if (ForkEpoch() != fork_epoch_) return;
  MutexLock lock(&mu_);
  subscribers_.erase(std::remove(subscribers_.begin(), subscribers_.end(), subscriber), subscribers_.end());
}

void EventFeed::Append(PoolEvent event) {
  MutexLock lock(&mu_);
  event.sequence = ++last_sequence_;
  for (const std::shared_ptr<Subscriber>& subscriber : subscribers_) {
    if (subscriber->queue.size() >= kMaxQueued) continue;
    subscriber->queue.push_back(event);
    if (!std::exchange(subscriber->delivering, true)) to_flush_.push_back(subscriber);
  }
}

void EventFeed::Flush() {
  std::vector<std::shared_ptr<Subscriber>> subscribers;
  {
    MutexLock lock(&mu_);
    subscribers.swap(to_flush_);
  }
  for (const std::shared_ptr<Subscriber>& subscriber : subscribers) {
    closer_->Post([self = shared_from_this(), subscriber] { self->Deliver(subscriber); });
  }
}

void EventFeed::Deliver(const std::shared_ptr<Subscriber>& subscriber) {
  std::deque<PoolEvent> events;
  {
    MutexLock lock(&mu_);
    events.swap(subscriber->queue);
  }
  for (const PoolEvent& event : events) {
    if (!subscriber->ended.load(std::memory_order_acquire)) subscriber->callback(event);
  }
  {
    MutexLock lock(&mu_);
    subscriber->delivering = !subscriber->queue.empty();
    if (!subscriber->delivering) return;
  }
  // Behind whatever else the closer has to do: a busy subscriber must not keep connections from closing.
  closer_->Post([self = shared_from_this(), subscriber] { self->Deliver(subscriber); });
}

}  // namespace chanpool
