#include "server/config/config_reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/types/optional.h"
#include "server/admin/nearest_name.h"
#include "server/config/config_checks.h"
#include "server/config/diagnostics.h"
#include "server/config/printable_text.h"
#include "server/config/scalar_text.h"
#include "server/config/schema.h"
#include "server/config/source_map.h"
#include "server/config/yaml_tree.h"

namespace chanpool::config {
namespace {

using chanpool::config::v1::Config;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Kind = YamlNode::Kind;

absl::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kScalar:
      return "one value";
    case Kind::kSequence:
      return "a list";
    case Kind::kMap:
      return "a map of keys";
    case Kind::kNull:
    case Kind::kRefused:
      return "nothing";
  }
  return "";
}

std::string Join(const std::string& path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

// Walks tree and descriptors side by side.
class Walker {
 public:
  Walker(SourceMap& sources, Diagnostics& errors) : sources_(sources), errors_(errors) {}

  void ReadMap(const YamlNode& node, const std::string& path, Message& message) {
    if (!IsOf(Kind::kMap, node, node.place, path)) return;
    sources_.Read(path, node.place);
    const std::vector<Key> keys = KeysOf(*message.GetDescriptor());
    std::unordered_map<std::string, Place> seen;
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      const YamlNode& name = node.children[i];
      if (name.kind != Kind::kScalar) {
        if (name.kind != Kind::kRefused) errors_.Add(name.place, path, "WRONG_TYPE", "a key must be a word");
        continue;
      }
      const auto [first, is_first] = seen.emplace(name.text, name.place);
      if (!is_first) {
        errors_.Add(name.place, Join(path, name.text), "DUPLICATE_KEY",
                    absl::StrCat("is there twice, first on line ", first->second.line), "remove one");
        continue;
      }
      const Key* key = Find(keys, name, path);
      if (key != nullptr) ReadValue(name, node.children[i + 1], *key, Join(path, name.text), message);
    }
    for (const Key& key : keys) {
      if (!IsRequired(*key.field) || seen.count(key.field->name()) > 0) continue;
      errors_.Add(node.place, Join(path, key.field->name()), "REQUIRED", "is missing");
    }
  }

 private:
  const Key* Find(const std::vector<Key>& keys, const YamlNode& name, const std::string& path) {
    for (const Key& key : keys) {
      if (key.field->name() == name.text) return &key;
    }
    if (name.text == "<<" && name.plain) {
      errors_.Add(name.place, path, "MERGE_KEY", "a merge key",
                  "write the keys out; what pools share goes in defaults");
      return nullptr;
    }
    std::vector<std::string> names;
    for (const Key& key : keys) names.push_back(key.field->name());
    // Another style, as in Max-Connections, is no distance.
    const std::string as_ours = absl::StrReplaceAll(absl::AsciiStrToLower(name.text), {{"-", "_"}});
    const std::string nearest = admin::NearestName(as_ours, names);
    const std::string hint = nearest.empty() ? absl::StrCat("the keys here are ", absl::StrJoin(names, ", "))
                                             : absl::StrCat("did you mean ", nearest, "?");
    errors_.Add(name.place, Join(path, absl::string_view(name.text).substr(0, 64)), "UNKNOWN_KEY", "unknown key", hint);
    return nullptr;
  }

  void ReadValue(const YamlNode& name, const YamlNode& value, const Key& key, const std::string& path,
                 Message& message) {
    const FieldDescriptor& field = *key.field;
    Message& owner =
        key.inlined_in == nullptr ? message : *message.GetReflection()->MutableMessage(&message, key.inlined_in);
    if (!field.is_repeated()) return ReadOne(name, value, field, path, owner);
    if (!IsOf(Kind::kSequence, value, name.place, path)) return;
    sources_.Read(path, value.place);
    for (size_t i = 0; i < value.children.size(); ++i) {
      ReadOne(value.children[i], value.children[i], field, absl::StrCat(path, "[", i, "]"), owner);
    }
  }

  // A repeated field gets one more.
  void ReadOne(const YamlNode& name, const YamlNode& value, const FieldDescriptor& field, const std::string& path,
               Message& owner) {
    if (!IsScalar(field)) {
      if (!IsOf(Kind::kMap, value, name.place, path) && !field.is_repeated()) return;
      const auto* reflection = owner.GetReflection();
      Message* child =
          field.is_repeated() ? reflection->AddMessage(&owner, &field) : reflection->MutableMessage(&owner, &field);
      if (value.kind == Kind::kMap) ReadMap(value, path, *child);
      return;
    }
    if (!IsOf(Kind::kScalar, value, name.place, path)) return;
    const absl::optional<ScalarProblem> problem = ReadScalar(value, field, owner);
    if (!problem.has_value()) return sources_.Read(path, value.place);
    sources_.Unreadable(path);
    errors_.Add(value.place, path, problem->code, problem->message, problem->hint);
  }

  // Otherwise says so. Where there is no value, its key tells the place.
  bool IsOf(Kind kind, const YamlNode& value, Place key, const std::string& path) {
    if (value.kind == kind) return true;
    sources_.Unreadable(path);
    if (value.kind == Kind::kNull) {
      errors_.Add(key, path, "NULL_VALUE", "has no value",
                  absl::StrCat("remove the key", kind == Kind::kSequence ? ", or write []"
                                                 : kind == Kind::kMap    ? ", or write {}"
                                                                         : ""));
    } else if (value.kind != Kind::kRefused) {
      errors_.Add(value.place, path, "WRONG_TYPE", absl::StrCat("is ", NameOf(value.kind), ", not ", NameOf(kind)));
    }
    return false;
  }

  SourceMap& sources_;
  Diagnostics& errors_;
};

}  // namespace

ReadResult ReadConfig(absl::string_view text, absl::string_view file_name, const TlsCheck& check_tls) {
  ReadResult result;
  Diagnostics errors(file_name);
  Diagnostics warnings(file_name);
  const absl::optional<YamlNode> root = ParseYaml(text, errors);
  if (root.has_value()) {
    SourceMap sources;
    Walker(sources, errors).ReadMap(*root, "", result.config);
    CheckConfig(result.config, sources, check_tls, errors, warnings);
  }
  result.diagnostics = std::move(errors).Take();
  result.warnings = std::move(warnings).Take();
  return result;
}

Config DefaultConfig() {
  Config config;
  config.set_version(1);
  return config;
}

}  // namespace chanpool::config
