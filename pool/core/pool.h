// The engine: lends places on connections, and keeps the right number of connections. Knows no transport.
//
//   std::shared_ptr<Pool> pool = Pool::Create({"orders", options, std::move(connector), RealClock(), closer, seed});
//   absl::StatusOr<Place> place = pool->Acquire(deadline);   // ... place->connection() ...
//   pool->Destroy();                                         // leases still out stay valid
//
// Three parts: SlotTable lends without a lock, PoolState decides, and this class is the shell between: it takes the
// lock on the slow path only, asks the state, and performs what leaves the pool with the lock released. It keeps itself
// alive while a connection is not CLOSED or a slow operation is under way, so a Place may outlive every owner.
#ifndef CHANPOOL_POOL_CORE_POOL_H_
#define CHANPOOL_POOL_CORE_POOL_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/core/call_stats.h"
#include "pool/core/certificate_state.h"
#include "pool/core/clock.h"
#include "pool/core/connector.h"
#include "pool/core/decision_log.h"
#include "pool/core/endpoint.h"
#include "pool/core/event_feed.h"
#include "pool/core/events.h"
#include "pool/core/explain.h"
#include "pool/core/fork_epoch.h"
#include "pool/core/hold_samples.h"
#include "pool/core/hot_keys.h"
#include "pool/core/lease_note.h"
#include "pool/core/lease_options.h"
#include "pool/core/lease_watch.h"
#include "pool/core/mutex.h"
#include "pool/core/options.h"
#include "pool/core/pick_random.h"
#include "pool/core/pool_state.h"
#include "pool/core/resolution.h"
#include "pool/core/slot_table.h"
#include "pool/core/stats.h"
#include "pool/core/waiters.h"

namespace chanpool {

class Pool;

// One place on one connection, given back by the destructor. Movable; one thread at a time; may outlive its pool's
// owners. No allocation for a lease, unless it is watched (PoolOptions::leak_after) or its holder wants notices.
class Place {
 public:
  Place() = default;
  explicit Place(Lent lent) : lent_(lent) {}
  Place(Place&& from) noexcept : lent_(std::exchange(from.lent_, Lent())), note_(std::exchange(from.note_, nullptr)) {}
  Place& operator=(Place&& from) noexcept {
    Reset();
    lent_ = std::exchange(from.lent_, Lent());
    note_ = std::exchange(from.note_, nullptr);
    return *this;
  }
  ~Place() { Reset(); }

  explicit operator bool() const { return static_cast<bool>(lent_); }
  // The connection it is on; valid while this place is held. Null in an empty one.
  Connection* connection() const { return lent_ ? lent_.slot()->connection.load(std::memory_order_acquire) : nullptr; }
  // Which connection it is on; {0, 0}, which is none, for an empty one.
  ConnectionId id() const {
    return lent_ ? ConnectionId{lent_.slot()->index, lent_.slot()->Load().generation()} : ConnectionId();
  }
  // Asks the pool to probe this connection before it lends it again. No effect on an empty place.
  void Suspect();
  // How a call on it went, to find endpoints that are worse than others, and connections that went without a word. No
  // effect on an empty place.
  void ReportCall(CallOutcome outcome, absl::Duration latency);
  // This connection takes no new leases and closes when its last one is back, this one included: until then nothing is
  // cut. The pool opens another if min_connections or its callers want one. No effect on an empty place.
  void Discard();
  // This connection may be idle for so long, instead of options.max_idle; at least 1 ms. Holds until it closes, also
  // for the leases of others on it, and not for what replaces it. As with max_idle, min_connections stay however idle.
  void SetMaxIdle(absl::Duration max_idle);
  // True once its connection lends no more: it closes with its last lease. Never false again.
  bool draining() const { return lent_ && lent_.slot()->Load().state() == SlotState::kDraining; }
  // `callback` (not null) runs once on the closer's thread when this connection starts draining, whatever the reason;
  // now, if it drains already; never, if the lease goes back before. It gets what is left: until the deadline of the
  // Drain that began it; nothing, if the connection was lost or found dead; else of drain_grace, after which nothing is
  // cut. It must not block: that thread serves every pool. Giving the lease back cancels it without waiting: a callback
  // that has begun may still run then, so let it own what it uses. A second one takes the place of the first. No effect
  // on an empty place, and after fork.
  void OnDraining(std::function<void(absl::Duration grace_left)> callback);
  // Gives it back now.
  void Reset() {
    if (!lent_) return;
    if (note_ == nullptr && lent_.sample() == 0 && SlotTable::TryReturn(lent_.slot())) {
      lent_ = Lent();
    } else {
      ResetSlow();
    }
  }
  // Lets go without giving back: the caller now owes Pool::Release of it. Ends its notices.
  Lent Detach() {
    if (note_ != nullptr) ForgetNote();
    return std::exchange(lent_, Lent());
  }

