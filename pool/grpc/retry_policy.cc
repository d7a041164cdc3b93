#include "pool/grpc/retry_policy.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace chanpool {
namespace {

constexpr int kMaxAttempts = 5;  // Of gRPC, which takes more for 5.
constexpr int kMaxTokens = 1000;
constexpr int kMaxBufferBytes = 1 << 30;
constexpr absl::Duration kShortest = absl::Milliseconds(1);  // gRPC counts in these.
constexpr absl::Duration kLongest = absl::Hours(24);

// As service_config.proto has them, by number.
constexpr const char* kCodes[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

std::pair<std::string, std::string> ServiceAndMethod(const std::string& name) {
  return absl::StrSplit(name, absl::MaxSplits('/', 1));
}

// Letters, digits and the few signs that generated code and people use: nothing that JSON would have to escape.
bool IsPlainWord(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-' || c == '$';
  });
}

bool IsMethodName(const std::string& name) {
  const auto [service, method] = ServiceAndMethod(name);
  return IsPlainWord(service) && (IsPlainWord(method) || name == service);
}

// Collects what is wrong under the names that a user wrote.
class Problems {
 public:
  void Add(const std::string& option, const std::string& what, const std::string& instead) {
    found_.push_back(absl::InvalidArgumentError(absl::StrCat("retry.", option, ": ", what, "; ", instead)));
  }

  template <typename Number>
  void CheckRange(const std::string& option, Number value, Number least, Number most) {
    if (value >= least && value <= most) return;
    const bool low = !(value > most);  // Not a number is neither.
    Add(option, absl::StrCat(value, low ? " is below " : " is above ", low ? least : most),
        absl::StrCat("set ", low ? least : most));
  }

  void CheckRange(const std::string& option, absl::Duration value, bool may_be_infinite) {
    if (may_be_infinite && value == absl::InfiniteDuration()) return;
    if (value >= kShortest && value <= kLongest) return;
    const bool low = value < kShortest;
    Add(option,
        absl::StrCat(absl::FormatDuration(value), low ? " is shorter than " : " is longer than ",
                     absl::FormatDuration(low ? kShortest : kLongest)),
        absl::StrCat("set ", absl::FormatDuration(low ? kShortest : kLongest)));
  }

  std::vector<absl::Status> Take() && { return std::move(found_); }

 private:
  std::vector<absl::Status> found_;
};

void CheckNames(const std::string& path, const CallPolicy& policy, std::map<std::string, std::string>& named,
                Problems& problems) {
  const auto take = [&](const std::string& name, const std::string& what) {
    const auto [first, is_first] = named.emplace(name, path);
    if (is_first) return;
    problems.Add(path + ".methods", absl::StrCat(what, " already has a policy, retry.", first->second),
                 name.empty() ? "name the methods that one of them is for" : "leave it out of one");
  };
  if (policy.methods.empty()) take("", "every call");
  for (const std::string& name : policy.methods) {
    if (!IsMethodName(name)) {
      problems.Add(path + ".methods", absl::StrCat("\"", name, "\" is no name of a method"),
                   "set one such as shop.Orders/GetOrder, or shop.Orders for the whole service");
    } else if (name == kHealthService || absl::StartsWith(name, absl::StrCat(kHealthService, "/"))) {
      problems.Add(path + ".methods", absl::StrCat("\"", name, "\" is what the pool's own probes call"),
                   "leave it out");
    } else {
      take(name, absl::StrCat("\"", name, "\""));
    }
  }
}

void CheckPolicy(const std::string& path, const CallPolicy& policy, Problems& problems) {
  problems.CheckRange(path + ".max_attempts", policy.max_attempts, 1, kMaxAttempts);
  for (const grpc::StatusCode code : policy.codes) {
    if (code > grpc::StatusCode::OK && code <= grpc::StatusCode::UNAUTHENTICATED) continue;
    problems.Add(path + ".codes", absl::StrCat(static_cast<int>(code), " is no code of a call that failed"),
                 "set UNAVAILABLE (14)");
  }
  if (policy.codes.empty() && policy.attempt_timeout == absl::InfiniteDuration()) {
    problems.Add(path + ".codes", "has none, so nothing would be tried again", "set UNAVAILABLE");
  }
  problems.CheckRange(path + ".initial_backoff", policy.initial_backoff, /*may_be_infinite=*/false);
  problems.CheckRange(path + ".max_backoff", policy.max_backoff, /*may_be_infinite=*/false);
  if (policy.max_backoff < policy.initial_backoff) {
    problems.Add(path + ".max_backoff",
                 absl::StrCat(absl::FormatDuration(policy.max_backoff), " is shorter than initial_backoff, ",
                              absl::FormatDuration(policy.initial_backoff)),
                 absl::StrCat("set ", absl::FormatDuration(policy.initial_backoff)));
  }
  problems.CheckRange(path + ".backoff_multiplier", policy.backoff_multiplier, 1.0, 100.0);
  problems.CheckRange(path + ".attempt_timeout", policy.attempt_timeout, /*may_be_infinite=*/true);
  if (policy.attempt_timeout != absl::InfiniteDuration() && policy.max_attempts == 1) {
    problems.Add(path + ".attempt_timeout", "there is one attempt only, which `timeout` ends",
                 "set max_attempts 2, or leave it out");
  }
  problems.CheckRange(path + ".timeout", policy.timeout, /*may_be_infinite=*/true);
}

std::string Json(absl::Duration duration) {
  const int64_t milliseconds = absl::ToInt64Milliseconds(duration);
  return absl::StrFormat("\"%d.%03ds\"", milliseconds / 1000, milliseconds % 1000);
}

