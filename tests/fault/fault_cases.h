// What can go wrong, case by case: real processes and networks, one fault of each kind at a time.
//
//   for (const FaultCaseInfo& info : FaultCases()) {
//     std::unique_ptr<FaultCase> c = info.make();
//     ASSERT_THAT(c->SetUp(), IsOk());          // servers are there; c->target() is where they are
//     absl::StatusOr<Strike> strike = c->StrikeOnce(/*number=*/0, pools);
//   }
#ifndef CHANPOOL_TESTS_FAULT_FAULT_CASES_H_
#define CHANPOOL_TESTS_FAULT_FAULT_CASES_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/grpc/channel_pool.h"

namespace chanpool::fault {

// One fault.
struct Strike {
  absl::Time begun;        // Just before.
  absl::Time struck;       // It was there.
  absl::Time recoverable;  // From then on a call can succeed that starts anew.
  absl::Time known;        // Until then nobody can know what is broken: calls may still be put on it.
};

using Pools = std::vector<std::shared_ptr<ChannelPool>>;

// One thread at a time.
class FaultCase {
 public:
  virtual ~FaultCase() = default;

  // Starts what the case needs; fails if that does not start.
  virtual absl::Status SetUp() = 0;
  // Where the servers are; valid after SetUp. Several addresses, separated by commas, for several servers.
  virtual std::string target() const = 0;
  // What the pools of this case have beside the defaults of all, the retry policy among them; plain channels have the
  // same of keepalive, TLS and retry.
  virtual void Configure(ChannelPoolOptions&) const {}
  // Number `number`, from 0. Returns when it is over, and what was broken is whole again.
  virtual absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) = 0;
};

// What callers may expect of pools.
struct Promise {
  // With a retry policy no call is lost.
  bool none_with_retry = true;
  // Without one, per strike, no more than were in flight, or were put on what was not yet known to be broken; otherwise
  // none.
  bool in_flight_without_retry = false;
  // Whatever is lost without one is not promised at all: nobody is there for a while.
  bool any_without_retry = false;
  // The median of the times from a strike's `recoverable` to the first call that succeeds, and the longest time
  // between two that do.
  absl::Duration recovery = absl::InfiniteDuration();
  absl::Duration gap = absl::InfiniteDuration();
};

struct FaultCaseInfo {
  std::string name;   // As in --case=.
  std::string about;  // One line.
  Promise promise;
  bool plain = true;  // Whether a plain channel can be in this case at all.
  std::function<std::unique_ptr<FaultCase>()> make;
};

const std::vector<FaultCaseInfo>& FaultCases();

}  // namespace chanpool::fault
#endif  // CHANPOOL_TESTS_FAULT_FAULT_CASES_H_
