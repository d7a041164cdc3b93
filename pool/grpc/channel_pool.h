// A pool of gRPC channels to one target, each its own TCP connection. Any generated stub uses it without a change:
//
//   absl::StatusOr<std::shared_ptr<chanpool::ChannelPool>> pool =
//       chanpool::ChannelPool::Create({.name = "orders", .target = "dns:///orders:50051"});
//   if (!pool.ok()) return pool.status();
//   auto stub = Orders::NewStub((*pool)->channel());      // each call takes the least loaded connection
//
// One connection carries many calls at a time, so a Lease is a place on a connection, not the whole connection. With
// channel() every call takes and gives back its own; Acquire() is for callers who want to wait, or to keep one.
//
// What is not cut: age, idle and shrinking wait for the last call. Only Drain(..., kCancelCalls), and a connection
// found dead, end calls. What is not kept: a finished ClientContext still holds its channel, so a socket closes when
// the last context that used it is gone.
#ifndef CHANPOOL_POOL_GRPC_CHANNEL_POOL_H_
#define CHANPOOL_POOL_GRPC_CHANNEL_POOL_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/channel_interface.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/core/call_stats.h"
#include "pool/core/certificate_state.h"
#include "pool/core/connection_id.h"
#include "pool/core/decision_log.h"
#include "pool/core/events.h"
#include "pool/core/explain.h"
#include "pool/core/hot_keys.h"
#include "pool/core/lease_options.h"
#include "pool/core/lease_watch.h"
#include "pool/core/options.h"
#include "pool/core/pool.h"
#include "pool/core/resolution.h"
#include "pool/core/stats.h"
#include "pool/grpc/channel_pool_options.h"

namespace chanpool {

class ChannelConnector;
class TlsReload;

// A place on one connection, given back by its destructor. Movable; used by one thread at a time; may outlive its pool.
class Lease {
 public:
  Lease(Lease&& from) noexcept = default;             // Leaves `from` empty, so no place is given back twice.
  Lease& operator=(Lease&& from) noexcept = default;  // Gives back the place held before.
  ~Lease() = default;

  // The channel to make calls on while this lease is held. Calls on it take no further lease, whatever their number.
  // Null in a moved-from Lease.
  const std::shared_ptr<grpc::Channel>& channel() const;

  // Asks the pool to probe this connection before it lends it again. Callers already on it are not cut, unless it
  // turns out dead: the probe was sent, and nothing came back within probe_timeout. A peer that has no stream free
  // for the probe may be dead or busy: its connection is replaced, and its calls go on. No effect in a moved-from
  // Lease.
  void Suspect();

  // As Place: takes this connection out of service without cutting a call; gives it an idle time of its own; tells, by
  // question or by a callback on the closer's thread, that it lends no more, and how much grace is left, so that long
  // streams can move.
  void Discard() { place_.Discard(); }
  void SetMaxIdle(absl::Duration max_idle) { place_.SetMaxIdle(max_idle); }
  bool draining() const { return place_.draining(); }
  void OnDraining(std::function<void(absl::Duration grace_left)> callback) { place_.OnDraining(std::move(callback)); }

  // Which connection: "3-17" in logs and events; "0-0", which is none, in a moved-from Lease.
  ConnectionId connection() const { return place_.id(); }

 private:
  friend class ChannelPool;
  explicit Lease(Place place) : place_(std::move(place)) {}
  Place place_;
};

// Thread-safe. Never calls user code or the network while it holds its lock. Unusable in a child after fork(): every
// function that can fails there with kFailedPrecondition. A child makes pools of its own only if no process above it
// had made one before it forked (gRPC itself asks for as much: fork before its first use, or exec).
class ChannelPool {
 public:
  // What Create would say to `options`, without making anything.
  static absl::Status Validate(const ChannelPoolOptions& options);

  // Begins to open min_connections and does not wait for them: an unreachable target is no error here, the first call
  // will say why. kInvalidArgument names the first option that makes no sense, with the nearest value that does;
  // kFailedPrecondition: this process was fork()ed from one that had made a pool, whose threads do not exist here.
  static absl::StatusOr<std::shared_ptr<ChannelPool>> Create(ChannelPoolOptions options);

  // Refuses what waits, and drains. Leases and calls still out go on. Never blocks.
  ~ChannelPool();
  ChannelPool(const ChannelPool&) = delete;
  ChannelPool& operator=(const ChannelPool&) = delete;

