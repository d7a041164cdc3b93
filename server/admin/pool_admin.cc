#include "server/admin/pool_admin.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "chanpool/admin/v1/version.h"
#include "server/admin/call_view.h"
#include "server/admin/explain_view.h"
#include "server/admin/managed_pool.h"
#include "server/admin/nearest_name.h"
#include "server/admin/page.h"
#include "server/admin/pool_update.h"
#include "server/admin/pool_view.h"
#include "server/admin/proto_time.h"
#include "server/admin/request_checks.h"
#include "server/admin/status_details.h"

namespace chanpool::admin {
namespace {

constexpr char kPoolType[] = "chanpool.admin.v1.Pool";
constexpr char kService[] = "chanpool.admin.v1.PoolAdmin";

// An attached process answers at once or not at all; a caller that says nothing else need not wait for its socket.
constexpr absl::Duration kRemoteTimeout = absl::Seconds(10);
// After "try again": a reload takes milliseconds.
constexpr absl::Duration kRetry = absl::Seconds(1);
// The most pools that may be named in one request.
constexpr int kMaxNamed = 1000;
// In one answer, some 300 bytes each: it stays below gRPC's 4 MiB together with the numbers of 1,000 pools.
constexpr size_t kMaxMethodsTold = 4000;

// Another for each start of a process, and for each PoolAdmin in it.
std::string NewInstanceId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x", device(), device());
}

std::vector<std::string> Names(const google::protobuf::RepeatedPtrField<std::string>& names) {
  return {names.begin(), names.end()};
}

template <typename Rows>
void SortByName(Rows& rows) {
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.name() < b.name(); });
}

// What began later sorts before. Of those that began at the same time this process's own come first, and each process's
// last one.
std::string NewestFirstKey(const v1::Operation& operation) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  // Of a process that attached, so it may be anything.
  const google::protobuf::Timestamp& start = operation.start_time();
  const uint64_t seconds = static_cast<uint64_t>(std::max<int64_t>(start.seconds(), 0));
  const uint64_t nanos = static_cast<uint64_t>(std::max(start.nanos(), 0));
  const absl::string_view name = operation.name();
  uint64_t id = 0;
  if (!absl::SimpleAtoi(name.substr(name.rfind('/') + 1), &id)) id = 0;
  return absl::StrFormat("%020d %020d %d %020d %s", kMost - seconds, kMost - nanos,
                         absl::StartsWith(name, "processes/") ? 1 : 0, kMost - id, name);
}

std::string ConnectionKey(const std::string& pool, ConnectionId id) {
  return absl::StrFormat("%s %010d-%010d", pool, id.slot, id.generation);
}

absl::Status NoConfiguration() {
  const std::string why = "this process has no configuration file; its application configures its pools";
  return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "NO_CONFIGURATION", why)
      .Precondition("NO_CONFIGURATION", "instance", why)
      .Build();
}

// Of a row that was heard from an application, with all that there is.
void ClearHistograms(v1::PoolStats& row) {
  row.clear_fast_waits();
  row.clear_slow_waits();
  row.clear_holds();
  row.clear_connects();
  row.clear_failed_connects();
}

// The newest sorts first.
std::string NewestFirstKey(const Decision& decision) {
  return absl::StrFormat("%020d", std::numeric_limits<uint64_t>::max() - decision.sequence);
}

// Puts our details on what came without: from a pool, say.
absl::Status WithReason(const absl::Status& status, absl::string_view reason) {
  bool detailed = status.ok();
  status.ForEachPayload([&detailed](absl::string_view, const absl::Cord&) { detailed = true; });
  return detailed ? status : ErrorBuilder(status.code(), reason, status.message()).Build();
}

}  // namespace

PoolAdmin::PoolAdmin(Options options)
    : clock_(options.clock == nullptr ? RealClock() : options.clock),
      registry_(options.registry),
      events_(options.events),
      config_(options.config),
      remote_(options.remote),
      name_(std::move(options.name)),
      instance_id_(NewInstanceId()),
      start_time_(clock_->WallNow()),
      operations_(OperationLog::Create(clock_, events_)),
      listeners_(std::move(options.listeners)) {}

PoolAdmin::~PoolAdmin() = default;

