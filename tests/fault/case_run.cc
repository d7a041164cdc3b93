#include "tests/fault/case_run.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "pool/grpc/retry_policy.h"

namespace chanpool::fault {
namespace {

using demo::CallRecord;
using demo::ClosedLoop;

constexpr int kCallers = 8;
const absl::Duration kCallTime = absl::Milliseconds(8);
const absl::Duration kCallLimit = absl::Seconds(10);  // So that whatever is lost ends the run as well.
const absl::Duration kBetweenStrikes = absl::Milliseconds(200);
const absl::Duration kRecoveryLimit = absl::Seconds(10);

RetryOptions Retry() {
  CallPolicy idempotent;
  idempotent.methods = {"chanpool.demo.Orders/GetOrder"};
  idempotent.max_attempts = 5;
  // A gRPC server in C++ that is being shut down ends calls CANCELLED that it has not begun.
  idempotent.codes = {grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::CANCELLED};
  RetryOptions options;
  options.calls.push_back(std::move(idempotent));
  return options;
}

absl::StatusOr<std::shared_ptr<ChannelPool>> MakePool(const FaultCase& c, const std::string& name,
                                                      const RetryOptions& retry) {
  ChannelPoolOptions options;
  options.name = name;
  options.target = c.target();
  options.retry = retry;
  options.pool.min_connections = options.pool.max_connections = 4;
  options.pool.connect_timeout = absl::Milliseconds(500);
  // So that a server which is back is soon in use: calls that break with their connection may have it ejected as well.
  options.pool.backoff_max = options.pool.ejection_time = absl::Milliseconds(250);
  c.Configure(options);
  return ChannelPool::Create(options);
}

std::shared_ptr<grpc::ChannelCredentials> PlainCredentials(const std::optional<TlsOptions>& tls) {
  if (!tls.has_value()) return grpc::InsecureChannelCredentials();
  std::ifstream ca(tls->ca_file);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = std::string(std::istreambuf_iterator<char>(ca), {});
  return grpc::SslCredentials(options);
}

// What one has without a pool: gRPC's defaults, the same pings and trust, and a round robin over several servers.
std::shared_ptr<grpc::Channel> MakePlain(const FaultCase& c, const RetryOptions& retry) {
  ChannelPoolOptions as_pools;
  as_pools.retry = retry;
  c.Configure(as_pools);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // The two loads share nothing.
  if (as_pools.keepalive.time != absl::InfiniteDuration()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(as_pools.keepalive.time / absl::Milliseconds(1)));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                     static_cast<int>(as_pools.keepalive.timeout / absl::Milliseconds(1)));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  }
  if (as_pools.tls.has_value()) arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, as_pools.tls->server_name);
  std::string config = AsksForAnything(as_pools.retry) ? ServiceConfigJson(as_pools.retry) : "{\"methodConfig\":[]}";
  if (absl::StrContains(c.target(), ",")) {
    config = absl::StrCat(R"({"loadBalancingConfig":[{"round_robin":{}}],)", config.substr(1));
  }
  arguments.SetServiceConfigJSON(config);
  return grpc::CreateCustomChannel(c.target(), PlainCredentials(as_pools.tls), arguments);
}

std::unique_ptr<ClosedLoop> Load(const std::shared_ptr<grpc::ChannelInterface>& channel) {
  const std::vector<std::shared_ptr<grpc::ChannelInterface>> channels = {channel};
  return std::make_unique<ClosedLoop>(channels, kCallers, kCallTime, demo::Patience::kFailFast, kCallLimit);
}

// One call after the other until one succeeds; the next strike is not to come before.
bool AwaitSuccess(const std::shared_ptr<grpc::ChannelInterface>& channel) {
  const auto stub = demo::Orders::NewStub(channel);
  for (const absl::Time end = absl::Now() + kRecoveryLimit; absl::Now() < end; absl::SleepFor(absl::Milliseconds(10))) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(end));
    demo::GetOrderRequest request;
    demo::Order order;
    if (stub->GetOrder(&context, request, &order).ok()) return true;
  }
  return false;
}

std::vector<std::string> Reasons(const std::vector<CallRecord>& calls) {
  constexpr size_t kMost = 5;
  std::map<std::string, int64_t> counts;
  for (const CallRecord& call : calls) {
    if (call.code != grpc::StatusCode::OK) ++counts[absl::StrCat(call.code, ": ", call.error)];
  }
  std::vector<std::pair<int64_t, std::string>> most_first;
  for (const auto& [reason, count] : counts) most_first.emplace_back(count, reason);
  std::sort(most_first.rbegin(), most_first.rend());
  if (most_first.size() > kMost) most_first.resize(kMost);
  std::vector<std::string> reasons;
  for (const auto& [count, reason] : most_first) reasons.push_back(absl::StrCat(count, " x ", reason));
  return reasons;
}

