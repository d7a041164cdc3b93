// A steady stream of calls through one pool, and what became of them.
//
//   SteadyCalls orders(pool->channel(), {.delay = absl::Milliseconds(5)});
//   orders.Start(10);                       // now and then; never blocks
//   CallCounts counts = orders.counts();
//   orders.AwaitAll();
//
// Unlike a closed loop it goes on calling while answers are late, as a service with many users does.
#ifndef CHANPOOL_EXAMPLES_MICROSERVICE_STEADY_CALLS_H_
#define CHANPOOL_EXAMPLES_MICROSERVICE_STEADY_CALLS_H_

#include <grpcpp/impl/channel_interface.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/time/time.h"
#include "examples/demo/demo.grpc.pb.h"

namespace chanpool::microservice {

// Calls that have ended, and those that have not.
struct CallCounts {
  int64_t ok = 0;
  int64_t refused = 0;                     // By the pool itself: it drains, or is full.
  int64_t failed = 0;                      // In any other way.
  int64_t in_flight = 0;                   // Have not ended.
  int64_t left_out = 0;                    // Not made: too many were in flight.
  std::map<std::string, int64_t> by_code;  // Of those refused and failed: "UNAVAILABLE" -> 3.

  void Add(const CallCounts& other);
};

// Thread-safe.
class SteadyCalls {
 public:
  struct Options {
    absl::Duration delay = absl::Milliseconds(5);  // The upstream answers after so long.
    absl::Duration deadline = absl::Seconds(30);   // Of each call.
    int64_t max_in_flight = 10'000;                // Further calls are left out.
  };

  SteadyCalls(const std::shared_ptr<grpc::ChannelInterface>& channel, const Options& options);
  ~SteadyCalls();  // AwaitAll.

  // Begins so many calls. Never blocks.
  void Start(int calls);
  CallCounts counts() const;
  // Waits until no call is in flight: at most one deadline.
  void AwaitAll();

 private:
  struct Call;
  void End(const grpc::Status& status);

  const std::unique_ptr<chanpool::demo::Orders::Stub> stub_;
  const Options options_;
  mutable std::mutex mu_;
  std::condition_variable ended_;
  CallCounts counts_;  // Under mu_.
};

}  // namespace chanpool::microservice
#endif  // CHANPOOL_EXAMPLES_MICROSERVICE_STEADY_CALLS_H_