void PoolAdmin::BeginShutdown() {
  stopping_.store(true);
  shutdown_followers_.Tell();
}

std::shared_ptr<void> PoolAdmin::FollowShutdown(std::function<void()> callback) {
  return shutdown_followers_.Add(std::move(callback));
}

void PoolAdmin::SetListeners(std::vector<std::string> listeners) {
  MutexLock lock(&mu_);
  listeners_ = std::move(listeners);
}

absl::Status PoolAdmin::ShuttingDown() {
  return ErrorBuilder(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "this process is about to end; try again later")
      .RetryAfter(kRetry)
      .Build();
}

// --- Finding ------------------------------------------------------------------------------------------------------

template <typename Request, typename Response>
void PoolAdmin::PassOn(const std::string& process, const char* method, const Request& request,
                       const CallContext& context, Reply<Response> reply) {
  if (remote_ == nullptr) {
    const std::string name = absl::StrCat("processes/", process);
    return reply(ErrorBuilder(absl::StatusCode::kNotFound, "PROCESS_NOT_FOUND",
                              absl::StrCat("there is no ", name, ": nothing can attach to this process"))
                     .Resource("chanpool.admin.v1.AttachedProcess", name)
                     .Build());
  }
  const auto response = std::make_shared<Response>();
  const absl::Time deadline = std::min(context.deadline, clock_->WallNow() + kRemoteTimeout);
  remote_->Call(process, method, request, context.caller, deadline, response.get(),
                [response, reply = std::move(reply)](const absl::Status& status) {
                  if (!status.ok()) return reply(WithReason(status, "REMOTE_CALL_FAILED"));
                  reply(std::move(*response));
                });
}

template <typename Response>
void PoolAdmin::Block(const Reply<Response>& reply, std::function<void()> work) {
  if (blocking_.Post(std::move(work))) return;
  const std::string what =
      absl::StrCat("already ", BlockingWork::kMaxWaiting, " requests wait for the configuration; try again");
  reply(ErrorBuilder(absl::StatusCode::kResourceExhausted, "TOO_MANY_REQUESTS", what)
            .Quota("requests about the configuration", what)
            .RetryAfter(kRetry)
            .Build());
}

absl::Status PoolAdmin::NoSuchPool(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& pool : registry_->List()) names.push_back(pool->name());
  if (remote_ != nullptr) {
    for (const v1::Pool& pool : remote_->Pools()) names.push_back(pool.name());
  }
  // What an application calls so, or an application: its pools have the longer name.
  const absl::string_view id = absl::StripPrefix(name, "pools/");
  const auto meant = std::find_if(names.begin(), names.end(), [id](const std::string& known) {
    return absl::EndsWith(known, absl::StrCat("/pools/", id)) ||
           absl::StartsWith(known, absl::StrCat("processes/", id, "/"));
  });
  const std::string closest = meant != names.end() ? *meant : NearestName(name, names);
  const std::string message = absl::StrCat("there is no pool ", Quoted(name),
                                           closest.empty() ? "" : absl::StrCat("; did you mean ", closest, "?"));
  ErrorBuilder error(absl::StatusCode::kNotFound, "POOL_NOT_FOUND", message);
  if (!closest.empty()) error.Fact("closest", closest);
  return error.Resource(kPoolType, name).Build();
}

absl::StatusOr<std::shared_ptr<ManagedPool>> PoolAdmin::FindPool(const std::string& id) const {
  std::shared_ptr<ManagedPool> managed = registry_->Find(id);
  if (managed == nullptr) return NoSuchPool(absl::StrCat("pools/", id));
  return managed;
}

// --- Instance -----------------------------------------------------------------------------------------------------

v1::Instance PoolAdmin::DescribeInstance() {
  v1::Instance instance;
  instance.set_instance_id(instance_id_);
  instance.set_name(name_);
  instance.set_version(kVersion);
  instance.set_grpc_version(grpc::Version());
  instance.set_pid(static_cast<uint32_t>(getpid()));
  *instance.mutable_start_time() = ToProto(start_time_);
  instance.set_state(stopping() ? v1::INSTANCE_STATE_STOPPING : v1::INSTANCE_STATE_SERVING);
  {
    MutexLock lock(&mu_);
    for (const std::string& listener : listeners_) instance.add_listeners(listener);
  }
  if (remote_ != nullptr) {
    std::vector<v1::AttachedProcess> processes = remote_->Processes();
    SortByName(processes);
    for (v1::AttachedProcess& process : processes) *instance.add_processes() = std::move(process);
  }
  instance.set_pools(registry_->List().size());
  return instance;
}