// What the promise says about the pools, and what became of it.
void Compare(const FaultCaseInfo& info, CaseResult& result) {
  const Promise& promise = info.promise;
  const auto broken = [&result](auto... what) { result.broken.push_back(absl::StrCat(what...)); };
  const auto reason = [](const LoadResult& load) {
    return load.reasons.empty() ? std::string() : absl::StrCat(" (", load.reasons.front(), ")");
  };
  if (promise.none_with_retry && result.pool_with_retry.lost > 0) {
    result.lost_where_none_was_promised += result.pool_with_retry.lost;
    broken(result.pool_with_retry.lost, " calls lost with a retry policy", reason(result.pool_with_retry));
  }
  const int64_t excess = promise.any_without_retry         ? 0
                         : promise.in_flight_without_retry ? result.pool.beyond_in_flight
                                                           : result.pool.lost;
  if (excess > 0) {
    result.lost_where_none_was_promised += excess;
    broken(excess, " calls lost without a retry policy",
           promise.in_flight_without_retry ? " beyond those in flight" : "", reason(result.pool));
  }
  if (result.pool.never_recovered > 0) broken(result.pool.never_recovered, " strikes were not recovered from");
  if (result.pool.recovery_median > promise.recovery) {
    broken("it recovers in ", absl::FormatDuration(result.pool.recovery_median), ", not in ",
           absl::FormatDuration(promise.recovery));
  }
  if (result.pool.gap > promise.gap) {
    broken("no call succeeded for ", absl::FormatDuration(result.pool.gap), ", not at most ",
           absl::FormatDuration(promise.gap));
  }
}

}  // namespace

LoadResult Judge(std::vector<CallRecord> calls, const std::vector<Strike>& strikes, int callers) {
  std::sort(calls.begin(), calls.end(), [](const CallRecord& a, const CallRecord& b) { return a.end < b.end; });
  LoadResult result;
  result.calls = static_cast<int64_t>(calls.size());
  result.reasons = Reasons(calls);
  std::vector<int64_t> lost_at(strikes.size() + 1);        // [0]: before the first.
  std::vector<int64_t> begun_knowing(strikes.size() + 1);  // Of these: when the strike was known.
  absl::Time last_ok = absl::InfiniteFuture();
  size_t next = 0;
  for (const CallRecord& call : calls) {
    while (next < strikes.size() && strikes[next].begun <= call.end) ++next;
    if (call.code != grpc::StatusCode::OK) {
      ++result.lost;
      ++lost_at[next];
      begun_knowing[next] += next == 0 || call.start >= strikes[next - 1].known;
      continue;
    }
    result.gap = std::max(result.gap, call.end - last_ok);
    last_ok = call.end;
  }
  for (size_t i = 0; i < lost_at.size(); ++i) {
    result.beyond_in_flight += std::min(begun_knowing[i], std::max<int64_t>(0, lost_at[i] - (i == 0 ? 0 : callers)));
  }
  std::vector<absl::Duration> recoveries;
  for (size_t i = 0; i < strikes.size(); ++i) {
    const absl::Time until = i + 1 < strikes.size() ? strikes[i + 1].begun : absl::InfiniteFuture();
    const auto first = std::find_if(calls.begin(), calls.end(), [&](const CallRecord& call) {
      return call.code == grpc::StatusCode::OK && call.start >= strikes[i].struck && call.end >= strikes[i].recoverable;
    });
    if (first == calls.end() || first->end >= until) {
      ++result.never_recovered;
    } else {
      recoveries.push_back(first->end - strikes[i].recoverable);
    }
  }
  if (!recoveries.empty()) {
    std::sort(recoveries.begin(), recoveries.end());
    result.recovery_median = recoveries[recoveries.size() / 2];
    result.recovery_max = recoveries.back();
  }
  return result;
}

absl::StatusOr<CaseResult> RunCase(const FaultCaseInfo& info, const CaseSize& size,
                                   const std::function<void(int strikes)>& on_strike) {
  const std::unique_ptr<FaultCase> c = info.make();
  if (absl::Status set_up = c->SetUp(); !set_up.ok()) return set_up;
  Pools pools;
  for (const bool with_retry : {true, false}) {
    absl::StatusOr<std::shared_ptr<ChannelPool>> pool =
        MakePool(*c, with_retry ? "with-retry" : "without-retry", with_retry ? Retry() : RetryOptions());
    if (!pool.ok()) return pool.status();
    if (absl::Status ready = (*pool)->WaitForReady(4, absl::Now() + kRecoveryLimit); !ready.ok()) return ready;
    pools.push_back(*std::move(pool));
  }
  std::vector<std::shared_ptr<grpc::ChannelInterface>> channels = {pools[0]->channel(), pools[1]->channel()};
  if (info.plain) {
    channels.push_back(MakePlain(*c, Retry()));
    channels.push_back(MakePlain(*c, RetryOptions()));
  }
  for (const auto& channel : channels) {
    if (!AwaitSuccess(channel)) return absl::DeadlineExceededError("no call succeeds, before any fault");
  }
  std::vector<std::unique_ptr<ClosedLoop>> loads;
  for (const auto& channel : channels) loads.push_back(Load(channel));

  CaseResult result;
  std::vector<Strike> strikes;
  const auto enough = [&] {
    return static_cast<int>(strikes.size()) >= size.strikes && loads[0]->ended() >= size.calls;
  };
  while (!enough()) {
    absl::SleepFor(kBetweenStrikes);
    absl::StatusOr<Strike> strike = c->StrikeOnce(static_cast<int>(strikes.size()), pools);
    if (!strike.ok()) return strike.status();
    strikes.push_back(*strike);
    AwaitSuccess(channels[1]);  // If not, the records say so.
    on_strike(static_cast<int>(strikes.size()));
  }
  absl::SleepFor(kBetweenStrikes);
  std::vector<LoadResult> results(4);
  for (size_t i = 0; i < loads.size(); ++i) results[i] = Judge(loads[i]->Stop(), strikes, kCallers);
  result.strikes = static_cast<int>(strikes.size());
  result.pool_with_retry = std::move(results[0]);
  result.pool = std::move(results[1]);
  result.plain_with_retry = std::move(results[2]);
  result.plain = std::move(results[3]);
  Compare(info, result);
  return result;
}

}  // namespace chanpool::fault
