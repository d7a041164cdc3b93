// drain, undrain, recycle; operation get, wait, cancel.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/json_text.h"
#include "client/cli/operation_view.h"
#include "client/cli/pool_cells.h"
#include "client/cli/resource_names.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

using Next = chanpool::admin::ResponseStream<v1::WatchOperationResponse>::Next;

constexpr absl::Duration kHeartbeat = absl::Seconds(10);
constexpr absl::Duration kLeastBetweenLines = absl::Seconds(1);

// Progress on standard error: redrawn in place on a terminal, else a line a second at most while the numbers change,
// and one now and then that says that it still lives. Programs, who get the operation at its end, are told nothing.
class ProgressTalk {
 public:
  explicit ProgressTalk(Session& session) : session_(session) {}

  void Show(const v1::Operation& operation) {
    if (!session_.ForPeople()) return;
    const int columns = session_.env().talk_columns;
    const absl::Time now = session_.now();
    std::vector<std::string> lines = {ProgressLine(operation, now)};
    const std::string blockers = BlockersLine(operation);
    if (!blockers.empty()) lines.push_back(blockers);
    if (columns > 0) {
      std::string text;
      for (const std::string& line : lines) {
        // A line that wraps would take two, and the next redraw would leave one behind.
        absl::StrAppend(&text, Clip(line, static_cast<size_t>(columns) - 1), "\n");
      }
      if (text == last_text_) return;
      *session_.env().err << Erase() << text << std::flush;
      last_text_ = text;
      drawn_ = static_cast<int>(lines.size());
      return;
    }
    const std::string print = Fingerprint(operation);
    if (now - last_line_ < (print == last_print_ ? kHeartbeat : kLeastBetweenLines)) return;
    last_print_ = print;
    last_line_ = now;
    session_.Say(absl::StrJoin(lines, ""));
  }

  // What follows stands where the progress was.
  void End() {
    *session_.env().err << Erase() << std::flush;
    drawn_ = 0;
  }

 private:
  std::string Erase() const { return drawn_ == 0 ? "" : absl::StrCat("\x1b[", drawn_, "A\x1b[J"); }

  Session& session_;
  int drawn_ = 0;  // Lines on the terminal.
  std::string last_text_;
  std::string last_print_;
  absl::Time last_line_ = absl::InfinitePast();
};

// The operation, as -o says.
void PrintOperation(Session& session, const v1::Operation& operation) {
  if (session.format() == Format::kName) {
    session.Write(absl::StrCat(Visible(operation.name()), "\n"));
  } else {
    session.PrintMessage(operation);
  }
}

void SayNextSteps(Session& session, const v1::Operation& operation) {
  for (const std::string& step : NextSteps(operation)) session.Say(step);
}

int Detached(Session& session, const v1::Operation& operation) {
  session.Say(absl::StrCat("detached; ", Visible(operation.name()), " goes on"));
  SayNextSteps(session, operation);
  return kExitInterrupted;
}

// Shows the progress of `operation` until it ends, or until Ctrl-C.
absl::StatusOr<int> Follow(Session& session, AdminClient& client, v1::Operation operation) {
  ProgressTalk talk(session);
  if (!HasEnded(operation)) {
    if (session.env().interrupts() > 0) return Detached(session, operation);
    v1::WatchOperationRequest request;
    request.set_name(operation.name());
    const auto stream = client.WatchOperation(request, absl::InfiniteDuration());
    talk.Show(operation);
    for (;;) {
      v1::WatchOperationResponse response;
      const Next next = stream->Read(&response, session.env().poll);
      if (next == Next::kEnd) break;
      if (next == Next::kMessage) operation = response.operation();
      if (HasEnded(operation)) break;
      talk.Show(operation);
      if (session.env().interrupts() > 0) {
        talk.End();
        return Detached(session, operation);
      }
    }
    talk.End();
    if (!HasEnded(operation)) {
      // Lost from sight, not ended: whoever asked must not take this for a result.
      if (stream->status().ok()) {
        return absl::InternalError(absl::StrCat("the watch of ", operation.name(), " ended before the operation"));
      }
      session.Say(absl::StrCat("lost sight of ", Visible(operation.name()), "; it may go on"));
      SayNextSteps(session, operation);
      return stream->status();
    }
  }
  if (!session.ForPeople()) {
    PrintOperation(session, operation);
  } else if (ExitCodeOf(operation) == kExitOk) {
    session.Write(absl::StrCat(FinalLine(operation), "\n"));
  } else {
    session.Say(absl::StrCat("poolctl: ", FinalLine(operation)));
  }
  if (session.ForPeople()) SayNextSteps(session, operation);
  return ExitCodeOf(operation);
}

// What follows on the answer to DrainPool and RecyclePool.
absl::StatusOr<int> Started(Session& session, AdminClient& client, const v1::Operation& operation,
                            const Invocation& invocation) {
  if (invocation.Has("dry-run")) {
    if (!session.ForPeople()) {
      PrintOperation(session, operation);
      return kExitOk;
    }
    session.Write(absl::StrCat("would ", operation.kind() == v1::OPERATION_KIND_DRAIN ? "drain " : "recycle ",
                               Visible(ShortName(operation.target())), ": ",
                               Count(operation.progress().connections_total(), "connection"), ", ",
                               Count(operation.progress().leases_remaining(), "call"), " in flight\n"));
    return kExitOk;
  }
  if (!invocation.Has("detach")) return Follow(session, client, operation);
  if (session.ForPeople()) {
    session.Write(absl::StrCat(Visible(operation.name()), "\n"));
    SayNextSteps(session, operation);
  } else {
    PrintOperation(session, operation);
  }
  return kExitOk;
}

