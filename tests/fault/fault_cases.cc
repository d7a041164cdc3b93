#include "tests/fault/fault_cases.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "examples/demo/upstream_process.h"
#include "examples/processes/program.h"
#include "tests/fakes/test_certificates.h"
#include "tests/fault/fault_proxy.h"

namespace chanpool::fault {
namespace {

using demo::UpstreamProcess;

constexpr absl::Duration kLimit = absl::Seconds(20);    // For what happens soon, on a machine that is very busy.
const absl::Duration kPings = absl::Milliseconds(400);  // After so long without a byte, and so long to answer.

// As KeepaliveOptions::time has it: time + timeout, and up to a second more.
const absl::Duration kNoticed = 2 * kPings + absl::Seconds(1);

absl::StatusOr<std::unique_ptr<UpstreamProcess>> StartUpstream(std::vector<std::string> flags = {}) {
  // gRPC answers pings that come faster than this with GOAWAY.
  flags.push_back("--min_ping_interval_ms=100");
  return UpstreamProcess::Start(demo::PathBeside("../../examples/demo/upstream"), /*max_streams=*/100,
                                std::move(flags));
}

std::string Address(int port) { return absl::StrCat("127.0.0.1:", port); }

// False if `condition` does not come to hold within kLimit.
bool Await(const std::function<bool()>& condition) {
  for (const absl::Time end = absl::Now() + kLimit; absl::Now() < end; absl::SleepFor(absl::Milliseconds(2))) {
    if (condition()) return true;
  }
  return condition();
}

int64_t Closed(const ChannelPool& pool, CloseReason reason) {
  return static_cast<int64_t>(pool.Stats().closed_by_reason[static_cast<int>(reason)]);
}

// A strike that the pools, or their server, make by themselves: until each pool has closed more than `before` for it.
absl::StatusOr<Strike> AwaitClosed(const Pools& pools, CloseReason reason, int before) {
  Strike strike;
  strike.begun = absl::Now();
  for (const auto& pool : pools) {
    if (Await([&] { return Closed(*pool, reason) > before; })) continue;
    return absl::DeadlineExceededError(absl::StrCat("pool \"", pool->name(), "\" closed no more than ", before,
                                                    " connections for reason ", static_cast<int>(reason)));
  }
  strike.struck = strike.recoverable = strike.known = absl::Now();
  return strike;
}

// Of several servers, the one that is struck next is not the only one in use: back from its own strike, the other has
// been dialled again.
absl::Status AwaitAllInUse(const Pools& pools) {
  for (const auto& pool : pools) {
    if (Await([&] {
          const std::vector<EndpointStats> endpoints = pool->Endpoints();
          return std::all_of(endpoints.begin(), endpoints.end(),
                             [](const EndpointStats& endpoint) { return endpoint.connections_open > 0; });
        })) {
      continue;
    }
    std::string places;
    for (const EndpointStats& endpoint : pool->Endpoints()) {
      absl::StrAppend(&places, "; ", endpoint.endpoint.address, " is ", ToString(endpoint.state), " with ",
                      endpoint.connections_open, "/", endpoint.connections, " connections ", endpoint.why);
    }
    return absl::DeadlineExceededError(absl::StrCat("pool \"", pool->name(), "\" does not use every server", places));
  }
  return absl::OkStatus();
}

void NoticeDeadPeers(ChannelPoolOptions& options) {
  options.keepalive.time = options.keepalive.timeout = kPings;
  options.keepalive.permit_without_calls = true;
}

// --- Processes ----------------------------------------------------------------------------------------------------

// One server or two, dialled directly.
class Processes : public FaultCase {
 public:
  explicit Processes(int count, std::vector<std::string> flags = {}) : count_(count), flags_(std::move(flags)) {}

  absl::Status SetUp() override {
    for (int i = 0; i < count_; ++i) {
      absl::StatusOr<std::unique_ptr<UpstreamProcess>> started = StartUpstream(flags_);
      if (!started.ok()) return started.status();
      upstreams_.push_back(*std::move(started));
    }
    return absl::OkStatus();
  }

