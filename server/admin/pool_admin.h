// What PoolAdmin does, without a server around it: operations, events, overrides over a registry of pools.
//
//   EventLog events(RealClock());
//   PoolRegistry registry(RealClock(), &events);
//   auto admin = std::make_shared<PoolAdmin>(PoolAdmin::Options{.registry = &registry, .events = &events, ...});
//   PoolAdminService service(admin, {.authorize = SameUser});     // pool_admin_service.h
//   builder.RegisterService(&service);
#ifndef CHANPOOL_SERVER_ADMIN_POOL_ADMIN_H_
#define CHANPOOL_SERVER_ADMIN_POOL_ADMIN_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "server/admin/blocking_work.h"
#include "server/admin/caller.h"
#include "server/admin/config_source.h"
#include "server/admin/event_log.h"
#include "server/admin/followers.h"
#include "server/admin/operation_log.h"
#include "server/admin/pool_registry.h"
#include "server/admin/remote_processes.h"
#include "server/admin/watch_limits.h"

namespace chanpool::admin {

// Of one call: who asks, and until when an answer is of use (of the wall).
struct CallContext {
  Caller caller;
  absl::Time deadline = absl::InfiniteFuture();
};

// Takes the answer to one call. Runs exactly once, on any thread, perhaps inside the call.
template <typename Response>
using Reply = std::function<void(absl::StatusOr<Response>)>;

// What GetStats shows beside counters and gauges, as its request says.
struct StatsInclude {
  bool histograms = false;
  bool methods = false;
};

// Thread-safe.
class PoolAdmin {
 public:
  struct Options {
    PoolRegistry* registry = nullptr;  // Outlives this, as all below.
    EventLog* events = nullptr;
    ConfigSource* config = nullptr;           // Null: no configuration; ReloadConfig and GetConfig say so.
    RemoteProcesses* remote = nullptr;        // Null: nothing can attach here.
    Clock* clock = nullptr;                   // Null: the process's.
    std::string name;                         // Of the process: "chanpoold", or the application's own.
    std::vector<std::string> listeners = {};  // As in Instance.
  };

  explicit PoolAdmin(Options options);
  ~PoolAdmin();  // Ends its operations' bookkeeping and its watches; pools stay as they are.

  // From now on Instance says STOPPING, and watches end with UNAVAILABLE and their last token. Idempotent.
  void BeginShutdown();
  // Once the sockets are bound.
  void SetListeners(std::vector<std::string> listeners);

  // --- The unary calls, as pool_admin.proto has them --------------------------------------------------------------
  // None blocks; errors carry details (status_details.h). Whether the caller may is the service's business.
  void GetInstance(const v1::GetInstanceRequest& request, const CallContext& context,
                   Reply<v1::GetInstanceResponse> reply);
  void ListPools(const v1::ListPoolsRequest& request, const CallContext& context, Reply<v1::ListPoolsResponse> reply);
  void GetPool(const v1::GetPoolRequest& request, const CallContext& context, Reply<v1::GetPoolResponse> reply);
  void ListConnections(const v1::ListConnectionsRequest& request, const CallContext& context,
                       Reply<v1::ListConnectionsResponse> reply);
  void ListEndpoints(const v1::ListEndpointsRequest& request, const CallContext& context,
                     Reply<v1::ListEndpointsResponse> reply);
  void GetStats(const v1::GetStatsRequest& request, const CallContext& context, Reply<v1::GetStatsResponse> reply);
  void ExplainPool(const v1::ExplainPoolRequest& request, const CallContext& context,
                   Reply<v1::ExplainPoolResponse> reply);
  void ListCalls(const v1::ListCallsRequest& request, const CallContext& context, Reply<v1::ListCallsResponse> reply);
  void ListDecisions(const v1::ListDecisionsRequest& request, const CallContext& context,
                     Reply<v1::ListDecisionsResponse> reply);
  void GetConfig(const v1::GetConfigRequest& request, const CallContext& context, Reply<v1::GetConfigResponse> reply);
  void UpdatePool(const v1::UpdatePoolRequest& request, const CallContext& context,
                  Reply<v1::UpdatePoolResponse> reply);
  void ReloadConfig(const v1::ReloadConfigRequest& request, const CallContext& context,
                    Reply<v1::ReloadConfigResponse> reply);
  void DrainPool(const v1::DrainPoolRequest& request, const CallContext& context, Reply<v1::DrainPoolResponse> reply);
  void UndrainPool(const v1::UndrainPoolRequest& request, const CallContext& context,
                   Reply<v1::UndrainPoolResponse> reply);
  void RecyclePool(const v1::RecyclePoolRequest& request, const CallContext& context,
                   Reply<v1::RecyclePoolResponse> reply);
  void GetOperation(const v1::GetOperationRequest& request, const CallContext& context,
                    Reply<v1::GetOperationResponse> reply);
  void ListOperations(const v1::ListOperationsRequest& request, const CallContext& context,
                      Reply<v1::ListOperationsResponse> reply);
  void CancelOperation(const v1::CancelOperationRequest& request, const CallContext& context,
                       Reply<v1::CancelOperationResponse> reply);