 private:
  friend class Pool;
  void ForgetNote();
  void ResetSlow();

  Lent lent_;
  LeaseNote* note_ = nullptr;  // Owned. Most leases have none.
};

// What Drain does about leases that are still out at its deadline.
enum class OnDeadline {
  kLeave,        // Nothing: they go on, and their connections close when they end.
  kCancelCalls,  // Their calls end with UNAVAILABLE.
};

// An AcquireAsync under way.
class AsyncAcquire;

// Names an AcquireAsync. Destroying it does not cancel. Keeps the engine (not its connections) as long as it lives.
// Thread-safe.
class AcquireHandle {
 public:
  AcquireHandle() = default;
  // The callback gets kCancelled, and a lease that was on its way to it goes back. An end that was decided before, such
  // as kDeadlineExceeded, stays. No effect once the callback has begun, in an empty handle, and after fork. Never
  // blocks.
  void Cancel();

 private:
  friend class Pool;
  explicit AcquireHandle(std::shared_ptr<AsyncAcquire> acquire) : acquire_(std::move(acquire)) {}
  std::shared_ptr<AsyncAcquire> acquire_;
};

// As grpc's connectivity, which core does not know.
enum class PoolConnectivity { kIdle, kConnecting, kReady, kTransientFailure, kShutdown };

// Thread-safe. Never calls a connection, a callback or the closer while it holds its lock.
class Pool : public ConnectionListener, public std::enable_shared_from_this<Pool> {
 public:
  struct Config {
    std::string name;
    PoolOptions options;  // Valid.
    std::unique_ptr<Connector> connector;
    Clock* clock = nullptr;    // Outlives the pool.
    Closer* closer = nullptr;  // Outlives the pool.
    uint64_t seed = 0;         // Of a client of a fleet: unlike the others'. It decides which endpoints a subset holds.
    std::vector<Endpoint> endpoints = {};  // As SetEndpoints; empty: the target itself. Valid.
    int rerolls_per_minute = 0;            // As SetRerolls.
  };

  // Opens min_connections; does not wait for them.
  static std::shared_ptr<Pool> Create(Config config);
  ~Pool() override;

  // --- Lending ----------------------------------------------------------------------------------------------------

  // The fast path alone: a place that is free now, or none. Never blocks. For calls: such a lease is never watched.
  Place TryAcquire();
  // The same with wishes. Never waits, overcommits or dials: also for a fresh connection only if one is open.
  Place TryAcquire(const LeaseOptions& options, BorrowSite site = BorrowSite::Here());

  // A place now, never waiting for one: free, or else as options.overflow says; on a connection that is still
  // dialling if none is open. Fails with kResourceExhausted (full, kReject), kUnavailable (paused, draining, destroyed,
  // or no way to the target before its back-off ends, unless `wait_for_ready`), kFailedPrecondition (after fork).
  // What it overcommits goes past the waiters, who get nothing while every connection stays above its limit.
  absl::StatusOr<Place> AcquireNow(bool wait_for_ready);

  // Waits in arrival order until `deadline` (of the wall), also for a pause to end; lets other threads run once before
  // it stands in line. Fails with kDeadlineExceeded, kResourceExhausted (max_waiters), kUnavailable (draining or
  // destroyed), kFailedPrecondition (after fork).
  absl::StatusOr<Place> Acquire(absl::Time deadline, BorrowSite site = BorrowSite::Here());
  absl::StatusOr<Place> Acquire(absl::Time deadline, const LeaseOptions& options, BorrowSite site = BorrowSite::Here());

