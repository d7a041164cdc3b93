// What a configuration must be beside well-formed: names that differ, addresses that exist, options that make sense
// together.
//
//   CheckConfig(config, sources, check_tls, errors, warnings);   // after config_reader.cc has filled in the first two
#ifndef CHANPOOL_SERVER_CONFIG_CONFIG_CHECKS_H_
#define CHANPOOL_SERVER_CONFIG_CONFIG_CHECKS_H_

#include <functional>

#include "absl/status/status.h"
#include "chanpool/config/v1/config.pb.h"
#include "server/config/diagnostics.h"
#include "server/config/source_map.h"

namespace chanpool::config {

// What is wrong with the files of a pool's TLS, as "tls.key_file: what; what would be right". Only asked of what is
// well written. The files are on this machine, and read.
using TlsCheck = std::function<absl::Status(const chanpool::config::v1::Tls&)>;

// Says nothing of values that could not be read, and of required ones that are missing: the reader did. Looks at no
// file where `check_tls` is null. Else pure.
void CheckConfig(const chanpool::config::v1::Config& config, const SourceMap& sources, const TlsCheck& check_tls,
                 Diagnostics& errors, Diagnostics& warnings);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CONFIG_CHECKS_H_