  // --- Calls ------------------------------------------------------------------------------------------------------

  // For any generated or generic stub: blocking, callback and completion-queue calls, all four kinds. Never blocks:
  // when every connection is full, a call is overcommitted or refused (PoolOptions::overflow). Overcommitted calls go
  // past whoever waits in Acquire or on blocking_channel(): while they keep every connection above its limit, no place
  // comes free and those wait in vain. Who needs both on one pool sets kReject. Does not keep the pool:
  // after it, new calls end UNAVAILABLE. The same object each time.
  std::shared_ptr<grpc::ChannelInterface> channel() { return channel_; }

  // For blocking stubs only: the calling thread waits for a place, at most acquire_timeout and the call's own deadline,
  // then gets DEADLINE_EXCEEDED or RESOURCE_EXHAUSTED. A callback call on it ends FAILED_PRECONDITION.
  std::shared_ptr<grpc::ChannelInterface> blocking_channel() { return blocking_channel_; }

  // --- Leases -----------------------------------------------------------------------------------------------------

  // Waits in arrival order for a place, until `deadline`. Fails with
  //   kDeadlineExceeded   no place came free in time; without a connection it names the last dial error;
  //   kResourceExhausted  max_waiters already wait, so it did not;
  //   kUnavailable        the pool is draining or was destroyed.
  absl::StatusOr<Lease> Acquire(absl::Time deadline, BorrowSite site = BorrowSite::Here());
  // On a connection by key, or one that has not lent before.
  absl::StatusOr<Lease> Acquire(absl::Time deadline, const LeaseOptions& options, BorrowSite site = BorrowSite::Here());

  // A place that is free now, or none. Never waits, overcommits or dials.
  std::optional<Lease> TryAcquire(const LeaseOptions& options = LeaseOptions(), BorrowSite site = BorrowSite::Here());

  // The same without a thread: `callback` (not null) runs exactly once, on the pools' closer thread, never inside this
  // call, a release or a lock. It must not block: that thread serves every pool of the process. Cancel() makes it
  // kCancelled.
  AcquireHandle AcquireAsync(absl::Time deadline, std::function<void(absl::StatusOr<Lease>)> callback,
                             BorrowSite site = BorrowSite::Here());
  AcquireHandle AcquireAsync(absl::Time deadline, const LeaseOptions& options,
                             std::function<void(absl::StatusOr<Lease>)> callback, BorrowSite site = BorrowSite::Here());

  // --- Steering ---------------------------------------------------------------------------------------------------

  // Opens what is missing, and waits until `connections` are open. kInvalidArgument above max_connections;
  // kDeadlineExceeded with the last dial error; kUnavailable when the pool drains.
  absl::Status WaitForReady(int connections, absl::Time deadline);

  // Lends nothing more; OK once every lease is back and every connection closed. At `deadline`: kDeadlineExceeded with
  // who still holds; kLeave lets those calls go on, kCancelCalls ends them (UNAVAILABLE) and waits up to 1 s more.
  // Again while draining: waits as well. kAborted when resumed meanwhile.
  absl::Status Drain(absl::Time deadline, OnDeadline on_deadline = OnDeadline::kLeave);

  // Lends again, over new connections. OK also when nothing was drained.
  absl::Status Resume();

  // Lends nothing more for at most `max_hold`, for instance while the backends fail over: Acquire, AcquireAsync and
  // blocking_channel() wait, calls on channel() end UNAVAILABLE; leases and calls out go on. Ends by itself, by
  // Unpause() or in a drain; who waits is served first, in order. Again while paused: the later of the two ends holds.
  // kInvalidArgument unless 0 < max_hold <= 10 min (kLongestPause); kFailedPrecondition while draining.
  absl::Status Pause(absl::Duration max_hold) { return pool_->Pause(max_hold); }
  // OK also when the pool was not paused.
  absl::Status Unpause() { return pool_->Unpause(); }

  // Changes every option at once, or none (kInvalidArgument). Calls are not cut; connections above a lower
  // max_connections drain. What an operator has overridden (Pool::Override) is applied on top.
  absl::Status Reconfigure(PoolOptions options);

  // Another target, other pings, credentials, ...: all of `options` but name, pool and clock, which stay. Connections
  // are replaced, new before old, within max_surge; no call is cut; what still dials the old target begins anew.
  // Another target's endpoints begin anew too; while its name has no address yet, the old connections serve.
  // kInvalidArgument as Create; then nothing has changed.
  absl::Status Redirect(ChannelPoolOptions options);
  // What Redirect would say, changing nothing.
  static absl::Status CheckRedirect(const ChannelPoolOptions& options);