  // The same without a thread. `callback` is not null and runs exactly once, on the closer's thread.
  AcquireHandle AcquireAsync(absl::Time deadline, std::function<void(absl::StatusOr<Place>)> callback,
                             BorrowSite site = BorrowSite::Here());
  AcquireHandle AcquireAsync(absl::Time deadline, const LeaseOptions& options,
                             std::function<void(absl::StatusOr<Place>)> callback, BorrowSite site = BorrowSite::Here());

  // Gives back what Place::Detach let go.
  static void Release(Lent lent) {
    if (ABSL_PREDICT_FALSE(lent.sample() != 0)) EndHold(lent);
    Slot* slot = lent.slot();
    if (!SlotTable::TryReturn(slot)) slot->pool()->ReleaseSlow(slot);
  }

  // How a call went whose place has been let go and not given back yet: the caller still holds its lease. One addition
  // for a call that was answered, no lock; housekeeping looks at most 1 s later. After kUnavailable and kOverloaded the
  // other connections are preferred, at once and for 5 s. The first kUnavailable since housekeeping looked takes the
  // lock: if the connection is lost as well, the others to the same endpoint are probed.
  static void ReportCall(Slot* slot, CallOutcome outcome, absl::Duration latency);

  // --- Steering ---------------------------------------------------------------------------------------------------

  // Opens what is missing, and waits until `connections` are open. kInvalidArgument above max_connections,
  // kDeadlineExceeded with the last dial error, kUnavailable when the pool drains.
  absl::Status WaitForReady(int connections, absl::Time deadline);

  // Refuses callers, and waits until every lease is back and every connection closed. OK then, also when it was drained
  // before; kDeadlineExceeded with who still holds (kCancelCalls: those who hold on 1 s after the cancel), kAborted
  // when resumed meanwhile, kUnavailable when destroyed, kFailedPrecondition after fork. Again while draining: waits as
  // well.
  absl::Status Drain(absl::Time deadline, OnDeadline on_deadline);
  // Begins a drain without waiting for its end.
  void BeginDrain();
  // Ends, with UNAVAILABLE, the calls on connections that drain. Does not wait for their leases. Does nothing on a pool
  // that lends: also what drained is spared once it was resumed.
  void CancelDrainingCalls();
  // OK also when the pool was not drained. kFailedPrecondition after Destroy. Does not end a pause.
  absl::Status Resume();
  // Lends nothing more for at most `max_hold`: callers wait in line, those that cannot wait are refused (kUnavailable
  // with the time left). Leases out go on, connections are kept, replaced and opened as ever. Ends by itself, by
  // Unpause(), or in a drain; then those in line are served first, in their order. Again while paused: the later of the
  // two ends holds. kInvalidArgument unless 0 < max_hold <= kLongestPause; kFailedPrecondition when it drains, is
  // drained or destroyed.
  absl::Status Pause(absl::Duration max_hold);
  // OK also when the pool was not paused. kFailedPrecondition after Destroy.
  absl::Status Unpause();
  // The owner's options from now on; what an operator has overridden is applied on top of them. All or nothing:
  // kInvalidArgument as PoolOptions::Validate, for the options alone or with the override. kFailedPrecondition after
  // Destroy.
  absl::Status Reconfigure(const PoolOptions& options);
  // What an operator has changed on top of the owner's options: applied to those now, and again whenever the owner
  // reconfigures. Replaces the override before; null clears it. All or nothing, errors as Reconfigure. `override` is
  // called in the thread that steers, holding no lock, and maybe more than once for one change: it only changes what it
  // is given.
  absl::Status Override(std::function<void(PoolOptions&)> override);
  // What Reconfigure would say, changing nothing.
  absl::Status CheckReconfigure(const PoolOptions& options) const;
  // Replaces every connection, within max_surge, never cutting a call.
  void Recycle();
  // The target's endpoints from now on. Connections to those that are not among them drain; those that are new get
  // their share of the connections, within max_surge. All or nothing: kInvalidArgument without an address, with one
  // twice, or with a weight that is none; kFailedPrecondition after Destroy.
  absl::Status SetEndpoints(const std::vector<Endpoint>& endpoints);
  // The connector dials another target from now on: Recycle, and what still dials or backs off begins anew at once.
  // `endpoints`, valid, are the new target's; none: as before.
  void Redirected(const std::vector<Endpoint>& endpoints = {});
  // Connections that share a backend are dialled anew, at most so many in any minute: 0 to kMaxRerollsPerMinute; 0 only
  // shows which backends they end at. One at a time, new before old, within max_surge; with a max_surge of 0 none. No
  // effect where the transport does not report backends, and after fork.
  void SetRerolls(int per_minute);
  // Takes a Recycle back for the connections whose replacement is not on its way yet.
  void StopRecycle();
  // Refuses all callers and waiters for ever, and drains. Leases out stay valid. Idempotent.
  void Destroy();

