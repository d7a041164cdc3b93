#include "server/admin/pool_update.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/admin/nearest_name.h"
#include "server/admin/pool_options_proto.h"

namespace chanpool::admin {
namespace {

using OptionsProto = chanpool::config::v1::PoolOptions;

constexpr char kOptions[] = "options.";
constexpr absl::Duration kShortestTtl = absl::Seconds(1);
constexpr absl::Duration kLongestTtl = absl::Hours(24 * 30);

std::vector<std::string> AllOptions() {
  std::vector<std::string> fields;
  for (int i = 0; i < OptionsProto::descriptor()->field_count(); ++i) {
    fields.push_back(OptionsProto::descriptor()->field(i)->name());
  }
  return fields;
}

// The option that `path` means: options.max_connections, or max_connections. Empty: none.
std::string OptionOf(absl::string_view path) {
  (void)absl::ConsumePrefix(&path, kOptions);
  return OptionsProto::descriptor()->FindFieldByName(std::string(path)) == nullptr ? "" : std::string(path);
}

std::string Nearest(absl::string_view path) {
  absl::string_view option = path;
  (void)absl::ConsumePrefix(&option, kOptions);
  std::string nearest = NearestName(option, AllOptions());
  if (nearest.empty()) nearest = NearestName(option.substr(0, option.find('.')), AllOptions());
  return nearest;
}

void Add(const std::string& field, std::vector<std::string>& fields) {
  if (std::find(fields.begin(), fields.end(), field) == fields.end()) fields.push_back(field);
}

void ReadMask(const google::protobuf::FieldMask& mask, PoolUpdate& update, RequestChecks& checks) {
  for (int i = 0; i < mask.paths_size(); ++i) {
    const std::string& path = mask.paths(i);
    const std::string field = absl::StrCat("update_mask.paths[", i, "]");
    if (path == "*" || path == "options" || path == "options.*") {
      for (const std::string& option : AllOptions()) Add(option, update.change.fields);
    } else if (const std::string option = OptionOf(path); !option.empty()) {
      Add(option, update.change.fields);
    } else if (const absl::string_view top = absl::string_view(path).substr(0, path.find('.'));
               top == "target" || top == "keepalive" || top == "channel") {
      Add(std::string(top), update.not_options);
    } else if (top != "options" && v1::Pool::descriptor()->FindFieldByName(std::string(top)) != nullptr) {
      checks.Wrong(field, absl::StrCat(Quoted(path), " says what is the case, and can't be changed; name options"));
    } else {
      const std::string nearest = Nearest(path);
      checks.Wrong(field,
                   absl::StrCat(Quoted(path), " is no option; ",
                                nearest.empty() ? "give one of Pool.options, such as options.max_connections"
                                                : absl::StrCat("did you mean ", kOptions, nearest, "?")),
                   "MASK_PATH_UNKNOWN");
    }
  }
}

}  // namespace

PoolUpdate ReadPoolUpdate(const v1::UpdatePoolRequest& request, const Caller& caller, RequestChecks& checks) {
  PoolUpdate update;
  update.change.values = request.pool().options();
  update.change.actor = caller.identity;
  update.change.reason = request.reason();
  update.change.etag = request.etag();
  update.change.validate_only = request.validate_only();
  checks.Reason("reason", request.reason());
  if (request.has_ttl()) update.change.ttl = checks.DurationIn("ttl", request.ttl(), kShortestTtl, kLongestTtl);
  if (request.has_update_mask()) {
    ReadMask(request.update_mask(), update, checks);
  } else {
    const OptionsProto& values = request.pool().options();
    for (const std::string& field : AllOptions()) {
      if (!FieldText(values, field).empty()) update.change.fields.push_back(field);
    }
  }
  if (checks.ok() && update.change.fields.empty() && update.not_options.empty()) {
    checks.Wrong("update_mask",
                 "nothing to change: no option is set in pool.options, and the mask names none; set an option, or name "
                 "one to take it back");
  }
  return update;
}

std::vector<std::string> WarningsOf(const PoolOptions& before, const PoolOptions& after) {
  std::vector<std::string> warnings;
  constexpr int kUsualStreams = 100;
  if (after.max_leases_per_connection > kUsualStreams &&
      after.max_leases_per_connection != before.max_leases_per_connection) {
    warnings.push_back(absl::StrCat("max_leases_per_connection ", after.max_leases_per_connection,
                                    ": most servers allow ", kUsualStreams,
                                    " streams on a connection; beyond what yours allows, calls queue unseen"));
  }
  if (after.target_leases_per_connection > after.max_leases_per_connection &&
      (after.target_leases_per_connection != before.target_leases_per_connection ||
       after.max_leases_per_connection != before.max_leases_per_connection)) {
    warnings.push_back(absl::StrCat("target_leases_per_connection ", after.target_leases_per_connection,
                                    " is above max_leases_per_connection ", after.max_leases_per_connection,
                                    ", and counts as that"));
  }
  return warnings;
}

}  // namespace chanpool::admin
