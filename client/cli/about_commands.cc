// version, completion.
#include <string>

#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/version.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/json_text.h"
#include "client/cli/nearest.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

using chanpool::admin::kVersion;

constexpr char kBash[] = R"(# poolctl completion for bash
_poolctl() {
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _poolctl poolctl
)";

constexpr char kZsh[] = R"(#compdef poolctl
_poolctl() {
  local -a offers
  offers=("${(@f)$(poolctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- $offers
}
compdef _poolctl poolctl
)";

constexpr char kFish[] = R"(# poolctl completion for fish
complete -c poolctl -f -a '(poolctl __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
)";

}  // namespace

absl::StatusOr<int> Version(Session& session, const Invocation& invocation) {
  if (invocation.Has("client")) {
    if (session.ForPeople()) {
      session.Write(absl::StrCat("poolctl ", kVersion, "\n"));
    } else {
      session.PrintJson(absl::StrCat("{\"client\":{\"version\":\"", kVersion, "\"}}"));
    }
    return kExitOk;
  }
  // What is known without the server is said even if there is none.
  if (session.ForPeople()) session.Write(absl::StrCat("poolctl ", kVersion, "\n"));
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetInstanceResponse> response = (*client)->GetInstance({}, session.timeout());
  if (!response.ok()) return response.status();
  const v1::Instance& instance = response->instance();
  if (session.ForPeople()) {
    session.Write(absl::StrCat(Visible(instance.name()), " ", Visible(instance.version()), " (gRPC ",
                               Visible(instance.grpc_version()), ")\n"));
  } else {
    session.PrintJson(absl::StrCat("{\"client\":{\"version\":\"", kVersion, "\"},\"server\":", ToJson(*response), "}"));
  }
  return kExitOk;
}

absl::StatusOr<int> Completion(Session& session, const Invocation& invocation) {
  const std::string& shell = invocation.args[0];
  const char* const script = shell == "bash" ? kBash : shell == "zsh" ? kZsh : shell == "fish" ? kFish : nullptr;
  if (script == nullptr) {
    return UsageError(absl::StrCat("there is no completion for \"", shell, "\"; there is one for bash, zsh and fish",
                                   DidYouMean(shell, {"bash", "zsh", "fish"})));
  }
  session.Write(script);
  return kExitOk;
}

}  // namespace chanpool::cli
