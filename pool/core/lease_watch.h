// Which leases are out, since when and borrowed where, so that one that never comes back can be named.
//
//   watch.Add(note);                                             // the holder's thread
//   for (const LongLease& lease : watch.TakeOverdue(now - leak_after, /*most=*/100)) ...   // housekeeping, once each
//   bool told = watch.Remove(note);
//
// Each thread adds to one of a few lists, so that holders seldom meet. A lease that is watched costs an allocation, a
// look at the clock and two short locks; one that is not costs nothing.
#ifndef CHANPOOL_POOL_CORE_LEASE_WATCH_H_
#define CHANPOOL_POOL_CORE_LEASE_WATCH_H_

#include <array>
#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "pool/core/connector.h"
#include "pool/core/lease_note.h"
#include "pool/core/lease_options.h"
#include "pool/core/mutex.h"

namespace chanpool {

// A lease that has been out for longer than leak_after. A plain value.
struct LongLease {
  ConnectionId connection;
  absl::Time since;  // When it was lent, by the pool's clock.
  BorrowSite site;
};

// Thread-safe.
class LeaseWatch {
 public:
  // `note` has its connection, since and site, and stays where it is until Remove.
  void Add(LeaseNote* note);
  // True if TakeOverdue has told it.
  bool Remove(LeaseNote* note);

  // Those lent at `until` or before that were not told yet, at most `most` of them. Then they have been.
  std::vector<LongLease> TakeOverdue(absl::Time until, size_t most);
  // Those out that were told or are due, lent at `until` or before: the oldest `most`, oldest first.
  std::vector<LongLease> Oldest(absl::Time until, size_t most) const;
  // Of those that were not told, when the oldest was lent; InfiniteFuture if there is none.
  absl::Time OldestUntold() const;
  // Told, and still out.
  int told() const;

 private:
  struct List {
    LeaseNote *first = nullptr, *last = nullptr;
    void PushBack(LeaseNote* note);
    void Remove(LeaseNote* note);
  };
  struct alignas(64) Stripe {
    mutable Mutex mu;
    List untold ABSL_GUARDED_BY(mu);  // In order of `since`, but for threads that overtake each other here.
    List told ABSL_GUARDED_BY(mu);
    int told_size ABSL_GUARDED_BY(mu) = 0;
  };

  std::array<Stripe, 16> stripes_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_LEASE_WATCH_H_