  std::string target() const override {
    std::string target = "ipv4:";
    for (const auto& upstream : upstreams_) {
      absl::StrAppend(&target, upstream == upstreams_.front() ? "" : ",", Address(upstream->port()));
    }
    return target;
  }

 protected:
  UpstreamProcess& InTurn(int number) { return *upstreams_[static_cast<size_t>(number) % upstreams_.size()]; }

  const int count_;
  const std::vector<std::string> flags_;
  std::vector<std::unique_ptr<UpstreamProcess>> upstreams_;
};

class KillOneOfTwo : public Processes {
 public:
  KillOneOfTwo() : Processes(2) {}

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    if (absl::Status ready = AwaitAllInUse(pools); !ready.ok()) return ready;
    Strike strike;
    strike.begun = absl::Now();
    InTurn(number).Kill();
    strike.struck = strike.recoverable = strike.known = absl::Now();
    absl::SleepFor(absl::Seconds(1));  // Longer than all attempts of a call.
    if (absl::Status again = InTurn(number).Restart(); !again.ok()) return again;
    return strike;
  }
};

class KillTheOnlyOne : public Processes {
 public:
  KillTheOnlyOne() : Processes(1) {}

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools&) override {
    // Every attempt of a call that met the last outage is over by then: none meets two.
    absl::SleepFor(absl::Seconds(1));
    Strike strike;
    strike.begun = absl::Now();
    InTurn(number).Kill();
    strike.struck = strike.known = absl::Now();
    absl::SleepFor(absl::Milliseconds(100));
    if (absl::Status again = InTurn(number).Restart(); !again.ok()) return again;
    strike.recoverable = absl::Now();
    return strike;
  }
};

// Servers that let no connection grow old, as behind a layer-4 balancer. A strike is one GOAWAY to each pool.
class GoawayByAge : public Processes {
 public:
  GoawayByAge() : Processes(1, {"--max_connection_age_ms=1000", "--max_connection_age_grace_ms=1000"}) {}

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    return AwaitClosed(pools, CloseReason::kLost, number);
  }
};

// As a deployment does it: stop, with grace, and start.
class RollingRestart : public Processes {
 public:
  RollingRestart() : Processes(2, {"--grace_ms=2000"}) {}

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    if (absl::Status ready = AwaitAllInUse(pools); !ready.ok()) return ready;
    Strike strike;
    strike.begun = absl::Now();
    InTurn(number).Stop();
    strike.struck = strike.recoverable = strike.known = absl::Now();
    if (absl::Status again = InTurn(number).Restart(); !again.ok()) return again;
    return strike;
  }
};

// One of two is taken out of the pools' target, is left alone, dies, comes back and is listed again.
class EndpointRemoval : public Processes {
 public:
  EndpointRemoval() : Processes(2) {}

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    Strike strike;
    strike.begun = absl::Now();
    const auto removed = static_cast<size_t>(number) % 2;
    if (absl::Status moved = RedirectAll(pools, absl::StrCat("ipv4:", Address(upstreams_[1 - removed]->port())));
        !moved.ok()) {
      return moved;
    }
    upstreams_[removed]->Kill();
    strike.struck = strike.recoverable = strike.known = absl::Now();
    if (absl::Status again = upstreams_[removed]->Restart(); !again.ok()) return again;
    if (absl::Status moved = RedirectAll(pools, target()); !moved.ok()) return moved;
    return strike;
  }

 private:
  // Returns when no connection is left that was made before.
  static absl::Status RedirectAll(const Pools& pools, const std::string& target) {
    for (const auto& pool : pools) {
      const int64_t replaced = Closed(*pool, CloseReason::kRecycled) + pool->options().max_connections;
      ChannelPoolOptions options = pool->channel_options();
      options.target = target;
      if (absl::Status redirected = pool->Redirect(options); !redirected.ok()) return redirected;
      if (!Await([&] { return Closed(*pool, CloseReason::kRecycled) >= replaced; })) {
        return absl::DeadlineExceededError(absl::StrCat("pool \"", pool->name(), "\" still has connections of before"));
      }
    }
    return absl::OkStatus();
  }
};

// --- Networks -----------------------------------------------------------------------------------------------------

