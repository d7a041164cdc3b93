// calls.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/call_text.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/json_text.h"
#include "client/cli/resource_names.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {

absl::StatusOr<int> Calls(Session& session, const Invocation& invocation) {
  const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  v1::ListCallsRequest request;
  request.set_parent(*name);
  if (invocation.Has("limit")) {
    int limit = 0;
    if (!absl::SimpleAtoi(invocation.Get("limit"), &limit) || limit < 1 || limit > 1000) {
      return UsageError(absl::StrCat("--limit is ", Visible(invocation.Get("limit")), "; give 1 to 1000"));
    }
    request.set_limit(limit);
  }
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::ListCallsResponse> response = (*client)->ListCalls(request, session.timeout());
  if (!response.ok()) return response.status();
  if (!session.ForPeople()) {
    std::vector<std::string> json;
    for (const v1::Call& call : response->calls()) json.push_back(ToJson(call));
    session.PrintJson(ItemsJson(json));
    return kExitOk;
  }
  Table table({{"AGE", Align::kRight}, {"METHOD", Align::kLeft, /*elastic=*/true}, {"CONNECTION"}, {"DEADLINE"}});
  for (const v1::Call& call : response->calls()) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(call.connection(), "/connections/");
    table.Add({{Elapsed(FromProto(call.age()))},
               {Visible(call.method())},
               {Visible(parts.second)},
               {DeadlineText(call, session.now())}});
  }
  if (table.empty()) {
    session.Say("no calls are in flight");
    return kExitOk;
  }
  session.Print(table);
  if (response->truncated()) session.Say("there are more, which are younger; --limit shows up to 1000");
  return kExitOk;
}

}  // namespace chanpool::cli
