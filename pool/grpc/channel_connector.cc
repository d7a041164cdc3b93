#include "pool/grpc/channel_connector.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <functional>
#include <string>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pool/core/endpoint_set.h"
#include "pool/grpc/awaiting_connection.h"
#include "pool/grpc/channel_access.h"
#include "pool/grpc/closer_thread.h"
#include "pool/grpc/fallback_addresses.h"
#include "pool/grpc/health.h"
#include "pool/grpc/health_watch.h"
#include "pool/grpc/message_bytes.h"
#include "pool/grpc/retry_policy.h"
#include "pool/grpc/transport_options.h"
#include "pool/grpc/unfinished_dial.h"
#include "pool/grpc/waiting_room.h"

namespace chanpool {
namespace {

// Anything a server may or may not know would do for a probe; this one exists for the purpose.
constexpr char kCheckMethod[] = "/grpc.health.v1.Health/Check";

const char* ToString(grpc_connectivity_state state) {
  switch (state) {
    case GRPC_CHANNEL_IDLE:
      return "IDLE";
    case GRPC_CHANNEL_CONNECTING:
      return "CONNECTING";
    case GRPC_CHANNEL_READY:
      return "READY";
    case GRPC_CHANNEL_TRANSIENT_FAILURE:
      return "TRANSIENT_FAILURE";
    case GRPC_CHANNEL_SHUTDOWN:
      return "SHUTDOWN";
  }
  return "UNKNOWN";
}

int Milliseconds(absl::Duration d) {
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(d), 1, INT_MAX));
}

// What a server may mind about these pings, with what to do; empty if none would.
std::string MayBeMinded(const KeepaliveOptions& keepalive) {
  const bool pings = keepalive.time != absl::InfiniteDuration();
  if (!pings || (keepalive.time >= kStockServersPingFloor && !keepalive.permit_without_calls)) return "";
  return absl::StrCat(
      "; its pings (keepalive.time ", absl::FormatDuration(keepalive.time),
      keepalive.permit_without_calls ? ", also without calls" : "",
      ") may have earned GOAWAY too_many_pings: a stock server allows one in 5m, and one in 2h while no "
      "call is in flight. Set keepalive.time to 5m, without permit_without_calls, or allow them there "
      "(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS)");
}

// Whether the first policy that a service config names, if any, is pick_first. gRPC takes the first that it knows.
bool BalancesByPickFirst(absl::string_view service_config) {
  for (const absl::string_view key : {"\"loadBalancingConfig\"", "\"loadBalancingPolicy\""}) {
    const size_t at = service_config.find(key);
    if (at == absl::string_view::npos) continue;
    const absl::string_view rest = service_config.substr(at + key.size());
    const size_t begin = rest.find('"');
    const size_t end = begin == absl::string_view::npos ? begin : rest.find('"', begin + 1);
    if (end == absl::string_view::npos) continue;  // Not a config: gRPC will say so.
    if (!absl::EqualsIgnoreCase(rest.substr(begin + 1, end - begin - 1), "pick_first")) return false;
  }
  return true;
}

grpc::ChannelArguments Arguments(const ChannelPoolOptions& dial, const PoolOptions& options) {
  grpc::ChannelArguments arguments = dial.channel_arguments;
  // No sharing of connections between channels (eight default channels share one socket, measured), and no idle close
  // behind the pool's back.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT_MAX);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, Milliseconds(options.backoff_initial));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, Milliseconds(options.backoff_max));
  // Despite its name: the least time that a dial is given.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Milliseconds(options.connect_timeout));
  if (dial.keepalive.time != absl::InfiniteDuration()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(dial.keepalive.time));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(dial.keepalive.timeout));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, dial.keepalive.permit_without_calls ? 1 : 0);
    // Else gRPC stops after two pings without data between them.
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  }
  ApplyRetry(dial.retry, arguments);
  ApplyTransport(dial.transport, arguments);
  // The certificate's name is compared with the authority.
  if (dial.tls.has_value() && !dial.tls->server_name.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, dial.tls->server_name);
  }
  return arguments;
}

