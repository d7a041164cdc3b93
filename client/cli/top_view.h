// What `top` shows: a frame of text, from the numbers of two successive ticks. No terminal, no clock.
//
//   TopView view;
//   view.Update(tick);                       // each WatchStatsResponse
//   out << view.Frame({.columns = 80, .rows = 24});
#ifndef CHANPOOL_CLIENT_CLI_TOP_VIEW_H_
#define CHANPOOL_CLIENT_CLI_TOP_VIEW_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "chanpool/admin/v1/pool_admin.pb.h"

namespace chanpool::cli {

// Used by one thread.
class TopView {
 public:
  struct Look {
    int columns = 0;  // 0: any number.
    int rows = 0;     // 0: any number; else what does not fit is counted in the last line.
    bool colour = false;
    bool headers = true;
    absl::Time now;
  };

  void Update(const chanpool::admin::v1::WatchStatsResponse& tick);
  // States and health, which statistics do not have; may be of another moment.
  void UpdatePools(const std::vector<chanpool::admin::v1::Pool>& pools);
  void UpdateInstance(const chanpool::admin::v1::Instance& instance) { instance_ = instance; }

  // Sorts by the next column: name, leases, acquires, waiters, name, ...
  void SortByNext();

  std::string Frame(const Look& look) const;

 private:
  enum class Order { kName, kLeases, kAcquires, kWaiters };
  // Per second, of two successive ticks. Absent as long as there are not two, and where a counter ran back: another
  // process answers under that name.
  struct Rates {
    absl::optional<double> acquired;
    absl::optional<double> failed;  // Refused at once, timed out, or no way to the target.
  };
  struct Row {
    chanpool::admin::v1::PoolStats stats;
    Rates rates;
  };

  static Rates RatesBetween(const chanpool::admin::v1::PoolStats& before, const chanpool::admin::v1::PoolStats& after);
  std::vector<const Row*> Sorted() const;
  std::string Headline(const Look& look) const;

  chanpool::admin::v1::Instance instance_;
  std::map<std::string, chanpool::admin::v1::Pool> pools_;
  std::map<std::string, Row> rows_;
  uint64_t dropped_ticks_ = 0;
  Order order_ = Order::kName;
};

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_TOP_VIEW_H_
