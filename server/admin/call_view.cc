#include "server/admin/call_view.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/admin/explain_view.h"
#include "server/admin/proto_time.h"

namespace chanpool::admin {

v1::Call ShowCall(const CallInFlight& call, const std::string& pool) {
  v1::Call shown;
  shown.set_connection(absl::StrCat(pool, "/connections/", call.connection.ToString()));
  shown.set_method(call.method);
  *shown.mutable_age() = ToProto(call.age);
  if (call.deadline != absl::InfiniteFuture()) *shown.mutable_deadline() = ToProto(call.deadline);
  return shown;
}

v1::MethodStats ShowMethod(const MethodStats& method) {
  v1::MethodStats shown;
  shown.set_method(method.method);
  shown.set_requests(method.calls.requests());
  shown.set_errors(method.calls.errors());
  if (const auto rate = method.calls.ErrorRate().value()) shown.set_error_rate(*rate);
  for (int code = 0; code < kStatusCodes; ++code) {
    if (method.calls.by_code[code] == 0) continue;
    (*shown.mutable_by_code())[absl::StatusCodeToString(static_cast<absl::StatusCode>(code))] =
        method.calls.by_code[code];
  }
  *shown.mutable_times() = ShowHistogram(method.calls.times);
  return shown;
}

std::vector<MethodStats> FoldMethods(std::vector<MethodStats> methods, size_t most) {
  if (methods.size() <= most) return methods;
  std::vector<MethodStats> rows;
  MethodStats other{kOtherMethods, {}};
  for (MethodStats& row : methods) {
    if (rows.size() < most && row.method != kOtherMethods) {
      rows.push_back(std::move(row));
    } else {
      other.calls += row.calls;
    }
  }
  rows.push_back(std::move(other));
  return rows;
}

}  // namespace chanpool::admin