// Whether gRPC can read the target and `arguments`. If not, it makes a channel that fails for ever, in a state that
// never changes: a watch on it would never end, and keep it. Any other channel begins IDLE.
bool IsRead(const ChannelPoolOptions& dial, const grpc::ChannelArguments& arguments) {
  const std::shared_ptr<grpc::ChannelCredentials> credentials =
      dial.credentials != nullptr ? dial.credentials : grpc::InsecureChannelCredentials();
  const std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(dial.target, credentials, arguments);
  return channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_IDLE;
}

// What the end of a Check says. A server that has no health service serves.
absl::Status ServingByCheck(grpc_status_code code, const std::string& message, const std::string& answer) {
  if (code == GRPC_STATUS_OK) return ServingOf(answer);
  if (code == GRPC_STATUS_UNIMPLEMENTED) return absl::OkStatus();
  if (code == GRPC_STATUS_NOT_FOUND) {
    return absl::UnavailableError(absl::StrCat("its health service does not know the service: ", message));
  }
  return absl::UnavailableError(absl::StrCat("no answer to a health check: ", message));
}

// A user's interceptor factory is shared by all channels of a pool; gRPC wants to own one for each.
class SharedFactory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit SharedFactory(std::shared_ptr<grpc::experimental::ClientInterceptorFactoryInterface> shared)
      : shared_(std::move(shared)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* info) override {
    return shared_->CreateClientInterceptor(info);
  }

 private:
  const std::shared_ptr<grpc::experimental::ClientInterceptorFactoryInterface> shared_;
};

}  // namespace

// Whom to tell, and whether anybody still wants to know.
struct ChannelConnection::Reporter {
  const ConnectionId id;
  const std::weak_ptr<ConnectionListener> listener;
  const Setup setup;
  std::shared_ptr<HealthWatch> watch;  // On the closer's thread alone. Null while there is none.
  std::atomic<bool> ended{false};
  std::atomic<bool> opened{false};
  std::atomic<int> losses{0};  // How often the channel has left READY.
  // The channel has changed its state, and the watch has yet to look. Known as soon as gRPC knows it, while the watch
  // may have to wait for the closer's thread.
  std::atomic<bool> changed{false};

  Reporter(ConnectionId i, std::weak_ptr<ConnectionListener> l, Setup s)
      : id(i), listener(std::move(l)), setup(std::move(s)) {}

  template <typename Report>
  void Tell(Report report) const {
    if (ended.load(std::memory_order_acquire)) return;
    if (const std::shared_ptr<ConnectionListener> to = listener.lock()) report(*to);
  }

  void TellLost(grpc_connectivity_state now) const {
    const auto why = absl::UnavailableError(absl::StrCat(
        "connection lost: reset, GOAWAY or keepalive time-out (channel went to ", ToString(now), ")", setup.pings));
    Tell([&](ConnectionListener& to) { to.OnLost(id, why); });
  }

  // It is connected, and this is what its server says of itself.
  void TellServing(const absl::Status& serving) {
    if (!serving.ok()) {
      // Where it was open this is its loss: it drains, and no call on it is cut.
      const bool was_open = opened.load();
      Tell([&](ConnectionListener& to) { was_open ? to.OnLost(id, serving) : to.OnFailed(id, serving); });
    } else if (!opened.exchange(true)) {
      Tell([&](ConnectionListener& to) { to.OnOpened(id); });
    }
  }
};

// A Check call of the pool's own: fail-fast, seen by no interceptor. Ends on the closer's thread.
class ChannelConnection::OwnCall : public CloserThread::Event {
 public:
  struct Result {
    grpc_status_code code;
    std::string message;
    bool sent;           // False: it never left, for want of a connection or of a free stream.
    std::string answer;  // A HealthCheckResponse, if the code is OK.
    std::string peer;    // Where it went, as gRPC writes it.
  };
  using Then = std::function<void(const Result& result)>;

