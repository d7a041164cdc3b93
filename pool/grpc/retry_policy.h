// Which calls gRPC tries again by itself, how often and how long apart; and what a call has that sets no deadline of
// its own. gRPC's service config, from options that are checked.
//
//   CallPolicy reads;
//   reads.methods = {"shop.Orders/GetOrder", "shop.Orders/ListOrders"};
//   reads.max_attempts = 4;
//   options.retry.calls.push_back(reads);
//
// Where the pool knows several addresses of its target, a call whose connection is lost goes on at another of them.
//
// A call that was under way when its connection broke may have been carried out: only calls that may run twice are to
// be tried again. Without any of this gRPC repeats a call only if no server can have seen it.
//
// Never tried again is what this side has ended: calls of a connection found dead (PoolOptions::probe_after_silence)
// and of a drain that cancels, UNAVAILABLE with a message that says so.
#ifndef CHANPOOL_POOL_GRPC_RETRY_POLICY_H_
#define CHANPOOL_POOL_GRPC_RETRY_POLICY_H_

#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace chanpool {

// What holds for some calls. A plain value. Fixed when a connection is made.
struct CallPolicy {
  // "shop.Orders/GetOrder", or "shop.Orders" for every method of it that no other policy names. Default: every call for
  // which there is no other policy.
  std::vector<std::string> methods = {};

  // How often a call is sent at most, the first time included. Default 1: it is not tried again. At most 5, which is
  // gRPC's own limit.
  int max_attempts = 1;

  // The statuses after which a call is tried again. Default UNAVAILABLE: its connection broke, or there was none. A TLS
  // connection on which bytes were damaged breaks with UNKNOWN ("Stream removed"), as calls do that a server's own code
  // fails with an unknown error.
  std::vector<grpc::StatusCode> codes = {grpc::StatusCode::UNAVAILABLE};

  // The wait before the second attempt, each further one `backoff_multiplier` times as long up to max_backoff, all +-20
  // %. Default 20 ms, 1 s, 3: five attempts outlast an outage of about 0.8 s. A server may ask for another wait, or for
  // no further attempt (grpc-retry-pushback-ms). 1 ms to 24 h; the multiplier 1 to 100.
  absl::Duration initial_backoff = absl::Milliseconds(20);
  absl::Duration max_backoff = absl::Seconds(1);
  double backoff_multiplier = 3;

  // An attempt without a byte of answer after so long is given up, and the next one made at once. Default infinite:
  // none. gRPC's counterpart to hedging, which it does not have in C++: the slow attempt does not go on beside. The
  // next one goes over the same connection.
  absl::Duration attempt_timeout = absl::InfiniteDuration();

  // The longest that a call may take, all attempts included; a call's own deadline holds if it is sooner. Default
  // infinite: none.
  absl::Duration timeout = absl::InfiniteDuration();

  // Whether a call that says nothing itself waits for a connection rather than fail while there is none. Default no.
  bool wait_for_ready = false;
};

// A plain value. Default: nothing is tried again.
struct RetryOptions {
  // At most kMaxCallPolicies. Of those that fit a call, the one that names its method holds, else the one that names
  // its service, else the one for every call.
  std::vector<CallPolicy> calls = {};

  // No call is tried again while more than half of so many tokens are gone: a call that fails with one of `codes` takes
  // one, each other gives back token_ratio. Shared by all channels of the process to the same server name. Default 0:
  // no such limit. At most 1000; the ratio 0.001 to 1000, of which gRPC reads three decimals.
  int max_tokens = 0;
  double token_ratio = 0.1;

  // What gRPC keeps of a call's requests to send them again; a call with more is not tried again. Default 256 KiB,
  // gRPC's own. 0 to 1 GiB, per call in flight.
  int buffer_bytes = 256 * 1024;
};

inline constexpr size_t kMaxCallPolicies = 100;

// Whether `options` ask for anything: the default does not, whatever its other numbers.
bool AsksForAnything(const RetryOptions& options);

// Whether there is a call that is sent more than once.
bool TriesAgain(const RetryOptions& options);

// All that is wrong, in the order of the fields: each kInvalidArgument that begins with the option's path, as in
// "retry.calls[0].max_attempts: 9 is above 5; set 5". Empty if `options` are valid.
std::vector<absl::Status> RetryProblems(const RetryOptions& options);

// The first of these; also kInvalidArgument if `arguments` have what ApplyRetry sets (GRPC_ARG_SERVICE_CONFIG, ...).
absl::Status ValidateRetry(const RetryOptions& options, const grpc::ChannelArguments& arguments);

// What makes a channel behave so; `options` are valid. Nothing, if they ask for nothing. The pool's own probes are
// exempt: they say what is, at once.
void ApplyRetry(const RetryOptions& options, grpc::ChannelArguments& arguments);

// `options`, valid, as gRPC reads them: JSON, see github.com/grpc/grpc-proto, service_config.proto.
std::string ServiceConfigJson(const RetryOptions& options);

// What the pool's probes and health checks call, as in CallPolicy::methods. No policy may name it, or a method of it.
inline constexpr char kHealthService[] = "grpc.health.v1.Health";

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_RETRY_POLICY_H_
