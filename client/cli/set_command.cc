// set: overrides of a pool's options.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/options_text.h"
#include "client/cli/pool_keys.h"
#include "client/cli/resource_names.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

absl::StatusOr<v1::UpdatePoolRequest> MakeRequest(const Invocation& invocation) {
  v1::UpdatePoolRequest request;
  const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  request.mutable_pool()->set_name(*name);
  std::set<std::string> seen;
  for (size_t i = 1; i < invocation.args.size(); ++i) {
    const std::string& arg = invocation.args[i];
    const size_t equals = arg.find('=');
    absl::string_view option = absl::string_view(arg).substr(0, equals);
    const bool take_back = equals == std::string::npos && absl::ConsumeSuffix(&option, "-");
    absl::ConsumePrefix(&option, "options.");
    if (equals == std::string::npos && !take_back) {
      return UsageError(absl::StrCat("\"", arg, "\" sets nothing; write ", option, "=VALUE, or ", option,
                                     "- to take an override back"));
    }
    const absl::Status set = take_back ? CheckOption(option)
                                       : SetOption(option, absl::string_view(arg).substr(equals + 1),
                                                   *request.mutable_pool()->mutable_options());
    if (!set.ok()) return UsageError(set.message());
    if (!seen.insert(std::string(option)).second) {
      return UsageError(absl::StrCat(option, " is there twice; which one is meant?"));
    }
    request.mutable_update_mask()->add_paths(absl::StrCat("options.", option));
  }
  if (invocation.Has("ttl")) {
    if (!request.pool().has_options())
      return UsageError("--ttl is for a value that is set; what is taken back has no end");
    *request.mutable_ttl() = ToProto(*ParseDuration(invocation.Get("ttl")));
  }
  request.set_validate_only(invocation.Has("dry-run"));
  request.set_reason(invocation.Get("reason"));
  return request;
}

// What became of one path of the mask.
std::string Line(const v1::Pool& pool, const std::string& path, bool dry_run) {
  const absl::string_view option = absl::StripPrefix(path, "options.");
  std::string value = "?";
  for (const OptionText& text : OptionTexts(pool.options())) {
    if (text.name == option) value = text.value;
  }
  std::string line =
      absl::StrCat(dry_run ? "would be: " : "", Visible(ShortName(pool.name())), " ", option, "=", value);
  if (const v1::Override* const entry = OverrideOf(pool, option); entry != nullptr) {
    absl::StrAppend(&line, " (owner: ", Visible(entry->owner_value()));
    if (entry->has_expire_time() && entry->has_set_time()) {
      absl::StrAppend(
          &line, "; ends after ",
          Written(absl::Trunc(FromProto(entry->expire_time()) - FromProto(entry->set_time()) + absl::Milliseconds(500),
                              absl::Seconds(1))));
    }
    return absl::StrCat(line, ")");
  }
  return absl::StrCat(line, " (owner's value, no override)");
}

}  // namespace

absl::StatusOr<int> Set(Session& session, const Invocation& invocation) {
  const absl::StatusOr<v1::UpdatePoolRequest> request = MakeRequest(invocation);
  if (!request.ok()) return request.status();
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::UpdatePoolResponse> response = (*client)->UpdatePool(*request, session.timeout());
  if (!response.ok()) return response.status();
  for (const std::string& warning : response->warnings()) session.Say(absl::StrCat("warning: ", Visible(warning)));
  if (session.format() == Format::kName) {
    session.Write(absl::StrCat(Visible(response->pool().name()), "\n"));
  } else if (!session.ForPeople()) {
    session.PrintMessage(*response);
  } else {
    for (const std::string& path : request->update_mask().paths()) {
      session.Write(absl::StrCat(Line(response->pool(), path, request->validate_only()), "\n"));
    }
  }
  return kExitOk;
}

}  // namespace chanpool::cli