  static void Begin(const std::shared_ptr<grpc::Channel>& channel, const HealthOptions& health, absl::Duration timeout,
                    Then then) {
    (new OwnCall(channel, health.service, std::move(then)))->Start(timeout);
  }

  ~OwnCall() override {
    grpc_call_unref(call_);
    grpc_slice_unref(message_);
    grpc_metadata_array_destroy(&initial_);
    grpc_metadata_array_destroy(&trailing_);
    grpc_byte_buffer_destroy(request_);
    grpc_byte_buffer_destroy(answer_);
  }

  bool Run(bool) override {
    const auto* text = reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(message_));
    char* const peer = grpc_call_get_peer(call_);
    then_({code_, std::string(text, GRPC_SLICE_LENGTH(message_)), sent_->load(std::memory_order_relaxed),
           BytesOf(answer_), peer});
    gpr_free(peer);
    return false;
  }

 private:
  // The request has been written, or never will be.
  class Sent : public CloserThread::Event {
   public:
    explicit Sent(std::shared_ptr<std::atomic<bool>> sent) : sent_(std::move(sent)) {}
    bool Run(bool ok) override {
      sent_->store(ok, std::memory_order_relaxed);
      return false;
    }

   private:
    const std::shared_ptr<std::atomic<bool>> sent_;  // May come after the call's own end.
  };

  OwnCall(std::shared_ptr<grpc::Channel> channel, const std::string& service, Then then)
      : channel_(std::move(channel)), then_(std::move(then)), request_(MessageOf(HealthRequest(service))) {
    grpc_metadata_array_init(&initial_);
    grpc_metadata_array_init(&trailing_);
  }

  void Start(absl::Duration timeout) {
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(Milliseconds(timeout), GPR_TIMESPAN));
    call_ = grpc_channel_create_call(ChannelAccess::CoreChannel(*channel_), nullptr, GRPC_PROPAGATE_DEFAULTS,
                                     CloserThread::queue(), grpc_slice_from_static_string(kCheckMethod), nullptr,
                                     deadline, nullptr);
    grpc_op send[3] = {};
    send[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    send[1].op = GRPC_OP_SEND_MESSAGE;
    send[1].data.send_message.send_message = request_;
    send[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    grpc_op receive[3] = {};
    receive[0].op = GRPC_OP_RECV_INITIAL_METADATA;
    receive[0].data.recv_initial_metadata.recv_initial_metadata = &initial_;
    receive[1].op = GRPC_OP_RECV_MESSAGE;
    receive[1].data.recv_message.recv_message = &answer_;
    receive[2].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    receive[2].data.recv_status_on_client.trailing_metadata = &trailing_;
    receive[2].data.recv_status_on_client.status = &code_;
    receive[2].data.recv_status_on_client.status_details = &message_;
    // Two batches, since the first completes once the request is on the wire: gRPC holds back a call that has no
    // stream, and tells it by nothing else.
    grpc_call_start_batch(call_, send, 3, (new Sent(sent_))->tag(), nullptr);
    grpc_call_start_batch(call_, receive, 3, tag(), nullptr);
  }

  const std::shared_ptr<grpc::Channel> channel_;  // Given up on the closer's thread, where channels may die.
  const Then then_;
  const std::shared_ptr<std::atomic<bool>> sent_ = std::make_shared<std::atomic<bool>>(false);
  grpc_call* call_ = nullptr;
  grpc_metadata_array initial_, trailing_;
  grpc_byte_buffer* const request_;
  grpc_byte_buffer* answer_ = nullptr;
  grpc_status_code code_ = GRPC_STATUS_UNKNOWN;
  grpc_slice message_ = grpc_empty_slice();
};

// Follows one channel from its first dial until it has been open and lost. Owned by the completion queue. Holds no
// reference to the channel, whose end is what ends a watch that nothing else ended.
class ChannelConnection::Watch : public CloserThread::Event {
 public:
  Watch(std::weak_ptr<grpc::Channel> channel, std::shared_ptr<Reporter> reporter)
      : weak_(std::move(channel)), reporter_(std::move(reporter)) {}

