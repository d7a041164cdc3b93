#include "server/admin/followers.h"

#include <algorithm>
#include <utility>

namespace chanpool::admin {

std::shared_ptr<void> Followers::Add(std::function<void()> callback) {
  auto kept = std::make_shared<std::function<void()>>(std::move(callback));
  MutexLock lock(&mu_);
  // Here too, since there may be more who come and go than there is to tell.
  callbacks_.erase(
      std::remove_if(callbacks_.begin(), callbacks_.end(), [](const auto& callback) { return callback.expired(); }),
      callbacks_.end());
  callbacks_.push_back(kept);
  return kept;
}

void Followers::Tell() const {
  std::vector<std::shared_ptr<const std::function<void()>>> present;
  {
    MutexLock lock(&mu_);
    std::vector<std::weak_ptr<const std::function<void()>>> still;
    for (auto& callback : callbacks_) {
      if (auto kept = callback.lock()) {
        present.push_back(std::move(kept));
        still.push_back(std::move(callback));
      }
    }
    callbacks_.swap(still);
  }
  for (const auto& callback : present) (*callback)();
}

}  // namespace chanpool::admin
