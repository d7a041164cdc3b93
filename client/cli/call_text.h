// Calls as people read them: which are in flight, and how many failed of how many.
#ifndef CHANPOOL_CLIENT_CLI_CALL_TEXT_H_
#define CHANPOOL_CLIENT_CLI_CALL_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "chanpool/admin/v1/call.pb.h"

namespace chanpool::cli {

// "10 (10.0%)" of 100: stands beside the number of requests, since a percentage alone says nothing. "0" of none.
std::string ErrorsText(uint64_t errors, uint64_t requests);

// "in 1.2s", "1.2s ago"; "none".
std::string DeadlineText(const chanpool::admin::v1::Call& call, absl::Time now);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_CALL_TEXT_H_