void PoolAdmin::GetInstance(const v1::GetInstanceRequest& /*request*/, const CallContext& /*context*/,
                            Reply<v1::GetInstanceResponse> reply) {
  v1::GetInstanceResponse response;
  *response.mutable_instance() = DescribeInstance();
  if (config_ == nullptr) return reply(std::move(response));
  // It reads the file, to say whether that is what holds.
  Block(reply, [this, reply, response]() mutable {
    config_->Describe(*response.mutable_instance());
    reply(std::move(response));
  });
}

// --- Reading pools ------------------------------------------------------------------------------------------------

void PoolAdmin::ListPools(const v1::ListPoolsRequest& request, const CallContext& /*context*/,
                          Reply<v1::ListPoolsResponse> reply) {
  RequestChecks checks;
  Page page("ListPools", request.page_size(), request.page_token(), checks);
  if (!checks.ok()) return reply(checks.ToStatus());
  v1::ListPoolsResponse response;
  for (const auto& managed : registry_->List()) {
    if (page.Takes(absl::StrCat("0 ", managed->name()))) *response.add_pools() = ShowPool(*managed);
  }
  if (remote_ != nullptr) {
    std::vector<v1::Pool> pools = remote_->Pools();
    SortByName(pools);
    for (v1::Pool& pool : pools) {
      if (page.Takes(absl::StrCat("1 ", pool.name()))) *response.add_pools() = std::move(pool);
    }
  }
  response.set_next_page_token(page.next());
  reply(std::move(response));
}

void PoolAdmin::GetPool(const v1::GetPoolRequest& request, const CallContext& context,
                        Reply<v1::GetPoolResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("name", request.name());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) {
    return PassOn<v1::GetPoolRequest, v1::GetPoolResponse>(
        name.process, "GetPool", request, context,
        [this, request, reply = std::move(reply)](absl::StatusOr<v1::GetPoolResponse> response) {
          const bool silent = absl::IsUnavailable(response.status()) || absl::IsDeadlineExceeded(response.status());
          if (!silent || remote_ == nullptr) return reply(std::move(response));
          absl::optional<v1::Pool> heard_last = remote_->FindPool(request.name());
          if (!heard_last.has_value()) return reply(std::move(response));
          response = v1::GetPoolResponse();
          *response->mutable_pool() = *std::move(heard_last);
          response->mutable_pool()->set_stale(true);
          reply(std::move(response));
        });
  }
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  v1::GetPoolResponse response;
  *response.mutable_pool() = ShowPool(**managed);
  reply(std::move(response));
}

void PoolAdmin::ListConnections(const v1::ListConnectionsRequest& request, const CallContext& context,
                                Reply<v1::ListConnectionsResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolParent("parent", request.parent());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "ListConnections", request, context, std::move(reply));
  Page page(absl::StrCat("ListConnections ", request.parent()), request.page_size(), request.page_token(), checks);
  if (!checks.ok()) return reply(checks.ToStatus());
  std::vector<std::shared_ptr<ManagedPool>> pools;
  if (name.id == "-") {
    pools = registry_->List();
  } else {
    auto managed = FindPool(name.id);
    if (!managed.ok()) return reply(managed.status());
    pools.push_back(*std::move(managed));
  }
  v1::ListConnectionsResponse response;
  for (const auto& managed : pools) {
    for (const ConnectionStats& row : managed->pool().Connections()) {
      if (!page.Takes(ConnectionKey(managed->name(), row.id))) continue;
      *response.add_connections() = ShowConnection(row, managed->name());
    }
  }
  response.set_next_page_token(page.next());
  reply(std::move(response));
}

