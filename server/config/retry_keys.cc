#include "server/config/retry_keys.h"

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

chanpool::config::v1::CallPolicy ToProto(const CallPolicy& policy) {
  const CallPolicy defaults;
  chanpool::config::v1::CallPolicy to;
  to.mutable_methods()->Assign(policy.methods.begin(), policy.methods.end());
  if (policy.max_attempts != defaults.max_attempts) to.set_max_attempts(policy.max_attempts);
  if (policy.codes != defaults.codes) {
    for (const grpc::StatusCode code : policy.codes) to.add_codes(static_cast<chanpool::config::v1::StatusCode>(code));
  }
  if (policy.initial_backoff != defaults.initial_backoff) {
    *to.mutable_initial_backoff() = admin::ToProto(policy.initial_backoff);
  }
  if (policy.max_backoff != defaults.max_backoff) *to.mutable_max_backoff() = admin::ToProto(policy.max_backoff);
  if (policy.backoff_multiplier != defaults.backoff_multiplier) to.set_backoff_multiplier(policy.backoff_multiplier);
  if (policy.attempt_timeout != defaults.attempt_timeout) {
    *to.mutable_attempt_timeout() = admin::ToProto(policy.attempt_timeout);
  }
  if (policy.timeout != defaults.timeout) *to.mutable_timeout() = admin::ToProto(policy.timeout);
  to.set_wait_for_ready(policy.wait_for_ready);
  return to;
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

chanpool::config::v1::Retry ToProto(const RetryOptions& options) {
  const RetryOptions defaults;
  chanpool::config::v1::Retry retry;
  for (const CallPolicy& policy : options.calls) *retry.add_calls() = ToProto(policy);
  if (options.max_tokens != defaults.max_tokens) retry.set_max_tokens(options.max_tokens);
  if (options.token_ratio != defaults.token_ratio) retry.set_token_ratio(options.token_ratio);
  if (options.buffer_bytes != defaults.buffer_bytes) retry.set_buffer_bytes(options.buffer_bytes);
  return retry;
}

}  // namespace chanpool::config
