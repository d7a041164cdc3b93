// What a pool says of itself, as messages: which limit binds, and what it decided.
//
//   chanpool::admin::v1::Explanation why = ShowExplanation(*managed);
//   for (const Decision& decision : pool.Decisions()) *response.add_decisions() = ShowDecision(decision,
//   wall_minus_pool);
#ifndef CHANPOOL_SERVER_ADMIN_EXPLAIN_VIEW_H_
#define CHANPOOL_SERVER_ADMIN_EXPLAIN_VIEW_H_

#include "absl/time/time.h"
#include "chanpool/admin/v1/explain.pb.h"
#include "chanpool/admin/v1/stats.pb.h"
#include "pool/core/decision_log.h"
#include "pool/core/explain.h"
#include "pool/core/stats.h"
#include "server/admin/managed_pool.h"

namespace chanpool::admin {

// As it is now. Thread-safe, does not block.
chanpool::admin::v1::Explanation ShowExplanation(ManagedPool& managed);

// `wall_minus_pool` is how far the wall is ahead of the pool's clock.
chanpool::admin::v1::Finding ShowFinding(const Finding& finding, absl::Duration wall_minus_pool);
chanpool::admin::v1::Decision ShowDecision(const Decision& decision, absl::Duration wall_minus_pool);

// What was timed of one in `one_in`.
chanpool::admin::v1::Histogram ShowHistogram(const Histogram& histogram, uint32_t one_in = 1);
inline chanpool::admin::v1::Histogram ShowHistogram(const Measured& measured) {
  return ShowHistogram(measured.histogram, measured.one_in);
}

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_EXPLAIN_VIEW_H_