  void Begin(grpc::Channel* channel) {
    last_ = channel->GetState(/*try_to_connect=*/true);
    Await(channel);
  }

  void Reported() override { reporter_->changed.store(true, std::memory_order_release); }

  bool Run(bool) override {
    const std::shared_ptr<grpc::Channel> channel = weak_.lock();
    if (channel == nullptr || reporter_->ended.load(std::memory_order_acquire)) return false;
    const grpc_connectivity_state now = channel->GetState(/*try_to_connect=*/false);
    if (now == GRPC_CHANNEL_SHUTDOWN) return false;
    if (reporter_->losses.load(std::memory_order_relaxed) > 0 || last_ == GRPC_CHANNEL_READY) {
      // Whatever it is now, it has left READY: also when it is READY again, over another socket.
      if (last_ == GRPC_CHANNEL_READY && reporter_->losses.fetch_add(1) == 0) reporter_->TellLost(now);
      last_ = now;
      Await(channel.get());  // For extra_transports(): what happens on it is no longer the pool's doing.
      return true;
    }
    if (now == GRPC_CHANNEL_READY) {
      reporter_->changed.store(false, std::memory_order_relaxed);  // If it changes now, Await will say so.
      AskWhereItIs(channel, reporter_);
    } else if (now == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      ReportFailure(channel, reporter_);
    } else if (now == GRPC_CHANNEL_IDLE) {
      // Hung up before it was ready. gRPC waits to be asked: Redial does.
      const auto why = absl::UnavailableError("connection closed by the peer before it was ready");
      reporter_->Tell([&](ConnectionListener& to) { to.OnFailed(reporter_->id, why); });
    }
    last_ = now;
    Await(channel.get());
    return true;
  }

 private:
  void Await(grpc::Channel* channel) {
    grpc_channel_watch_connectivity_state(ChannelAccess::CoreChannel(*channel), last_,
                                          gpr_inf_future(GPR_CLOCK_REALTIME), CloserThread::queue(), tag());
  }

  const std::weak_ptr<grpc::Channel> weak_;
  const std::shared_ptr<Reporter> reporter_;
  grpc_connectivity_state last_ = GRPC_CHANNEL_IDLE;
};

ChannelConnection::ChannelConnection(ConnectionId id, std::weak_ptr<ConnectionListener> listener,
                                     std::shared_ptr<grpc::Channel> channel, std::shared_ptr<CallsInFlight> calls,
                                     Setup setup)
    : calls_(std::move(calls)),
      reporter_(std::make_shared<Reporter>(id, std::move(listener), std::move(setup))),
      channel_(std::move(channel)) {}

ChannelConnection::~ChannelConnection() {
  reporter_->ended.store(true, std::memory_order_release);
  // Its stream would keep the socket, and it the channel.
  if (const auto watch = std::exchange(reporter_->watch, nullptr)) watch->Stop();
  if (reporter_->setup.dial_within > absl::ZeroDuration()) {
    EndAfterDial(std::move(channel_), reporter_->setup.dial_within, redials_.load(std::memory_order_relaxed));
  }
}

void ChannelConnection::Start() { (new Watch(channel_, reporter_))->Begin(channel_.get()); }

// A channel with fallbacks is READY at the first address that took it; only a call can tell which. To be elsewhere is
// to have failed: the endpoint cannot be dialled, and what counts there would be counted wrongly.
void ChannelConnection::AskWhereItIs(const std::shared_ptr<grpc::Channel>& channel,
                                     const std::shared_ptr<Reporter>& reporter) {
  if (reporter->setup.address.empty()) return AskWhetherItServes(channel, reporter);
  const std::weak_ptr<grpc::Channel> weak = channel;
  OwnCall::Begin(channel, HealthOptions(), reporter->setup.answer_within,
                 [weak, reporter](const OwnCall::Result& call) {
                   const std::shared_ptr<grpc::Channel> there = weak.lock();
                   if (there == nullptr) return;
                   if (IsPeer(reporter->setup.address, call.peer)) return AskWhetherItServes(there, reporter);
                   const auto why = absl::UnavailableError(absl::StrCat(reporter->setup.address, " cannot be dialled",
                                                                        absl::StartsWith(call.peer, "ip")
                                                                            ? absl::StrCat(" (", call.peer, " can)")
                                                                            : absl::StrCat(": ", call.message)));
                   reporter->Tell([&](ConnectionListener& to) { to.OnFailed(reporter->id, why); });
                 });
}

