#include "client/admin/error_details.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "google/rpc/error_details.pb.h"

namespace chanpool::admin {
namespace {

// A detail of type T; empty when it is not there or not readable.
template <typename T>
T Detail(const absl::Status& status) {
  T detail;
  const absl::optional<absl::Cord> payload =
      status.GetPayload(absl::StrCat("type.googleapis.com/", T::descriptor()->full_name()));
  if (payload.has_value() && !detail.ParseFromString(std::string(*payload))) detail.Clear();
  return detail;
}

}  // namespace

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  details.reason = info.reason();
  details.facts = {info.metadata().begin(), info.metadata().end()};
  const auto fields = Detail<google::rpc::BadRequest>(status);
  for (const auto& violation : fields.field_violations()) {
    details.violations.push_back({violation.field(), violation.description()});
  }
  const auto conditions = Detail<google::rpc::PreconditionFailure>(status);
  for (const auto& violation : conditions.violations()) {
    details.violations.push_back({violation.subject(), violation.description()});
  }
  const auto quotas = Detail<google::rpc::QuotaFailure>(status);
  for (const auto& violation : quotas.violations()) {
    details.violations.push_back({violation.subject(), violation.description()});
  }
  const auto diagnostics = Detail<chanpool::admin::v1::ConfigDiagnostics>(status);
  details.diagnostics = {diagnostics.diagnostics().begin(), diagnostics.diagnostics().end()};
  const auto retry = Detail<google::rpc::RetryInfo>(status).retry_delay();
  details.retry_after = absl::Seconds(retry.seconds()) + absl::Nanoseconds(retry.nanos());
  return details;
}

absl::Status StatusWithDetails(absl::StatusCode code, absl::string_view message, const std::string& serialized) {
  absl::Status status(code, message);
  google::rpc::Status parsed;
  if (!parsed.ParseFromString(serialized)) return status;
  for (const google::protobuf::Any& detail : parsed.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

}  // namespace chanpool::admin
