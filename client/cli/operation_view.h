// How a drain or recycle looks while it runs, and what is said at its end. No terminal, no clock.
#ifndef CHANPOOL_CLIENT_CLI_OPERATION_VIEW_H_
#define CHANPOOL_CLIENT_CLI_OPERATION_VIEW_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "chanpool/admin/v1/operation.pb.h"

namespace chanpool::cli {

// "orders  DRAINING  12s/60s  connections 3/8 left  calls 41  eta ~20s". The estimate goes by the connections closed so
// far, and is left out until one is.
std::string ProgressLine(const chanpool::admin::v1::Operation& operation, absl::Time now);
// "  waiting for: connections/71 29 calls (27s), connections/74 12 calls"; empty if it waits for nothing.
std::string BlockersLine(const chanpool::admin::v1::Operation& operation);
// What has to differ for another line where nothing is redrawn: the state and the numbers.
std::string Fingerprint(const chanpool::admin::v1::Operation& operation);

// "drained in 31.2s, 0 calls cancelled", "41 calls still open after 60s: ...", ...
std::string FinalLine(const chanpool::admin::v1::Operation& operation);
// 0 done, 8 expired, 7 cancelled, 10 failed.
int ExitCodeOf(const chanpool::admin::v1::Operation& operation);
bool HasEnded(const chanpool::admin::v1::Operation& operation);

// What to type next, a line each: how to come back, and how to undo it.
std::vector<std::string> NextSteps(const chanpool::admin::v1::Operation& operation);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_OPERATION_VIEW_H_
