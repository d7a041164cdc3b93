// reload, config view, config validate.
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/pool_cells.h"
#include "client/cli/resource_names.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

std::string ClassName(chanpool::config::v1::ReloadClass reload_class) {
  return ValueName(chanpool::config::v1::ReloadClass_descriptor(), reload_class, "RELOAD_CLASS_");
}

Table ChangesTable(const v1::ReloadConfigResponse& response) {
  Table table(
      {{"CHANGE"}, {"OLD", Align::kLeft, /*elastic=*/true}, {"NEW", Align::kLeft, /*elastic=*/true}, {"CLASS"}});
  for (const v1::FieldChange& change : response.changes()) {
    const bool hot = change.reload_class() == chanpool::config::v1::RELOAD_CLASS_HOT;
    table.Add({{Visible(absl::StripPrefix(change.path(), "pools/"))},
               {Visible(change.old_value())},
               {Visible(change.new_value())},
               {ClassName(change.reload_class()), hot ? Tone::kPlain : Tone::kWarning}});
  }
  return table;
}

void AddNames(const google::protobuf::RepeatedPtrField<std::string>& names, const char* what, std::string& text) {
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(Visible(ShortName(name)));
  if (!shown.empty()) absl::StrAppend(&text, what, ": ", absl::StrJoin(shown, ", "), "\n");
}

bool ChangesNothing(const v1::ReloadConfigResponse& response) {
  return response.changes().empty() && response.added_pools().empty() && response.removed_pools().empty() &&
         response.recycled_pools().empty();
}

void SayWarnings(Session& session, const v1::ReloadConfigResponse& response) {
  for (const v1::ConfigDiagnostic& warning : response.warnings()) {
    std::string where = Visible(warning.file());
    if (warning.line() > 0) absl::StrAppend(&where, ":", warning.line(), ":", warning.column());
    session.Say(absl::StrCat("warning: ", where.empty() ? "" : where + ": ",
                             warning.path().empty() ? "" : Visible(warning.path()) + ": ", Visible(warning.message()),
                             warning.hint().empty() ? "" : absl::StrCat(" (", Visible(warning.hint()), ")")));
  }
}

}  // namespace

absl::StatusOr<int> Reload(Session& session, const Invocation& invocation) {
  v1::ReloadConfigRequest request;
  request.set_validate_only(invocation.Has("dry-run"));
  request.set_reason(invocation.Get("reason"));
  if (invocation.Has("expected-generation")) {
    uint64_t generation = 0;
    if (!absl::SimpleAtoi(invocation.Get("expected-generation"), &generation) || generation == 0) {
      return UsageError("--expected-generation: generations count from 1; see poolctl get instance");
    }
    request.set_expected_generation(generation);
  }
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::ReloadConfigResponse> response = (*client)->ReloadConfig(request, session.timeout());
  if (!response.ok()) return response.status();
  SayWarnings(session, *response);
  if (!session.ForPeople()) {
    session.PrintMessage(*response);
    return kExitOk;
  }
  if (ChangesNothing(*response)) {
    session.Write(absl::StrCat("nothing to change: generation ", response->generation(), " is what the file says\n"));
    return kExitOk;
  }
  if (!response->changes().empty()) session.Print(ChangesTable(*response));
  std::string text;
  const bool dry = request.validate_only();
  AddNames(response->added_pools(), dry ? "would add" : "added", text);
  AddNames(response->removed_pools(), dry ? "would drain and remove" : "draining, to be removed", text);
  AddNames(response->recycled_pools(), dry ? "would recycle" : "recycling", text);
  session.Write(text);
  session.Write(dry ? absl::StrCat("nothing changed: generation ", response->generation(), " still holds\n")
                    : absl::StrCat("generation ", response->generation(), " holds",
                                   response->has_apply_duration()
                                       ? absl::StrCat(" after ", Elapsed(FromProto(response->apply_duration())))
                                       : "",
                                   "\n"));
  return kExitOk;
}

absl::StatusOr<int> ConfigView(Session& session, const Invocation& invocation) {
  if (invocation.Has("file") && invocation.Has("defaults")) {
    return UsageError("--file and --defaults are two views; give one of them");
  }
  v1::GetConfigRequest request;
  request.set_view(invocation.Has("file")       ? v1::CONFIG_VIEW_FILE
                   : invocation.Has("defaults") ? v1::CONFIG_VIEW_DEFAULTS
                                                : v1::CONFIG_VIEW_RUNNING);
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetConfigResponse> response = (*client)->GetConfig(request, session.timeout());
  if (!response.ok()) return response.status();
  if (session.format() == Format::kJson) {
    session.PrintMessage(*response);
    return kExitOk;
  }
  const std::string yaml = VisibleLines(absl::StripTrailingAsciiWhitespace(response->yaml()));
  session.Write(absl::StrCat(yaml, "\n"));
  return kExitOk;
}

absl::StatusOr<int> ConfigValidate(Session& session, const Invocation& /*invocation*/) {
  v1::ReloadConfigRequest request;
  request.set_validate_only(true);
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::ReloadConfigResponse> response = (*client)->ReloadConfig(request, session.timeout());
  if (!response.ok()) return response.status();
  SayWarnings(session, *response);
  if (!session.ForPeople()) {
    session.PrintMessage(*response);
  } else {
    session.Write(ChangesNothing(*response)
                      ? "valid, and what holds already\n"
                      : absl::StrCat("valid; a reload would make ", Count(response->changes_size(), "change"),
                                     ", see poolctl reload --dry-run\n"));
  }
  return kExitOk;
}

}  // namespace chanpool::cli
