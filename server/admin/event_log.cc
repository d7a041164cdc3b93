#include "server/admin/event_log.h"

#include <algorithm>
#include <utility>

#include "server/admin/proto_time.h"

namespace chanpool::admin {

using chanpool::admin::v1::Event;

EventLog::EventLog(Clock* clock) : state_(std::make_shared<State>(clock)) {}

void EventLog::Append(Event event) {
  State& state = *state_;
  if (!event.has_time()) *event.mutable_time() = ToProto(state.clock->WallNow());
  {
    MutexLock lock(&state.mu);
    event.set_seq(++state.last_seq);
    state.ring.push_back(std::move(event));
    if (state.ring.size() > kCapacity) state.ring.pop_front();
  }
  state.followers.Tell();
}

EventLog::Batch EventLog::Read(uint64_t after, size_t at_most) const {
  Batch batch;
  State& state = *state_;
  MutexLock lock(&state.mu);
  if (state.ring.empty() || after >= state.last_seq) return batch;
  const uint64_t oldest = state.ring.front().seq();
  const uint64_t first = std::max(after + 1, oldest);
  batch.lost = first - after - 1;
  for (size_t i = first - oldest; i < state.ring.size() && batch.events.size() < at_most; ++i) {
    batch.events.push_back(state.ring[i]);
  }
  return batch;
}

uint64_t EventLog::oldest() const {
  State& state = *state_;
  MutexLock lock(&state.mu);
  return state.ring.empty() ? 0 : state.ring.front().seq();
}

uint64_t EventLog::head() const {
  State& state = *state_;
  MutexLock lock(&state.mu);
  return state.last_seq;
}

std::shared_ptr<void> EventLog::Follow(std::function<void()> callback) {
  return state_->followers.Add(std::move(callback));
}

}  // namespace chanpool::admin
