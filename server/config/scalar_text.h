// One value as text and back, by the type of its proto field. Stricter than YAML: a value has one type and one way to
// be written, so that `mode: 0600` is not 384, `no` is not false and `30` is not 30 of somebody's units.
//
//   absl::optional<ScalarProblem> problem = ReadScalar(node, *field, message);
//   std::string text = ScalarText(message, *field);   // 5m
#ifndef CHANPOOL_SERVER_CONFIG_SCALAR_TEXT_H_
#define CHANPOOL_SERVER_CONFIG_SCALAR_TEXT_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "server/config/yaml_tree.h"

namespace chanpool::config {

// Why a value cannot be read; as in ConfigDiagnostic.
struct ScalarProblem {
  std::string code;
  std::string message;
  std::string hint;
};

// Sets the field, or appends to it when it is repeated. `node` is a scalar, `field` one of IsScalar().
absl::optional<ScalarProblem> ReadScalar(const YamlNode& node, const google::protobuf::FieldDescriptor& field,
                                         google::protobuf::Message& message);

// The value as a person writes it, without quotes; a list as "[1000, 1001]". `index`: that one of a list.
std::string ScalarText(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field);
std::string ScalarText(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field,
                       int index);

// Whether YAML, of any version, reads the plain text as something else than a text: 0600, yes, ~, 1.5, .inf.
bool LooksTyped(absl::string_view plain);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_SCALAR_TEXT_H_
