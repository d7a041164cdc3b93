// Makes gRPC channels that are one TCP connection each, and reports what becomes of them.
//
//   absl::Status valid = ChannelConnector::Validate(options);       // names the argument that fights the pool
//   auto connector = std::make_unique<ChannelConnector>(options);
//
// A channel stands for one connection only until its socket is lost: then gRPC redials by itself, past any back-off of
// the pool's, and after a GOAWAY opens a second socket beside the first. So each channel is watched, and the first
// change away from READY retires it.
#ifndef CHANPOOL_POOL_GRPC_CHANNEL_CONNECTOR_H_
#define CHANPOOL_POOL_GRPC_CHANNEL_CONNECTOR_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/core/call_stats.h"
#include "pool/core/connector.h"
#include "pool/core/options.h"
#include "pool/core/pool.h"
#include "pool/grpc/call_ledger.h"
#include "pool/grpc/calls_in_flight.h"
#include "pool/grpc/channel_pool_options.h"
#include "pool/grpc/endpoint_source.h"
#include "pool/grpc/health.h"
#include "pool/grpc/method_tags.h"
#include "pool/grpc/tls_files.h"

namespace chanpool {

// One channel, one TCP connection. Thread-safe.
class ChannelConnection : public Connection {
 public:
  struct Setup {
    std::string address = "";  // Where it has to be to count as open; empty if its channel can be in one place only.
    HealthOptions health = HealthOptions();
    absl::Duration answer_within = absl::ZeroDuration();  // Of a health check, and of the look at where it is.
    absl::Duration dial_within = absl::ZeroDuration();    // What gRPC gives a dial; zero: it dials nobody.
    std::string pings = "";  // What its server may mind about them, said when it is lost; empty where there is nothing.
  };
  ChannelConnection(ConnectionId id, std::weak_ptr<ConnectionListener> listener, std::shared_ptr<grpc::Channel> channel,
                    std::shared_ptr<CallsInFlight> calls, Setup setup);
  ~ChannelConnection() override;

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  CallsInFlight& calls() const { return *calls_; }
  const MethodTags& tags() const { return tags_; }

  void Start() override;
  // gRPC redials by itself while it has never been connected, on the back-off that it was given: the pool's.
  void Redial() override;
  // A health check as cheap as can be. Any answer is a sign of life, UNIMPLEMENTED too. Only a probe that was sent and
  // not answered speaks against the peer: one that found no free stream within `timeout` is kResourceExhausted.
  void Probe(absl::Duration timeout) override;
  void CancelCalls(const absl::Status& why) override { calls_->CancelAll(why); }
  int extra_transports() const override;
  CallTotals EndedCalls() const override { return calls_->tally().Total(); }
  std::vector<CallInFlight> OldestCalls(size_t most) const override { return calls_->Oldest(most); }

  // True: it was open and is lost, and the pool has been told, though the watch may not have noticed yet. A call that
  // is made on it all the same makes gRPC dial again, beside what still drains.
  bool ReportIfLost() const;

 private:
  class Watch;
  class OwnCall;
  struct Reporter;

  static void AskWhereItIs(const std::shared_ptr<grpc::Channel>& channel, const std::shared_ptr<Reporter>& reporter);
  static void AskWhetherItServes(const std::shared_ptr<grpc::Channel>& channel,
                                 const std::shared_ptr<Reporter>& reporter);
  static void ReportFailure(const std::shared_ptr<grpc::Channel>& channel, const std::shared_ptr<Reporter>& reporter);

  const std::shared_ptr<CallsInFlight> calls_;
  const std::shared_ptr<Reporter> reporter_;
  std::shared_ptr<grpc::Channel> channel_;
  std::atomic<bool> redials_{false};
  const MethodTags tags_;
};

// What `acquire` gives, on a connection that is still there as far as gRPC knows. Each one found lost is lent no more,
// so the next attempt finds another; it ends with the first failure.
template <typename Acquire>
absl::StatusOr<Place> AcquireUsable(Acquire acquire) {
  absl::StatusOr<Place> place = acquire();
  for (int found_lost = 0; place.ok() && found_lost < kMaxConnections; ++found_lost) {
    if (!static_cast<const ChannelConnection&>(*place->connection()).ReportIfLost()) break;
    place->Reset();
    place = acquire();
  }
  return place;
}

// Thread-safe.
class ChannelConnector : public Connector {
 public:
  // kInvalidArgument for an argument that the pool sets itself, or that would make a channel several connections, for
  // TLS files that are no good, and for a target that gRPC cannot read. Does not look at name, pool and clock.
  static absl::Status Validate(const ChannelPoolOptions& options);

  // Of valid options: their TLS files, null without `tls`. kInvalidArgument when the files have changed since.
  static absl::StatusOr<std::shared_ptr<TlsFiles>> OpenTls(const ChannelPoolOptions& options);

  // `options` are valid, and `tls` is what OpenTls says to them.
  ChannelConnector(ChannelPoolOptions options, EndpointSource source, std::shared_ptr<TlsFiles> tls);

  // For connections made from now on. Valid as well; name, pool and clock stay.
  void SetOptions(ChannelPoolOptions options, EndpointSource source, std::shared_ptr<TlsFiles> tls);
  ChannelPoolOptions options() const;
  EndpointSource source() const;
  std::shared_ptr<TlsFiles> tls() const;

  // Of `options`, a channel takes connect_timeout and the back-off.
  std::unique_ptr<Connection> Create(ConnectionId id, const PoolOptions& options,
                                     std::weak_ptr<ConnectionListener> listener) override;
  std::vector<MethodStats> Methods() const override { return ledger_->Methods(); }
  // To one address of the target, or to the target itself if that is empty: where the pool resolves the target, such a
  // connection waits for the first answer, and so do the calls on it.
  std::unique_ptr<Connection> CreateTo(const Endpoint& endpoint, ConnectionId id, const PoolOptions& options,
                                       std::weak_ptr<ConnectionListener> listener) override;
  std::optional<ResolutionStats> resolution() const override;

  std::optional<CertificateState> certificate() const override;

 private:
  const std::shared_ptr<CallLedger> ledger_ = std::make_shared<CallLedger>();
  mutable Mutex mu_;
  ChannelPoolOptions options_ ABSL_GUARDED_BY(mu_);
  EndpointSource source_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<TlsFiles> tls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CHANNEL_CONNECTOR_H_
