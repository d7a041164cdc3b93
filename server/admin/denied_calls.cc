#include "server/admin/denied_calls.h"

namespace chanpool::admin {

absl::optional<uint64_t> DeniedCalls::Tell(const std::string& identity, const std::string& method) {
  const absl::Time now = clock_->Now();
  std::pair<std::string, std::string> key(identity, method);
  MutexLock lock(&mu_);
  if (known_.size() >= kMaxKnown && known_.count(key) == 0) {
    for (auto it = known_.begin(); it != known_.end();) {
      // Those with a count stay until it is told, unless they are long over.
      const absl::Duration kept = it->second.silent == 0 ? kQuiet : 10 * kQuiet;
      it = now - it->second.told >= kept ? known_.erase(it) : std::next(it);
    }
    if (known_.size() >= kMaxKnown) key = {};
  }
  const auto [place, is_new] = known_.try_emplace(key, Known{now});
  Known& known = place->second;
  if (!is_new && now - known.told < kQuiet) {
    ++known.silent;
    return absl::nullopt;
  }
  known.told = now;
  return std::exchange(known.silent, 0);
}

}  // namespace chanpool::admin
