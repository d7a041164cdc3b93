// The name of one connection of a pool.
#ifndef CHANPOOL_POOL_CORE_CONNECTION_ID_H_
#define CHANPOOL_POOL_CORE_CONNECTION_ID_H_

#include <cstdint>
#include <string>

namespace chanpool {

// Names one connection for ever: a slot and which of its lives. A report for an earlier life is ignored. A plain value.
struct ConnectionId {
  uint32_t slot = 0;
  uint32_t generation = 0;

  // As operators see it: "3-17".
  std::string ToString() const;

  friend bool operator==(ConnectionId a, ConnectionId b) { return a.slot == b.slot && a.generation == b.generation; }
  friend bool operator!=(ConnectionId a, ConnectionId b) { return !(a == b); }
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_CONNECTION_ID_H_
