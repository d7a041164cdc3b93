#include "client/cli/pool_keys.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "chanpool/config/v1/annotations.pb.h"
#include "client/cli/nearest.h"
#include "client/cli/options_text.h"

namespace chanpool::cli {
namespace {

using chanpool::config::v1::Config;
using chanpool::config::v1::PoolConfig;
using chanpool::config::v1::PoolOptions;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string DefaultOf(const FieldDescriptor* field) {
  return field->options().GetExtension(chanpool::config::v1::default_text);
}

bool AbsentIsDefault(const FieldDescriptor* field) {
  return field->options().GetExtension(chanpool::config::v1::absent_is_default);
}

// Of PoolConfig, what is a key of the pool: not what it is asked for by, and not `options`, which are keys themselves.
bool IsKey(const std::string& name) { return name != "name" && name != "options"; }

void AddBelow(const Message& message, const std::string& path, const std::string& owner, std::vector<PoolKey>& keys) {
  const google::protobuf::Reflection* const reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    const std::string name = path + field->name();
    if (!IsKey(name)) continue;
    const int items = field->is_repeated() ? reflection->FieldSize(message, field) : 0;
    const bool set = field->is_repeated() ? items > 0 : reflection->HasField(message, field);
    if (HasKeysBelow(field) && field->is_repeated() && set) {
      for (int item = 0; item < items; ++item) {
        AddBelow(reflection->GetRepeatedMessage(message, field, item), absl::StrCat(name, "[", item, "]."), owner,
                 keys);
      }
    } else if (HasKeysBelow(field) && !field->is_repeated() && (set || AbsentIsDefault(field))) {
      AddBelow(reflection->GetMessage(message, field), name + ".", owner, keys);
    } else if (set) {
      keys.push_back({name, FieldText(message, field), owner, nullptr, ""});
    } else {
      const std::string value = DefaultOf(field);
      keys.push_back({name, value, value.empty() ? kNotSet : kBuiltIn, nullptr, ""});
    }
  }
}

bool Has(const PoolOptions& options, const FieldDescriptor* field) {
  return options.GetReflection()->HasField(options, field);
}

// Its entry in the file; null if there is none.
const PoolConfig* EntryOf(const chanpool::admin::v1::Pool& pool, const Config& config) {
  for (const PoolConfig& entry : config.pools()) {
    if (absl::StrCat("pools/", entry.name()) == pool.name()) return &entry;
  }
  return nullptr;
}

std::vector<std::string> NamesOf(const Descriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  return names;
}

absl::Status NoSuchKey(const std::string& wanted, const std::string& path, const std::string& part,
                       const std::vector<std::string>& names) {
  const std::string near = Nearest(part, names);
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", wanted, "\" is no key of a pool",
      near.empty()
          ? absl::StrCat("; ", path.empty() ? "there are " : absl::StrCat(path, " has "), absl::StrJoin(names, ", "))
          : absl::StrCat("; did you mean ", path, path.empty() ? "" : ".", near, "?")));
}

// Whether a pool may have such a key.
absl::Status CheckKey(const std::string& wanted) {
  const Descriptor* type = PoolConfig::descriptor();
  std::vector<std::string> names = FirstKeys();
  std::string path;
  const std::vector<std::string> parts = absl::StrSplit(wanted, '.');
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::pair<std::string, std::string> part = absl::StrSplit(parts[i], absl::MaxSplits('[', 1));
    if (std::find(names.begin(), names.end(), part.first) == names.end()) {
      return NoSuchKey(wanted, path, part.first, names);
    }
    const FieldDescriptor* field = type->FindFieldByName(part.first);
    if (field == nullptr) field = PoolOptions::descriptor()->FindFieldByName(part.first);
    const bool indexed = parts[i].size() > part.first.size();
    int item = 0;
    absl::string_view index = part.second;
    if (indexed && (!absl::ConsumeSuffix(&index, "]") || !absl::SimpleAtoi(index, &item) || item < 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", wanted, "\" is no key of a pool; an item of a list is ", part.first, "[0]"));
    }
    path = absl::StrCat(path, path.empty() ? "" : ".", parts[i]);
    const bool last = i + 1 == parts.size();
    if ((indexed && !(field->is_repeated() && HasKeysBelow(field))) || (!last && !HasKeysBelow(field))) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", wanted, "\" is no key of a pool; ", part.first, " has no keys below it"));
    }
    if (last) break;
    if (field->is_repeated() && !indexed) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", wanted, "\" is no key of a pool; ", path, " is a list, say which: ", path, "[0]"));
    }
    type = field->message_type();
    names = NamesOf(type);
  }
  return absl::OkStatus();
}

