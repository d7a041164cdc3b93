#include "pool/core/hot_keys.h"

#include <algorithm>

namespace chanpool {

void HotKeys::Note(absl::string_view key, uint64_t hash) {
  MutexLock lock(&mu_);
  const auto known = std::find_if(keys_.begin(), keys_.end(), [hash](const KeyStats& k) { return k.hash == hash; });
  if (known != keys_.end()) {
    ++known->count;
    return;
  }
  KeyStats added;
  added.hash = hash;
  added.text = std::string(key.substr(0, kMaxText));
  added.one_in = kSampling;
  if (keys_.size() < kMaxKeys) {
    added.count = 1;
    keys_.push_back(std::move(added));
    return;
  }
  const auto least =
      std::min_element(keys_.begin(), keys_.end(), [](const auto& a, const auto& b) { return a.count < b.count; });
  added.error = least->count;
  added.count = least->count + 1;
  *least = std::move(added);
}

std::vector<KeyStats> HotKeys::Read() const {
  std::vector<KeyStats> keys;
  {
    MutexLock lock(&mu_);
    keys = keys_;
  }
  std::sort(keys.begin(), keys.end(), [](const KeyStats& a, const KeyStats& b) {
    return a.count != b.count ? a.count > b.count : a.hash < b.hash;
  });
  return keys;
}

}  // namespace chanpool
