#include "server/config/scalar_text.h"

#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "server/admin/enum_text.h"
#include "server/admin/nearest_name.h"
#include "server/admin/proto_time.h"
#include "server/config/printable_text.h"
#include "server/config/schema.h"

namespace chanpool::config {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Problem = absl::optional<ScalarProblem>;

Problem WrongType(const YamlNode& node, absl::string_view wanted, absl::string_view hint) {
  return ScalarProblem{"WRONG_TYPE", absl::StrCat(Quoted(node.text), " is not ", wanted), std::string(hint)};
}

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

Problem ReadUint32(const YamlNode& node, uint32_t& into) {
  constexpr char kHint[] = "write it in decimal digits, without quotes";
  if (!node.plain) return WrongType(node, "a whole number", kHint);
  const bool negative = absl::StartsWith(node.text, "-");
  const absl::string_view digits = absl::string_view(node.text).substr(negative ? 1 : 0);
  if (!AllDigits(digits)) return WrongType(node, "a whole number", kHint);
  if (digits.size() > 1 && digits[0] == '0') {
    return WrongType(node, "a decimal number", "remove the zero before it; permissions go in quotes");
  }
  if (negative || !absl::SimpleAtoi(digits, &into)) {
    return ScalarProblem{"OUT_OF_RANGE", absl::StrCat(Quoted(node.text), " is not from 0 to 4294967295"), ""};
  }
  return absl::nullopt;
}

Problem ReadDouble(const YamlNode& node, double& into) {
  const bool plain_number = node.plain && std::all_of(node.text.begin(), node.text.end(), [](char c) {
                              return absl::ascii_isdigit(c) || absl::StrContains("+-.eE", c);
                            });
  if (!plain_number || !absl::SimpleAtod(node.text, &into)) {
    return WrongType(node, "a number", "write it like 0.1, without quotes");
  }
  if (!std::isfinite(into)) return ScalarProblem{"OUT_OF_RANGE", absl::StrCat(Quoted(node.text), " is too large"), ""};
  return absl::nullopt;
}

Problem ReadBool(const YamlNode& node, bool& into) {
  into = node.text == "true";
  if (node.plain && (into || node.text == "false")) return absl::nullopt;
  return WrongType(node, "true or false", "write true or false, in small letters, without quotes");
}

Problem ReadEnum(const YamlNode& node, const FieldDescriptor& field, const EnumValueDescriptor*& into) {
  const std::vector<std::string> texts = EnumTexts(*field.enum_type());
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    into = field.enum_type()->value(i);
    if (into->number() != 0 && node.text == admin::EnumText(*into)) return absl::nullopt;
  }
  const std::string nearest = admin::NearestName(node.text, texts);
  return WrongType(node, absl::StrJoin(texts, " or "),
                   nearest.empty() ? "" : absl::StrCat("did you mean ", nearest, "?"));
}

Problem ReadDuration(const YamlNode& node, const FieldDescriptor& field, google::protobuf::Duration& into) {
  const std::string infinite = MayBeInfinite(field) ? ", or infinite" : "";
  if (node.text == "infinite") {
    if (infinite.empty()) return ScalarProblem{"OUT_OF_RANGE", "must not be infinite", "write how long, such as 30s"};
    into = admin::ToProto(absl::InfiniteDuration());
    return absl::nullopt;
  }
  // ParseDuration would also take a bare 0, a sign, and inf.
  absl::Duration value;
  const bool number_first = !node.text.empty() && absl::ascii_isdigit(node.text[0]);
  const bool unit_last = !node.text.empty() && absl::ascii_isalpha(node.text.back());
  if (number_first && !unit_last) {
    return WrongType(node, "a duration: it has no unit", absl::StrCat("write 250ms, 2s, 5m or 1h", infinite));
  }
  if (!number_first || !absl::ParseDuration(node.text, &value)) {
    return WrongType(node, "a duration", absl::StrCat("write 250ms, 2s, 5m or 1h", infinite));
  }
  if (value >= absl::Seconds(admin::kMaxProtoSeconds)) {
    return ScalarProblem{"OUT_OF_RANGE", absl::StrCat(Quoted(node.text), " is longer than 10000 years"),
                         infinite.empty() ? "" : "write infinite"};
  }
  into = admin::ToProto(value);
  return absl::nullopt;
}

Problem ReadString(const YamlNode& node, std::string& into) {
  if (node.plain && LooksTyped(node.text)) {
    return WrongType(node, "a text: it reads as a number or a constant",
                     absl::StrCat("put it in quotes: ", Quoted(node.text)));
  }
  for (absl::string_view rest = node.text; !rest.empty();) {
    const CodePoint point = FirstCodePoint(rest);
    if (point.bytes == 0 || IsControl(point.value)) {
      return ScalarProblem{"CONTROL_CHARACTER", absl::StrCat(Quoted(node.text), " has a control character"), ""};
    }
    rest.remove_prefix(point.bytes);
  }
  into = node.text;
  return absl::nullopt;
}

}  // namespace

