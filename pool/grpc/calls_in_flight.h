// Which calls are in flight on one channel, and the lease of each: an interceptor on every call.
//
//   auto calls = std::make_shared<CallsInFlight>();
//   creators.insert(creators.begin(), CallsInFlight::NewInterceptorFactory(calls));   // the first of all
//   { LeaseHandOver hand_over(slot); channel->CreateCall(...); }    // this call now gives the lease back when it ends
//   calls->CancelAll(absl::UnavailableError("drained"));
//
// A call gives its lease back when its status is received, or when its ClientContext drops it, whichever comes first:
// the status never comes for a call that was prepared and not started, or dropped half-way. A call on
// Lease::channel() has no lease of its own: it rides on that Lease.
#ifndef CHANPOOL_POOL_GRPC_CALLS_IN_FLIGHT_H_
#define CHANPOOL_POOL_GRPC_CALLS_IN_FLIGHT_H_

#include <grpcpp/impl/call.h>
#include <grpcpp/support/client_interceptor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "pool/core/hold_samples.h"
#include "pool/core/mutex.h"

namespace chanpool {

// Gives `lease` to the call that this thread creates next, while in scope. Whatever no call took is given back
// at the end of the scope.
class LeaseHandOver {
 public:
  explicit LeaseHandOver(Lent lease);
  ~LeaseHandOver();
  LeaseHandOver(const LeaseHandOver&) = delete;
  LeaseHandOver& operator=(const LeaseHandOver&) = delete;

  // The lease on offer in this thread, once; empty if none.
  static Lent Take();
};

// Thread-safe. Kept by the channel's interceptor factory, and so by every ClientContext that used the channel.
class CallsInFlight {
 public:
  // `alone`: the channel has no interceptor but ours, which need not see every batch then.
  explicit CallsInFlight(bool alone = false);

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

 private:
  class Interceptor;
  class Factory;

  void Add(Interceptor* call);
  void Remove(Interceptor* call);

  const bool alone_;
  mutable Mutex mu_;
  Interceptor* first_ ABSL_GUARDED_BY(mu_) = nullptr;
  int64_t size_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<absl::Status> cancelled_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CALLS_IN_FLIGHT_H_
