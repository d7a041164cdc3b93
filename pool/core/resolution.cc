#include "pool/core/resolution.h"

namespace chanpool {

const char* ToString(ResolutionState state) {
  switch (state) {
    case ResolutionState::kPending:
      return "PENDING";
    case ResolutionState::kResolved:
      return "RESOLVED";
    case ResolutionState::kStale:
      return "STALE";
    case ResolutionState::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

}  // namespace chanpool
