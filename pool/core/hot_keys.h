// Which affinity keys ask most, of however many there are: a list of bounded length.
//
//   HotKeys keys;
//   keys.Note("session 7", StableHash("session 7"));                       // one call in HotKeys::kSampling
//   for (const KeyStats& key : keys.Read()) ...                           // the one that asked most comes first
//
// The space-saving algorithm: a key that is not on the list takes the place of the one that asked least, and inherits
// its count as its error. So no count is too low, none is too high by more than its error, and every key that has asked
// more often than the total by kMaxKeys is on the list.
#ifndef CHANPOOL_POOL_CORE_HOT_KEYS_H_
#define CHANPOOL_POOL_CORE_HOT_KEYS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "pool/core/mutex.h"

namespace chanpool {

// A plain value.
struct KeyStats {
  uint64_t hash = 0;  // StableHash: the same in every process.
  // At most HotKeys::kMaxText bytes of it, the rest is cut. It may name a user: it stays in the process.
  std::string text;
  // Asked for a connection so often, of one in `one_in` that were looked at: at most, and at least count - error.
  uint64_t count = 0;
  uint64_t error = 0;
  uint32_t one_in = 1;
};

// Thread-safe.
class HotKeys {
 public:
  static constexpr int kMaxKeys = 32;
  static constexpr size_t kMaxText = 64;
  // One request by key in so many is noted, at random: the others pay a draw.
  static constexpr uint32_t kSampling = 64;

  void Note(absl::string_view key, uint64_t hash);

  // Those on the list, the one that asked most first.
  std::vector<KeyStats> Read() const;

 private:
  mutable Mutex mu_;
  std::vector<KeyStats> keys_ ABSL_GUARDED_BY(mu_);  // In no order.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_HOT_KEYS_H_
