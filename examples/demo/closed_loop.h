// A load: so many callers at once, each of which starts its next call when the last has ended.
//
//   ClosedLoop load({channel}, /*callers=*/1000, /*delay=*/absl::Milliseconds(100));
//   absl::SleepFor(absl::Seconds(5));
//   std::vector<CallRecord> calls = load.Stop();
//   LoadFigures figures = Figures(calls, from, to);
//
// Callback calls: 1,000 callers cost no thread. A caller whose call failed pauses for 10 ms, as any sane client does.
#ifndef CHANPOOL_EXAMPLES_DEMO_CLOSED_LOOP_H_
#define CHANPOOL_EXAMPLES_DEMO_CLOSED_LOOP_H_

#include <grpcpp/impl/channel_interface.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/time.h"
#include "examples/demo/demo.grpc.pb.h"

namespace chanpool::demo {

// One call that has ended.
struct CallRecord {
  absl::Time start;
  absl::Time end;
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string error;  // The status's message.
};

// What a caller wants while there is no connection.
enum class Patience {
  kFailFast,      // An error, as soon as it is known that there is none. gRPC's default.
  kWaitForReady,  // To wait until there is one.
};

// One thread at a time.
class ClosedLoop {
 public:
  // Begins at once. Of several channels each call takes the next: a round robin. The server answers after `delay`. Each
  // call has `limit` to end, and its answer so many bytes more than the question.
  ClosedLoop(const std::vector<std::shared_ptr<grpc::ChannelInterface>>& channels, int callers, absl::Duration delay,
             Patience patience = Patience::kFailFast, absl::Duration limit = absl::InfiniteDuration(),
             int response_bytes = 0);
  ~ClosedLoop();  // Stops.

  // Starts no more calls, waits for those in flight, and returns every call since the beginning, caller by caller.
  std::vector<CallRecord> Stop();

  // Calls that have ended until now, whatever their status.
  int64_t ended() const { return ended_.load(std::memory_order_relaxed); }

 private:
  class Caller;
  Orders::Stub& NextStub();

  std::vector<std::unique_ptr<Orders::Stub>> stubs_;
  std::atomic<uint32_t> next_stub_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> ended_{0};
  absl::BlockingCounter running_;
  std::vector<std::unique_ptr<Caller>> callers_;
};

// What a load achieved.
struct LoadFigures {
  int64_t calls = 0;        // Ended in the interval, whatever their status.
  int64_t failed = 0;       // Of these.
  double per_second = 0;    // Those that did not fail.
  absl::Duration p50, p99;  // Of those that did not fail; zero if there are none.
};

// Of the calls that ended in [from, to).
LoadFigures Figures(const std::vector<CallRecord>& calls, absl::Time from, absl::Time to);

}  // namespace chanpool::demo
#endif  // CHANPOOL_EXAMPLES_DEMO_CLOSED_LOOP_H_
