#include "pool/grpc/channel_pool.h"

#include <unistd.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "pool/core/check.h"
#include "pool/core/fork_epoch.h"
#include "pool/grpc/calls_in_flight.h"
#include "pool/grpc/channel_connector.h"
#include "pool/grpc/closer_thread.h"
#include "pool/grpc/endpoint_source.h"
#include "pool/grpc/pooled_channel.h"
#include "pool/grpc/tls_reload.h"

namespace chanpool {
namespace {

std::vector<std::string> Warnings(const ChannelPoolOptions& options) {
  std::vector<std::string> warnings = Warnings(options.pool);
  if (options.keepalive.time < kStockServersPingFloor) {
    warnings.push_back(
        absl::StrCat("keepalive.time (", absl::FormatDuration(options.keepalive.time),
                     ") is below 5m: a server with default settings answers with GOAWAY too_many_pings"));
  }
  if (options.keepalive.time != absl::InfiniteDuration() && options.keepalive.permit_without_calls) {
    warnings.push_back(
        "keepalive.permit_without_calls: a server with default settings allows one ping in 2h while no call is in "
        "flight");
  }
  return warnings;
}

}  // namespace

// --- Lease --------------------------------------------------------------------------------------------------------

const std::shared_ptr<grpc::Channel>& Lease::channel() const {
  static const auto* const none = new std::shared_ptr<grpc::Channel>;
  if (!place_) return *none;
  return static_cast<const ChannelConnection*>(place_.connection())->channel();
}

void Lease::Suspect() { place_.Suspect(); }

// --- ChannelPool --------------------------------------------------------------------------------------------------

ChannelPool::ChannelPool(std::shared_ptr<Pool> pool, ChannelConnector* connector, std::vector<std::string> warnings)
    : pool_(std::move(pool)),
      connector_(connector),
      tls_reload_(TlsReload::Start(pool_, connector)),
      channel_(std::make_shared<PooledChannel>(pool_, PooledChannel::WhenFull::kAsOptionsSay)),
      blocking_channel_(std::make_shared<PooledChannel>(pool_, PooledChannel::WhenFull::kBlock)),
      warnings_(std::move(warnings)) {}

ChannelPool::~ChannelPool() {
  // In a child of fork() no lock may be touched.
  if (!pool_->Forked()) {
    if (const auto resolver = connector_->source().resolver) resolver->End();
  }
  pool_->Destroy();
}

absl::Status ChannelPool::Validate(const ChannelPoolOptions& options) {
  if (ForkEpoch() != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "pool \"", options.name.empty() ? options.target : options.name, "\": process ", getpid(),
        " was fork()ed from one that had made a pool, and the pools' threads do not exist here; fork before the first "
        "pool is made, or exec"));
  }
  absl::Status valid = options.pool.Validate();
  if (!valid.ok()) return valid;
  return ChannelConnector::Validate(options);
}

absl::StatusOr<std::shared_ptr<ChannelPool>> ChannelPool::Create(ChannelPoolOptions options) {
  if (absl::Status valid = Validate(options); !valid.ok()) return valid;
  absl::StatusOr<std::shared_ptr<TlsFiles>> tls = ChannelConnector::OpenTls(options);
  if (!tls.ok()) return tls.status();
  Clock* const clock = options.clock != nullptr ? options.clock : RealClock();
  const EndpointSource source = SourceOf(options, clock);
  auto owned = std::make_unique<ChannelConnector>(options, source, *std::move(tls));
  ChannelConnector* const connector = owned.get();
  Pool::Config config;
  config.name = options.name.empty() ? options.target : options.name;
  config.options = options.pool;
  config.connector = std::move(owned);
  config.clock = clock;
  config.closer = CloserThread::Get();
  config.seed = std::random_device()();
  config.endpoints = source.endpoints;
  config.rerolls_per_minute = options.diversity.rerolls_per_minute;
  std::vector<std::string> warnings = Warnings(options);
  if (!source.warning.empty()) warnings.push_back(source.warning);
  std::shared_ptr<Pool> pool = Pool::Create(std::move(config));
  if (source.resolver != nullptr) source.resolver->Begin(pool);
  return std::shared_ptr<ChannelPool>(new ChannelPool(std::move(pool), connector, std::move(warnings)));
}

