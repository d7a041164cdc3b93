// The pages that every chanpoold has: /metrics, /healthz, /readyz.
//
//   options.pages = StandardPages({.snapshot = [&] { return Snapshot(admin); }, .readiness = [&] { return ...; }});
//
// /healthz answers 200 as long as the process lives, /readyz only while it should get work: a pool whose backend is
// down is a matter for the second, never for the first, or a restart would be the answer to somebody else's outage.
#ifndef CHANPOOL_SERVER_WEB_STANDARD_PAGES_H_
#define CHANPOOL_SERVER_WEB_STANDARD_PAGES_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/web/http_listener.h"
#include "server/web/metrics_text.h"

namespace chanpool::web {

struct Readiness {
  bool ready = true;
  // For people, a line each: why not, or what else to know.
  std::vector<std::string> reasons;
};

// Both are called on the listener's threads, perhaps two at a time, and hold no lock when they return.
struct PageSources {
  // An error becomes 503: no scrape at all, rather than half of one.
  std::function<absl::StatusOr<MetricsSnapshot>()> snapshot;
  std::function<Readiness()> readiness;
};

// `sources` must stay callable as long as the listener lives. Add more pages to the result as you like.
std::map<std::string, HttpPage> StandardPages(PageSources sources);

}  // namespace chanpool::web
#endif  // CHANPOOL_SERVER_WEB_STANDARD_PAGES_H_
