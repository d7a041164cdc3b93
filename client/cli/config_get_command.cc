// config get.
#include <google/protobuf/struct.pb.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/json_text.h"
#include "client/cli/nearest.h"
#include "client/cli/options_text.h"
#include "client/cli/pool_cells.h"
#include "client/cli/resource_names.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

using chanpool::config::v1::PoolConfig;
using google::protobuf::FieldDescriptor;

constexpr char kOverride[] = "override";
constexpr char kNotSet[] = "not set";

// One key of a pool: what holds, and who says so.
struct Key {
  std::string name;
  std::string value;
  std::string source;
  const v1::Override* over = nullptr;  // If it is one: what it hides.
  std::string owner_source;            // Then whose value that is.
};

// Who says what below the overrides.
class Owner {
 public:
  // An application has a pool of its own; it says all of it.
  Owner() = default;
  // The configuration that is in force; null where it has the pool no more, which drains with what the file said.
  Owner(const chanpool::config::v1::Config& config, const PoolConfig* pool)
      : channel_("file"), config_(&config), pool_(pool) {}

  const std::string& SourceOfChannel() const { return channel_; }
  std::string SourceOfOption(const std::string& option) const {
    if (config_ == nullptr) return channel_;
    if (pool_ == nullptr) return "an earlier file";
    if (Has(pool_->options(), option)) return "file";
    return Has(config_->defaults(), option) ? "file, defaults" : "built in";
  }

 private:
  static bool Has(const chanpool::config::v1::PoolOptions& options, const std::string& name) {
    const FieldDescriptor* const field = options.GetDescriptor()->FindFieldByName(name);
    return field != nullptr && options.GetReflection()->HasField(options, field);
  }

  std::string channel_ = "application";
  const chanpool::config::v1::Config* config_ = nullptr;
  const PoolConfig* pool_ = nullptr;
};

std::vector<Key> KeysOf(const v1::Pool& pool, const Owner& owner) {
  PoolConfig channel = pool.channel();
  channel.set_target(pool.target());
  if (pool.has_keepalive()) *channel.mutable_keepalive() = pool.keepalive();
  std::vector<Key> keys;
  for (const OptionText& text : ChannelTexts(channel)) {
    keys.push_back({text.name, text.value, owner.SourceOfChannel(), nullptr, ""});
  }
  for (const OptionText& text : OptionTexts(pool.options())) {
    Key key{text.name, text.value, owner.SourceOfOption(text.name), nullptr, ""};
    for (const v1::Override& over : pool.overrides()) {
      if (absl::StripPrefix(over.path(), "options.") != key.name) continue;
      key.over = &over;
      key.owner_source = std::exchange(key.source, kOverride);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

// "retry" is all of retry.calls[0].methods and the others there.
bool IsOrIsBelow(const std::string& name, const std::string& wanted) {
  return absl::StartsWith(name, wanted) && (name.size() == wanted.size() || name[wanted.size()] == '.' ||
                                            name[wanted.size()] == '[' || wanted.back() == '.');
}

// A key that a pool may have, though this one has not.
absl::Status CheckKey(const std::string& wanted) {
  std::vector<std::string> names = OptionNames();
  for (int i = 0; i < PoolConfig::descriptor()->field_count(); ++i) {
    const std::string name = PoolConfig::descriptor()->field(i)->name();
    if (name != "name" && name != "options") names.push_back(name);
  }
  const std::string first = wanted.substr(0, wanted.find_first_of(".["));
  for (const std::string& name : names) {
    if (name == first) return absl::OkStatus();
  }
  const std::string near = DidYouMean(first, names);
  return UsageError(absl::StrCat("\"", Visible(wanted), "\" is no key of a pool",
                                 near.empty() ? absl::StrCat("; there are ", absl::StrJoin(names, ", ")) : near));
}

absl::StatusOr<std::vector<Key>> Chosen(const std::vector<Key>& all, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return all;
  std::vector<Key> chosen;
  for (const std::string& name : wanted) {
    const size_t before = chosen.size();
    for (const Key& key : all) {
      if (IsOrIsBelow(key.name, name)) chosen.push_back(key);
    }
    if (chosen.size() > before) continue;
    const absl::Status known = CheckKey(name);
    if (!known.ok()) return known;
    chosen.push_back({name, "", kNotSet, nullptr, ""});
  }
  return chosen;
}

std::string Quoted(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  return ToJson(value);
}

std::string Json(const Key& key) {
  std::string json =
      absl::StrCat("{\"key\":", Quoted(key.name), ",\"value\":", Quoted(key.value), ",\"source\":", Quoted(key.source));
  if (key.over != nullptr) {
    absl::StrAppend(&json, ",\"override\":", ToJson(*key.over), ",\"ownerSource\":", Quoted(key.owner_source));
  }
  return json + "}";
}

}  // namespace

absl::StatusOr<int> ConfigGet(Session& session, const Invocation& invocation) {
  const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  const std::vector<std::string> wanted(invocation.args.begin() + 1, invocation.args.end());
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();

  v1::GetPoolRequest of_pool;
  of_pool.set_name(*name);
  const absl::StatusOr<v1::GetPoolResponse> found = (*client)->GetPool(of_pool, session.timeout());
  if (!found.ok()) return found.status();
  const v1::Pool& pool = found->pool();

  v1::GetConfigResponse config;
  Owner owner;
  if (absl::StartsWith(pool.name(), "pools/")) {
    v1::GetConfigRequest of_config;
    of_config.set_view(v1::CONFIG_VIEW_RUNNING);
    const absl::StatusOr<v1::GetConfigResponse> response = (*client)->GetConfig(of_config, session.timeout());
    if (!response.ok()) return response.status();
    config = *response;
    const PoolConfig* says = nullptr;
    for (const PoolConfig& each : config.config().pools()) {
      if (absl::StrCat("pools/", each.name()) == pool.name()) says = &each;
    }
    owner = Owner(config.config(), says);
  }

  const absl::StatusOr<std::vector<Key>> keys = Chosen(KeysOf(pool, owner), wanted);
  if (!keys.ok()) return keys.status();
  if (!session.ForPeople()) {
    std::vector<std::string> items;
    for (const Key& key : *keys) items.push_back(Json(key));
    session.PrintJson(ItemsJson(items));
    return kExitOk;
  }
  Table table({{"KEY"}, {"VALUE", Align::kLeft, /*elastic=*/true}, {"SOURCE", Align::kLeft, /*elastic=*/true}});
  for (const Key& key : *keys) {
    const std::string source =
        key.over == nullptr
            ? key.source
            : absl::StrCat(key.source, " (", OverrideText(*key.over, key.owner_source, session.now()), ")");
    table.Add(
        {{Visible(key.name)}, {Visible(key.value)}, {source, key.over != nullptr ? Tone::kWarning : Tone::kPlain}});
  }
  session.Print(table);
  return kExitOk;
}

}  // namespace chanpool::cli