void PoolAdmin::ListEndpoints(const v1::ListEndpointsRequest& request, const CallContext& context,
                              Reply<v1::ListEndpointsResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolParent("parent", request.parent());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "ListEndpoints", request, context, std::move(reply));
  Page page(absl::StrCat("ListEndpoints ", request.parent()), request.page_size(), request.page_token(), checks);
  if (!checks.ok()) return reply(checks.ToStatus());
  std::vector<std::shared_ptr<ManagedPool>> pools;
  if (name.id == "-") {
    pools = registry_->List();
  } else {
    auto managed = FindPool(name.id);
    if (!managed.ok()) return reply(managed.status());
    pools.push_back(*std::move(managed));
  }
  v1::ListEndpointsResponse response;
  for (const auto& managed : pools) {
    const absl::Time now = managed->pool().clock()->Now();
    for (const EndpointStats& row : managed->pool().Endpoints()) {
      if (!page.Takes(absl::StrFormat("%s %020d", managed->name(), row.endpoint.id))) continue;
      *response.add_endpoints() = ShowEndpoint(row, managed->name(), now);
    }
    const std::optional<ResolutionStats> dns = managed->pool().Resolution();
    if (dns && request.page_token().empty()) *response.add_resolutions() = ShowResolution(*dns, managed->name(), now);
  }
  response.set_next_page_token(page.next());
  reply(std::move(response));
}

void PoolAdmin::ExplainPool(const v1::ExplainPoolRequest& request, const CallContext& context,
                            Reply<v1::ExplainPoolResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("name", request.name());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "ExplainPool", request, context, std::move(reply));
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  v1::ExplainPoolResponse response;
  *response.mutable_explanation() = ShowExplanation(**managed);
  reply(std::move(response));
}

void PoolAdmin::ListCalls(const v1::ListCallsRequest& request, const CallContext& context,
                          Reply<v1::ListCallsResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("parent", request.parent());
  if (request.limit() < 0) checks.Wrong("limit", absl::StrCat(request.limit(), " is negative; set 0 for the default"));
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "ListCalls", request, context, std::move(reply));
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  const size_t limit = request.limit() == 0 ? Page::kDefaultSize : std::min<size_t>(request.limit(), Page::kMaxSize);
  std::vector<CallInFlight> calls = (*managed)->pool().Calls(limit + 1);
  v1::ListCallsResponse response;
  response.set_truncated(calls.size() > limit);
  if (response.truncated()) calls.resize(limit);
  for (const CallInFlight& call : calls) *response.add_calls() = ShowCall(call, (*managed)->name());
  reply(std::move(response));
}

void PoolAdmin::ListDecisions(const v1::ListDecisionsRequest& request, const CallContext& context,
                              Reply<v1::ListDecisionsResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("parent", request.parent());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "ListDecisions", request, context, std::move(reply));
  Page page(absl::StrCat("ListDecisions ", request.parent()), request.page_size(), request.page_token(), checks);
  if (!checks.ok()) return reply(checks.ToStatus());
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  const Pool& pool = (*managed)->pool();
  const absl::Duration wall_minus_pool = pool.clock()->WallNow() - pool.clock()->Now();
  const std::vector<Decision> decisions = pool.Decisions();
  v1::ListDecisionsResponse response;
  for (auto decision = decisions.rbegin(); decision != decisions.rend(); ++decision) {
    if (!page.Takes(NewestFirstKey(*decision))) continue;
    *response.add_decisions() = ShowDecision(*decision, wall_minus_pool);
  }
  response.set_next_page_token(page.next());
  reply(std::move(response));
}

absl::StatusOr<std::vector<v1::PoolStats>> PoolAdmin::Stats(const std::vector<std::string>& names,
                                                            StatsInclude include) {
  RequestChecks checks;
  if (names.size() > kMaxNamed) {
    checks.Wrong("pools", absl::StrCat(names.size(), " names; give at most ", kMaxNamed, ", or none for all"));
  }
  for (size_t i = 0; i < names.size() && checks.ok(); ++i) checks.PoolName(absl::StrCat("pools[", i, "]"), names[i]);
  if (!checks.ok()) return checks.ToStatus();
  std::vector<v1::PoolStats> stats = StatsOfPresent(names, include);
  for (const std::string& name : names) {
    if (std::none_of(stats.begin(), stats.end(), [&](const auto& row) { return row.name() == name; })) {
      return NoSuchPool(name);
    }
  }
  return stats;
}

