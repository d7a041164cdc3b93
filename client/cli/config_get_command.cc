// config get.
#include <google/protobuf/struct.pb.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/json_text.h"
#include "client/cli/pool_cells.h"
#include "client/cli/pool_keys.h"
#include "client/cli/resource_names.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

// Reloads that may come in between before it is given up.
constexpr int kMostReloads = 5;

struct PoolAndConfig {
  v1::Pool pool;
  std::optional<chanpool::config::v1::Config> config;  // None for an application's.
};

absl::StatusOr<v1::Pool> ReadPool(Session& session, AdminClient& client, const std::string& name) {
  v1::GetPoolRequest request;
  request.set_name(name);
  absl::StatusOr<v1::GetPoolResponse> response = client.GetPool(request, session.timeout());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_pool());
}

absl::StatusOr<v1::GetConfigResponse> ReadConfig(Session& session, AdminClient& client) {
  v1::GetConfigRequest request;
  request.set_view(v1::CONFIG_VIEW_RUNNING);
  return client.GetConfig(request, session.timeout());
}

// Of one generation, whatever is reloaded meanwhile.
absl::StatusOr<PoolAndConfig> Read(Session& session, AdminClient& client, const std::string& name) {
  if (!absl::StartsWith(name, "pools/")) {
    absl::StatusOr<v1::Pool> pool = ReadPool(session, client, name);
    if (!pool.ok()) return pool.status();
    return PoolAndConfig{*std::move(pool), std::nullopt};
  }
  absl::StatusOr<v1::GetConfigResponse> before = ReadConfig(session, client);
  for (int i = 0; before.ok() && i < kMostReloads; ++i) {
    absl::StatusOr<v1::Pool> pool = ReadPool(session, client, name);
    if (!pool.ok()) return pool.status();
    absl::StatusOr<v1::GetConfigResponse> after = ReadConfig(session, client);
    if (!after.ok()) return after.status();
    if (before->generation() == after->generation()) return PoolAndConfig{*std::move(pool), after->config()};
    before = std::move(after);
  }
  if (!before.ok()) return before.status();
  return absl::AbortedError("the configuration is reloaded faster than it can be read; try again");
}

std::string Quoted(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  return ToJson(value);
}

std::string Json(const PoolKey& key) {
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
  const absl::StatusOr<PoolAndConfig> found = Read(session, **client, *name);
  if (!found.ok()) return found.status();

  std::vector<PoolKey> keys = KeysOf(found->pool, found->config.has_value() ? &*found->config : nullptr);
  if (!wanted.empty()) {
    absl::StatusOr<std::vector<PoolKey>> selected = Select(keys, wanted);
    if (!selected.ok()) return UsageError(Visible(selected.status().message()));
    keys = *std::move(selected);
  }
  if (found->pool.stale()) session.Say("warning: its process does not answer; this is what was known last");
  const auto is_shown = [&](const PoolKey& key) { return !wanted.empty() || key.source != kNotSet; };
  if (!session.ForPeople()) {
    std::vector<std::string> items;
    for (const PoolKey& key : keys) {
      if (is_shown(key)) items.push_back(Json(key));
    }
    session.PrintJson(ItemsJson(items));
    return kExitOk;
  }
  Table table({{"KEY"}, {"VALUE", Align::kLeft, /*elastic=*/true}, {"SOURCE", Align::kLeft, /*elastic=*/true}});
  for (const PoolKey& key : keys) {
    if (!is_shown(key)) continue;
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