ChannelPoolOptions ChannelPool::channel_options() const { return connector_->options(); }

absl::Status ChannelPool::CheckRedirect(const ChannelPoolOptions& options) {
  return ChannelConnector::Validate(options);
}

absl::Status ChannelPool::Redirect(ChannelPoolOptions options) {
  if (absl::Status valid = CheckRedirect(options); !valid.ok()) return valid;
  absl::StatusOr<std::shared_ptr<TlsFiles>> tls = ChannelConnector::OpenTls(options);
  if (!tls.ok()) return tls.status();
  const EndpointSource before = connector_->source();
  pool_->SetRerolls(options.diversity.rerolls_per_minute);
  if (SameSource(options, connector_->options())) {
    connector_->SetOptions(std::move(options), before, *std::move(tls));
    tls_reload_->Rearm();
    pool_->Redirected();  // After: whatever is made from here on dials the new target.
    return absl::OkStatus();
  }
  options.pool = pool_->options();
  const EndpointSource source = SourceOf(options, pool_->clock());
  if (before.resolver != nullptr) before.resolver->End();
  connector_->SetOptions(std::move(options), source, *std::move(tls));
  tls_reload_->Rearm();
  pool_->Redirected(source.endpoints);
  if (source.resolver != nullptr) source.resolver->Begin(pool_);
  return absl::OkStatus();
}

absl::StatusOr<Lease> ChannelPool::Acquire(absl::Time deadline, BorrowSite site) {
  absl::StatusOr<Place> place = AcquireUsable([&] { return pool_->Acquire(deadline, site); });
  if (!place.ok()) return place.status();
  return Lease(*std::move(place));
}

absl::StatusOr<Lease> ChannelPool::Acquire(absl::Time deadline, const LeaseOptions& options, BorrowSite site) {
  absl::StatusOr<Place> place = AcquireUsable([&] { return pool_->Acquire(deadline, options, site); });
  if (!place.ok()) return place.status();
  return Lease(*std::move(place));
}

std::optional<Lease> ChannelPool::TryAcquire(const LeaseOptions& options, BorrowSite site) {
  absl::StatusOr<Place> place = AcquireUsable([&]() -> absl::StatusOr<Place> {
    if (Place free = pool_->TryAcquire(options, site)) return free;
    return absl::ResourceExhaustedError("none is free");  // Ends the search, and is not shown.
  });
  if (!place.ok()) return std::nullopt;
  return Lease(*std::move(place));
}

AcquireHandle ChannelPool::AcquireAsync(absl::Time deadline, std::function<void(absl::StatusOr<Lease>)> callback,
                                        BorrowSite site) {
  return AcquireAsync(deadline, LeaseOptions(), std::move(callback), site);
}

AcquireHandle ChannelPool::AcquireAsync(absl::Time deadline, const LeaseOptions& options,
                                        std::function<void(absl::StatusOr<Lease>)> callback, BorrowSite site) {
  CHANPOOL_CHECK(callback != nullptr);
  const auto as_lease = [callback = std::move(callback)](absl::StatusOr<Place> place) {
    if (place.ok()) {
      callback(Lease(*std::move(place)));
    } else {
      callback(place.status());
    }
  };
  return pool_->AcquireAsync(deadline, options, as_lease, site);
}

absl::Status ChannelPool::WaitForReady(int connections, absl::Time deadline) {
  return pool_->WaitForReady(connections, deadline);
}

absl::Status ChannelPool::Drain(absl::Time deadline, OnDeadline on_deadline) {
  return pool_->Drain(deadline, on_deadline);
}

absl::Status ChannelPool::Resume() { return pool_->Resume(); }

absl::Status ChannelPool::Reconfigure(PoolOptions options) { return pool_->Reconfigure(options); }

void ChannelPool::Recycle() { pool_->Recycle(); }

std::optional<ConnectionId> ConnectionOf(const grpc::ClientContext& context) {
  const CallsInFlight* const calls = CallsInFlight::Of(context);
  if (calls == nullptr) return std::nullopt;
  return calls->connection();
}

}  // namespace chanpool
