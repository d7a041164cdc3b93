#include "server/admin/event_log.h"

#include <algorithm>
#include <utility>

#include "server/admin/proto_time.h"

namespace chanpool::admin {

using chanpool::admin::v1::Event;

EventLog::EventLog(Clock* clock) : clock_(clock) {}
EventLog::~EventLog() = default;

void EventLog::Append(Event event) {
  if (!event.has_time()) *event.mutable_time() = ToProto(clock_->WallNow());
  {
    MutexLock lock(&mu_);
    event.set_seq(++last_seq_);
    ring_.push_back(std::move(event));
    if (ring_.size() > kCapacity) ring_.pop_front();
  }
  followers_.Tell();
}

EventLog::Batch EventLog::Read(uint64_t after, size_t at_most) const {
  Batch batch;
  MutexLock lock(&mu_);
  if (ring_.empty() || after >= last_seq_) return batch;
  const uint64_t oldest = ring_.front().seq();
  const uint64_t first = std::max(after + 1, oldest);
  batch.lost = first - after - 1;
  for (size_t i = first - oldest; i < ring_.size() && batch.events.size() < at_most; ++i) {
    batch.events.push_back(ring_[i]);
  }
  return batch;
}

uint64_t EventLog::oldest() const {
  MutexLock lock(&mu_);
  return ring_.empty() ? 0 : ring_.front().seq();
}

uint64_t EventLog::head() const {
  MutexLock lock(&mu_);
  return last_seq_;
}

std::shared_ptr<void> EventLog::Follow(std::function<void()> callback) { return followers_.Add(std::move(callback)); }

}  // namespace chanpool::admin
