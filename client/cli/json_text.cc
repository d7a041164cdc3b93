#include "client/cli/json_text.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace chanpool::cli {
namespace {

// One JSON value. Scalars and keys keep their text, quotes included.
struct Value {
  enum class Kind { kScalar, kArray, kObject } kind = Kind::kScalar;
  std::string scalar;
  std::vector<std::pair<std::string, Value>> members;  // Of an array: without keys.
};

// Reads what ToJson wrote, so it does not look for errors; its depth is that of a message, which Protobuf limits.
class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) {}

  Value Read() {
    Value value;
    const char first = Peek();
    if (first != '{' && first != '[') {
      value.scalar = Scalar();
      return value;
    }
    value.kind = first == '{' ? Value::Kind::kObject : Value::Kind::kArray;
    const char close = first == '{' ? '}' : ']';
    rest_.remove_prefix(1);
    while (!rest_.empty() && Peek() != close) {
      std::string key;
      if (first == '{') {
        key = Scalar();
        Skip(':');
      }
      value.members.emplace_back(std::move(key), Read());
      Skip(',');
    }
    Skip(close);
    return value;
  }

 private:
  char Peek() {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    return rest_.empty() ? '\0' : rest_[0];
  }
  void Skip(char c) {
    if (Peek() == c && !rest_.empty()) rest_.remove_prefix(1);
  }
  std::string Scalar() {
    size_t end = 0;
    if (Peek() == '"') {
      for (end = 1; end < rest_.size() && rest_[end] != '"'; ++end) end += rest_[end] == '\\' ? 1 : 0;
      ++end;
    } else {
      end = rest_.find_first_of(",]} \n:");
    }
    const std::string scalar(rest_.substr(0, end));
    rest_.remove_prefix(std::min(scalar.size(), rest_.size()));
    return scalar;
  }

  absl::string_view rest_;
};

void Lay(const Value& value, const std::string& indent, std::string& out) {
  if (value.kind == Value::Kind::kScalar) {
    out += value.scalar;
    return;
  }
  const bool object = value.kind == Value::Kind::kObject;
  if (value.members.empty()) {
    out += object ? "{}" : "[]";
    return;
  }
  out += object ? "{\n" : "[\n";
  for (size_t i = 0; i < value.members.size(); ++i) {
    absl::StrAppend(&out, indent, "  ");
    if (object) absl::StrAppend(&out, value.members[i].first, ": ");
    Lay(value.members[i].second, indent + "  ", out);
    out += i + 1 < value.members.size() ? ",\n" : "\n";
  }
  absl::StrAppend(&out, indent, object ? "}" : "]");
}

// A JSON string without its quotes where YAML reads the same from it: words that are no boolean, null or number.
std::string YamlScalar(const std::string& json) {
  if (json.size() < 3 || json[0] != '"') return json;  // Numbers, true, false, null, "".
  const absl::string_view text = absl::string_view(json).substr(1, json.size() - 2);
  if (!absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return json;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !absl::StrContains("_-./", absl::string_view(&c, 1))) {
      return json;
    }
  }
  for (absl::string_view word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    if (absl::EqualsIgnoreCase(text, word)) return json;
  }
  return std::string(text);
}

void AppendYaml(const Value& value, const std::string& indent, std::string& out) {
  for (const auto& [key, member] : value.members) {
    const std::string head = value.kind == Value::Kind::kObject ? absl::StrCat(YamlScalar(key), ":") : "-";
    if (member.kind == Value::Kind::kScalar) {
      absl::StrAppend(&out, indent, head, " ", YamlScalar(member.scalar), "\n");
    } else if (member.members.empty()) {
      absl::StrAppend(&out, indent, head, member.kind == Value::Kind::kObject ? " {}\n" : " []\n");
    } else if (head == "-") {
      // The first line of an element stands beside its dash.
      std::string element;
      AppendYaml(member, indent + "  ", element);
      element[indent.size()] = '-';
      out += element;
    } else {
      absl::StrAppend(&out, indent, head, "\n");
      AppendYaml(member, indent + "  ", out);
    }
  }
}

// Without the details that this program cannot decode: ProtoJSON has no form for them.
void DropDetails(google::protobuf::Message& message) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (field->message_type() == google::protobuf::Any::descriptor()) {
      message.GetReflection()->ClearField(&message, field);
    } else if (field->is_repeated()) {
      for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
        DropDetails(*message.GetReflection()->MutableRepeatedMessage(&message, field, i));
      }
    } else {
      DropDetails(*message.GetReflection()->MutableMessage(&message, field));
    }
  }
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  std::string json;
  if (google::protobuf::util::MessageToJsonString(message, &json).ok()) return json;
  const std::unique_ptr<google::protobuf::Message> copy(message.New());
  copy->CopyFrom(message);
  DropDetails(*copy);
  json.clear();
  if (!google::protobuf::util::MessageToJsonString(*copy, &json).ok()) return "{}";
  return json;
}

std::string ItemsJson(const std::vector<std::string>& items) {
  return absl::StrCat("{\"items\":[", absl::StrJoin(items, ","), "]}");
}

std::string Laid(absl::string_view json) {
  std::string out;
  Lay(Reader(json).Read(), "", out);
  return out + "\n";
}

std::string Yaml(absl::string_view json) {
  const Value value = Reader(json).Read();
  if (value.members.empty()) return "{}\n";
  std::string out;
  AppendYaml(value, "", out);
  return out;
}

}  // namespace chanpool::cli
