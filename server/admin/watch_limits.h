// How many may watch at one time: in all, and one caller.
//
//   absl::StatusOr<std::shared_ptr<void>> ticket = limits.Admit(caller.identity);   // until the ticket is gone
#ifndef CHANPOOL_SERVER_ADMIN_WATCH_LIMITS_H_
#define CHANPOOL_SERVER_ADMIN_WATCH_LIMITS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "pool/core/mutex.h"

namespace chanpool::admin {

// Thread-safe. Tickets may outlive it.
class WatchLimits {
 public:
  static constexpr int kMaxInAll = 64;
  static constexpr int kMaxPerCaller = 8;

  // kResourceExhausted TOO_MANY_WATCHERS with the quota that is used up, and when to try again.
  absl::StatusOr<std::shared_ptr<void>> Admit(const std::string& identity);

 private:
  struct Counts {
    Mutex mu;
    int all ABSL_GUARDED_BY(mu) = 0;
    std::map<std::string, int> by_caller ABSL_GUARDED_BY(mu);
  };
  const std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_WATCH_LIMITS_H_
