// Which calls are in flight on one channel, and the lease of each: an interceptor on every call.
//
//   auto calls = std::make_shared<CallsInFlight>(setup);
//   creators.insert(creators.begin(), CallsInFlight::NewInterceptorFactory(calls));   // the first of all
//   { LeaseHandOver hand_over(slot, row); channel->CreateCall(...); }    // this call now gives the lease back when it
//   ends calls->CancelAll(absl::UnavailableError("drained"));
//
// A call gives its lease back when its status is received, or when its ClientContext drops it, whichever comes first:
// the status never comes for a call that was prepared and not started, or dropped half-way. A call on
// Lease::channel() has no lease of its own: it rides on that Lease.
//
// Every call is counted by its method and timed, with two looks at the clock: 60 ns together, of the 20,000 and more
// that a call costs. One in 64, as leases are, would not do: how old a call in flight is must be known of each, and an
// endpoint that is slow for a hundred calls is to be found by their mean.
#ifndef CHANPOOL_POOL_GRPC_CALLS_IN_FLIGHT_H_
#define CHANPOOL_POOL_GRPC_CALLS_IN_FLIGHT_H_

#include <grpcpp/impl/call.h>
#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/string_ref.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pool/core/call_stats.h"
#include "pool/core/clock.h"
#include "pool/core/connection_id.h"
#include "pool/core/connector.h"
#include "pool/core/hold_samples.h"
#include "pool/core/mutex.h"
#include "pool/grpc/call_ledger.h"
#include "pool/grpc/diversity_options.h"

namespace chanpool {

// Gives `lease` to the call that this thread creates next, while in scope, and tells where that call counts. Whatever
// no call took is given back at the end of the scope.
class LeaseHandOver {
 public:
  LeaseHandOver(Lent lease, MethodTally* row);
  ~LeaseHandOver();
  LeaseHandOver(const LeaseHandOver&) = delete;
  LeaseHandOver& operator=(const LeaseHandOver&) = delete;

  struct Offer {
    Lent lease;
    MethodTally* row = nullptr;
  };
  // What is on offer in this thread, once; empty if nothing.
  static Offer Take();
};

// Thread-safe. Kept by the channel's interceptor factory, and so by every ClientContext that used the channel.
class CallsInFlight {
 public:
  struct Setup {
    ConnectionId connection = {};
    // Hears how calls without a lease ended. May be gone before the calls are.
    std::weak_ptr<ConnectionListener> listener = {};
    // The channel has no interceptor but ours, which need not see every batch then.
    bool alone = false;
    std::shared_ptr<CallLedger> ledger = std::make_shared<CallLedger>();
    Clock* clock = RealClock();
    // How its responses tell which backend it is at: the listener hears of it once. Null: they do not.
    std::shared_ptr<const DiversityOptions> diversity = nullptr;
  };
  explicit CallsInFlight(Setup setup);

  // Those of the connection that served the call of `context`: the one that was made, whether it ended, failed or is
  // still on its way. Null if no channel with a factory of ours did. Valid as long as the context.
  static const CallsInFlight* Of(const grpc::ClientContext& context);

  // Our interceptor must be the first of the channel: behind a user's that hijacks it would see only its destructor.
  static std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> NewInterceptorFactory(
      std::shared_ptr<CallsInFlight> calls);

  // For a callback call that this thread has just made on a channel of ours: the call as its stub should use it, which
  // is the same, or one that is followed without being intercepted. An intercepted batch goes through its completion
  // queue twice, and the threads that serve callbacks wake each other for that: +13 us of processor time for a call
  // alone, +3 us under load.
  grpc::internal::Call Follow(const grpc::internal::Call& call) const;

  // Ends every call in flight with `why`, and from now on each call as soon as it starts. Takes references under its
  // lock and cancels after unlocking: a cancel may run interceptors on this thread.
  void CancelAll(const absl::Status& why);

  int64_t in_flight() const;
  // The oldest first, at most `most`.
  std::vector<CallInFlight> Oldest(size_t most) const;

  ConnectionId connection() const { return connection_; }
  ConnectionTally& tally() { return tally_; }

 private:
  class Interceptor;
  class Factory;

  // What was known of a call when it ended.
  struct Ended {
    absl::Time began = absl::InfinitePast();  // If it was started.
    bool cancelled = false;                   // By CancelAll.
  };

  // Whether a response is still to tell which backend this is: when it has, a call costs this look and no more.
  bool backend_wanted() const { return backend_wanted_.load(std::memory_order_relaxed); }
  void FindBackend(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);
  void FindBackendAtEnd(const grpc::ClientContext& context);
  void TellBackend(absl::string_view backend);
  void Add(Interceptor* call);
  Ended Remove(Interceptor* call);

  const ConnectionId connection_;
  const std::weak_ptr<ConnectionListener> listener_;
  const bool alone_;
  Clock* const clock_;
  ConnectionTally tally_;
  const std::shared_ptr<const DiversityOptions> diversity_;
  std::atomic<bool> backend_wanted_;
  mutable Mutex mu_;
  // In the order in which they began, but for threads that overtake each other here.
  Interceptor* first_ ABSL_GUARDED_BY(mu_) = nullptr;
  Interceptor* last_ ABSL_GUARDED_BY(mu_) = nullptr;
  int64_t size_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<absl::Status> cancelled_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CALLS_IN_FLIGHT_H_
