#include "client/cli/operation_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/error_report.h"
#include "client/cli/pool_cells.h"
#include "client/cli/resource_names.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

namespace v1 = ::chanpool::admin::v1;

bool IsDrain(const v1::Operation& operation) { return operation.kind() == v1::OPERATION_KIND_DRAIN; }

std::string Target(const v1::Operation& operation) { return Visible(ShortName(operation.target())); }

std::string What(const v1::Operation& operation) {
  const std::string state = Name(operation.state());
  if (operation.state() != v1::OPERATION_STATE_RUNNING) return state;
  return IsDrain(operation) ? "DRAINING" : "RECYCLING";
}

std::vector<std::string> Blockers(const v1::Operation& operation) {
  std::vector<std::string> blockers;
  for (const v1::Blocker& blocker : operation.progress().blockers()) {
    // Below its pool, which the line has named already.
    const size_t at = blocker.connection().rfind("connections/");
    std::string text =
        absl::StrCat(Visible(at == std::string::npos ? blocker.connection() : blocker.connection().substr(at)), " ",
                     Count(blocker.leases(), "call"));
    if (blocker.has_draining_for()) absl::StrAppend(&text, " (", Age(FromProto(blocker.draining_for())), ")");
    if (blocker.calls_size() > 0) {
      absl::StrAppend(&text, ": ", Visible(blocker.calls(0).method()), " for ", Age(FromProto(blocker.calls(0).age())));
    }
    blockers.push_back(std::move(text));
  }
  return blockers;
}

absl::Duration Took(const v1::Operation& operation) {
  return FromProto(operation.end_time()) - FromProto(operation.start_time());
}

}  // namespace

std::string ProgressLine(const v1::Operation& operation, absl::Time now) {
  const v1::Progress& progress = operation.progress();
  const absl::Duration elapsed = std::max(now - FromProto(operation.start_time()), absl::ZeroDuration());
  std::vector<std::string> parts = {Target(operation), What(operation)};
  parts.push_back(
      operation.has_deadline()
          ? absl::StrCat(Age(elapsed), "/", Age(FromProto(operation.deadline()) - FromProto(operation.start_time())))
          : Age(elapsed));
  const uint32_t total = progress.connections_total();
  const uint32_t remaining = progress.connections_remaining();
  parts.push_back(absl::StrCat("connections ", remaining, "/", total, " left"));
  parts.push_back(absl::StrCat("calls ", progress.leases_remaining()));
  if (remaining > 0 && remaining < total && operation.state() == v1::OPERATION_STATE_RUNNING) {
    const absl::Duration estimate = elapsed * remaining / (total - remaining);
    if (estimate >= absl::Seconds(1)) parts.push_back(absl::StrCat("eta ~", Age(estimate)));
  }
  return absl::StrJoin(parts, "  ");
}

std::string BlockersLine(const v1::Operation& operation) {
  const std::vector<std::string> blockers = Blockers(operation);
  return blockers.empty() ? "" : absl::StrCat("  waiting for: ", absl::StrJoin(blockers, ", "));
}

std::string Fingerprint(const v1::Operation& operation) {
  const v1::Progress& progress = operation.progress();
  return absl::StrCat(operation.state(), " ", progress.connections_total(), " ", progress.connections_remaining(), " ",
                      progress.leases_remaining());
}

std::string FinalLine(const v1::Operation& operation) {
  const v1::Progress& progress = operation.progress();
  const std::string took = Elapsed(Took(operation));
  switch (operation.state()) {
    case v1::OPERATION_STATE_SUCCEEDED:
      if (IsDrain(operation)) {
        return absl::StrCat("drained in ", took, ", ", Count(progress.leases_cancelled(), "call"), " cancelled");
      }
      return absl::StrCat("recycled ", Count(progress.connections_total(), "connection"), " in ", took);
    case v1::OPERATION_STATE_EXPIRED: {
      const std::vector<std::string> blockers = Blockers(operation);
      return absl::StrCat(Target(operation), ": ", Count(progress.leases_remaining(), "call"), " still open on ",
                          Count(progress.connections_remaining(), "connection"), " after ", took,
                          blockers.empty() ? "" : ": ", absl::StrJoin(blockers, ", "));
    }
    case v1::OPERATION_STATE_CANCELLED:
      // Undrained, superseded by another drain, its pool removed: the server says which.
      return absl::StrCat(
          Visible(operation.name()), " was cancelled after ", took,
          operation.error().message().empty() ? "" : absl::StrCat(": ", Visible(operation.error().message())));
    case v1::OPERATION_STATE_FAILED:
      return absl::StrCat(
          Visible(operation.name()), " failed after ", took, ": ",
          operation.error().message().empty() ? "no reason was given" : Visible(operation.error().message()));
    default:
      return absl::StrCat(Visible(operation.name()), " is still under way");
  }
}

int ExitCodeOf(const v1::Operation& operation) {
  switch (operation.state()) {
    case v1::OPERATION_STATE_EXPIRED:
      return kExitDeadline;
    case v1::OPERATION_STATE_CANCELLED:
      return kExitConflict;
    case v1::OPERATION_STATE_FAILED:
      return kExitServerError;
    default:
      return kExitOk;
  }
}

bool HasEnded(const v1::Operation& operation) {
  return operation.state() != v1::OPERATION_STATE_RUNNING && operation.state() != v1::OPERATION_STATE_UNSPECIFIED;
}

std::vector<std::string> NextSteps(const v1::Operation& operation) {
  const std::string name = Visible(operation.name());
  if (HasEnded(operation)) {
    if (!IsDrain(operation) || operation.state() != v1::OPERATION_STATE_EXPIRED) return {};
    return {absl::StrCat("it stays out of service; to lend again: poolctl undrain ", Target(operation))};
  }
  return {absl::StrCat("to look at it:   poolctl operation wait ", name),
          absl::StrCat("to stop it:      poolctl operation cancel ", name,
                       IsDrain(operation) ? absl::StrCat("   (", Target(operation), " lends again)") : "")};
}

}  // namespace chanpool::cli
