// docs/config.md, made from the comments and options of the proto files, so that it says what the program does.
//
//   bazel run //server/config:config_reference > docs/config.md
#ifndef CHANPOOL_SERVER_CONFIG_CONFIG_REFERENCE_H_
#define CHANPOOL_SERVER_CONFIG_CONFIG_REFERENCE_H_

#include <string>

namespace chanpool::config {

// Markdown.
std::string ConfigReference();

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CONFIG_REFERENCE_H_
