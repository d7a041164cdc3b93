// What a configuration must be beside well-formed: names that differ, addresses that exist, options that make sense
// together.
//
//   CheckConfig(config, sources, errors, warnings);     // after config_reader.cc has filled in the first two
#ifndef CHANPOOL_SERVER_CONFIG_CONFIG_CHECKS_H_
#define CHANPOOL_SERVER_CONFIG_CONFIG_CHECKS_H_

#include "chanpool/config/v1/config.pb.h"
#include "server/config/diagnostics.h"
#include "server/config/source_map.h"

namespace chanpool::config {

// Says nothing of values that could not be read, and of required ones that are missing: the reader did. Pure.
void CheckConfig(const chanpool::config::v1::Config& config, const SourceMap& sources, Diagnostics& errors,
                 Diagnostics& warnings);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CONFIG_CHECKS_H_