bool LooksTyped(absl::string_view plain) {
  static const auto* constants =
      new std::vector<std::string>{"true", "false", "yes", "no", "on", "off", "y", "n", "null", "~", ""};
  const std::string lower = absl::AsciiStrToLower(plain);
  if (std::find(constants->begin(), constants->end(), lower) != constants->end()) return true;
  // Numbers of all kinds: decimal, octal, hexadecimal, with underscores, sexagesimal, dates, .inf, .nan.
  absl::string_view rest = lower;
  if (absl::StartsWith(rest, "+") || absl::StartsWith(rest, "-")) rest.remove_prefix(1);
  if (rest == ".inf" || rest == ".nan") return true;
  if (rest.empty() || !(absl::ascii_isdigit(rest[0]) || rest[0] == '.')) return false;
  if (absl::StartsWith(rest, "0x") || absl::StartsWith(rest, "0o") || absl::StartsWith(rest, "0b")) return true;
  return std::all_of(rest.begin(), rest.end(),
                     [](char c) { return absl::ascii_isdigit(c) || absl::StrContains("+-._:e", c); }) &&
         std::any_of(rest.begin(), rest.end(), absl::ascii_isdigit) && std::count(rest.begin(), rest.end(), '.') <= 1;
}

absl::optional<ScalarProblem> ReadScalar(const YamlNode& node, const FieldDescriptor& field, Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const bool list = field.is_repeated();
  Problem problem;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value = 0;
      problem = ReadUint32(node, value);
      if (problem.has_value()) return problem;
      list ? reflection.AddUInt32(&message, &field, value) : reflection.SetUInt32(&message, &field, value);
      return absl::nullopt;
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double value = 0;
      problem = ReadDouble(node, value);
      if (problem.has_value()) return problem;
      list ? reflection.AddDouble(&message, &field, value) : reflection.SetDouble(&message, &field, value);
      return absl::nullopt;
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value = false;
      problem = ReadBool(node, value);
      if (problem.has_value()) return problem;
      list ? reflection.AddBool(&message, &field, value) : reflection.SetBool(&message, &field, value);
      return absl::nullopt;
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string value;
      problem = ReadString(node, value);
      if (problem.has_value()) return problem;
      list ? reflection.AddString(&message, &field, value) : reflection.SetString(&message, &field, value);
      return absl::nullopt;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* value = nullptr;
      problem = ReadEnum(node, field, value);
      if (problem.has_value()) return problem;
      list ? reflection.AddEnum(&message, &field, value) : reflection.SetEnum(&message, &field, value);
      return absl::nullopt;
    }
    default: {
      google::protobuf::Duration value;
      problem = ReadDuration(node, field, value);
      if (problem.has_value()) return problem;
      (list ? reflection.AddMessage(&message, &field) : reflection.MutableMessage(&message, &field))->CopyFrom(value);
      return absl::nullopt;
    }
  }
}

std::string ScalarText(const Message& message, const FieldDescriptor& field) {
  if (!field.is_repeated()) return ScalarText(message, field, -1);
  std::vector<std::string> texts;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    texts.push_back(ScalarText(message, field, i));
  }
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "]");
}

std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool list = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(list ? reflection.GetRepeatedUInt32(message, &field, index)
                               : reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value =
          list ? reflection.GetRepeatedDouble(message, &field, index) : reflection.GetDouble(message, &field);
      // The shortest of the two that reads back as the same.
      const std::string six_digits = absl::StrCat(value);
      double read = 0;
      if (absl::SimpleAtod(six_digits, &read) && read == value) return six_digits;
      return absl::StrFormat("%.17g", value);
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return (list ? reflection.GetRepeatedBool(message, &field, index) : reflection.GetBool(message, &field))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return list ? reflection.GetRepeatedString(message, &field, index) : reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return admin::EnumText(list ? *reflection.GetRepeatedEnum(message, &field, index)
                                  : *reflection.GetEnum(message, &field));
    default: {
      const Message& duration =
          list ? reflection.GetRepeatedMessage(message, &field, index) : reflection.GetMessage(message, &field);
      // Every field of this kind is a Duration (IsScalar); the reader admits none out of range.
      const absl::StatusOr<absl::Duration> value =
          admin::FromProto(static_cast<const google::protobuf::Duration&>(duration));
      return admin::DurationText(value.value_or(absl::ZeroDuration()));
    }
  }
}

}  // namespace chanpool::config
