#include "client/cli/top_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/pool_cells.h"
#include "client/cli/resource_names.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

namespace v1 = ::chanpool::admin::v1;

absl::optional<double> RateOf(uint64_t before, uint64_t after, absl::Duration between) {
  if (after < before || between <= absl::ZeroDuration()) return absl::nullopt;
  return static_cast<double>(after - before) / absl::ToDoubleSeconds(between);
}

std::string RateText(absl::optional<double> rate) { return rate.has_value() ? Short(*rate) : "-"; }

// What holds the pool back: the target that cannot be reached; or the option by which all places are taken, and no
// connection may be added.
std::string LimitOf(const v1::PoolStats& stats, const v1::Pool* pool) {
  if (pool != nullptr && !stats.stale() && pool->health() == v1::HEALTH_UNAVAILABLE && pool->size().backoff() > 0) {
    return "target";
  }
  const bool full = stats.lease_capacity() > 0 && stats.leases() >= stats.lease_capacity();
  const bool largest =
      stats.connections_max() > 0 && stats.connections_active() + stats.connections_idle() >= stats.connections_max();
  if (stats.waiters_max() > 0 && stats.waiters() >= stats.waiters_max()) return "max_waiters";
  return full && largest ? "max_connections" : "";
}

std::string Join(const std::vector<std::string>& parts) { return absl::StrJoin(parts, "  "); }

}  // namespace

TopView::Rates TopView::RatesBetween(const v1::PoolStats& before, const v1::PoolStats& after) {
  if (before.stale() || after.stale()) return {};
  const absl::Duration between = FromProto(after.snapshot_time()) - FromProto(before.snapshot_time());
  const auto refused = [](const v1::PoolStats& stats) {
    return stats.rejected() + stats.timed_out() + stats.unavailable();
  };
  return {RateOf(before.acquired(), after.acquired(), between), RateOf(refused(before), refused(after), between)};
}

void TopView::Update(const v1::WatchStatsResponse& tick) {
  std::map<std::string, Row> rows;
  for (const v1::PoolStats& stats : tick.stats()) {
    Row row{stats, {}};
    const auto before = rows_.find(stats.name());
    if (before != rows_.end()) row.rates = RatesBetween(before->second.stats, stats);
    rows[stats.name()] = std::move(row);
  }
  rows_ = std::move(rows);
  dropped_ticks_ += tick.dropped_ticks();
}

void TopView::UpdatePools(const std::vector<v1::Pool>& pools) {
  pools_.clear();
  for (const v1::Pool& pool : pools) pools_[pool.name()] = pool;
}

void TopView::SortByNext() { order_ = static_cast<Order>((static_cast<int>(order_) + 1) % 4); }

std::vector<const TopView::Row*> TopView::Sorted() const {
  std::vector<const Row*> rows;
  for (const auto& [name, row] : rows_) rows.push_back(&row);
  const auto weight = [this](const Row* row) -> double {
    switch (order_) {
      case Order::kLeases:
        return static_cast<double>(row->stats.leases());
      case Order::kAcquires:
        return row->rates.acquired.value_or(-1);
      case Order::kWaiters:
        return row->stats.waiters();
      case Order::kName:
        break;
    }
    return 0;
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const Row* a, const Row* b) { return weight(a) > weight(b); });
  return rows;
}

std::string TopView::Headline(const Look& look) const {
  std::vector<std::string> parts;
  parts.push_back(instance_.name().empty() ? "chanpool" : Visible(instance_.name()));
  const std::string up = Ago(FromProto(instance_.start_time()), look.now);
  if (!up.empty()) parts.push_back(absl::StrCat("up ", up));
  if (instance_.config_generation() > 0) parts.push_back(absl::StrCat("gen ", instance_.config_generation()));
  const std::string state = Name(instance_.state());
  if (!state.empty()) parts.push_back(state);
  // A sum is known if all its parts are: a pool without a rate would make it too small.
  double acquired = 0;
  uint64_t waiters = 0;
  bool known = !rows_.empty();
  for (const auto& [name, row] : rows_) {
    known = known && row.rates.acquired.has_value();
    acquired += row.rates.acquired.value_or(0);
    waiters += row.stats.waiters();
  }
  parts.push_back(absl::StrCat("acquires ", known ? absl::StrCat(Short(acquired), "/s") : "-"));
  parts.push_back(absl::StrCat("waiters ", waiters));
  if (dropped_ticks_ > 0) parts.push_back(absl::StrCat("ticks missed ", dropped_ticks_));
  const char* const orders[] = {"name", "leases", "acq/s", "waiters"};
  if (order_ != Order::kName) parts.push_back(absl::StrCat("by ", orders[static_cast<int>(order_)]));
  return Clip(Join(parts), look.columns > 0 ? static_cast<size_t>(look.columns) : Width(Join(parts)));
}

std::string TopView::Frame(const Look& look) const {
  const Align right = Align::kRight;
  Table table({{"POOL", Align::kLeft, /*elastic=*/true},
               {"STATE"},
               {"CONNS", right},
               {"BUSY", right},
               {"LEASES", right},
               {"ACQ/s", right},
               {"FAIL/s", right},
               {"WAIT", right},
               {"LIMIT", Align::kLeft, /*elastic=*/true}});
  std::vector<const Row*> rows = Sorted();
  const size_t taken = 3;  // Head line, titles, the line of what is left out.
  const size_t fit =
      look.rows > 0 ? static_cast<size_t>(std::max(look.rows - static_cast<int>(taken), 1)) : rows.size();
  const size_t left_out = rows.size() > fit ? rows.size() - fit : 0;
  rows.resize(rows.size() - left_out);
  for (const Row* row : rows) {
    const v1::PoolStats& stats = row->stats;
    const auto pool = pools_.find(stats.name());
    Cell state;
    if (stats.stale()) {
      state = {"STALE", Tone::kBad};
    } else if (pool != pools_.end()) {
      state = pool->second.admin_state() == v1::ADMIN_STATE_ACTIVE
                  ? HealthCell(pool->second, look.now, absl::UTCTimeZone())
                  : Cell{Name(pool->second.admin_state()), Tone::kWarning};
    }
    table.Add({{Visible(ShortName(stats.name()))},
               state,
               {absl::StrCat(stats.connections(), "/", stats.connections_max())},
               {absl::StrCat(stats.connections_active())},
               {absl::StrCat(stats.leases(), "/", stats.lease_capacity())},
               {RateText(row->rates.acquired)},
               {RateText(row->rates.failed), row->rates.failed.value_or(0) > 0 ? Tone::kBad : Tone::kPlain},
               {absl::StrCat(stats.waiters()), stats.waiters() > 0 ? Tone::kWarning : Tone::kPlain},
               {LimitOf(stats, pool == pools_.end() ? nullptr : &pool->second), Tone::kWarning}});
  }
  std::string frame = absl::StrCat(Headline(look), "\n");
  if (rows.empty()) {
    absl::StrAppend(&frame, "there are no pools\n");
  } else {
    absl::StrAppend(&frame, table.Text({look.headers, look.colour, look.columns}));
  }
  if (left_out > 0) absl::StrAppend(&frame, "and ", Count(left_out, "pool"), " more\n");
  return frame;
}

}  // namespace chanpool::cli
