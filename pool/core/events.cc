#include "pool/core/events.h"

#include "absl/strings/str_cat.h"

namespace chanpool {

const char* ToString(CloseReason reason) {
  switch (reason) {
    case CloseReason::kIdle:
      return "idle";
    case CloseReason::kMaxAge:
      return "max_age";
    case CloseReason::kRecycled:
      return "recycled";
    case CloseReason::kLost:
      return "lost";
    case CloseReason::kConnectFailed:
      return "connect_failed";
    case CloseReason::kProbeFailed:
      return "probe_failed";
    case CloseReason::kShrunk:
      return "shrunk";
    case CloseReason::kDrained:
      return "drained";
    case CloseReason::kPoolDestroyed:
      return "pool_destroyed";
    case CloseReason::kDiscarded:
      return "discarded";
    case CloseReason::kEndpointRemoved:
      return "endpoint_removed";
    case CloseReason::kEjected:
      return "ejected";
    case CloseReason::kRebalanced:
      return "rebalanced";
  }
  return "unknown";
}

const char* ToString(PoolEvent::Kind kind) {
  switch (kind) {
    case PoolEvent::Kind::kConnecting:
      return "connecting";
    case PoolEvent::Kind::kOpened:
      return "opened";
    case PoolEvent::Kind::kConnectFailed:
      return "connect_failed";
    case PoolEvent::Kind::kChecking:
      return "checking";
    case PoolEvent::Kind::kDraining:
      return "draining";
    case PoolEvent::Kind::kLingering:
      return "lingering";
    case PoolEvent::Kind::kClosed:
      return "closed";
    case PoolEvent::Kind::kPoolDraining:
      return "pool_draining";
    case PoolEvent::Kind::kPoolDrained:
      return "pool_drained";
    case PoolEvent::Kind::kPoolResumed:
      return "pool_resumed";
    case PoolEvent::Kind::kPoolPaused:
      return "pool_paused";
    case PoolEvent::Kind::kPoolUnpaused:
      return "pool_unpaused";
    case PoolEvent::Kind::kReconfigured:
      return "reconfigured";
    case PoolEvent::Kind::kPoolDestroyed:
      return "pool_destroyed";
    case PoolEvent::Kind::kLeaseLeaked:
      return "lease_leaked";
    case PoolEvent::Kind::kLeaseReturned:
      return "lease_returned";
    case PoolEvent::Kind::kCertificateChanged:
      return "certificate_changed";
    case PoolEvent::Kind::kCertificateRefused:
      return "certificate_refused";
    case PoolEvent::Kind::kCertificateExpiring:
      return "certificate_expiring";
  }
  return "unknown";
}

}  // namespace chanpool
