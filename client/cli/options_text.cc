#include "client/cli/options_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cli/nearest.h"
#include "client/cli/units.h"

namespace chanpool::cli {
namespace {

using chanpool::config::v1::PoolOptions;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The longest google.protobuf.Duration, which the configuration writes "infinite".
constexpr int64_t kInfiniteSeconds = 315'576'000'000;

// "OVERFLOW_POLICY_": the name of the zero value up to UNSPECIFIED.
std::string Prefix(const EnumDescriptor* type) {
  return std::string(absl::StripSuffix(type->FindValueByNumber(0)->name(), "UNSPECIFIED"));
}

bool IsDuration(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field->message_type() == google::protobuf::Duration::descriptor();
}

// Of a field that holds one value, or of one item of a list.
std::string TextOf(const Message& message, const FieldDescriptor* field, int item = 0) {
  const google::protobuf::Reflection* const reflection = message.GetReflection();
  const bool list = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(list ? reflection->GetRepeatedUInt32(message, field, item)
                               : reflection->GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(list ? reflection->GetRepeatedDouble(message, field, item)
                               : reflection->GetDouble(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (list ? reflection->GetRepeatedBool(message, field, item) : reflection->GetBool(message, field)) ? "true"
                                                                                                              : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return list ? reflection->GetRepeatedString(message, field, item) : reflection->GetString(message, field);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number =
          list ? reflection->GetRepeatedEnumValue(message, field, item) : reflection->GetEnumValue(message, field);
      const auto* value = field->enum_type()->FindValueByNumber(number);
      return value == nullptr ? absl::StrCat(number)
                              : absl::AsciiStrToLower(absl::StripPrefix(value->name(), Prefix(field->enum_type())));
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      google::protobuf::Duration duration;
      duration.CopyFrom(list ? reflection->GetRepeatedMessage(message, field, item)
                             : reflection->GetMessage(message, field));
      return Written(FromProto(duration));
    }
    default:
      return "";  // No key has another type; a test sets each of them.
  }
}

std::vector<const FieldDescriptor*> SetFields(const Message& message) {
  std::vector<const FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  return set;
}

void AddTexts(const Message& message, const std::string& path, std::vector<OptionText>& texts);

void AddMessage(const Message& message, const std::string& path, std::vector<OptionText>& texts) {
  const size_t before = texts.size();
  AddTexts(message, path + ".", texts);
  if (texts.size() == before) texts.push_back({path, "{}"});  // That it is there says something.
}

void AddTexts(const Message& message, const std::string& path, std::vector<OptionText>& texts) {
  const google::protobuf::Reflection* const reflection = message.GetReflection();
  for (const FieldDescriptor* field : SetFields(message)) {
    const std::string name = path + field->name();
    if (!HasKeysBelow(field)) {
      texts.push_back({name, FieldText(message, field)});
    } else if (!field->is_repeated()) {
      AddMessage(reflection->GetMessage(message, field), name, texts);
    } else {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        AddMessage(reflection->GetRepeatedMessage(message, field, i), absl::StrCat(name, "[", i, "]"), texts);
      }
    }
  }
}

}  // namespace

bool HasKeysBelow(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field);
}

std::string FieldText(const Message& message, const FieldDescriptor* field) {
  if (!field->is_repeated()) return TextOf(message, field);
  std::vector<std::string> items;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
    items.push_back(TextOf(message, field, i));
  }
  return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
}

std::vector<std::string> OptionNames() {
  std::vector<std::string> names;
  for (int i = 0; i < PoolOptions::descriptor()->field_count(); ++i) {
    names.push_back(PoolOptions::descriptor()->field(i)->name());
  }
  return names;
}

std::vector<OptionText> OptionTexts(const PoolOptions& options) {
  std::vector<OptionText> texts;
  for (int i = 0; i < PoolOptions::descriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = PoolOptions::descriptor()->field(i);
    const bool set = options.GetReflection()->HasField(options, field);
    if (set) texts.push_back({field->name(), TextOf(options, field)});
  }
  return texts;
}

std::vector<OptionText> ChannelTexts(const chanpool::config::v1::PoolConfig& channel) {
  std::vector<OptionText> texts;
  AddTexts(channel, "", texts);
  return texts;
}

absl::Status CheckOption(absl::string_view name) {
  if (PoolOptions::descriptor()->FindFieldByName(std::string(name)) != nullptr) return absl::OkStatus();
  const std::string first(name.substr(0, name.find_first_of(".[")));
  if (chanpool::config::v1::PoolConfig::descriptor()->FindFieldByName(first) != nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, " is no option but of how connections are made, which only its owner says: in the file, then ",
        "poolctl reload; or the application"));
  }
  const std::string near = DidYouMean(name, OptionNames());
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is no option of a pool",
                   near.empty() ? absl::StrCat("; there are ", absl::StrJoin(OptionNames(), ", ")) : near));
}

absl::Status SetOption(absl::string_view name, absl::string_view text, PoolOptions& options) {
  const absl::Status known = CheckOption(name);
  if (!known.ok()) return known;
  const FieldDescriptor* const field = PoolOptions::descriptor()->FindFieldByName(std::string(name));
  const google::protobuf::Reflection* const reflection = options.GetReflection();
  const auto refuse = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": \"", text, "\" is not ", what));
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t number = 0;
      if (!absl::SimpleAtoi(text, &number)) return refuse("a whole number");
      reflection->SetUInt32(&options, field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double number = 0;
      if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) return refuse("a number, as in 0.1");
      reflection->SetDouble(&options, field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::string prefix = Prefix(field->enum_type());
      std::vector<std::string> words;
      for (int i = 0; i < field->enum_type()->value_count(); ++i) {
        const auto* value = field->enum_type()->value(i);
        if (value->number() == 0) continue;
        words.push_back(absl::AsciiStrToLower(absl::StripPrefix(value->name(), prefix)));
        if (text != words.back()) continue;
        reflection->SetEnumValue(&options, field, value->number());
        return absl::OkStatus();
      }
      return refuse(absl::StrCat("one of ", absl::StrJoin(words, ", "), DidYouMean(text, words)));
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      google::protobuf::Duration duration;
      if (text == "infinite") {
        duration.set_seconds(kInfiniteSeconds);
      } else {
        const absl::StatusOr<absl::Duration> parsed = ParseDuration(text);
        if (!parsed.ok()) return refuse("a duration; write it with a unit: 250ms, 30s, 5m, 1h30m, or infinite");
        duration = ToProto(*parsed);
      }
      reflection->MutableMessage(&options, field)->CopyFrom(duration);
      return absl::OkStatus();
    }
    default:
      return refuse("of a type that this program knows");
  }
}

}  // namespace chanpool::cli
