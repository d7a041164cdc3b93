#include "pool/core/slot_word.h"

namespace chanpool {

const char* ToString(SlotState state) {
  switch (state) {
    case SlotState::kClosed:
      return "CLOSED";
    case SlotState::kConnecting:
      return "CONNECTING";
    case SlotState::kOpen:
      return "OPEN";
    case SlotState::kChecking:
      return "CHECKING";
    case SlotState::kBackoff:
      return "BACKOFF";
    case SlotState::kDraining:
      return "DRAINING";
  }
  return "UNKNOWN";
}

}  // namespace chanpool