void ChannelConnection::AskWhetherItServes(const std::shared_ptr<grpc::Channel>& channel,
                                           const std::shared_ptr<Reporter>& reporter) {
  if (reporter->ended.load(std::memory_order_acquire)) return;
  switch (reporter->setup.health.check) {
    case HealthCheck::kOff:
      reporter->TellServing(absl::OkStatus());
      break;
    case HealthCheck::kCheck:
      OwnCall::Begin(channel, reporter->setup.health, reporter->setup.answer_within,
                     [reporter](const OwnCall::Result& call) {
                       reporter->TellServing(ServingByCheck(call.code, call.message, call.answer));
                     });
      break;
    case HealthCheck::kWatch:
      if (reporter->watch != nullptr) reporter->watch->Stop();
      reporter->watch = HealthWatch::Begin(channel, reporter->setup.health.service,
                                           [reporter](const absl::Status& serving) { reporter->TellServing(serving); });
      break;
  }
}

// A channel does not tell why its dial failed, but a call on it that does not wait ends at once with the reason.
void ChannelConnection::ReportFailure(const std::shared_ptr<grpc::Channel>& channel,
                                      const std::shared_ptr<Reporter>& reporter) {
  OwnCall::Begin(channel, HealthOptions(), absl::Seconds(1), [reporter](const OwnCall::Result& call) {
    // It has just connected after all.
    if (call.code == GRPC_STATUS_OK || call.code == GRPC_STATUS_UNIMPLEMENTED) return;
    reporter->Tell([&](ConnectionListener& to) { to.OnFailed(reporter->id, absl::UnavailableError(call.message)); });
  });
}

void ChannelConnection::Redial() {
  redials_.store(true, std::memory_order_relaxed);
  if (channel_->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY) {
    // It is its server that did not serve, or another's address.
    return CloserThread::Get()->Post([channel = channel_, reporter = reporter_] { AskWhereItIs(channel, reporter); });
  }
  // A channel stays in TRANSIENT_FAILURE from one failed dial to the next, so the watch sees the first alone.
  ReportFailure(channel_, reporter_);
}

int ChannelConnection::extra_transports() const {
  if (!reporter_->opened.load()) return 0;
  const int losses = reporter_->losses.load();
  const grpc_connectivity_state now = channel_->GetState(/*try_to_connect=*/false);
  // Lost once: if it is on its way back, there may be two. Lost n times: the n - 1 between may still drain.
  const bool back = now == GRPC_CHANNEL_CONNECTING || (now == GRPC_CHANNEL_READY && losses > 0);
  return std::max(0, losses - 1) + (back ? 1 : 0);
}

ABSL_ATTRIBUTE_HOT bool ChannelConnection::ReportIfLost() const {
  if (!reporter_->opened.load(std::memory_order_acquire)) return false;
  if (!reporter_->changed.load(std::memory_order_acquire)) return false;  // Asking gRPC costs 500 instructions.
  const grpc_connectivity_state now = channel_->GetState(/*try_to_connect=*/false);
  if (now == GRPC_CHANNEL_READY) return false;
  reporter_->TellLost(now);
  return true;
}