std::vector<v1::PoolStats> PoolAdmin::StatsOfPresent(const std::vector<std::string>& names, StatsInclude include) {
  const auto wanted = [&names](const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  size_t methods_left = kMaxMethodsTold;
  std::vector<v1::PoolStats> stats;
  for (const auto& managed : registry_->List()) {
    if (!wanted(managed->name())) continue;
    StatsParts parts;
    parts.histograms = include.histograms;
    if (include.methods) parts.methods = methods_left;
    stats.push_back(ShowStats(*managed, parts));
    methods_left -= std::min<size_t>(methods_left, stats.back().methods_size());
  }
  if (remote_ != nullptr) {
    std::vector<v1::PoolStats> others = remote_->Stats();
    SortByName(others);
    for (v1::PoolStats& row : others) {
      if (!wanted(row.name())) continue;
      if (!include.histograms) ClearHistograms(row);
      if (!include.methods) row.clear_methods();
      stats.push_back(std::move(row));
    }
  }
  return stats;
}

void PoolAdmin::GetStats(const v1::GetStatsRequest& request, const CallContext& /*context*/,
                         Reply<v1::GetStatsResponse> reply) {
  absl::StatusOr<std::vector<v1::PoolStats>> stats =
      Stats(Names(request.pools()), {request.include_histograms(), request.include_methods()});
  if (!stats.ok()) return reply(stats.status());
  v1::GetStatsResponse response;
  for (v1::PoolStats& row : *stats) *response.add_stats() = std::move(row);
  reply(std::move(response));
}

PoolAdmin::Serving PoolAdmin::ServingOf(absl::string_view service) {
  absl::string_view id = service;
  std::shared_ptr<ManagedPool> managed;
  if (absl::ConsumePrefix(&id, "pools/")) {
    managed = registry_->Find(id);
    if (managed == nullptr) return Serving::kUnknown;
  } else if (absl::ConsumePrefix(&id, "processes/")) {
    const absl::optional<v1::Pool> pool = remote_ == nullptr ? absl::nullopt : remote_->FindPool(service);
    if (!pool.has_value()) return Serving::kUnknown;
    const bool serves = !stopping() && !pool->stale() && pool->admin_state() == v1::ADMIN_STATE_ACTIVE &&
                        pool->health() != v1::HEALTH_UNAVAILABLE;
    return serves ? Serving::kYes : Serving::kNo;
  } else if (!service.empty() && service != kService) {
    return Serving::kUnknown;
  }
  if (stopping()) return Serving::kNo;
  if (managed == nullptr) return Serving::kYes;
  // Of a pool that drains or is paused, too, that is its health.
  return managed->pool().Stats().health == PoolHealth::kUnavailable ? Serving::kNo : Serving::kYes;
}

// --- Configuration ------------------------------------------------------------------------------------------------

void PoolAdmin::GetConfig(const v1::GetConfigRequest& request, const CallContext& /*context*/,
                          Reply<v1::GetConfigResponse> reply) {
  RequestChecks checks;
  if (!v1::ConfigView_IsValid(request.view())) {
    checks.Wrong("view", absl::StrCat(request.view(), " is no view; give RUNNING (1), FILE (2) or DEFAULTS (3)"));
  }
  if (!checks.ok()) return reply(checks.ToStatus());
  if (config_ == nullptr) return reply(NoConfiguration());
  const v1::ConfigView view = request.view() == v1::CONFIG_VIEW_UNSPECIFIED ? v1::CONFIG_VIEW_RUNNING : request.view();
  Block(reply, [this, view, reply] {
    absl::StatusOr<v1::GetConfigResponse> response = config_->Get(view);
    if (!response.ok()) return reply(WithReason(response.status(), "CONFIG_INVALID"));
    reply(std::move(response));
  });
}

void PoolAdmin::ReloadConfig(const v1::ReloadConfigRequest& request, const CallContext& context,
                             Reply<v1::ReloadConfigResponse> reply) {
  RequestChecks checks;
  checks.Reason("reason", request.reason());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (config_ == nullptr) return reply(NoConfiguration());
  if (stopping()) return reply(ShuttingDown());
  Block(reply, [this, request, caller = context.caller, reply] {
    absl::StatusOr<v1::ReloadConfigResponse> response = config_->Reload(request, caller);
    if (response.ok()) return reply(std::move(response));
    reply(WithReason(response.status(), "CONFIG_INVALID"));
  });
}

// --- Changing pools -----------------------------------------------------------------------------------------------

absl::Status PoolAdmin::TakesReload(const ManagedPool& managed, const std::vector<std::string>& fields) {
  std::string owner = "the application that embeds the pool";
  if (config_ != nullptr) {
    v1::Instance instance;
    config_->Describe(instance);
    owner = instance.config_path().empty() ? "the configuration file" : instance.config_path();
  }
  const std::string what = absl::StrJoin(fields, " and ");
  ErrorBuilder error(absl::StatusCode::kFailedPrecondition, "FIELD_REQUIRES_RELOAD",
                     absl::StrCat(what, " of ", managed.name(), " can't be overridden: it comes from ", owner,
                                  config_ == nullptr ? "" : "; change it there and reload"));
  for (const std::string& field : fields) {
    error.Precondition("FIELD_REQUIRES_RELOAD", absl::StrCat(managed.name(), ".", field),
                       absl::StrCat("comes from ", owner));
  }
  return error.Build();
}

void PoolAdmin::UpdatePool(const v1::UpdatePoolRequest& request, const CallContext& context,
                           Reply<v1::UpdatePoolResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("pool.name", request.pool().name());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "UpdatePool", request, context, std::move(reply));
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  const PoolUpdate update = ReadPoolUpdate(request, context.caller, checks);
  for (const auto& [field, why] : (*managed)->Check(update.change)) {
    checks.Wrong(absl::StrCat("pool.options.", field), why);
  }
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!update.not_options.empty()) {
    if (config_ == nullptr) return reply(TakesReload(**managed, update.not_options));
    return Block(reply, [this, managed = *managed, fields = update.not_options, reply] {
      reply(TakesReload(*managed, fields));
    });
  }
  const PoolOptions before = (*managed)->pool().options();
  const absl::StatusOr<ManagedPool::Facts> after = (*managed)->Change(update.change);
  if (absl::IsNotFound(after.status())) return reply(NoSuchPool((*managed)->name()));
  if (absl::IsFailedPrecondition(after.status())) return reply(WithReason(after.status(), "POOL_DESTROYED"));
  if (!after.ok()) return reply(WithReason(after.status(), "FIELD_INVALID"));
  v1::UpdatePoolResponse response;
  *response.mutable_pool() = ShowPool(**managed, *after);
  for (const std::string& warning : WarningsOf(before, after->options)) response.add_warnings(warning);
  reply(std::move(response));
}

