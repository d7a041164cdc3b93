// How the messages of proto/chanpool/config/v1 look as YAML: which keys a message has, what a field is, what a change
// of it takes. Read from the descriptors and their options (annotations.proto), so that a new field needs no code here.
//
//   for (const Key& key : KeysOf(*PoolConfig::descriptor())) ... key.field->name(), key.inlined_in ...
#ifndef CHANPOOL_SERVER_CONFIG_SCHEMA_H_
#define CHANPOOL_SERVER_CONFIG_SCHEMA_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "chanpool/config/v1/annotations.pb.h"

namespace chanpool::config {

// A key of a YAML map.
struct Key {
  const google::protobuf::FieldDescriptor* field = nullptr;
  // The (inline) field in whose message `field` is, when its keys stand beside its siblings; otherwise null.
  const google::protobuf::FieldDescriptor* inlined_in = nullptr;
};

// In the order of the file.
std::vector<Key> KeysOf(const google::protobuf::Descriptor& message);

bool IsDuration(const google::protobuf::FieldDescriptor& field);
// Whether a value of the field is one scalar (or each, of a list).
bool IsScalar(const google::protobuf::FieldDescriptor& field);
bool IsRequired(const google::protobuf::FieldDescriptor& field);
// Whether a duration may be written `infinite`.
bool MayBeInfinite(const google::protobuf::FieldDescriptor& field);
// What holds where the key is left out, as in YAML; empty if nothing is said.
std::string DefaultText(const google::protobuf::FieldDescriptor& field);
// Whether a message that is left out means one that says nothing.
bool AbsentIsDefault(const google::protobuf::FieldDescriptor& field);

// What a change takes: what the field says, else what the one around it has.
chanpool::config::v1::ReloadClass ReloadOf(const google::protobuf::FieldDescriptor& field,
                                           chanpool::config::v1::ReloadClass around);

// All that may be written, without "unspecified".
std::vector<std::string> EnumTexts(const google::protobuf::EnumDescriptor& type);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_SCHEMA_H_
