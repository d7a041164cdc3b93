// What happened in this process, in order: a ring of the last 10,000 events, and readers that follow it.
//
//   EventLog events(RealClock());
//   events.Append(event);                                 // seq and time are filled in
//   EventLog::Batch batch = events.Read(/*after=*/41, /*at_most=*/100);
//
// Readers hold a position, not a queue: a reader that is too slow finds that events before its position are gone, and
// says so (Batch::lost); it costs nobody memory.
//
// A handle: a copy is the same log, and keeps it. Who appends in callbacks that may run after everything else has ended
// (of a pool, of an alarm) keeps a copy.
#ifndef CHANPOOL_SERVER_ADMIN_EVENT_LOG_H_
#define CHANPOOL_SERVER_ADMIN_EVENT_LOG_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "chanpool/admin/v1/event.pb.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "server/admin/followers.h"

namespace chanpool::admin {

// Thread-safe, as are copies of one log.
class EventLog {
 public:
  static constexpr size_t kCapacity = 10'000;

  // `clock` outlives every copy.
  explicit EventLog(Clock* clock);

  // Gives `event` the next seq and, if it has none, the time; then tells the followers. Never blocks. Not under a lock
  // that a follower takes.
  void Append(chanpool::admin::v1::Event event);

  // Events after `after`, oldest first.
  struct Batch {
    std::vector<chanpool::admin::v1::Event> events;
    uint64_t lost = 0;  // Events after `after` that are gone; they come before events[0].
  };
  Batch Read(uint64_t after, size_t at_most) const;

  uint64_t oldest() const;  // 0 when empty.
  uint64_t head() const;    // 0 when empty.

  // `callback` is called after each Append, on the thread that appended; must not block. Ends with what is returned.
  std::shared_ptr<void> Follow(std::function<void()> callback);

 private:
  struct State {
    explicit State(Clock* clock) : clock(clock) {}
    Clock* const clock;
    Followers followers;
    Mutex mu;
    std::deque<chanpool::admin::v1::Event> ring ABSL_GUARDED_BY(mu);  // By seq, without a gap.
    uint64_t last_seq ABSL_GUARDED_BY(mu) = 0;
  };
  const std::shared_ptr<State> state_;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_EVENT_LOG_H_