// One server or two, each behind a proxy.
class Proxied : public Processes {
 public:
  explicit Proxied(int count, std::vector<std::string> flags = {}) : Processes(count, std::move(flags)) {}

  absl::Status SetUp() override {
    if (absl::Status started = Processes::SetUp(); !started.ok()) return started;
    for (const auto& upstream : upstreams_) proxies_.push_back(std::make_unique<FaultProxy>(upstream->port()));
    return absl::OkStatus();
  }

  std::string target() const override {
    std::string target = "ipv4:";
    for (const auto& proxy : proxies_) {
      absl::StrAppend(&target, proxy == proxies_.front() ? "" : ",", Address(proxy->port()));
    }
    return target;
  }

 protected:
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
};

// Dials hear nothing, or are refused, in turn, while age wants new connections.
class StopsAccepting : public Proxied {
 public:
  StopsAccepting() : Proxied(1) {}

  void Configure(ChannelPoolOptions& options) const override { options.pool.max_age = absl::Milliseconds(500); }

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools&) override {
    Strike strike;
    strike.begun = absl::Now();
    number % 2 == 0 ? proxies_[0]->StopAccepting() : proxies_[0]->Refuse();
    strike.struck = strike.recoverable = strike.known = absl::Now();
    absl::SleepFor(absl::Milliseconds(600));
    proxies_[0]->Heal();
    return strike;
  }
};

// Something that a proxy does once to what is open.
class OnceToAllOpen : public Proxied {
 public:
  explicit OnceToAllOpen(void (FaultProxy::*fault)(), bool pings) : Proxied(1), fault_(fault), pings_(pings) {}

  void Configure(ChannelPoolOptions& options) const override {
    if (pings_) NoticeDeadPeers(options);
  }

  absl::StatusOr<Strike> StrikeOnce(int, const Pools&) override {
    Strike strike;
    strike.begun = absl::Now();
    (*proxies_[0].*fault_)();
    strike.struck = strike.recoverable = absl::Now();
    strike.known = strike.struck + (pings_ ? kNoticed : absl::ZeroDuration());
    return strike;
  }

 private:
  void (FaultProxy::*const fault_)();
  const bool pings_;
};

// Something that a proxy does for a while.
class ForAWhile : public Proxied {
 public:
  using Fault = std::function<void(FaultProxy& proxy)>;

  // With two servers one of them is struck at a time.
  ForAWhile(int servers, Fault fault, absl::Duration period, bool pings)
      : Proxied(servers), fault_(std::move(fault)), period_(period), pings_(pings) {}

  void Configure(ChannelPoolOptions& options) const override {
    if (pings_) NoticeDeadPeers(options);
  }

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    if (absl::Status ready = AwaitAllInUse(pools); !ready.ok()) return ready;
    FaultProxy& proxy = *proxies_[static_cast<size_t>(number) % proxies_.size()];
    Strike strike;
    strike.begun = absl::Now();
    fault_(proxy);
    strike.struck = strike.recoverable = absl::Now();
    strike.known = strike.struck + (pings_ ? kNoticed : absl::ZeroDuration());
    absl::SleepFor(period_);
    proxy.Heal();
    return strike;
  }

 private:
  const Fault fault_;
  const absl::Duration period_;
  const bool pings_;
};

// A server's certificate, and whom to trust for it, in files.
class TlsIdentity {
 public:
  static constexpr char kName[] = "orders.test";

  std::vector<std::string> server_flags() const {
    return {absl::StrCat("--certificate=", certificate_), absl::StrCat("--key=", key_)};
  }
  TlsOptions client_options() const {
    TlsOptions options;
    options.ca_file = ca_;
    options.server_name = kName;
    return options;
  }

 private:
  const absl::Time made_ = absl::Now();
  const TemporaryFolder folder_;
  const testing::TestAuthority authority_{"fault cases", made_ + absl::Hours(1)};
  const testing::TestPair pair_ = authority_.Issue(kName, made_ - absl::Hours(1), made_ + absl::Hours(1));
  const std::string ca_ = folder_.Write("ca.pem", authority_.certificate());
  const std::string certificate_ = folder_.Write("server.pem", pair_.certificate);
  const std::string key_ = folder_.Write("server.key", pair_.key);
};

