// What a pool's `retry` in the configuration file means for its channels.
//
//   RetryOptions options = ToRetryOptions(pool_config.retry());   // RetryProblems(options) says what is wrong
#ifndef CHANPOOL_SERVER_CONFIG_RETRY_KEYS_H_
#define CHANPOOL_SERVER_CONFIG_RETRY_KEYS_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/grpc/retry_policy.h"

namespace chanpool::config {

// What is left out has the library's default; numbers are taken as they are, also those that make no sense.
RetryOptions ToRetryOptions(const chanpool::config::v1::Retry& retry);
// `options` are valid. No key for what has the library's default.
chanpool::config::v1::Retry ToProto(const RetryOptions& options);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_RETRY_KEYS_H_
