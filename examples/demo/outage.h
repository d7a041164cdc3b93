// Why calls failed around the death of a server: which failures nobody could have prevented, and which have no excuse.
//
//   OutageCauses causes = Explain(calls, {killed, noticed, listening_again});
//   bool kept = causes.unexplained == 0;
#ifndef CHANPOOL_EXAMPLES_DEMO_OUTAGE_H_
#define CHANPOOL_EXAMPLES_DEMO_OUTAGE_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "examples/demo/closed_loop.h"

namespace chanpool::demo {

struct Outage {
  absl::Time killed;           // Just before the kill.
  absl::Time noticed;          // The pool had no open connection any more: what starts later is on none that it broke.
  absl::Time listening_again;  // The new process had its port.
};

// Failed calls by what they met.
struct OutageCauses {
  int64_t in_flight = 0;        // UNAVAILABLE, on a connection that the kill broke: started before it was noticed.
  int64_t nobody_listened = 0;  // UNAVAILABLE, started later and while there was no server.
  int64_t not_dialled_yet = 0;  // UNAVAILABLE, started after its return and before the first call that it answered.
  int64_t unexplained = 0;      // Anything else: another status, or a failure once calls were answered again.
  int64_t answered_after = 0;   // Calls that did not fail and ended after the server's return.
  // The first of these ended; InfiniteFuture if there is none.
  absl::Time answered_again = absl::InfiniteFuture();
};

OutageCauses Explain(const std::vector<CallRecord>& calls, const Outage& outage);

}  // namespace chanpool::demo
#endif  // CHANPOOL_EXAMPLES_DEMO_OUTAGE_H_