std::string JsonName(const std::string& name) {
  const auto [service, method] = ServiceAndMethod(name);
  return absl::StrCat("{\"service\":\"", service, "\"", method.empty() ? "" : ",\"method\":\"", method,
                      method.empty() ? "}" : "\"}");
}

std::string JsonRetryPolicy(const CallPolicy& policy) {
  std::string json = absl::StrCat(
      "{\"maxAttempts\":", policy.max_attempts, ",\"initialBackoff\":", Json(policy.initial_backoff),
      ",\"maxBackoff\":", Json(policy.max_backoff), ",\"backoffMultiplier\":", policy.backoff_multiplier,
      ",\"retryableStatusCodes\":[",
      absl::StrJoin(policy.codes, ",",
                    [](std::string* out, grpc::StatusCode code) { absl::StrAppend(out, "\"", kCodes[code], "\""); }),
      "]");
  if (policy.attempt_timeout != absl::InfiniteDuration()) {
    absl::StrAppend(&json, ",\"perAttemptRecvTimeout\":", Json(policy.attempt_timeout));
  }
  return json + "}";
}

std::string JsonMethodConfig(const CallPolicy& policy) {
  std::vector<std::string> names;
  for (const std::string& name : policy.methods) names.push_back(JsonName(name));
  if (names.empty()) names.push_back("{}");
  std::string json = absl::StrCat("{\"name\":[", absl::StrJoin(names, ","), "]");
  if (policy.timeout != absl::InfiniteDuration()) absl::StrAppend(&json, ",\"timeout\":", Json(policy.timeout));
  if (policy.wait_for_ready) absl::StrAppend(&json, ",\"waitForReady\":true");
  if (policy.max_attempts > 1) absl::StrAppend(&json, ",\"retryPolicy\":", JsonRetryPolicy(policy));
  return json + "}";
}

}  // namespace

bool AsksForAnything(const RetryOptions& options) { return !options.calls.empty(); }

bool TriesAgain(const RetryOptions& options) {
  return std::any_of(options.calls.begin(), options.calls.end(),
                     [](const CallPolicy& policy) { return policy.max_attempts > 1; });
}

std::vector<absl::Status> RetryProblems(const RetryOptions& options) {
  Problems problems;
  if (options.calls.size() > kMaxCallPolicies) {
    problems.Add("calls", absl::StrCat(options.calls.size(), " policies are more than ", kMaxCallPolicies),
                 absl::StrCat("set ", kMaxCallPolicies, ", by service rather than by method"));
    return std::move(problems).Take();
  }
  std::map<std::string, std::string> named;  // To the policy that has it.
  for (size_t i = 0; i < options.calls.size(); ++i) {
    const std::string path = absl::StrCat("calls[", i, "]");
    CheckNames(path, options.calls[i], named, problems);
    CheckPolicy(path, options.calls[i], problems);
  }
  problems.CheckRange("max_tokens", options.max_tokens, 0, kMaxTokens);
  problems.CheckRange("token_ratio", options.token_ratio, 0.001, 1000.0);
  problems.CheckRange("buffer_bytes", options.buffer_bytes, 0, kMaxBufferBytes);
  if (options.max_tokens > 0 && !TriesAgain(options)) {
    problems.Add("max_tokens", "no call is tried again that it could limit",
                 "set max_attempts of one of retry.calls to 2 or more");
  }
  return std::move(problems).Take();
}

absl::Status ValidateRetry(const RetryOptions& options, const grpc::ChannelArguments& arguments) {
  const std::vector<absl::Status> problems = RetryProblems(options);
  if (!problems.empty()) return problems.front();
  if (!AsksForAnything(options)) return absl::OkStatus();
  const grpc_channel_args given = arguments.c_channel_args();
  for (size_t i = 0; i < given.num_args; ++i) {
    const absl::string_view key = given.args[i].key;
    for (const char* ours : {GRPC_ARG_SERVICE_CONFIG, GRPC_ARG_ENABLE_RETRIES, GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE,
                             GRPC_ARG_EXPERIMENTAL_ENABLE_HEDGING}) {
      if (key != ours) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("channel_arguments: ", key, " is set by the pool; use ChannelPoolOptions::retry alone"));
    }
  }
  return absl::OkStatus();
}

void ApplyRetry(const RetryOptions& options, grpc::ChannelArguments& arguments) {
  if (!AsksForAnything(options)) return;
  arguments.SetString(GRPC_ARG_SERVICE_CONFIG, ServiceConfigJson(options));
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 1);
  arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, options.buffer_bytes);
  // Without it gRPC does not read perAttemptRecvTimeout.
  if (std::any_of(options.calls.begin(), options.calls.end(),
                  [](const CallPolicy& policy) { return policy.attempt_timeout != absl::InfiniteDuration(); })) {
    arguments.SetInt(GRPC_ARG_EXPERIMENTAL_ENABLE_HEDGING, 1);
  }
}

std::string ServiceConfigJson(const RetryOptions& options) {
  std::vector<std::string> configs;
  // First of all, that a policy for every call is none for the pool's probes: the more precise name holds.
  configs.push_back(absl::StrCat("{\"name\":[", JsonName(kHealthService), "]}"));
  for (const CallPolicy& policy : options.calls) configs.push_back(JsonMethodConfig(policy));
  std::string json = absl::StrCat("{\"methodConfig\":[", absl::StrJoin(configs, ","), "]");
  if (options.max_tokens > 0) {
    absl::StrAppendFormat(&json, ",\"retryThrottling\":{\"maxTokens\":%d,\"tokenRatio\":%.3f}", options.max_tokens,
                          options.token_ratio);
  }
  return json + "}";
}

}  // namespace chanpool
