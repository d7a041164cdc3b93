#include "server/web/standard_pages.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace chanpool::web {

std::map<std::string, HttpPage> StandardPages(PageSources sources) {
  std::map<std::string, HttpPage> pages;
  pages["/metrics"] = [snapshot = std::move(sources.snapshot)](const HttpRequest&) {
    const absl::StatusOr<MetricsSnapshot> now = snapshot();
    if (!now.ok()) return HttpResponse{503, kPlainText, absl::StrCat(now.status().message(), "\n")};
    return HttpResponse{200, kMetricsContentType, MetricsText(*now)};
  };
  pages["/healthz"] = [](const HttpRequest&) { return HttpResponse{200, kPlainText, "ok\n"}; };
  pages["/readyz"] = [ready = std::move(sources.readiness)](const HttpRequest&) {
    const Readiness readiness = ready();
    std::string body = readiness.ready ? "ok\n" : "not ready\n";
    for (const std::string& reason : readiness.reasons) absl::StrAppend(&body, reason, "\n");
    return HttpResponse{readiness.ready ? 200 : 503, kPlainText, std::move(body)};
  };
  return pages;
}

}  // namespace chanpool::web
