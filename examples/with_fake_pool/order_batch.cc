#include "examples/with_fake_pool/order_batch.h"

int OrderBatch::Fetch(const std::vector<std::string>& orders, const Fetcher& fetch) {
  why_.clear();
  int fetched = 0;
  for (const std::string& order : orders) {
    const absl::StatusOr<chanpool::Place> place = pool_.Acquire(pool_.clock()->WallNow() + patience_);
    if (!place.ok()) {
      why_ = place.status().code() == absl::StatusCode::kUnavailable ? "closed" : "busy";
      break;
    }
    fetch(*place->connection(), order);
    ++fetched;
  }
  return fetched;
}
