#include "pool/core/endpoint.h"

namespace chanpool {

CallOutcome OutcomeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return CallOutcome::kUnavailable;
    case absl::StatusCode::kResourceExhausted:
      return CallOutcome::kOverloaded;
    case absl::StatusCode::kCancelled:
      return CallOutcome::kUnknown;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return CallOutcome::kFailed;
    default:
      return CallOutcome::kAnswered;
  }
}

const char* ToString(EndpointState state) {
  switch (state) {
    case EndpointState::kHealthy:
      return "healthy";
    case EndpointState::kBackoff:
      return "backoff";
    case EndpointState::kEjected:
      return "ejected";
    case EndpointState::kSpare:
      return "spare";
  }
  return "unknown";
}

}  // namespace chanpool