  // --- Observing --------------------------------------------------------------------------------------------------

  const std::string& name() const { return name_; }
  // In force: the owner's, with the operator's override on top.
  PoolOptions options() const;
  // What Create or the last Reconfigure was given.
  PoolOptions owner_options() const;
  // What is odd about the options in force, given what callers have wanted since they hold: see options.h.
  std::vector<std::string> Warnings() const;
  PoolStats Stats() const;
  // Stats().state alone: asks no connection, and may be called under a lock that is not the pool's.
  PoolAdminState state() const;
  std::vector<ConnectionStats> Connections() const;
  // What became of the calls on its connections, those that are closed included, by method, in the order of their
  // names. Exact once callers rest: whoever has a call's status finds it counted. Empty where the transport does not
  // see calls, and after fork. Reads every connection: for scrapes and people, not for each call.
  std::vector<MethodStats> Methods() const;
  // The calls in flight, the oldest first, at most `most`; of all connections, or of one. Empty where Methods is.
  std::vector<CallInFlight> Calls(size_t most) const;
  std::vector<CallInFlight> CallsOn(ConnectionId id, size_t most) const;
  // The leases out for longer than options.leak_after, oldest first, at most `most`. Empty while that is infinite.
  std::vector<LongLease> LongLeases(size_t most = 100) const;
  // What was decided about its size and its callers, the oldest first; at most DecisionLog::kMaxDecisions. Empty after
  // fork.
  std::vector<Decision> Decisions() const;
  // Which limit binds, from these statistics, options and decisions, and the statistics of 30 to 60 s ago (of its
  // beginning, if it is younger; of longer ago, if it had no connection).
  Explanation Explain() const;
  // The affinity keys that ask most for a place, at most HotKeys::kMaxKeys, the one that asks most first; estimated
  // from a sample of all requests by key since the pool was made. Empty after fork.
  std::vector<KeyStats> Keys() const;
  // Those in the list, in the order in which they came.
  std::vector<EndpointStats> Endpoints() const;
  // How the target's name becomes endpoints; nullopt where nobody resolves it, or not this pool, and after fork.
  std::optional<ResolutionStats> Resolution() const { return Forked() ? std::nullopt : connector_->resolution(); }
  PoolConnectivity Connectivity() const;
  // Opens a connection if the pool has none, as a first call would.
  void TryToConnect();
  // `callback` is not null and runs on the closer's thread, one event at a time, in order. Empty after fork, and beyond
  // EventFeed::kMaxSubscribers.
  Subscription Subscribe(std::function<void(const PoolEvent&)> callback);
  // Asks for a probe of this connection. No effect once it is closed.
  void Suspect(ConnectionId id);
  // The same as a routine, for connections that nobody suspects: an event only if the peer does not answer.
  void Check(ConnectionId id);
  // Takes this connection out of service: see Place. No effect once it is closed.
  void Discard(ConnectionId id);
  void SetMaxIdle(ConnectionId id, absl::Duration max_idle);
  // The certificates of its connections, from its connector. Empty after fork.
  std::optional<CertificateState> Certificate() const;
  // Appends an event about the pool as a whole, for whoever made its connector.
  void Publish(PoolEvent::Kind kind, std::string detail);
  Clock* clock() const { return clock_; }