void PoolAdmin::DrainPool(const v1::DrainPoolRequest& request, const CallContext& context,
                          Reply<v1::DrainPoolResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("name", request.name());
  checks.Reason("reason", request.reason());
  OperationLog::Request drain;
  if (request.has_deadline()) {
    drain.deadline = checks.DurationIn("deadline", request.deadline(), absl::ZeroDuration(), absl::InfiniteDuration());
  }
  if (!v1::OnDeadline_IsValid(request.on_deadline())) {
    checks.Wrong("on_deadline",
                 absl::StrCat(request.on_deadline(), " is no choice; give LEAVE (1) or CANCEL_CALLS (2)"));
  }
  if (request.on_deadline() == v1::ON_DEADLINE_CANCEL_CALLS) {
    drain.on_deadline = OnDeadline::kCancelCalls;
    if (!request.has_deadline()) {
      checks.Wrong("deadline", "without one no call is ever cancelled; give one, or on_deadline LEAVE");
    }
  }
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "DrainPool", request, context, std::move(reply));
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  drain.supersede = request.supersede();
  drain.validate_only = request.validate_only();
  drain.actor = context.caller.identity;
  drain.reason = request.reason();
  absl::StatusOr<v1::Operation> operation = operations_->Drain(*managed, std::move(drain));
  if (!operation.ok()) return reply(operation.status());
  v1::DrainPoolResponse response;
  *response.mutable_operation() = *std::move(operation);
  reply(std::move(response));
}

