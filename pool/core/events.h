// What happens in a pool, told to whoever subscribed (ChannelPool::Subscribe) and counted in PoolStats.
#ifndef CHANPOOL_POOL_CORE_EVENTS_H_
#define CHANPOOL_POOL_CORE_EVENTS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "pool/core/connector.h"

namespace chanpool {

// Why a connection was taken out of service. Stays with it until it is closed.
enum class CloseReason {
  kIdle,      // Carried no call for max_idle, and was above min_connections.
  kMaxAge,    // Older than max_age; a new one took its place first.
  kRecycled,  // Replaced on request.
  kLost,      // The transport lost it: reset, GOAWAY, keepalive without an answer.
  // Its dial failed, or took longer than connect_timeout, while another way to the target existed, or its back-off was
  // reconfigured.
  kConnectFailed,
  kProbeFailed,      // Suspected, and gave no sign of life, or had no room for the probe that asks for one.
  kShrunk,           // More than the load needs (shrink_below), or than a lowered max_connections allows.
  kDrained,          // The pool was drained.
  kPoolDestroyed,    // The pool was destroyed.
  kDiscarded,        // A holder of one of its leases, or an operator, wanted no more of it.
  kEndpointRemoved,  // Its endpoint is not in the list any more, or not in this client's subset.
  kEjected,          // Its endpoint is an outlier.
  kRebalanced,       // Replaced by one to an endpoint that had too few, or dialled anew as it shared a backend.
};
inline constexpr int kCloseReasons = 13;

const char* ToString(CloseReason reason);

// Immutable once delivered.
struct PoolEvent {
  enum class Kind {
    kConnecting,     // A connection begins to dial.
    kOpened,         // It carries calls now.
    kConnectFailed,  // A dial failed; `detail` says why. The connection backs off, or closes.
    kChecking,       // Suspected: a probe is under way, nothing new is lent.
    kDraining,       // Lends no more (`reason`); closes when its last lease is back.
    kLingering,      // Replaced, and still carries calls after drain_grace.
    kClosed,         // Its last lease is back (`reason`).
    kPoolDraining,   // The pool refuses callers and drains its connections.
    kPoolDrained,    // The last lease of the pool is back.
    kPoolResumed,
    kPoolPaused,    // The pool lends nothing for as long as `detail` says; again when a pause is prolonged.
    kPoolUnpaused,  // It lends again. A drain ends a pause without it.
    kReconfigured,
    kPoolDestroyed,
    kLeaseLeaked,          // A lease has been out for longer than leak_after; `detail` has the line that borrowed it.
    kLeaseReturned,        // One that was reported so has come back.
    kCertificateChanged,   // Other certificates came into use; connections are replaced.
    kCertificateRefused,   // Others are there, and are no good (`detail`): those in use stay.
    kCertificateExpiring,  // One in use ends within kExpiryWarning (`detail`). Told once.
  };

  // Counts up by one from 1 for each pool. A gap means that this subscriber was too slow: its queue of 1,024 was full.
  uint64_t sequence = 0;
  absl::Time time;  // Of the pool's clock.
  Kind kind = Kind::kConnecting;
  ConnectionId connection;                  // Where the event is about one.
  CloseReason reason = CloseReason::kIdle;  // For kDraining, kLingering, kClosed.
  std::string detail;                       // For people; may be empty.
};
inline constexpr int kPoolEventKinds = 19;

const char* ToString(PoolEvent::Kind kind);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_EVENTS_H_
