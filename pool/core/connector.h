// The outer world as the pool sees it: something that makes connections, and connections that report what happens.
//
//   std::unique_ptr<Connection> connection = connector->Create(id, options, listener);
//   connection->Start();           // later, from any thread: listener->OnOpened(id), or OnFailed(id, why)
//
// A transport (pool/grpc, ...) implements Connector and Connection; pool/testing has fakes. The pool calls them without
// its lock, so they may block briefly and may report from inside a call. (One that opens inside Start() begins there
// what max_connecting held back, some 2 KB of stack each: thousands in a row need max_connecting as high.)
#ifndef CHANPOOL_POOL_CORE_CONNECTOR_H_
#define CHANPOOL_POOL_CORE_CONNECTOR_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pool/core/call_stats.h"
#include "pool/core/certificate_state.h"
#include "pool/core/connection_id.h"
#include "pool/core/endpoint.h"
#include "pool/core/options.h"
#include "pool/core/resolution.h"

namespace chanpool {

// What connections report to. Thread-safe, never blocks, may be told twice or too late.
class ConnectionListener {
 public:
  virtual ~ConnectionListener() = default;
  virtual void OnOpened(ConnectionId id) = 0;                    // It carries calls now.
  virtual void OnFailed(ConnectionId id, absl::Status why) = 0;  // A dial ended without a connection.
  virtual void OnLost(ConnectionId id, absl::Status why) = 0;    // It was open, and is not any more.
  // OK: the peer answered. kResourceExhausted: it has no room for a probe (all its streams are taken), so nothing is
  // known of it; the connection is replaced, and its calls go on. Anything else: it is dead, and so are its calls.
  virtual void OnProbed(ConnectionId id, absl::Status result) = 0;
  // How a call on it went that holds no lease of its own, and so cannot be told by Pool::ReportCall.
  virtual void OnCallEnded(ConnectionId id, CallOutcome outcome, absl::Duration latency) {
    (void)id, (void)outcome, (void)latency;
  }
  // Which backend answers at its other end, where a balancer hides it: what a response told. The first that is not
  // empty holds. Connections that share one are dialled anew (diversity.h).
  virtual void OnBackend(ConnectionId id, absl::string_view backend) { (void)id, (void)backend; }
};

// One transport connection. Every function is thread-safe. Destroyed on the closer's thread, after the slot's last
// lease is back.
class Connection {
 public:
  virtual ~Connection() = default;

  // Begins to dial. Called once.
  virtual void Start() = 0;

  // Dials again after a failed dial. A transport that redials by itself, on the back-off it was given, does nothing.
  virtual void Redial() = 0;

  // Asks the peer for a sign of life within `timeout`, then reports OnProbed. A little after `timeout` the pool takes
  // silence for death.
  virtual void Probe(absl::Duration timeout) = 0;

  // Ends the calls in flight, and those that still start, with `why`.
  virtual void CancelCalls(const absl::Status& why) = 0;

  // How many connections the transport has made by itself beside the one that this stands for. An upper bound.
  virtual int extra_transports() const { return 0; }

  // What became of the calls on it, of all methods together. Nothing where the transport does not see calls.
  virtual CallTotals EndedCalls() const { return CallTotals(); }
  // Those in flight on it, the oldest first, at most `most`. None where the transport does not see calls.
  virtual std::vector<CallInFlight> OldestCalls(size_t most) const {
    (void)most;
    return {};
  }
};

// Thread-safe.
class Connector {
 public:
  virtual ~Connector() = default;

  // Makes a connection that has not begun to dial. Never null. `options` are the pool's of this moment: they hold for
  // this connection only, and not after the call. `listener` may be gone before the connection is.
  virtual std::unique_ptr<Connection> Create(ConnectionId id, const PoolOptions& options,
                                             std::weak_ptr<ConnectionListener> listener) = 0;

  // The same to one endpoint of the target. The pool calls this one; a connector that knows only its target leaves it
  // as it is. The address is empty in a pool that was told no endpoints.
  virtual std::unique_ptr<Connection> CreateTo(const Endpoint& endpoint, ConnectionId id, const PoolOptions& options,
                                               std::weak_ptr<ConnectionListener> listener) {
    (void)endpoint;
    return Create(id, options, std::move(listener));
  }

  // What became of the calls on all its connections, those that are closed included, by method, in the order of their
  // names; methods above a maximum together, as kOtherMethods. Nothing where the transport does not see calls.
  virtual std::vector<MethodStats> Methods() const { return {}; }
  // How it resolves its target's name; nullopt if it does not.
  virtual std::optional<ResolutionStats> resolution() const { return std::nullopt; }
  // The certificates of its connections; nothing where there are none, or none that it knows.
  virtual std::optional<CertificateState> certificate() const { return std::nullopt; }
};

// The thread that destroys connections and runs users' callbacks, neither of which may happen where they arise (a
// gRPC callback thread that gives up its own channel's last reference kills the process; a callback under a lock
// dead-locks).
//
// Its queue has no number of its own as maximum: a task is a connection that closes (at most the slots of the pools),
// one run of a pool's event queue, one AcquireAsync that its caller has begun, or one notice that a lease's holder has
// asked for.
class Closer {
 public:
  virtual ~Closer() = default;
  // Runs `task` later, in order, on the closer's thread. Never blocks, never runs it inside the call.
  virtual void Post(std::function<void()> task) = 0;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_CONNECTOR_H_
