#include "server/config/retry_options_proto.h"

#include <algorithm>
#include <climits>
#include <cstdint>

#include "server/admin/proto_time.h"

namespace chanpool::config {
namespace {

int ToInt(uint32_t number) { return static_cast<int>(std::min<uint32_t>(number, INT_MAX)); }

// A duration has been read, so it is one.
absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return admin::FromProto(duration).value_or(absl::ZeroDuration());
}

CallPolicy ToCallPolicy(const chanpool::config::v1::CallPolicy& from) {
  CallPolicy policy;
  policy.methods.assign(from.methods().begin(), from.methods().end());
  if (from.has_max_attempts()) policy.max_attempts = ToInt(from.max_attempts());
  if (from.codes_size() > 0) policy.codes.clear();
  for (const int code : from.codes()) policy.codes.push_back(static_cast<grpc::StatusCode>(code));
  if (from.has_initial_backoff()) policy.initial_backoff = ToDuration(from.initial_backoff());
  if (from.has_max_backoff()) policy.max_backoff = ToDuration(from.max_backoff());
  if (from.has_backoff_multiplier()) policy.backoff_multiplier = from.backoff_multiplier();
  if (from.has_attempt_timeout()) policy.attempt_timeout = ToDuration(from.attempt_timeout());
  if (from.has_timeout()) policy.timeout = ToDuration(from.timeout());
  policy.wait_for_ready = from.wait_for_ready();
  return policy;
}

}  // namespace

RetryOptions ToRetryOptions(const chanpool::config::v1::Retry& retry) {
  RetryOptions options;
  for (const auto& policy : retry.calls()) options.calls.push_back(ToCallPolicy(policy));
  if (retry.has_max_tokens()) options.max_tokens = ToInt(retry.max_tokens());
  if (retry.has_token_ratio()) options.token_ratio = retry.token_ratio();
  if (retry.has_buffer_bytes()) options.buffer_bytes = ToInt(retry.buffer_bytes());
  return options;
}

}  // namespace chanpool::config
