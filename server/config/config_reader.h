// A configuration file as a message: every mistake found at once, each with its line and column and what would be
// right.
//
//   ReadResult read = ReadConfig(text, "/etc/chanpool/chanpool.yaml");
//   if (!read.diagnostics.empty()) return ConfigError(read.diagnostics);   // config_error.h
//   for (const auto& warning : read.warnings) log(FormatDiagnostic(warning));
//
// The keys are the fields of chanpool.config.v1.Config; docs/config.md lists them. The file is read by its caller,
// once: what was checked is what runs.
#ifndef CHANPOOL_SERVER_CONFIG_CONFIG_READER_H_
#define CHANPOOL_SERVER_CONFIG_CONFIG_READER_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "chanpool/config/v1/config.pb.h"
#include "server/config/config_checks.h"

namespace chanpool::config {

struct ReadResult {
  // What could be read. Not to be used unless `diagnostics` is empty.
  chanpool::config::v1::Config config;
  // Errors, by line and column; at most kMaxDiagnostics.
  std::vector<chanpool::admin::v1::ConfigDiagnostic> diagnostics;
  // What is allowed, and probably not meant; the same order and limit.
  std::vector<chanpool::admin::v1::ConfigDiagnostic> warnings;
};

// `file_name` stands in the diagnostics and is not opened. Any text: hostile ones cost no more than their size, which
// is limited. `check_tls` looks at the files that a pool names, where that is wanted. Thread-safe, and else pure.
ReadResult ReadConfig(absl::string_view text, absl::string_view file_name, const TlsCheck& check_tls = nullptr);

// What holds without a file: version 1, and nothing else.
chanpool::config::v1::Config DefaultConfig();

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CONFIG_READER_H_
