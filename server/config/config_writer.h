// A configuration as the YAML of a file.
//
//   std::string yaml = WriteYaml(config);
#ifndef CHANPOOL_SERVER_CONFIG_CONFIG_WRITER_H_
#define CHANPOOL_SERVER_CONFIG_CONFIG_WRITER_H_

#include <string>

#include "chanpool/config/v1/config.pb.h"

namespace chanpool::config {

// Keys in the order of the messages, what is not set left out. ReadConfig accepts it and gives `config` again if it
// gave it once. Pure and thread-safe.
std::string WriteYaml(const chanpool::config::v1::Config& config);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CONFIG_WRITER_H_
