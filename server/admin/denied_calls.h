// Which refused calls are worth an event: a caller without the role may try as often as it likes, and must not push
// everything else out of the event log.
//
//   DeniedCalls denied(clock);
//   if (absl::optional<uint64_t> silent = denied.Tell(caller.identity, "DrainPool")) ...   // *silent: not told since
#ifndef CHANPOOL_SERVER_ADMIN_DENIED_CALLS_H_
#define CHANPOOL_SERVER_ADMIN_DENIED_CALLS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"

namespace chanpool::admin {

// Thread-safe. Never blocks.
class DeniedCalls {
 public:
  // Between two events about the same caller and method.
  static constexpr absl::Duration kQuiet = absl::Seconds(10);
  // Callers and methods that are told apart; what is more shares one place.
  static constexpr size_t kMaxKnown = 1'024;

  // `clock` outlives it.
  explicit DeniedCalls(Clock* clock) : clock_(clock) {}

  // One more call was refused. Nothing if that is not to be told; otherwise how many were not told before it.
  absl::optional<uint64_t> Tell(const std::string& identity, const std::string& method);

 private:
  struct Known {
    absl::Time told;
    uint64_t silent = 0;
  };

  Clock* const clock_;
  Mutex mu_;
  std::map<std::pair<std::string, std::string>, Known> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_DENIED_CALLS_H_