  // --- For the watches --------------------------------------------------------------------------------------------
  // As GetStats, at once: of the pools named, or of all. kNotFound for the first that is not there.
  absl::StatusOr<std::vector<v1::PoolStats>> Stats(const std::vector<std::string>& names,
                                                   StatsInclude include = StatsInclude());
  // The same without those that are not there any more.
  std::vector<v1::PoolStats> StatsOfPresent(const std::vector<std::string>& names,
                                            StatsInclude include = StatsInclude());
  // SERVING, NOT_SERVING, or neither: for "", the service's name, "pools/orders" and "processes/shop/pools/orders".
  enum class Serving { kYes, kNo, kUnknown };
  Serving ServingOf(absl::string_view service);

  EventLog& events() const { return *events_; }
  OperationLog& operations() const { return *operations_; }
  RemoteProcesses* remote() const { return remote_; }
  Clock* clock() const { return clock_; }
  WatchLimits& watch_limits() { return watch_limits_; }
  const std::string& instance_id() const { return instance_id_; }
  bool stopping() const { return stopping_.load(); }
  // What a call gets that comes too late, or is ended.
  static absl::Status ShuttingDown();
  // As EventLog::Follow: called when BeginShutdown is.
  std::shared_ptr<void> FollowShutdown(std::function<void()> callback);

 private:
  // Passes a call on to an attached process, and its answer back.
  template <typename Request, typename Response>
  void PassOn(const std::string& process, const char* method, const Request& request, const CallContext& context,
              Reply<Response> reply);
  // Runs `work` on the thread that may block, or answers that too much waits for it already.
  template <typename Response>
  void Block(const Reply<Response>& reply, std::function<void()> work);

  absl::StatusOr<std::shared_ptr<ManagedPool>> FindPool(const std::string& id) const;
  absl::Status NoSuchPool(const std::string& name) const;
  absl::Status TakesReload(const ManagedPool& managed, const std::vector<std::string>& fields);
  v1::Instance DescribeInstance();

  Clock* const clock_;
  PoolRegistry* const registry_;
  EventLog* const events_;
  ConfigSource* const config_;
  RemoteProcesses* const remote_;
  const std::string name_;
  const std::string instance_id_;
  const absl::Time start_time_;  // Of the wall.
  std::atomic<bool> stopping_{false};
  WatchLimits watch_limits_;
  Followers shutdown_followers_;
  const std::shared_ptr<OperationLog> operations_;
  mutable Mutex mu_;
  std::vector<std::string> listeners_ ABSL_GUARDED_BY(mu_);
  BlockingWork blocking_;  // Last: its thread uses all of the above.
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_POOL_ADMIN_H_
