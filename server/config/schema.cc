#include "server/config/schema.h"

#include <google/protobuf/duration.pb.h>

#include "server/admin/enum_text.h"

namespace chanpool::config {

using chanpool::config::v1::ReloadClass;
using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

std::vector<Key> KeysOf(const Descriptor& message) {
  std::vector<Key> keys;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    if (!field->options().GetExtension(chanpool::config::v1::inline_)) {
      keys.push_back({field, nullptr});
      continue;
    }
    for (int j = 0; j < field->message_type()->field_count(); ++j) {
      keys.push_back({field->message_type()->field(j), field});
    }
  }
  return keys;
}

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type() == google::protobuf::Duration::descriptor();
}

bool IsScalar(const FieldDescriptor& field) {
  return field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || IsDuration(field);
}

bool IsRequired(const FieldDescriptor& field) { return field.options().GetExtension(chanpool::config::v1::required); }

bool MayBeInfinite(const FieldDescriptor& field) {
  if (!IsDuration(field)) return false;
  // A test compares these names with the fields' comments.
  for (const char* name : {"acquire_timeout", "max_idle", "max_age", "shrink_cooldown", "leak_after",
                           "validate_after_idle", "validate_every", "probe_after_silence"}) {
    if (field.name() == name) return true;
  }
  return false;
}

std::string DefaultText(const FieldDescriptor& field) {
  return field.options().GetExtension(chanpool::config::v1::default_text);
}

bool AbsentIsDefault(const FieldDescriptor& field) {
  return field.options().GetExtension(chanpool::config::v1::absent_is_default);
}

ReloadClass ReloadOf(const FieldDescriptor& field, ReloadClass around) {
  const ReloadClass own = field.options().GetExtension(chanpool::config::v1::reload);
  return own == ReloadClass::RELOAD_CLASS_UNSPECIFIED ? around : own;
}

std::vector<std::string> EnumTexts(const EnumDescriptor& type) {
  std::vector<std::string> texts;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) texts.push_back(admin::EnumText(*type.value(i)));
  }
  return texts;
}

}  // namespace chanpool::config
