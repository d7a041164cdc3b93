#include "server/attach/caller_metadata.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace chanpool::attach {
namespace {

constexpr size_t kMaxIdentity = 256;

}  // namespace

void SetCaller(const admin::Caller& caller, grpc::ClientContext& context) {
  std::string identity = caller.identity.substr(0, kMaxIdentity);
  // gRPC aborts the process for a value that is no legal header.
  std::replace_if(
      identity.begin(), identity.end(), [](char c) { return !absl::ascii_isgraph(static_cast<unsigned char>(c)); },
      '?');
  context.AddMetadata(kCallerKey, identity);
  context.AddMetadata(kRoleKey, chanpool::config::v1::Role_Name(caller.role));
}

absl::StatusOr<admin::Caller> CallerFromMetadata(const admin::CallFacts& call) {
  const auto identity = call.metadata.find(kCallerKey);
  const auto role = call.metadata.find(kRoleKey);
  admin::Caller caller;
  if (identity == call.metadata.end() || role == call.metadata.end() ||
      !chanpool::config::v1::Role_Parse(role->second, &caller.role)) {
    return absl::UnauthenticatedError(
        absl::StrCat(call.method, ": the call does not say for whom: it needs the metadata ", kCallerKey, " and ",
                     kRoleKey, " (ROLE_VIEWER, ROLE_OPERATOR), as chanpoold sets them"));
  }
  caller.identity = identity->second;
  return caller;
}

}  // namespace chanpool::attach
