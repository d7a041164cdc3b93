#include "server/config/config_error.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/admin/status_details.h"
#include "server/config/diagnostics.h"

namespace chanpool::config {

using chanpool::admin::v1::ConfigDiagnostic;
using chanpool::admin::v1::ConfigDiagnostics;

absl::Status ConfigError(const std::vector<ConfigDiagnostic>& diagnostics) {
  std::string message = FormatDiagnostic(diagnostics.front());
  if (diagnostics.size() > 1) {
    const char* at_least = diagnostics.size() < kMaxDiagnostics ? "" : "at least ";
    absl::StrAppend(&message, "; ", at_least, diagnostics.size() - 1, " more");
  }
  admin::ErrorBuilder error(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID", message);
  ConfigDiagnostics all;
  for (const ConfigDiagnostic& diagnostic : diagnostics) {
    error.Field(diagnostic.path(), FormatDiagnostic(diagnostic));
    *all.add_diagnostics() = diagnostic;
  }
  return error.Detail(all).Build();
}

std::vector<chanpool::admin::v1::ConfigDiagnostic> DiagnosticsOf(const absl::Status& error) {
  chanpool::admin::v1::ConfigDiagnostics all;
  const absl::optional<absl::Cord> payload =
      error.GetPayload(absl::StrCat("type.googleapis.com/", all.GetDescriptor()->full_name()));
  if (!payload.has_value() || !all.ParseFromString(std::string(*payload))) return {};
  return {all.diagnostics().begin(), all.diagnostics().end()};
}

}  // namespace chanpool::config