void ChannelConnection::Probe(absl::Duration timeout) {
  const std::weak_ptr<grpc::Channel> weak = channel_;
  OwnCall::Begin(channel_, reporter_->setup.health, timeout, [reporter = reporter_, weak](const OwnCall::Result& call) {
    // What gRPC itself says when the connection is gone, and what a peer may say as well: then the channel is still
    // READY. Only silence until the deadline, or a channel that has lost its connection, is no sign of life.
    const std::shared_ptr<grpc::Channel> channel = weak.lock();
    const bool lost = channel == nullptr || channel->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY;
    const bool late = call.code == GRPC_STATUS_DEADLINE_EXCEEDED;
    absl::Status result;
    if (call.code != GRPC_STATUS_OK && lost) {
      result = absl::UnavailableError(absl::StrCat("no answer to a probe: ", call.message));
    } else if (late && call.sent) {
      result = absl::UnavailableError("no answer to a probe in time");
    } else if (late) {
      result = absl::ResourceExhaustedError("no free stream for a probe in time");
    }
    // It lives, but does not serve: no call on it is cut.
    if (result.ok() && reporter->setup.health.check != HealthCheck::kOff) {
      const absl::Status serving = ServingByCheck(call.code, call.message, call.answer);
      if (!serving.ok()) return reporter->TellServing(serving);
    }
    reporter->Tell([&](ConnectionListener& to) { to.OnProbed(reporter->id, result); });
  });
}

// --- ChannelConnector ---------------------------------------------------------------------------------------------

absl::Status ChannelConnector::Validate(const ChannelPoolOptions& dial) {
  if (dial.target.empty()) {
    return absl::InvalidArgumentError("target: \"\" names no server; set a gRPC name, such as dns:///orders:50051");
  }
  if (absl::Status valid = chanpool::Validate(dial.dns); !valid.ok()) return valid;
  if (!dial.endpoints.empty()) {
    if (absl::Status valid = EndpointSet::Validate(dial.endpoints); !valid.ok()) return valid;
  }
  struct Ours {
    const char* key;
    const char* instead;
    bool only_with_keepalive;
    bool only_with_server_name = false;
  };
  static constexpr Ours kOurs[] = {
      {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, "nothing: the pool gives each channel its own connection", false},
      {GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, "PoolOptions::max_idle", false},
      {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, "PoolOptions::backoff_initial", false},
      {GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, "PoolOptions::backoff_max", false},
      {GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, "PoolOptions::connect_timeout", false},
      {GRPC_ARG_KEEPALIVE_TIME_MS, "ChannelPoolOptions::keepalive alone", true},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, "ChannelPoolOptions::keepalive alone", true},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, "ChannelPoolOptions::keepalive alone", true},
      {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, "ChannelPoolOptions::keepalive alone", true},
      {GRPC_ARG_DEFAULT_AUTHORITY, "tls.server_name alone", false, /*only_with_server_name=*/true},
  };
  for (const auto& interceptor : dial.interceptors) {
    if (interceptor == nullptr) return absl::InvalidArgumentError("interceptors: one is null; leave it out");
  }
  if (absl::Status diversity = chanpool::Validate(dial.diversity); !diversity.ok()) return diversity;
  if (absl::Status retry = ValidateRetry(dial.retry, dial.channel_arguments); !retry.ok()) return retry;
  if (absl::Status valid = ValidateTransport(dial.transport, dial.channel_arguments); !valid.ok()) return valid;
  const bool keepalive = dial.keepalive.time != absl::InfiniteDuration();
  const bool server_name = dial.tls.has_value() && !dial.tls->server_name.empty();
  const grpc_channel_args arguments = dial.channel_arguments.c_channel_args();
  for (size_t i = 0; i < arguments.num_args; ++i) {
    const grpc_arg& argument = arguments.args[i];
    const absl::string_view key = argument.key;
    for (const Ours& ours : kOurs) {
      if (key != ours.key || (ours.only_with_keepalive && !keepalive)) continue;
      if (ours.only_with_server_name && !server_name) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("channel_arguments: ", key, " is set by the pool; use ", ours.instead));
    }
    if (argument.type != GRPC_ARG_STRING) continue;
    const absl::string_view value = argument.value.string;
    if (key == GRPC_ARG_LB_POLICY_NAME && value != "pick_first") {
      return absl::InvalidArgumentError(absl::StrCat("channel_arguments: ", key, " \"", value,
                                                     "\" would make one channel several connections; use pick_first, "
                                                     "and max_connections for their number"));
    }
    if (key == GRPC_ARG_SERVICE_CONFIG && !BalancesByPickFirst(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("channel_arguments: ", key,
                       " has a load-balancing policy, which would make one channel several "
                       "connections; leave it out, and use max_connections for their number"));
    }
  }
  if (dial.keepalive.time < absl::Milliseconds(1)) {
    return absl::InvalidArgumentError(absl::StrCat("keepalive.time: ", absl::FormatDuration(dial.keepalive.time),
                                                   " is shorter than 1ms; set 5m or more for stock servers"));
  }
  if (keepalive && dial.keepalive.timeout < absl::Milliseconds(1)) {
    return absl::InvalidArgumentError(absl::StrCat("keepalive.timeout: ", absl::FormatDuration(dial.keepalive.timeout),
                                                   " is shorter than 1ms; set 20s"));
  }
  for (const Endpoint& endpoint : dial.endpoints) {
    ChannelPoolOptions one = dial;
    one.target = endpoint.address;
    if (IsRead(one, grpc::ChannelArguments())) continue;
    return absl::InvalidArgumentError(absl::StrCat("endpoints: \"", endpoint.address,
                                                   "\" is no name that gRPC can read; set one such as "
                                                   "ipv4:10.0.0.1:50051 or unix:/run/orders.sock"));
  }
  if (dial.tls.has_value() && dial.credentials != nullptr) {
    return absl::InvalidArgumentError("credentials and tls are both set; leave credentials null to have TLS of files");
  }
  if (const auto tls = OpenTls(dial); !tls.ok()) return tls.status();
  if (IsRead(dial, dial.channel_arguments)) return absl::OkStatus();
  if (IsRead(dial, grpc::ChannelArguments())) {
    return absl::InvalidArgumentError(
        absl::StrCat("channel_arguments: gRPC makes no channel with them; what it checks is ", GRPC_ARG_SERVICE_CONFIG,
                     R"(, set a JSON object such as {"methodConfig": [{"name": [{}], "timeout": "1s"}]})"));
  }
  return absl::InvalidArgumentError(absl::StrCat("target: \"", dial.target,
                                                 "\" is no name that gRPC can read; set one such as "
                                                 "dns:///orders:50051, ipv4:10.0.0.1:50051 or unix:/run/orders.sock"));
}