template <typename Request>
absl::Status FillIn(const Invocation& invocation, Request& request) {
  const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  request.set_name(*name);
  request.set_reason(invocation.Get("reason"));
  request.set_validate_only(invocation.Has("dry-run"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Drain(Session& session, const Invocation& invocation) {
  v1::DrainPoolRequest request;
  const absl::Status filled = FillIn(invocation, request);
  if (!filled.ok()) return filled;
  if (invocation.Has("deadline")) {
    *request.mutable_deadline() = ToProto(*ParseDuration(invocation.Get("deadline")));
  } else if (invocation.Has("cancel-calls")) {
    return UsageError("--cancel-calls cancels at the deadline; say when: --deadline 60s");
  }
  request.set_on_deadline(invocation.Has("cancel-calls") ? v1::ON_DEADLINE_CANCEL_CALLS : v1::ON_DEADLINE_LEAVE);
  request.set_supersede(invocation.Has("supersede"));
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  session.env().interrupts();  // From here on Ctrl-C must not hide whether a drain was started.
  const absl::StatusOr<v1::DrainPoolResponse> response = (*client)->DrainPool(request, session.timeout());
  if (!response.ok()) return response.status();
  return Started(session, **client, response->operation(), invocation);
}

absl::StatusOr<int> Recycle(Session& session, const Invocation& invocation) {
  v1::RecyclePoolRequest request;
  const absl::Status filled = FillIn(invocation, request);
  if (!filled.ok()) return filled;
  if (invocation.Has("deadline")) *request.mutable_deadline() = ToProto(*ParseDuration(invocation.Get("deadline")));
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  session.env().interrupts();
  const absl::StatusOr<v1::RecyclePoolResponse> response = (*client)->RecyclePool(request, session.timeout());
  if (!response.ok()) return response.status();
  return Started(session, **client, response->operation(), invocation);
}

absl::StatusOr<int> Undrain(Session& session, const Invocation& invocation) {
  v1::UndrainPoolRequest request;
  const absl::Status filled = FillIn(invocation, request);
  if (!filled.ok()) return filled;
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::UndrainPoolResponse> response = (*client)->UndrainPool(request, session.timeout());
  if (!response.ok()) return response.status();
  if (!session.ForPeople()) {
    session.PrintMessage(*response);
    return kExitOk;
  }
  const std::string pool = Visible(ShortName(response->pool().name()));
  if (request.validate_only()) {
    session.Write(
        absl::StrCat(pool, response->changed() ? " would lend again\n" : " is not drained; nothing would change\n"));
  } else {
    session.Write(absl::StrCat(pool, response->changed() ? " lends again\n" : " was not drained; nothing changed\n"));
  }
  return kExitOk;
}

absl::StatusOr<int> OperationGet(Session& session, const Invocation& invocation) {
  v1::GetOperationRequest request;
  const absl::StatusOr<std::string> name = OperationName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  request.set_name(*name);
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetOperationResponse> response = (*client)->GetOperation(request, session.timeout());
  if (!response.ok()) return response.status();
  if (!session.ForPeople()) {
    if (session.format() == Format::kName) {
      PrintOperation(session, response->operation());
    } else {
      session.PrintMessage(*response);
    }
    return kExitOk;
  }
  session.Print(OperationTable(session, {response->operation()}));
  const std::string blockers = BlockersLine(response->operation());
  if (!blockers.empty()) session.Write(absl::StrCat(blockers, "\n"));
  return kExitOk;
}

absl::StatusOr<int> OperationWait(Session& session, const Invocation& invocation) {
  v1::GetOperationRequest request;
  const absl::StatusOr<std::string> name = OperationName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  request.set_name(*name);
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetOperationResponse> response = (*client)->GetOperation(request, session.timeout());
  if (!response.ok()) return response.status();
  return Follow(session, **client, response->operation());
}

absl::StatusOr<int> OperationCancel(Session& session, const Invocation& invocation) {
  v1::CancelOperationRequest request;
  const absl::StatusOr<std::string> name = OperationName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  request.set_name(*name);
  request.set_reason(invocation.Get("reason"));
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  // The answer shows the operation as it is afterwards; that it had ended is known before.
  v1::GetOperationRequest look;
  look.set_name(*name);
  const absl::StatusOr<v1::GetOperationResponse> before = (*client)->GetOperation(look, session.timeout());
  if (!before.ok()) return before.status();
  const absl::StatusOr<v1::CancelOperationResponse> response = (*client)->CancelOperation(request, session.timeout());
  if (!response.ok()) return response.status();
  if (session.format() == Format::kName) {
    PrintOperation(session, response->operation());
  } else if (!session.ForPeople()) {
    session.PrintMessage(*response);
  } else {
    session.Print(OperationTable(session, {response->operation()}));
    const v1::Operation& after = response->operation();
    if (HasEnded(before->operation()) || (HasEnded(after) && after.state() != v1::OPERATION_STATE_CANCELLED)) {
      session.Say(absl::StrCat(Visible(after.name()), " had ended already; nothing was cancelled"));
    }
  }
  return kExitOk;
}

}  // namespace chanpool::cli
