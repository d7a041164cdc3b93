#include "server/config/config_writer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/config/scalar_text.h"
#include "server/config/schema.h"

namespace chanpool::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Only what no version of YAML, and no eye, takes for anything else stands without quotes. The reader admits no control
// characters, so there is nothing to escape but quotes and backslashes.
std::string StringText(const std::string& text) {
  const bool plain = !LooksTyped(text) && (absl::ascii_isalpha(text[0]) || text[0] == '/') && text.back() != ':' &&
                     std::all_of(text.begin(), text.end(),
                                 [](char c) { return absl::ascii_isalnum(c) || absl::StrContains("/._:-", c); });
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

bool IsSet(const Message& message, const FieldDescriptor& field) {
  if (field.is_repeated()) return message.GetReflection()->FieldSize(message, &field) > 0;
  // A zero of a field without presence is written only where a file must have it.
  return message.GetReflection()->HasField(message, &field) ||
         (IsRequired(field) && IsScalar(field) && !IsDuration(field));
}

std::string ScalarYaml(const Message& message, const FieldDescriptor& field) {
  const std::string text = ScalarText(message, field);
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) return text;
  if (!field.is_repeated()) return StringText(text);
  std::vector<std::string> items;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    items.push_back(StringText(message.GetReflection()->GetRepeatedString(message, &field, i)));
  }
  return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
}

void WriteMap(const Message& message, const std::string& indent, std::string& out);

void WriteKey(const Message& message, const FieldDescriptor& field, const std::string& indent, std::string& out) {
  absl::StrAppend(&out, indent, field.name(), ":");
  if (IsScalar(field)) {
    absl::StrAppend(&out, " ", ScalarYaml(message, field), "\n");
    return;
  }
  const auto* reflection = message.GetReflection();
  if (!field.is_repeated()) {
    std::string map;
    WriteMap(reflection->GetMessage(message, &field), indent + "  ", map);
    absl::StrAppend(&out, map.empty() ? " {}\n" : "\n", map);
    return;
  }
  absl::StrAppend(&out, "\n");
  for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
    std::string map;
    WriteMap(reflection->GetRepeatedMessage(message, &field, i), indent + "    ", map);
    // The first key stands beside the hyphen.
    absl::StrAppend(&out, indent, "  - ", map.empty() ? "{}\n" : map.substr(indent.size() + 4));
  }
}

void WriteMap(const Message& message, const std::string& indent, std::string& out) {
  for (const Key& key : KeysOf(*message.GetDescriptor())) {
    const Message& owner =
        key.inlined_in == nullptr ? message : message.GetReflection()->GetMessage(message, key.inlined_in);
    if (IsSet(owner, *key.field)) WriteKey(owner, *key.field, indent, out);
  }
}

}  // namespace

std::string WriteYaml(const chanpool::config::v1::Config& config) {
  std::string out;
  WriteMap(config, "", out);
  return out;
}

}  // namespace chanpool::config