  // True in a child of the process that made it: there it only refuses, with ForkedError(), and touches no lock.
  bool Forked() const { return ForkEpoch() != fork_epoch_; }
  absl::Status ForkedError() const;

  // For tests: every invariant that holds while the lock is free, or the first that does not.
  absl::Status CheckInvariants() const;

  // --- ConnectionListener -----------------------------------------------------------------------------------------
  void OnOpened(ConnectionId id) override;
  void OnFailed(ConnectionId id, absl::Status why) override;
  void OnLost(ConnectionId id, absl::Status why) override;
  void OnProbed(ConnectionId id, absl::Status result) override;
  void OnCallEnded(ConnectionId id, CallOutcome outcome, absl::Duration latency) override;
  void OnBackend(ConnectionId id, absl::string_view backend) override;

 private:
  friend class AcquireHandle;
  friend class Place;

  // What is done after unlocking, in this order.
  struct Effects {
    struct Call {
      enum class Kind { kCreate, kRedial, kProbe, kCancelCalls };
      Kind kind;
      ConnectionId id;
      std::shared_ptr<Connection> connection;  // Null for kCreate.
      const char* why = "";                    // For kCancelCalls.
      Endpoint endpoint = {};                  // For kCreate.
    };
    absl::InlinedVector<Call, 4> calls;
    absl::InlinedVector<Wakeup*, 4> wake;
    absl::InlinedVector<std::shared_ptr<AsyncAcquire>, 2> deliver;
    absl::InlinedVector<std::pair<std::shared_ptr<DrainNotice>, absl::Duration>, 1> notices;
    bool tell = false;  // There are events to deliver.
    std::vector<std::shared_ptr<Connection>> closed;
    std::vector<std::shared_ptr<Pool>> references;  // Last: may end this object.
  };

  // What the shell keeps of a slot that is not CLOSED.
  struct Held {
    std::shared_ptr<Connection> connection;             // Null until its kCreate has been performed.
    std::shared_ptr<Pool> self;                         // A slot that is not CLOSED keeps the pool.
    std::string address;                                // Of its endpoint.
    bool has_lent = false;                              // Ever, as far as USED does not say so itself.
    bool quiet = false;                                 // OPEN, and to be probed before it lends.
    std::vector<std::shared_ptr<DrainNotice>> notices;  // Of leases on it, until it drains.
    // What its slot had counted when this connection was made.
    uint64_t lent_before = 0;
    Histogram holds_before;
  };

  // Where the options in force come from.
  struct Sources {
    PoolOptions owner;
    std::shared_ptr<const std::function<void(PoolOptions&)>> override;  // Null if none.
  };

  explicit Pool(Config config);

  static void EndHold(Lent lent);
  void ReleaseSlow(Slot* slot);
  void NotifyOfDraining(Slot* slot, LeaseNote* note, std::function<void(absl::Duration)> callback);
  // Before its lease goes back. Ends the note.
  void Forget(Slot* slot, LeaseNote* note);
  void BeginDrainUntil(std::optional<absl::Time> deadline);
  // Never waits. Without the lock, unless it is about fresh or quiet connections.
  Lent LendByWishes(const Wishes& wishes);
  absl::StatusOr<Place> AcquireWatched(absl::Time deadline, const Wishes& wishes, BorrowSite site);
  // The same place, watched if leases are.
  Place Watched(Place place, BorrowSite site);
  Slot* LendLastUsed();  // In pool.cc only.
  Lent LendFast();
  Place TryAcquireFromAny();
  absl::StatusOr<Place> AcquireFromAny(absl::Time deadline, BorrowSite site);
  Lent LendFastByKey(uint64_t key);
  Slot* TryLendByKey(uint64_t key);
  // Either of them, for one in PickRandom::kSampling.
  Lent LendFastTimed(PickRandom* random, std::optional<uint64_t> key);
  // True: the first since housekeeping looked that found no server.
  static bool CountCall(Slot* slot, CallOutcome outcome, absl::Duration latency);
  void OnUnavailable(ConnectionId id);
  void GrowAtPeak(Slot* slot);
  void Grow();
  static Wishes WishesOf(const LeaseOptions& options);
  void NoteKey(const LeaseOptions& options);
  // A lease that the slow path has granted, as its caller gets it: one in PickRandom::kSampling is timed.
  Lent Lend(Slot* slot);
  absl::StatusOr<Place> AwaitPlace(Waiter* waiter, absl::Time deadline);
  // The end of an acquire that took the slow path, timed as its caller sees it.
  void RecordSlowWait(AcquireOutcome outcome, absl::Time begun);
  absl::StatusOr<Place> Ended(absl::Time begun, absl::StatusOr<Place> result);
  void Housekeep();

