// What is wrong in a configuration file, and where: collected while it is read, told all at once.
//
//   Diagnostics errors("/etc/chanpool/chanpool.yaml");
//   errors.Add({7, 5}, "pools[0].max_conections", "UNKNOWN_KEY", "there is no such key", "did you mean
//   max_connections?"); for (const auto& error : std::move(errors).Take()) puts(FormatDiagnostic(error).c_str());
#ifndef CHANPOOL_SERVER_CONFIG_DIAGNOSTICS_H_
#define CHANPOOL_SERVER_CONFIG_DIAGNOSTICS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "chanpool/admin/v1/pool_admin.pb.h"

namespace chanpool::config {

// A place in a file, both from 1. Columns count characters. Line 0: the whole file.
struct Place {
  uint32_t line = 0;
  uint32_t column = 0;
};

// The most that one reading tells. What comes first in the file stays: it often explains the rest.
inline constexpr size_t kMaxDiagnostics = 50;

// One thread at a time.
class Diagnostics {
 public:
  explicit Diagnostics(absl::string_view file);

  // `code` is a constant; the rest may hold what a stranger wrote: all of it is made printable.
  void Add(Place place, absl::string_view path, absl::string_view code, absl::string_view message,
           absl::string_view hint = "");

  bool empty() const { return found_.empty(); }
  // By line and column, then as they were added; at most kMaxDiagnostics.
  std::vector<chanpool::admin::v1::ConfigDiagnostic> Take() &&;

 private:
  const std::string file_;
  std::vector<chanpool::admin::v1::ConfigDiagnostic> found_;
};

// `file:line:col: path: message (hint)`; without what is not there.
std::string FormatDiagnostic(const chanpool::admin::v1::ConfigDiagnostic& diagnostic);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_DIAGNOSTICS_H_
