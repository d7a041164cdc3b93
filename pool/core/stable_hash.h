// Hashes that are the same in every process and of every build, unlike absl::Hash: clients of a fleet agree by them.
//
//   uint64_t hash = StableHash("session 7");
#ifndef CHANPOOL_POOL_CORE_STABLE_HASH_H_
#define CHANPOOL_POOL_CORE_STABLE_HASH_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace chanpool {

// A bijection that changes half of the bits for each bit (SplitMix64's last step).
constexpr uint64_t Scramble(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// FNV-1a, scrambled.
constexpr uint64_t StableHash(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return Scramble(hash);
}

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_STABLE_HASH_H_