bool IsOrIsBelow(const std::string& name, const std::string& wanted) {
  return absl::StartsWith(name, wanted) &&
         (name.size() == wanted.size() || name[wanted.size()] == '.' || name[wanted.size()] == '[');
}

}  // namespace

const chanpool::admin::v1::Override* OverrideOf(const chanpool::admin::v1::Pool& pool, absl::string_view option) {
  for (const chanpool::admin::v1::Override& entry : pool.overrides()) {
    if (absl::StripPrefix(entry.path(), "options.") == option) return &entry;
  }
  return nullptr;
}

std::vector<PoolKey> KeysOf(const chanpool::admin::v1::Pool& pool, const Config* config) {
  const PoolConfig* const entry = config == nullptr ? nullptr : EntryOf(pool, *config);
  const std::string owner = config == nullptr ? kFromApplication : entry == nullptr ? kFromOldFile : kFromFile;
  PoolConfig channel = pool.channel();
  channel.set_target(pool.target());
  if (pool.has_keepalive()) *channel.mutable_keepalive() = pool.keepalive();
  std::vector<PoolKey> keys;
  AddBelow(channel, "", owner, keys);

  for (int i = 0; i < PoolOptions::descriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = PoolOptions::descriptor()->field(i);
    if (!Has(pool.options(), field)) continue;  // Its server does not know it.
    PoolKey key{field->name(), FieldText(pool.options(), field), owner, OverrideOf(pool, field->name()), ""};
    const std::string owner_value = key.over != nullptr ? key.over->owner_value() : key.value;
    if (config == nullptr && owner_value == DefaultOf(field)) key.source = kBuiltIn;
    if (entry != nullptr && !Has(entry->options(), field)) {
      key.source = Has(config->defaults(), field) ? kFromDefaults : kBuiltIn;
    }
    if (key.over != nullptr) key.owner_source = std::exchange(key.source, kFromOverride);
    keys.push_back(std::move(key));
  }
  return keys;
}

absl::StatusOr<std::vector<PoolKey>> Select(const std::vector<PoolKey>& keys, const std::vector<std::string>& wanted) {
  std::vector<PoolKey> selected;
  std::set<std::string> seen;
  const auto take = [&](const PoolKey& key) {
    if (seen.insert(key.name).second) selected.push_back(key);
  };
  for (absl::string_view given : wanted) {
    absl::ConsumePrefix(&given, "options.");  // As in an update mask.
    const std::string name(absl::StripSuffix(given, "."));
    const absl::Status known = CheckKey(name);
    if (!known.ok()) return known;
    bool any = false;
    for (const PoolKey& key : keys) {
      if (!IsOrIsBelow(key.name, name)) continue;
      any = true;
      take(key);
    }
    if (!any) take({name, "", kNotSet, nullptr, ""});  // Below what it has not.
  }
  return selected;
}

std::vector<std::string> FirstKeys() {
  std::vector<std::string> names;
  for (const std::string& name : NamesOf(PoolConfig::descriptor())) {
    if (IsKey(name)) names.push_back(name);
  }
  const std::vector<std::string> options = OptionNames();
  names.insert(names.end(), options.begin(), options.end());
  return names;
}

}  // namespace chanpool::cli