  // Makes `change` on the state, and does what follows; ForkedError() after fork. Only in pool_steering.cc.
  template <typename Change>
  absl::Status Steer(Change change) ABSL_LOCKS_EXCLUDED(mu_);
  // Tells the state something of one connection, if it is still that one, and does what follows.
  template <typename Tell>
  void Report(ConnectionId id, Tell tell) ABSL_LOCKS_EXCLUDED(mu_);
  void Deliver(const std::shared_ptr<AsyncAcquire>& acquire);
  void Perform(Effects& effects) ABSL_LOCKS_EXCLUDED(mu_);
  void CreateConnection(ConnectionId id, const Endpoint& endpoint) ABSL_LOCKS_EXCLUDED(mu_);
  void CancelAsync(const std::shared_ptr<AsyncAcquire>& acquire);
  // What comes of `sources`; kInvalidArgument when it makes no sense.
  static absl::StatusOr<PoolOptions> InForce(const Sources& sources);
  // Makes `change` on the sources, if what comes of it is valid.
  absl::Status ChangeSources(const std::function<void(Sources&)>& change) ABSL_LOCKS_EXCLUDED(mu_);
  // What the options in force mean for the fast path: how the table chooses, and the watch.
  void ApplyOptions() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether leases are watched, and whether the fast path may skip the look at that and at quiet connections.
  void SetWatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellLongLeases(Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellOfLease(PoolEvent::Kind kind, const LongLease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Parks on a wake-up that is among the idlers; false: it reached its deadline, and is not among them any more.
  bool AwaitChange(Wakeup* wakeup, absl::Time deadline) ABSL_LOCKS_EXCLUDED(mu_);

  // Performs the state's actions on the words, and collects the rest.
  void RunActions(Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Publish(Slot* slot, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What its holders hear of: a connection that drains since just now, or since before.
  absl::Duration GraceLeft(uint32_t slot) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NotifyHolders(Slot* slot, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CloseIfEmpty(Slot* slot, SlotWord word, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GrantOn(Slot* slot, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Decide(Waiter* waiter, Slot* slot, absl::Status refusal, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The line that this waiter stands in, or would.
  WaiterQueue& LineOf(const Waiter* waiter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int Waiting() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return waiters_.size() + fresh_waiters_.size(); }
  // Of those who wait for any place, how many came before the first who waits for a fresh connection. Counts to `most`.
  uint32_t OlderThanFirstFresh(uint32_t most) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A free place by these wishes, or null: in a pause always. Quiet connections are probed if there is no other.
  Slot* LendFree(const Wishes& wishes, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The same among those that are not quiet.
  Slot* LendAwake(const Wishes& wishes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Somebody wants a place, and only quiet connections may have one: they are probed, or those that have not lent.
  void WantQuiet(bool fresh) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetQuiet(uint32_t slot, bool quiet) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MarkQuiet() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the state how many wait for a fresh connection.
  void AskForFresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RefuseWaiters(const absl::Status& why, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WakeAll(std::vector<Wakeup*>& parked, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GrantAllFresh(Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GrantAll(Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MarkSlowAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ClearSlowIfNobodyWaits() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // One attempt of AcquireNow: a slot, a refusal, or neither: try again, after `made` was woken if await_made.
  struct Attempt {
    Slot* slot = nullptr;
    absl::Status refusal;
    bool await_made = false;
    bool dialled = false;
  };
  Attempt TryNow(bool wait_for_ready, Wakeup* made, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Slot* LendUnready(bool* over_limit, bool* being_created) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A free place, or null and the waiter is queued; a refusal in *why ends it.
  Slot* LendOrQueue(Waiter* waiter, absl::Status* why, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void KeepHistory(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CollectCalls() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PublishHandicaps() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<SlotUse> ReadUse(bool clear) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t Demand() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsCurrent(ConnectionId id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status AdminRefusal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status PausedError() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status FullError(absl::string_view what) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CancelDraining(Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status StillOut() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  PoolStats StatsLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A row each, without what the connection itself tells, and its connection, null if it has none yet.
  std::vector<ConnectionStats> ConnectionRows(std::vector<std::shared_ptr<Connection>>* connections) const
      ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<std::shared_ptr<Connection>> HeldConnections() const ABSL_LOCKS_EXCLUDED(mu_);
  std::string Numbers() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string WithDialError(std::string message) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Constant.
  const std::string name_;
  Clock* const clock_;
  Closer* const closer_;
  const std::unique_ptr<Connector> connector_;
  const std::shared_ptr<EventFeed> feed_;

  // Read by the fast path: side by side, from plain_epoch_ down to the table's first member.
  const uint64_t fork_epoch_;
  std::atomic<LeaseWatch*> watch_{nullptr};  // Null while leak_after is infinite.
  std::atomic<bool> some_quiet_{false};      // quiet_ > 0.
  // fork_epoch_ while a lease may be lent without a further look; else kLookFirst, which no epoch is. So one comparison
  // finds a fork and everything that is off by default.
  static constexpr uint64_t kLookFirst = ~uint64_t{0};
  std::atomic<uint64_t> plain_epoch_;
  std::atomic<uint32_t> grow_above_;  // A slot's new peak above this asks for more connections; max when none may come.
  SlotTable table_;
  std::atomic<uint32_t> penalty_{0};  // PoolState::penalty().

  // Written without the lock.
  HistogramRecorder fast_waits_;
  std::array<HistogramRecorder, kAcquireOutcomes> slow_waits_;
  HoldSamples holds_;
  HotKeys keys_;

  mutable Mutex mu_;
  PoolState state_ ABSL_GUARDED_BY(mu_);
  Sources sources_ ABSL_GUARDED_BY(mu_);
  uint64_t sources_changed_ ABSL_GUARDED_BY(mu_) = 0;  // How often.
  WaiterQueue waiters_ ABSL_GUARDED_BY(mu_);           // Take any place. SLOW is about these.
  WaiterQueue fresh_waiters_ ABSL_GUARDED_BY(mu_);     // Take the first place of a connection: see LeaseOptions::fresh.
  uint64_t arrivals_ ABSL_GUARDED_BY(mu_) = 0;
  // Deadlines of the queued AcquireAsyncs, for the alarm.
  std::set<std::pair<absl::Time, AsyncAcquire*>> async_deadlines_ ABSL_GUARDED_BY(mu_);
  std::vector<Held> held_ ABSL_GUARDED_BY(mu_);                   // By slot index.
  int quiet_ ABSL_GUARDED_BY(mu_) = 0;                            // Of held_.
  std::unique_ptr<LeaseWatch> watch_owner_ ABSL_GUARDED_BY(mu_);  // Once made, stays: leases are on its lists.
  std::optional<absl::Time> drain_until_ ABSL_GUARDED_BY(mu_);    // While the pool drains, if the drain has a deadline.
  std::vector<Wakeup*> idlers_ ABSL_GUARDED_BY(mu_);      // Threads in WaitForReady and Drain: woken by any change.
  std::vector<Wakeup*> await_made_ ABSL_GUARDED_BY(mu_);  // In AcquireNow: wait for another's Connector::Create.
  std::unique_ptr<Alarm> alarm_ ABSL_GUARDED_BY(mu_);
  absl::Time alarm_set_for_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  // What was counted a while ago: the older one for Explain, the younger one to become it.
  struct Earlier {
    absl::Time at;
    uint64_t acquired = 0, rejected = 0, timed_out = 0;
    Histogram holds;
  };
  Earlier earlier_[2] ABSL_GUARDED_BY(mu_);
  PoolStats counted_ ABSL_GUARDED_BY(mu_);              // The counters of the slow path.
  mutable uint64_t released_ ABSL_GUARDED_BY(mu_) = 0;  // As last told: see StatsLocked.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_POOL_H_
