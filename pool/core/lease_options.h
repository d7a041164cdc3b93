// What one caller may ask of the lease it gets.
//
//   LeaseOptions options;
//   options.affinity_key = session_id;      // calls of one session go to one connection while that has room
//   absl::StatusOr<Place> place = pool->Acquire(deadline, options);
//
// Both wishes are about which connection, never about who comes first: nobody overtakes in line by asking for more.
#ifndef CHANPOOL_POOL_CORE_LEASE_OPTIONS_H_
#define CHANPOOL_POOL_CORE_LEASE_OPTIONS_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace chanpool {

// A line of the caller's source, for the report of leases that are out for too long. Immutable; `file` is never freed.
class BorrowSite {
 public:
  // The line that calls this, or, as a default argument, the line that calls the function which has it.
  static constexpr BorrowSite Here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return BorrowSite(file, line);
  }

  constexpr const char* file() const { return file_; }
  constexpr int line() const { return line_; }

 private:
  constexpr BorrowSite(const char* file, int line) : file_(file), line_(line) {}
  const char* file_;
  int line_;
};

// A plain value; what it refers to is read during the call only.
struct LeaseOptions {
  // Callers with the same key get the same connection while it has room, and the same next one while it has none.
  // Empty: any connection.
  //
  // Each key ranks the open connections in an order of its own (a hash of key and slot, the highest first), and takes
  // the first that is below its bound. The bound is the larger of
  //   1.25 x (all leases + 1) / open connections, rounded up: no key makes one connection much busier than the mean;
  //   a quarter of max_leases_per_connection: below it a connection has room enough, however idle the others are.
  // A connection that others are preferred to (slow start, weight, a server without room) counts as if it carried more.
  // When one of n connections comes or goes, one key in n moves, and the keys of a full connection spread over all the
  // others. A key is a wish: while any connection has a free place, nobody waits for the place of another, and who
  // waits takes the first place that comes, wherever it is. Costs a hash for each open connection.
  absl::string_view affinity_key;

  // Only a connection that has not lent before; `affinity_key` then means nothing.
  //
  // An open connection that never lent is taken at once. Else the caller waits in a line of such callers, and the pool
  // sees to it that as many connections are on their way as stand in it: new ones up to max_connections; beyond that
  // the least loaded one that it has is recycled for each, within max_surge, its calls uncut. A connection that opens
  // gives its first place to the first in that line, and the others to those who wait for any place, unless so many of
  // these came earlier that they fill it: then it is theirs, and the next one is on its way. So who waits for a fresh
  // connection holds up nobody who came before, takes one place from those who came later, and, since those before are
  // finitely many, is served as long as connections open.
  bool fresh = false;

  // Told instead of the caller's own line, by functions that acquire for others.
  std::optional<BorrowSite> site;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_LEASE_OPTIONS_H_
