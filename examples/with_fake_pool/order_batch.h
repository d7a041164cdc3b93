// Application code that this example tests: fetches a batch of orders, each over a place of the pool, and says clearly
// why it stopped.
//
//   OrderBatch batch(pool, /*patience=*/absl::Milliseconds(50));
//   int fetched = batch.Fetch(orders, [](chanpool::Connection&, const std::string& order) { ... });
#ifndef CHANPOOL_EXAMPLES_WITH_FAKE_POOL_ORDER_BATCH_H_
#define CHANPOOL_EXAMPLES_WITH_FAKE_POOL_ORDER_BATCH_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/pool.h"

// One thread at a time.
class OrderBatch {
 public:
  using Fetcher = std::function<void(chanpool::Connection&, const std::string& order)>;

  // Waits for a place for at most `patience` per order. `pool` outlives the batch.
  OrderBatch(chanpool::Pool& pool, absl::Duration patience) : pool_(pool), patience_(patience) {}

  // The number of orders fetched: all, or as many as there was a place for. Then why() tells the reason.
  int Fetch(const std::vector<std::string>& orders, const Fetcher& fetch);

  // "", "busy" or "closed".
  const std::string& why() const { return why_; }

 private:
  chanpool::Pool& pool_;
  const absl::Duration patience_;
  std::string why_;
};

#endif  // CHANPOOL_EXAMPLES_WITH_FAKE_POOL_ORDER_BATCH_H_
