#include "server/config/diagnostics.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/config/printable_text.h"

namespace chanpool::config {

using chanpool::admin::v1::ConfigDiagnostic;

Diagnostics::Diagnostics(absl::string_view file) : file_(Printable(file)) {}

void Diagnostics::Add(Place place, absl::string_view path, absl::string_view code, absl::string_view message,
                      absl::string_view hint) {
  const auto after = std::upper_bound(found_.begin(), found_.end(), place, [](Place a, const ConfigDiagnostic& b) {
    return std::make_tuple(a.line, a.column) < std::make_tuple(b.line(), b.column());
  });
  if (after == found_.end() && found_.size() == kMaxDiagnostics) return;
  ConfigDiagnostic diagnostic;
  diagnostic.set_file(file_);
  diagnostic.set_line(place.line);
  diagnostic.set_column(place.column);
  diagnostic.set_path(Printable(path));
  diagnostic.set_code(std::string(code));
  diagnostic.set_message(Printable(message));
  diagnostic.set_hint(Printable(hint));
  found_.insert(after, std::move(diagnostic));
  if (found_.size() > kMaxDiagnostics) found_.pop_back();
}

std::vector<ConfigDiagnostic> Diagnostics::Take() && { return std::move(found_); }

std::string FormatDiagnostic(const ConfigDiagnostic& diagnostic) {
  std::string text = diagnostic.file();
  if (diagnostic.line() > 0) absl::StrAppend(&text, ":", diagnostic.line(), ":", diagnostic.column());
  absl::StrAppend(&text, ": ");
  if (!diagnostic.path().empty()) absl::StrAppend(&text, diagnostic.path(), ": ");
  absl::StrAppend(&text, diagnostic.message());
  if (!diagnostic.hint().empty()) absl::StrAppend(&text, " (", diagnostic.hint(), ")");
  return Printable(text);
}

}  // namespace chanpool::config
