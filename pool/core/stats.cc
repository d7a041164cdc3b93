#include "pool/core/stats.h"

namespace chanpool {

const char* ToString(AcquireOutcome outcome) {
  switch (outcome) {
    case AcquireOutcome::kOk:
      return "ok";
    case AcquireOutcome::kTimedOut:
      return "timed_out";
    case AcquireOutcome::kRejected:
      return "rejected";
    case AcquireOutcome::kCancelled:
      return "cancelled";
    case AcquireOutcome::kUnavailable:
      return "unavailable";
  }
  return "unknown";
}

AcquireOutcome OutcomeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return AcquireOutcome::kOk;
    case absl::StatusCode::kDeadlineExceeded:
      return AcquireOutcome::kTimedOut;
    case absl::StatusCode::kResourceExhausted:
      return AcquireOutcome::kRejected;
    case absl::StatusCode::kCancelled:
      return AcquireOutcome::kCancelled;
    default:
      return AcquireOutcome::kUnavailable;
  }
}

}  // namespace chanpool
