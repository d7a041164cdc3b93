// What a pool's `retry` in the configuration file means for its channels.
//
//   RetryOptions options = ToRetryOptions(pool_config.retry());   // RetryProblems(options) says what is wrong
#ifndef CHANPOOL_SERVER_CONFIG_RETRY_OPTIONS_PROTO_H_
#define CHANPOOL_SERVER_CONFIG_RETRY_OPTIONS_PROTO_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/grpc/retry_policy.h"

namespace chanpool::config {

// What is left out has the library's default; numbers are taken as they are, also those that make no sense.
RetryOptions ToRetryOptions(const chanpool::config::v1::Retry& retry);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_RETRY_OPTIONS_PROTO_H_