absl::StatusOr<std::shared_ptr<TlsFiles>> ChannelConnector::OpenTls(const ChannelPoolOptions& options) {
  if (!options.tls.has_value()) return std::shared_ptr<TlsFiles>();
  return TlsFiles::Open(*options.tls, (options.clock != nullptr ? options.clock : RealClock())->WallNow());
}

ChannelConnector::ChannelConnector(ChannelPoolOptions options, EndpointSource source, std::shared_ptr<TlsFiles> tls)
    : options_(std::move(options)), source_(std::move(source)), tls_(std::move(tls)) {
  if (options_.credentials == nullptr) options_.credentials = grpc::InsecureChannelCredentials();
}

void ChannelConnector::SetOptions(ChannelPoolOptions options, EndpointSource source, std::shared_ptr<TlsFiles> tls) {
  if (options.credentials == nullptr) options.credentials = grpc::InsecureChannelCredentials();
  // What was there ends after the lock: it may hold the last reference to a user's credentials or interceptors.
  MutexLock lock(&mu_);
  options.name = options_.name;
  options.pool = options_.pool;
  options.clock = options_.clock;
  std::swap(options_, options);
  std::swap(source_, source);
  std::swap(tls_, tls);
}

std::shared_ptr<TlsFiles> ChannelConnector::tls() const {
  MutexLock lock(&mu_);
  return tls_;
}

std::optional<CertificateState> ChannelConnector::certificate() const {
  const std::shared_ptr<TlsFiles> files = tls();
  if (files == nullptr) return std::nullopt;
  return files->state();
}