// One byte on its way from the server in each connection, which TLS notices.
class CorruptRecord : public Proxied {
 public:
  CorruptRecord() : CorruptRecord(std::make_unique<TlsIdentity>()) {}

  void Configure(ChannelPoolOptions& options) const override {
    options.tls = identity_->client_options();
    // What gRPC says of calls whose connection ends for this.
    for (CallPolicy& policy : options.retry.calls) policy.codes.push_back(grpc::StatusCode::UNKNOWN);
  }

  absl::StatusOr<Strike> StrikeOnce(int, const Pools& pools) override {
    if (absl::Status ready = AwaitAllInUse(pools); !ready.ok()) return ready;
    Strike strike;
    strike.begun = absl::Now();
    const int64_t before = proxies_[0]->corrupted();
    proxies_[0]->CorruptNextRecord();
    if (!Await([&] { return proxies_[0]->to_be_corrupted() == 0; }) || proxies_[0]->corrupted() == before) {
      return absl::DeadlineExceededError("nothing came from the server that could be corrupted");
    }
    strike.struck = strike.recoverable = absl::Now();
    // Until TLS has read the byte.
    if (!Await([&] { return proxies_[0]->open_corrupted() == 0; })) {
      return absl::DeadlineExceededError("a connection goes on after a corrupted record");
    }
    strike.known = absl::Now();
    return strike;
  }

 private:
  explicit CorruptRecord(std::unique_ptr<TlsIdentity> identity)
      : Proxied(1, identity->server_flags()), identity_(std::move(identity)) {}

  const std::unique_ptr<TlsIdentity> identity_;
};

// --- What pools do of their own accord ----------------------------------------------------------------------------

class MaxAge : public Processes {
 public:
  MaxAge() : Processes(1) {}

  void Configure(ChannelPoolOptions& options) const override { options.pool.max_age = absl::Seconds(1); }

  // A strike is one connection replaced, in each pool.
  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    return AwaitClosed(pools, CloseReason::kMaxAge, number);
  }
};

class Recycle : public Processes {
 public:
  Recycle() : Processes(1) {}

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    for (const auto& pool : pools) pool->Recycle();
    return AwaitClosed(pools, CloseReason::kRecycled, number);
  }
};

// Sizes and limits, and each third time what channels are made from.
class Reconfigure : public Processes {
 public:
  Reconfigure() : Processes(1) {}

  absl::StatusOr<Strike> StrikeOnce(int number, const Pools& pools) override {
    Strike strike;
    strike.begun = absl::Now();
    for (const auto& pool : pools) {
      PoolOptions options = pool->options();
      options.max_connections = options.min_connections = 1 + number % 5;
      options.max_surge = 1;
      options.max_leases_per_connection = number % 2 == 0 ? 1 : 100;
      if (absl::Status set = pool->Reconfigure(options); !set.ok()) return set;
      if (number % 3 != 0) continue;
      ChannelPoolOptions channels = pool->channel_options();
      channels.keepalive.time =
          channels.keepalive.time == absl::InfiniteDuration() ? absl::Minutes(6) : absl::InfiniteDuration();
      if (absl::Status redirected = pool->Redirect(channels); !redirected.ok()) return redirected;
    }
    strike.struck = strike.recoverable = strike.known = absl::Now();
    return strike;
  }
};

template <typename Case, typename... Arguments>
std::function<std::unique_ptr<FaultCase>()> Make(Arguments... arguments) {
  return [=] { return std::make_unique<Case>(arguments...); };
}

// In which connections break, and others, or new ones, are there at once.
Promise LosesWhatIsInFlight() {
  Promise promise;
  promise.in_flight_without_retry = true;
  return promise;
}

Promise LosesAnything() {
  Promise promise;
  promise.none_with_retry = false;  // An outage may last longer than five attempts.
  promise.any_without_retry = true;
  return promise;
}

Promise WithRecovery(Promise promise, absl::Duration recovery, absl::Duration gap = absl::InfiniteDuration()) {
  promise.recovery = recovery;
  promise.gap = gap;
  return promise;
}

}  // namespace

