// What the commands of command_table.h do: one function each. All may block, at most for the session's timeout where
// they do not follow a stream. They write data to the session's output, and return the exit code or what went wrong.
#ifndef CHANPOOL_CLIENT_CLI_COMMANDS_H_
#define CHANPOOL_CLIENT_CLI_COMMANDS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/command_table.h"
#include "client/cli/session.h"

namespace chanpool::cli {

// get_commands.cc, describe_command.cc
absl::StatusOr<int> GetPools(Session& session, const Invocation& invocation);
absl::StatusOr<int> GetConnections(Session& session, const Invocation& invocation);
absl::StatusOr<int> GetEndpoints(Session& session, const Invocation& invocation);
absl::StatusOr<int> GetOperations(Session& session, const Invocation& invocation);
// The rows of get operations and operation get.
Table OperationTable(Session& session, const std::vector<v1::Operation>& operations);
absl::StatusOr<int> GetInstance(Session& session, const Invocation& invocation);
absl::StatusOr<int> GetStats(Session& session, const Invocation& invocation);
absl::StatusOr<int> DescribePool(Session& session, const Invocation& invocation);
// calls_command.cc
absl::StatusOr<int> Calls(Session& session, const Invocation& invocation);
// explain_commands.cc
absl::StatusOr<int> ExplainPool(Session& session, const Invocation& invocation);
absl::StatusOr<int> Decisions(Session& session, const Invocation& invocation);
// events_command.cc, top_command.cc
absl::StatusOr<int> Events(Session& session, const Invocation& invocation);
absl::StatusOr<int> Top(Session& session, const Invocation& invocation);
// set_command.cc
absl::StatusOr<int> Set(Session& session, const Invocation& invocation);
// operation_commands.cc
absl::StatusOr<int> Drain(Session& session, const Invocation& invocation);
absl::StatusOr<int> Undrain(Session& session, const Invocation& invocation);
absl::StatusOr<int> Recycle(Session& session, const Invocation& invocation);
absl::StatusOr<int> OperationGet(Session& session, const Invocation& invocation);
absl::StatusOr<int> OperationWait(Session& session, const Invocation& invocation);
absl::StatusOr<int> OperationCancel(Session& session, const Invocation& invocation);
// config_get_command.cc, config_commands.cc
absl::StatusOr<int> ConfigGet(Session& session, const Invocation& invocation);
absl::StatusOr<int> Reload(Session& session, const Invocation& invocation);
absl::StatusOr<int> ConfigView(Session& session, const Invocation& invocation);
absl::StatusOr<int> ConfigValidate(Session& session, const Invocation& invocation);
// about_commands.cc
absl::StatusOr<int> Version(Session& session, const Invocation& invocation);
absl::StatusOr<int> Completion(Session& session, const Invocation& invocation);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_COMMANDS_H_