ChannelPoolOptions ChannelConnector::options() const {
  MutexLock lock(&mu_);
  return options_;
}

EndpointSource ChannelConnector::source() const {
  MutexLock lock(&mu_);
  return source_;
}

std::optional<ResolutionStats> ChannelConnector::resolution() const {
  const std::shared_ptr<NameResolver> resolver = source().resolver;
  return resolver == nullptr ? std::nullopt : std::make_optional(resolver->Stats());
}

std::unique_ptr<Connection> ChannelConnector::Create(ConnectionId id, const PoolOptions& options,
                                                     std::weak_ptr<ConnectionListener> listener) {
  return CreateTo(Endpoint(), id, options, std::move(listener));
}

std::unique_ptr<Connection> ChannelConnector::CreateTo(const Endpoint& endpoint, ConnectionId id,
                                                       const PoolOptions& options,
                                                       std::weak_ptr<ConnectionListener> listener) {
  ChannelPoolOptions dial;
  EndpointSource source;
  std::shared_ptr<TlsFiles> files;
  {
    MutexLock lock(&mu_);
    dial = options_;
    source = source_;
    files = tls_;
  }
  grpc::ChannelArguments arguments = Arguments(dial, options);
  std::string target = dial.target;
  const bool awaits_address = source.resolver != nullptr && endpoint.address.empty();
  std::shared_ptr<WaitingRoom> room;
  if (awaits_address) {
    AwaitingConnection::SetArguments(&arguments);
    room = WaitingRoom::Open(source.resolver->name().host, source.resolver->name().port);
    if (room != nullptr) target = room->target();
  } else if (!endpoint.address.empty()) {
    target = endpoint.address;
    if (source.resolver != nullptr) source.resolver->CountHit();
  }
  // Only its calls that are sent again go to another address; without them the first is all there is.
  std::string only_at;
  if (!endpoint.address.empty() && TriesAgain(dial.retry)) {
    target =
        WithFallbacks(endpoint.address, source.resolver != nullptr ? source.resolver->Addresses() : source.endpoints);
    if (target != endpoint.address) only_at = endpoint.address;
  }
  if (target != dial.target || !only_at.empty()) PinToAddress(source.authority, &arguments);
  CallsInFlight::Setup setup;
  setup.connection = id;
  setup.listener = listener;
  setup.alone = dial.interceptors.empty() && !awaits_address;
  setup.ledger = ledger_;
  if (dial.clock != nullptr) setup.clock = dial.clock;
  if (dial.diversity.on()) setup.diversity = std::make_shared<const DiversityOptions>(dial.diversity);
  auto calls = std::make_shared<CallsInFlight>(std::move(setup));
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> factories;
  factories.push_back(CallsInFlight::NewInterceptorFactory(calls));
  std::shared_ptr<CallsInFlight> fail_fast;  // To cancel them; `calls` counts them.
  if (awaits_address) {
    fail_fast = std::make_shared<CallsInFlight>(CallsInFlight::Setup());
    factories.push_back(AwaitingConnection::NewInterceptorFactory(fail_fast));
  }
  for (const auto& shared : dial.interceptors) factories.push_back(std::make_unique<SharedFactory>(shared));
  std::shared_ptr<grpc::Channel> channel = grpc::experimental::CreateCustomChannelWithInterceptors(
      target, files == nullptr ? dial.credentials : files->credentials(), arguments, std::move(factories));
  if (awaits_address) {
    return std::make_unique<AwaitingConnection>(id, std::move(listener), std::move(channel), std::move(calls),
                                                std::move(fail_fast), std::move(room), source.resolver);
  }
  ChannelConnection::Setup connection{only_at, dial.health, options.probe_timeout, options.connect_timeout,
                                      MayBeMinded(dial.keepalive)};
  return std::make_unique<ChannelConnection>(id, std::move(listener), std::move(channel), std::move(calls),
                                             std::move(connection));
}

}  // namespace chanpool
