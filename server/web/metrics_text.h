// /metrics: what PoolAdmin tells, as Prometheus reads it (text format 0.0.4).
//
//   std::string text = MetricsText({instance, pools, stats});
//
// Names and labels are a contract: tests/web/metrics.golden.txt has all of them. A family about pools has the labels
// `process` and `pool` on every series: chanpoold's own pools have its name as process, those of an attached
// application that application's. So sum by (process, pool) counts each pool once, wherever it is.
#ifndef CHANPOOL_SERVER_WEB_METRICS_TEXT_H_
#define CHANPOOL_SERVER_WEB_METRICS_TEXT_H_

#include <string>
#include <vector>

#include "chanpool/admin/v1/instance.pb.h"
#include "chanpool/admin/v1/pool.pb.h"
#include "chanpool/admin/v1/stats.pb.h"

namespace chanpool::web {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// One moment of a process, as PoolAdmin's GetInstance, ListPools and GetStats have it.
struct MetricsSnapshot {
  chanpool::admin::v1::Instance instance;
  std::vector<chanpool::admin::v1::Pool> pools;
  std::vector<chanpool::admin::v1::PoolStats> stats;
};

// What is stale is left out: Prometheus knows best how to show a series that ended. Connections, acquire failures and
// closes have a series for each state and reason there is, zero included; what a newer library closes for reasons
// unknown here counts as reason="other". Pure and thread-safe.
std::string MetricsText(const MetricsSnapshot& snapshot);

// The reasons of chanpool_connection_closes_total, without "other".
const std::vector<std::string>& KnownCloseReasons();

}  // namespace chanpool::web
#endif  // CHANPOOL_SERVER_WEB_METRICS_TEXT_H_
