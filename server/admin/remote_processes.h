// Applications that are attached to this process, as PoolAdmin needs to know them (server/attach has the real thing).
// Every name that goes in or comes out is as this process's clients see it: processes/{process}/pools/{pool}.
#ifndef CHANPOOL_SERVER_ADMIN_REMOTE_PROCESSES_H_
#define CHANPOOL_SERVER_ADMIN_REMOTE_PROCESSES_H_

#include <google/protobuf/message.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "chanpool/admin/v1/instance.pb.h"
#include "chanpool/admin/v1/operation.pb.h"
#include "chanpool/admin/v1/pool.pb.h"
#include "chanpool/admin/v1/stats.pb.h"
#include "server/admin/caller.h"

namespace chanpool::admin {

// Thread-safe. Never blocks: lists answer from what was heard last (at most 1 s ago, or marked stale).
class RemoteProcesses {
 public:
  virtual ~RemoteProcesses() = default;

  virtual std::vector<chanpool::admin::v1::AttachedProcess> Processes() = 0;
  virtual std::vector<chanpool::admin::v1::Pool> Pools() = 0;
  // One of Pools(), without copying them all.
  virtual absl::optional<chanpool::admin::v1::Pool> FindPool(absl::string_view name) = 0;
  virtual std::vector<chanpool::admin::v1::PoolStats> Stats() = 0;
  virtual std::vector<chanpool::admin::v1::Operation> Operations() = 0;

  // Passes a unary call on to processes/{process}. `method` is its short name ("DrainPool"), `request` its request with
  // the names as clients see them. `done` runs exactly once, on any thread, perhaps inside this call, with `*response`
  // filled in, names as clients see them, if OK. Fails with kNotFound (no such process), kUnavailable (it does not
  // answer), or what the process says, payloads included.
  virtual void Call(absl::string_view process, absl::string_view method, const google::protobuf::Message& request,
                    const Caller& caller, absl::Time deadline, google::protobuf::Message* response,
                    std::function<void(absl::Status)> done) = 0;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_REMOTE_PROCESSES_H_
