// Who wants to know when something changed.
//
//   Followers followers;
//   std::shared_ptr<void> following = followers.Add([] { LookAgain(); });   // until `following` is gone
//   followers.Tell();
//
// A callback that has begun may still run when `following` goes: let it hold a weak reference.
#ifndef CHANPOOL_SERVER_ADMIN_FOLLOWERS_H_
#define CHANPOOL_SERVER_ADMIN_FOLLOWERS_H_

#include <functional>
#include <memory>
#include <vector>

#include "pool/core/mutex.h"

namespace chanpool::admin {

// Thread-safe. Keeps nothing of those that are gone, however many come and go. As many as its owner lets in: watches
// have a maximum (watch_limits.h), everything else is one each.
class Followers {
 public:
  // `callback` must not block.
  std::shared_ptr<void> Add(std::function<void()> callback);
  // Calls each, in this thread. Not under a lock that a callback takes.
  void Tell() const;

 private:
  mutable Mutex mu_;
  mutable std::vector<std::weak_ptr<const std::function<void()>>> callbacks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_FOLLOWERS_H_
