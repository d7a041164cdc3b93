// The options of a pool as text, by their names in the configuration: for describe and set.
//
//   absl::Status set = SetOption("max_idle", "10m", options);
//   for (const OptionText& option : OptionTexts(options)) out << option.name << " " << option.value;
#ifndef CHANPOOL_CLIENT_CLI_OPTIONS_TEXT_H_
#define CHANPOOL_CLIENT_CLI_OPTIONS_TEXT_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "chanpool/config/v1/config.pb.h"
#include "chanpool/config/v1/pool_options.pb.h"

namespace chanpool::cli {

struct OptionText {
  std::string name;
  std::string value;
};

// All there are, in the order of the .proto file.
std::vector<std::string> OptionNames();
// Those that are set, in that order.
std::vector<OptionText> OptionTexts(const chanpool::config::v1::PoolOptions& options);
// Every key of a pool's channel that is set, by its path: "retry.calls[0].max_attempts" "4". In the order of the field
// numbers.
std::vector<OptionText> ChannelTexts(const chanpool::config::v1::PoolConfig& channel);

// Whether `field` is a group of keys, or a list of such: a message, and no duration.
bool HasKeysBelow(const google::protobuf::FieldDescriptor* field);
// Of a field of `message` without keys below: "16", "250ms", "[unavailable, aborted]".
std::string FieldText(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field);

// Whether there is such an option. kInvalidArgument names the nearest.
absl::Status CheckOption(absl::string_view name);
// Reads `text` as the configuration would: whole numbers, 0.1, 250ms or infinite, overcommit. Whether the value is in
// range is for the server to say.
absl::Status SetOption(absl::string_view name, absl::string_view text, chanpool::config::v1::PoolOptions& options);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_OPTIONS_TEXT_H_
