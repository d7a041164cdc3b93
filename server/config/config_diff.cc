#include "server/config/config_diff.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/admin/pool_options_proto.h"
#include "server/config/effective_options.h"
#include "server/config/scalar_text.h"
#include "server/config/schema.h"

namespace chanpool::config {
namespace {

using chanpool::admin::v1::FieldChange;
using chanpool::config::v1::Config;
using chanpool::config::v1::PoolConfig;
using chanpool::config::v1::ReloadClass;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class Differ {
 public:
  void Compare(const Config& before, const Config& after) {
    CompareMessages(&before, &after, *Config::descriptor(), "", ReloadClass::RELOAD_CLASS_HOT);
    ComparePools(before, after);
  }

  std::vector<FieldChange> Take() && { return std::move(changes_); }

 private:
  void Add(const std::string& path, std::string old_value, std::string new_value, ReloadClass reload) {
    if (old_value == new_value) return;
    FieldChange& change = changes_.emplace_back();
    change.set_path(path);
    change.set_old_value(std::move(old_value));
    change.set_new_value(std::move(new_value));
    change.set_reload_class(reload);
  }

  // Empty when the message is absent; the default when the field is.
  static std::string Text(const Message* message, const FieldDescriptor& field) {
    if (message == nullptr) return "";
    const auto* reflection = message->GetReflection();
    const bool set =
        field.is_repeated() ? reflection->FieldSize(*message, &field) > 0 : reflection->HasField(*message, &field);
    if (set) return ScalarText(*message, field);
    const std::string by_default = DefaultText(field);
    if (!by_default.empty()) return absl::StrReplaceAll(by_default, {{"\"", ""}});
    // A duration without a default that is not set is none at all, not one of 0.
    return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ? "" : ScalarText(*message, field);
  }

  static const Message* Child(const Message* message, const FieldDescriptor& field) {
    if (message != nullptr && message->GetReflection()->HasField(*message, &field)) {
      return &message->GetReflection()->GetMessage(*message, &field);
    }
    if (!AbsentIsDefault(field)) return nullptr;
    return google::protobuf::MessageFactory::generated_factory()->GetPrototype(field.message_type());
  }

  static const Message* Item(const Message* message, const FieldDescriptor& field, int index) {
    if (message == nullptr || message->GetReflection()->FieldSize(*message, &field) <= index) return nullptr;
    return &message->GetReflection()->GetRepeatedMessage(*message, &field, index);
  }

  // Either may be absent. What is inlined the caller compares as it holds.
  void CompareMessages(const Message* before, const Message* after, const google::protobuf::Descriptor& type,
                       const std::string& path, ReloadClass around) {
    for (const Key& key : KeysOf(type)) {
      const FieldDescriptor& field = *key.field;
      if (key.inlined_in != nullptr || (field.is_repeated() && field.message_type() == PoolConfig::descriptor()))
        continue;
      const std::string name = path.empty() ? field.name() : absl::StrCat(path, ".", field.name());
      const ReloadClass reload = ReloadOf(field, around);
      if (IsScalar(field)) {
        Add(name, Text(before, field), Text(after, field), reload);
      } else if (!field.is_repeated()) {
        const Message* old_child = Child(before, field);
        const Message* new_child = Child(after, field);
        if (old_child == nullptr && new_child == nullptr) continue;
        CompareMessages(old_child, new_child, *field.message_type(), name, reload);
      } else {
        for (int i = 0;; ++i) {
          const Message* old_item = Item(before, field, i);
          const Message* new_item = Item(after, field, i);
          if (old_item == nullptr && new_item == nullptr) break;
          CompareMessages(old_item, new_item, *field.message_type(), absl::StrCat(name, "[", i, "]"), reload);
        }
      }
    }
  }

  void ComparePools(const Config& before, const Config& after) {
    std::map<std::string, std::pair<const PoolConfig*, const PoolConfig*>> pools;
    for (const PoolConfig& pool : before.pools()) pools[pool.name()].first = &pool;
    for (const PoolConfig& pool : after.pools()) pools[pool.name()].second = &pool;
    for (const auto& [name, both] : pools) {
      const std::string path = absl::StrCat("pools/", name);
      const auto [old_pool, new_pool] = both;
      if (old_pool == nullptr || new_pool == nullptr) {
        Add(path, old_pool == nullptr ? "" : old_pool->target(), new_pool == nullptr ? "" : new_pool->target(),
            ReloadClass::RELOAD_CLASS_HOT);
        continue;
      }
      CompareMessages(old_pool, new_pool, *PoolConfig::descriptor(), path, ReloadClass::RELOAD_CLASS_HOT);
      const auto old_options = admin::ToProto(EffectiveOptions(before, *old_pool));
      const auto new_options = admin::ToProto(EffectiveOptions(after, *new_pool));
      CompareMessages(&old_options, &new_options, *old_options.GetDescriptor(), path, ReloadClass::RELOAD_CLASS_HOT);
    }
  }

  std::vector<FieldChange> changes_;
};

}  // namespace

std::vector<FieldChange> Diff(const Config& before, const Config& after) {
  Differ differ;
  differ.Compare(before, after);
  return std::move(differ).Take();
}

}  // namespace chanpool::config