const std::vector<FaultCaseInfo>& FaultCases() {
  static const auto* cases = new std::vector<FaultCaseInfo>{
      {"kill-one-of-two", "kill -9 of one of two servers; it restarts 1 s later",
       WithRecovery(LosesWhatIsInFlight(), absl::Milliseconds(250), absl::Seconds(1)), true, Make<KillOneOfTwo>()},
      {"kill-the-only-one", "kill -9 of the only server; it restarts 100 ms later",
       WithRecovery(LosesAnything(), absl::Milliseconds(1100)), true, Make<KillTheOnlyOne>()},
      {"goaway-by-age", "the server sends GOAWAY after 1 s, with 1 s of grace",
       WithRecovery(Promise(), absl::Milliseconds(250), absl::Seconds(1)), true, Make<GoawayByAge>()},
      // A server that is being shut down refuses, with CANCELLED, what arrives before its GOAWAY has.
      {"rolling-restart", "two servers stop and start in turn, with 2 s of grace",
       WithRecovery(LosesWhatIsInFlight(), absl::Milliseconds(250), absl::Seconds(1)), true, Make<RollingRestart>()},
      {"stops-accepting", "dials hang or are refused for 600 ms, while connections are to be 500 ms old",
       WithRecovery(Promise(), absl::Milliseconds(250), absl::Seconds(1)), true, Make<StopsAccepting>()},
      {"half-open", "every connection is forgotten on its way; new ones pass; pings after 400 ms",
       LosesWhatIsInFlight(), true, Make<OnceToAllOpen>(&FaultProxy::Strand, true)},
      {"black-hole", "the way to one of two servers swallows everything for 1.5 s; pings after 400 ms",
       LosesWhatIsInFlight(), true,
       Make<ForAWhile>(
           2, [](FaultProxy& proxy) { proxy.BlackHole(); }, absl::Milliseconds(1500), true)},
      {"drop", "what is sent to one of two servers is lost for 1.5 s; pings after 400 ms", LosesWhatIsInFlight(), true,
       Make<ForAWhile>(
           2, [](FaultProxy& proxy) { proxy.Drop(); }, absl::Milliseconds(1500), true)},
      {"reset", "every connection is reset; new ones pass",
       WithRecovery(LosesWhatIsInFlight(), absl::Milliseconds(250)), true,
       Make<OnceToAllOpen>(&FaultProxy::Reset, false)},
      {"half-close", "the server's direction of every connection ends; new ones pass",
       WithRecovery(LosesWhatIsInFlight(), absl::Milliseconds(250)), true,
       Make<OnceToAllOpen>(&FaultProxy::HalfClose, false)},
      {"delay", "everything takes 50 ms longer each way, for 300 ms", Promise(), true,
       Make<ForAWhile>(
           1, [](FaultProxy& proxy) { proxy.Delay(absl::Milliseconds(50)); }, absl::Milliseconds(300), false)},
      {"byte-by-byte", "every byte travels alone, for 300 ms", Promise(), true,
       Make<ForAWhile>(
           1, [](FaultProxy& proxy) { proxy.ByteByByte(); }, absl::Milliseconds(300), false)},
      {"corrupt-tls", "a byte of a TLS record in every connection is not what was sent; new ones pass",
       WithRecovery(LosesWhatIsInFlight(), absl::Milliseconds(250)), true, Make<CorruptRecord>()},
      {"endpoint-removal", "a server is taken out of the target, killed, restarted, and listed again",
       WithRecovery(Promise(), absl::Milliseconds(250), absl::Seconds(1)), true, Make<EndpointRemoval>()},
      {"recycle", "all connections are to be replaced, again and again",
       WithRecovery(Promise(), absl::Milliseconds(250), absl::Seconds(1)), false, Make<Recycle>()},
      {"max-age", "connections live for 1 s", WithRecovery(Promise(), absl::Milliseconds(250), absl::Seconds(1)), false,
       Make<MaxAge>()},
      {"reconfigure", "sizes, limits and channel options change, again and again",
       WithRecovery(Promise(), absl::Milliseconds(250), absl::Seconds(1)), false, Make<Reconfigure>()},
  };
  return *cases;
}

}  // namespace chanpool::fault