  // Replaces every connection, new before old, within max_surge. Does not wait.
  void Recycle();

  // --- Observing --------------------------------------------------------------------------------------------------

  const std::string& name() const { return pool_->name(); }
  std::string target() const { return channel_options().target; }
  // What new connections are made from: as given to Create, with all that Redirect changed. Its `pool` is not kept up
  // to date: options() is.
  ChannelPoolOptions channel_options() const;
  // In force: what the owner has set, with an operator's override on top.
  PoolOptions options() const { return pool_->options(); }
  PoolStats Stats() const { return pool_->Stats(); }
  std::vector<ConnectionStats> Connections() const { return pool_->Connections(); }
  // What became of calls, by method: every call on channel(), blocking_channel() and Lease::channel(), timed from its
  // start to its status. Whoever has a call's status finds it counted; nothing is ever reset, and what connections that
  // are closed have carried stays in the sums. The first CallLedger::kMaxMethods (100) methods have a row each, all
  // others one, kOtherMethods.
  std::vector<MethodStats> Methods() const { return pool_->Methods(); }
  // The calls in flight, the oldest first, at most `most`.
  std::vector<CallInFlight> Calls(size_t most = 100) const { return pool_->Calls(most); }
  // The addresses that are in use, and what each gets.
  std::vector<EndpointStats> Endpoints() const { return pool_->Endpoints(); }
  // The look-ups behind them; nullopt where gRPC resolves, or nobody has to.
  std::optional<ResolutionStats> Resolution() const { return pool_->Resolution(); }
  // The leases out for longer than leak_after, oldest first, at most `most`, each with the line that borrowed it.
  std::vector<LongLease> LongLeases(size_t most = 100) const { return pool_->LongLeases(most); }

  // Which limit binds, since when, how one knows, what to turn; a size from rate times hold time; what not to dial for
  // each call has saved. Of the last half minute to minute.
  Explanation Explain() const { return pool_->Explain(); }
  // What was decided about its size and its callers, from which numbers, and why not more: the last
  // DecisionLog::kMaxDecisions entries, the oldest first.
  std::vector<Decision> Decisions() const { return pool_->Decisions(); }
  // The affinity keys that ask most, the one that asks most first, from a sample.
  std::vector<KeyStats> Keys() const { return pool_->Keys(); }

  // `callback` (not null) gets each event in order, on the closer thread; it must not block. Ends with the
  // Subscription, which does not wait for one that is about to begin. Beyond EventFeed::kMaxSubscribers the
  // Subscription is empty.
  Subscription Subscribe(std::function<void(const PoolEvent&)> callback) {
    return pool_->Subscribe(std::move(callback));
  }

  // What the options allow but servers may not like; for the log. Empty when there is nothing to say.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // With TlsOptions: whose certificate is shown, when the first one in use ends, why the files as they are now are not
  // in use. Nothing without.
  std::optional<CertificateState> Certificate() const { return pool_->Certificate(); }

  // For the admin side, which steers pools of every transport and may outlive them: the engine under this pool. It is
  // destroyed, but not gone, when this pool is; whoever keeps it sees a pool that refuses.
  const std::shared_ptr<Pool>& engine() const { return pool_; }

 private:
  ChannelPool(std::shared_ptr<Pool> pool, ChannelConnector* connector, std::vector<std::string> warnings);

  const std::shared_ptr<Pool> pool_;
  ChannelConnector* const connector_;  // The pool's own.
  const std::shared_ptr<TlsReload> tls_reload_;
  const std::shared_ptr<grpc::ChannelInterface> channel_;
  const std::shared_ptr<grpc::ChannelInterface> blocking_channel_;
  const std::vector<std::string> warnings_;
};

// The connection that serves or has served the call that was made with this context, on channel(), blocking_channel()
// or Lease::channel() of any pool, also when the call failed; nullopt for a call that got no connection, and for a
// context that no pool has used. For the thread that may use the context. The peer's address is context.peer().
//
//   const grpc::Status status = stub->Get(&context, request, &reply);
//   if (!status.ok()) LOG(WARNING) << ConnectionOf(context).value_or(ConnectionId()).ToString() << context.peer();
std::optional<ConnectionId> ConnectionOf(const grpc::ClientContext& context);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CHANNEL_POOL_H_
