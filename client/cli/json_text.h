// Messages as JSON and YAML text: ProtoJSON, laid out.
//
//   out << Laid(ToJson(response));                                   // JSON on several lines
//   out << Yaml(ItemsJson({ToJson(pool_a), ToJson(pool_b)}));        // items: ...
//
// Zeros of `optional` fields are there; 64-bit integers are strings, as ProtoJSON has it. Control characters are
// escaped in both.
#ifndef CHANPOOL_CLIENT_CLI_JSON_TEXT_H_
#define CHANPOOL_CLIENT_CLI_JSON_TEXT_H_

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace chanpool::cli {

// On one line. What cannot be written, a detail of an unknown type, is left out.
std::string ToJson(const google::protobuf::Message& message);
// {"items":[...]} of JSON texts.
std::string ItemsJson(const std::vector<std::string>& items);

// JSON over several lines, indented by two; ends in '\n'. `json` must be JSON.
std::string Laid(absl::string_view json);
// The same as YAML. Strings are quoted unless they are plain words.
std::string Yaml(absl::string_view json);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_JSON_TEXT_H_
