#include "server/admin/watch_stats.h"

#include <string>
#include <utility>
#include <vector>

#include "server/admin/request_checks.h"

namespace chanpool::admin {
namespace {

constexpr absl::Duration kDefaultInterval = absl::Seconds(1);
constexpr absl::Duration kShortestInterval = absl::Milliseconds(250);
constexpr absl::Duration kLongestInterval = absl::Minutes(1);

class StatsWatch : public Watch {
 public:
  StatsWatch(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
             const v1::WatchStatsRequest& request, absl::Duration interval, std::shared_ptr<void> ticket)
      : Watch(context, admin->clock(), std::move(ticket)),
        admin_(admin),
        pools_(request.pools().begin(), request.pools().end()),
        max_responses_(request.max_responses()),
        interval_(interval),
        begun_(admin->clock()->Now()) {}

 private:
  void Follow() override { following_ = admin_->FollowShutdown(WeakPump()); }

  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) override {
    if (admin_->stopping()) return Step::End(PoolAdmin::ShuttingDown());
    if (max_responses_ > 0 && sent_ >= max_responses_) return Step::End(absl::OkStatus());
    const uint64_t due = 1 + (admin_->clock()->Now() - begun_) / interval_;
    if (due <= tick_) {
      LookAgainAt(begun_ + tick_ * interval_);
      return Step::Wait();
    }
    v1::WatchStatsResponse response;
    response.set_tick_seq(due);
    response.set_dropped_ticks(due - tick_ - 1);
    for (v1::PoolStats& row : admin_->StatsOfPresent(pools_)) *response.add_stats() = std::move(row);
    tick_ = due;
    ++sent_;
    return Step::Send(response);
  }

  const std::shared_ptr<PoolAdmin> admin_;
  const std::vector<std::string> pools_;
  const uint64_t max_responses_;
  const absl::Duration interval_;
  const absl::Time begun_;
  uint64_t tick_ ABSL_GUARDED_BY(mu_) = 0;  // The last one sent.
  uint64_t sent_ ABSL_GUARDED_BY(mu_) = 0;
  std::shared_ptr<void> following_;
};

}  // namespace

Watch* WatchStats(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
                  const v1::WatchStatsRequest& request, std::shared_ptr<void> ticket) {
  RequestChecks checks;
  absl::Duration interval = kDefaultInterval;
  if (request.has_interval()) {
    interval = checks.DurationIn("interval", request.interval(), kShortestInterval, kLongestInterval);
  }
  if (!checks.ok()) return Watch::Refuse(context, checks.ToStatus());
  const auto present = admin->Stats({request.pools().begin(), request.pools().end()});
  if (!present.ok()) return Watch::Refuse(context, present.status());
  return Watch::Begin(std::make_shared<StatsWatch>(context, admin, request, interval, std::move(ticket)));
}

}  // namespace chanpool::admin
