#include "examples/demo/outage.h"

#include <algorithm>

namespace chanpool::demo {

OutageCauses Explain(const std::vector<CallRecord>& calls, const Outage& outage) {
  OutageCauses causes;
  for (const CallRecord& call : calls) {
    if (call.code != grpc::StatusCode::OK || call.end < outage.listening_again) continue;
    ++causes.answered_after;
    causes.answered_again = std::min(causes.answered_again, call.end);
  }
  for (const CallRecord& call : calls) {
    if (call.code == grpc::StatusCode::OK) continue;
    const bool unavailable = call.code == grpc::StatusCode::UNAVAILABLE;
    if (unavailable && call.start < outage.noticed && call.end >= outage.killed) {
      ++causes.in_flight;
    } else if (unavailable && call.start >= outage.noticed && call.start < outage.listening_again) {
      ++causes.nobody_listened;
    } else if (unavailable && call.start >= outage.listening_again && call.start < causes.answered_again) {
      ++causes.not_dialled_yet;
    } else {
      ++causes.unexplained;
    }
  }
  return causes;
}

}  // namespace chanpool::demo