void PoolAdmin::UndrainPool(const v1::UndrainPoolRequest& request, const CallContext& context,
                            Reply<v1::UndrainPoolResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("name", request.name());
  checks.Reason("reason", request.reason());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "UndrainPool", request, context, std::move(reply));
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  OperationLog::Request undrain;
  undrain.validate_only = request.validate_only();
  undrain.actor = context.caller.identity;
  undrain.reason = request.reason();
  const absl::StatusOr<bool> changed = operations_->Undrain(*managed, request.etag(), std::move(undrain));
  if (!changed.ok()) return reply(WithReason(changed.status(), "POOL_DESTROYED"));
  v1::UndrainPoolResponse response;
  *response.mutable_pool() = ShowPool(**managed);
  response.set_changed(*changed);
  reply(std::move(response));
}

void PoolAdmin::RecyclePool(const v1::RecyclePoolRequest& request, const CallContext& context,
                            Reply<v1::RecyclePoolResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.PoolName("name", request.name());
  checks.Reason("reason", request.reason());
  OperationLog::Request recycle;
  if (request.has_deadline()) {
    recycle.deadline =
        checks.DurationIn("deadline", request.deadline(), absl::ZeroDuration(), absl::InfiniteDuration());
  }
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "RecyclePool", request, context, std::move(reply));
  const auto managed = FindPool(name.id);
  if (!managed.ok()) return reply(managed.status());
  recycle.validate_only = request.validate_only();
  recycle.actor = context.caller.identity;
  recycle.reason = request.reason();
  absl::StatusOr<v1::Operation> operation = operations_->Recycle(*managed, std::move(recycle));
  if (!operation.ok()) return reply(operation.status());
  v1::RecyclePoolResponse response;
  *response.mutable_operation() = *std::move(operation);
  reply(std::move(response));
}

// --- Operations ---------------------------------------------------------------------------------------------------

void PoolAdmin::GetOperation(const v1::GetOperationRequest& request, const CallContext& context,
                             Reply<v1::GetOperationResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.OperationName("name", request.name());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "GetOperation", request, context, std::move(reply));
  absl::StatusOr<v1::Operation> operation = operations_->Get(name.id);
  if (!operation.ok()) return reply(operation.status());
  v1::GetOperationResponse response;
  *response.mutable_operation() = *std::move(operation);
  reply(std::move(response));
}

void PoolAdmin::ListOperations(const v1::ListOperationsRequest& request, const CallContext& /*context*/,
                               Reply<v1::ListOperationsResponse> reply) {
  RequestChecks checks;
  Page page("ListOperations", request.page_size(), request.page_token(), checks);
  if (!checks.ok()) return reply(checks.ToStatus());
  std::vector<v1::Operation> operations = operations_->List();
  if (remote_ != nullptr) {
    for (v1::Operation& operation : remote_->Operations()) operations.push_back(std::move(operation));
  }
  std::map<std::string, v1::Operation*> newest_first;
  for (v1::Operation& operation : operations) newest_first.emplace(NewestFirstKey(operation), &operation);
  v1::ListOperationsResponse response;
  for (const auto& [key, operation] : newest_first) {
    if (page.Takes(key)) *response.add_operations() = std::move(*operation);
  }
  response.set_next_page_token(page.next());
  reply(std::move(response));
}

void PoolAdmin::CancelOperation(const v1::CancelOperationRequest& request, const CallContext& context,
                                Reply<v1::CancelOperationResponse> reply) {
  RequestChecks checks;
  const ResourceName name = checks.OperationName("name", request.name());
  checks.Reason("reason", request.reason());
  if (!checks.ok()) return reply(checks.ToStatus());
  if (!name.process.empty()) return PassOn(name.process, "CancelOperation", request, context, std::move(reply));
  absl::StatusOr<v1::Operation> operation = operations_->Cancel(name.id, context.caller.identity, request.reason());
  if (!operation.ok()) return reply(operation.status());
  v1::CancelOperationResponse response;
  *response.mutable_operation() = *std::move(operation);
  reply(std::move(response));
}

}  // namespace chanpool::admin
