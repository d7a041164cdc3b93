#include "server/admin/operation_log.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/admin/call_view.h"
#include "server/admin/proto_time.h"
#include "server/admin/request_checks.h"
#include "server/admin/status_details.h"

namespace chanpool::admin {
namespace {

using chanpool::admin::v1::Operation;
using chanpool::admin::v1::Progress;

constexpr absl::Duration kLookEvery = absl::Milliseconds(100);
// After calls were cancelled: how long their leases may take to come back.
constexpr absl::Duration kCancelSettle = absl::Seconds(1);
constexpr size_t kMaxBlockers = 10;
constexpr size_t kMaxCallsOfBlocker = 3;

// 2026-01-01 00:00 UTC. Seconds since then are shorter to type than those since 1970.
constexpr int64_t kIdEpoch = 1'767'225'600;

uint64_t FirstIdAt(absl::Time wall) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixSeconds(wall) - kIdEpoch, 0)) + 1;
}

std::string StillOut(const Progress& progress) {
  return absl::StrCat(progress.leases_remaining(), " leases still out on ", progress.connections_remaining(), " of ",
                      progress.connections_total(), " connections");
}

// What is left of `rows`, and who holds it.
Progress ProgressOf(std::vector<ConnectionStats> rows, ManagedPool& managed) {
  Progress progress;
  progress.set_connections_remaining(rows.size());
  uint64_t leases = 0;
  for (const ConnectionStats& row : rows) leases += row.leases;
  progress.set_leases_remaining(leases);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ConnectionStats& a, const ConnectionStats& b) { return a.leases > b.leases; });
  for (const ConnectionStats& row : rows) {
    if (row.state != SlotState::kDraining || row.leases == 0) continue;
    if (progress.blockers_size() == static_cast<int>(kMaxBlockers)) break;
    v1::Blocker& blocker = *progress.add_blockers();
    blocker.set_connection(absl::StrCat(managed.name(), "/connections/", row.id.ToString()));
    blocker.set_leases(row.leases);
    *blocker.mutable_draining_for() = ToProto(row.in_state);
    for (const CallInFlight& call : managed.pool().CallsOn(row.id, kMaxCallsOfBlocker)) {
      *blocker.add_calls() = ShowCall(call, managed.name());
    }
  }
  return progress;
}

// What operators call it: "drain", "recycle".
const char* KindText(v1::OperationKind kind) { return kind == v1::OPERATION_KIND_DRAIN ? "drain" : "recycle"; }

absl::Status Conflict(const Operation& running) {
  return ErrorBuilder(absl::StatusCode::kAborted, "OPERATION_CONFLICT",
                      absl::StrCat("a ", KindText(running.kind()), " of ", running.target(),
                                   " with other parameters runs: ", running.name(), "; cancel it",
                                   running.kind() == v1::OPERATION_KIND_DRAIN ? " or supersede it" : ""))
      .Fact("operation", running.name())
      .Fact("pool", running.target())
      .Resource("chanpool.admin.v1.Operation", running.name())
      .Build();
}

absl::Status Destroyed(const ManagedPool& managed) {
  const std::string why = "its owner has destroyed it, and it refuses callers for ever";
  return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "POOL_DESTROYED", absl::StrCat(managed.name(), ": ", why))
      .Precondition("POOL_DESTROYED", managed.name(), why)
      .Build();
}

// Between finding the pool and steering it, somebody else removed it: an operation on it nobody could take back.
absl::Status Removed(const ManagedPool& managed) {
  return ErrorBuilder(absl::StatusCode::kNotFound, "POOL_NOT_FOUND",
                      absl::StrCat("there is no pool ", Quoted(managed.name()), " any more: it was just removed"))
      .Resource("chanpool.admin.v1.Pool", managed.name())
      .Build();
}

void BeginDrain(ManagedPool& managed) {
  (void)managed.Look();
  managed.pool().BeginDrain();
  (void)managed.Look();
}

absl::Status Resume(ManagedPool& managed) {
  (void)managed.Look();
  absl::Status resumed = managed.pool().Resume();
  (void)managed.Look();
  return resumed;
}

}  // namespace

std::shared_ptr<OperationLog> OperationLog::Create(Clock* clock, EventLog* events) {
  std::shared_ptr<OperationLog> log(new OperationLog(clock, events));
  const std::weak_ptr<OperationLog> weak = log;
  const auto step = [weak] {
    if (const auto self = weak.lock()) self->Step();
  };
  log->following_ = events->Follow(step);
  std::unique_ptr<Alarm> alarm = clock->NewAlarm(step);
  MutexLock lock(&log->mu_);
  log->alarm_ = std::move(alarm);
  return log;
}

OperationLog::OperationLog(Clock* clock, EventLog* events)
    : clock_(clock), events_(*events), first_id_(FirstIdAt(clock->WallNow())) {}
OperationLog::~OperationLog() = default;

// --- Asking -------------------------------------------------------------------------------------------------------

OperationLog::Entry OperationLog::NewEntry(v1::OperationKind kind, const std::shared_ptr<ManagedPool>& managed,
                                           Request request) const {
  Entry entry;
  entry.managed = managed;
  entry.deadline = clock_->Now() + request.deadline;
  entry.shown.set_kind(kind);
  entry.shown.set_target(managed->name());
  *entry.shown.mutable_start_time() = ToProto(clock_->WallNow());
  if (request.deadline != absl::InfiniteDuration()) {
    *entry.shown.mutable_deadline() = ToProto(clock_->WallNow() + request.deadline);
  }
  entry.shown.set_requested_by(request.actor);
  entry.shown.set_reason(request.reason);
  entry.request = std::move(request);
  return entry;
}

std::shared_ptr<OperationLog::Entry> OperationLog::Running(const ManagedPool& managed, v1::OperationKind kind) const {
  MutexLock lock(&mu_);
  for (const auto& [id, entry] : entries_) {
    if (entry->running() && entry->managed.get() == &managed && entry->shown.kind() == kind) return entry;
  }
  return nullptr;
}

absl::StatusOr<Operation> OperationLog::Drain(const std::shared_ptr<ManagedPool>& managed, Request request) {
  MutexLock steering(&managed->steering());
  if (managed->removed()) return Removed(*managed);
  const std::shared_ptr<Entry> running = Running(*managed, v1::OPERATION_KIND_DRAIN);
  if (running != nullptr) {
    const bool same =
        running->request.deadline == request.deadline && running->request.on_deadline == request.on_deadline;
    if (same) {
      StepOne(running);
      return Get(absl::StrCat(running->id));
    }
    const absl::StatusOr<Operation> shown = Get(absl::StrCat(running->id));
    if (!request.supersede && shown.ok()) return Conflict(*shown);
  }
  if (managed->pool().Stats().state == PoolAdminState::kDestroyed) return Destroyed(*managed);
  const bool validate_only = request.validate_only;
  const std::string actor = request.actor;
  Entry entry = NewEntry(v1::OPERATION_KIND_DRAIN, managed, std::move(request));
  const std::vector<ConnectionStats> rows = managed->pool().Connections();
  *entry.shown.mutable_progress() = ProgressOf(rows, *managed);
  entry.shown.mutable_progress()->set_connections_total(rows.size());
  if (validate_only) return entry.shown;
  if (running != nullptr) {
    End(running, v1::OPERATION_STATE_CANCELLED, absl::CancelledError("another drain took its place"), actor);
  }
  BeginDrain(*managed);
  return Begin(std::move(entry));
}

absl::StatusOr<Operation> OperationLog::Recycle(const std::shared_ptr<ManagedPool>& managed, Request request) {
  MutexLock steering(&managed->steering());
  if (managed->removed()) return Removed(*managed);
  const PoolAdminState state = managed->pool().Stats().state;
  if (state == PoolAdminState::kDestroyed) return Destroyed(*managed);
  if (!InService(state)) {
    const std::string why = "it drains or is drained, and replaces no connection; undrain it first";
    return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "POOL_DRAINING",
                        absl::StrCat(managed->name(), ": ", why))
        .Precondition("POOL_DRAINING", managed->name(), why)
        .Build();
  }
  if (const auto running = Running(*managed, v1::OPERATION_KIND_RECYCLE); running != nullptr) {
    if (running->request.deadline == request.deadline) StepOne(running);
    absl::StatusOr<Operation> shown = Get(absl::StrCat(running->id));
    if (shown.ok() && running->request.deadline != request.deadline) return Conflict(*shown);
    return shown;
  }
  const bool validate_only = request.validate_only;
  Entry entry = NewEntry(v1::OPERATION_KIND_RECYCLE, managed, std::move(request));
  std::vector<ConnectionStats> rows = managed->pool().Connections();
  // The others are new already, or on their way out.
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [](const ConnectionStats& row) {
                              return row.state != SlotState::kOpen && row.state != SlotState::kChecking;
                            }),
             rows.end());
  for (const ConnectionStats& row : rows) entry.connections.emplace(row.id.slot, row.id.generation);
  *entry.shown.mutable_progress() = ProgressOf(rows, *managed);
  entry.shown.mutable_progress()->set_connections_total(rows.size());
  if (validate_only) return entry.shown;
  managed->pool().Recycle();
  return Begin(std::move(entry));
}

absl::StatusOr<Operation> OperationLog::Begin(Entry entry) {
  const auto kept = std::make_shared<Entry>(std::move(entry));
  {
    MutexLock lock(&mu_);
    kept->id = next_id_++;
  }
  kept->shown.set_name(absl::StrCat("operations/", kept->id));
  kept->shown.set_state(v1::OPERATION_STATE_RUNNING);
  // Told before anybody can find it, so before anybody can end it.
  Tell(v1::EVENT_TYPE_OPERATION_STARTED, kept->shown,
       absl::StrCat(KindText(kept->shown.kind()), " began", kept->shown.reason().empty() ? "" : ": ",
                    kept->shown.reason()),
       kept->shown.requested_by());
  {
    MutexLock lock(&mu_);
    entries_[kept->id] = kept;
    SetAlarm();
  }
  StepOne(kept);
  MutexLock lock(&mu_);
  return kept->shown;
}

absl::StatusOr<bool> OperationLog::Undrain(const std::shared_ptr<ManagedPool>& managed, const std::string& etag,
                                           Request request) {
  MutexLock steering(&managed->steering());
  if (managed->removed()) return Removed(*managed);
  const absl::Status same = managed->CheckEtag(etag);
  if (!same.ok()) return same;
  const PoolAdminState state = managed->pool().Stats().state;
  if (state == PoolAdminState::kDestroyed) return Destroyed(*managed);
  if (InService(state)) return false;
  if (request.validate_only) return true;
  if (const auto running = Running(*managed, v1::OPERATION_KIND_DRAIN); running != nullptr) {
    End(running, v1::OPERATION_STATE_CANCELLED, absl::CancelledError("the pool was undrained"), request.actor);
  }
  const absl::Status resumed = Resume(*managed);
  if (!resumed.ok()) return resumed;
  return true;
}

absl::StatusOr<Operation> OperationLog::Get(const std::string& id) {
  uint64_t number = 0;
  MutexLock lock(&mu_);
  Forget();
  const auto found = absl::SimpleAtoi(id, &number) ? entries_.find(number) : entries_.end();
  if (found != entries_.end()) return found->second->shown;
  const std::string name = absl::StrCat("operations/", id);
  if (next_id_ == first_id_) {
    return ErrorBuilder(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
                        absl::StrCat("there is no ", name, ": no operation has begun since this process started"))
        .Resource("chanpool.admin.v1.Operation", name)
        .Build();
  }
  const std::string last = absl::StrCat("operations/", next_id_ - 1);
  return ErrorBuilder(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
                      absl::StrCat("there is no ", name, ": the last of this process is ", last,
                                   ", and those that ended are kept for ", DurationText(kKept)))
      .Fact("last", last)
      .Resource("chanpool.admin.v1.Operation", name)
      .Build();
}

std::vector<Operation> OperationLog::List() {
  MutexLock lock(&mu_);
  Forget();
  std::vector<Operation> operations;
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) operations.push_back(it->second->shown);
  return operations;
}

absl::StatusOr<Operation> OperationLog::Cancel(const std::string& id, const std::string& actor,
                                               const std::string& reason) {
  const absl::StatusOr<Operation> found = Get(id);
  if (!found.ok() || found->has_end_time()) return found;
  std::shared_ptr<Entry> entry;
  {
    uint64_t number = 0;
    MutexLock lock(&mu_);
    if (absl::SimpleAtoi(id, &number) && entries_.count(number) > 0) entry = entries_[number];
  }
  if (entry == nullptr) return Get(id);
  MutexLock steering(&entry->managed->steering());
  const std::string why =
      absl::StrCat("cancelled by ", actor.empty() ? "an operator" : actor, reason.empty() ? "" : ": ", reason);
  if (End(entry, v1::OPERATION_STATE_CANCELLED, absl::CancelledError(why), actor)) {
    if (found->kind() == v1::OPERATION_KIND_DRAIN) {
      // Only a destroyed pool can't resume, and then nothing lends again.
      (void)Resume(*entry->managed);
    } else {
      entry->managed->pool().StopRecycle();
    }
  }
  MutexLock lock(&mu_);
  return entry->shown;
}

// --- Looking ------------------------------------------------------------------------------------------------------

OperationLog::Look OperationLog::LookAt(const Entry& entry) const {
  if (entry.managed->removed()) {
    Look look;
    look.state = v1::OPERATION_STATE_CANCELLED;
    look.error = absl::CancelledError("the pool was removed");
    look.progress = entry.shown.progress();
    return look;
  }
  Look look = entry.shown.kind() == v1::OPERATION_KIND_DRAIN ? LookAtDrain(entry) : LookAtRecycle(entry);
  look.progress.set_connections_total(entry.shown.progress().connections_total());
  if (entry.shown.progress().has_leases_cancelled()) {
    look.progress.set_leases_cancelled(entry.shown.progress().leases_cancelled());
  }
  if (look.state == v1::OPERATION_STATE_EXPIRED) look.error = absl::DeadlineExceededError(StillOut(look.progress));
  return look;
}

OperationLog::Look OperationLog::LookAtDrain(const Entry& entry) const {
  Pool& pool = entry.managed->pool();
  Look look;
  const PoolStats stats = pool.Stats();
  look.progress = ProgressOf(pool.Connections(), *entry.managed);
  const bool destroyed = stats.state == PoolAdminState::kDestroyed;
  if (InService(stats.state)) {
    look.state = v1::OPERATION_STATE_CANCELLED;
    look.error = absl::CancelledError("the pool's owner resumed it");
    return look;
  }
  if (stats.state == PoolAdminState::kDrained || (destroyed && look.progress.connections_remaining() == 0)) {
    look.state = v1::OPERATION_STATE_SUCCEEDED;
    return look;
  }
  const absl::Time now = clock_->Now();
  if (now < entry.deadline) return look;
  if (entry.request.on_deadline == OnDeadline::kLeave) {
    look.state = v1::OPERATION_STATE_EXPIRED;
  } else if (entry.cancelled_at == absl::InfiniteFuture()) {
    look.cancel_calls = true;
  } else if (now >= entry.cancelled_at + kCancelSettle) {
    look.state = v1::OPERATION_STATE_EXPIRED;
  }
  return look;
}

OperationLog::Look OperationLog::LookAtRecycle(const Entry& entry) const {
  Pool& pool = entry.managed->pool();
  Look look;
  std::vector<ConnectionStats> rows = pool.Connections();
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&entry](const ConnectionStats& row) {
                              return entry.connections.count({row.id.slot, row.id.generation}) == 0;
                            }),
             rows.end());
  look.progress = ProgressOf(std::move(rows), *entry.managed);
  if (look.progress.connections_remaining() == 0) {
    look.state = v1::OPERATION_STATE_SUCCEEDED;
  } else if (!InService(pool.Stats().state)) {
    look.state = v1::OPERATION_STATE_CANCELLED;
    look.error = absl::CancelledError("the pool drains");
  } else if (clock_->Now() >= entry.deadline) {
    look.state = v1::OPERATION_STATE_EXPIRED;
  }
  return look;
}

void OperationLog::StepOne(const std::shared_ptr<Entry>& entry) {
  Entry before;
  {
    MutexLock lock(&mu_);
    if (!entry->running()) return;
    before = *entry;
  }
  const Look look = LookAt(before);
  bool cancel = false;
  bool changed = false;
  {
    MutexLock lock(&mu_);
    if (!entry->running()) return;
    changed = entry->shown.progress().SerializeAsString() != look.progress.SerializeAsString();
    *entry->shown.mutable_progress() = look.progress;
    if (look.cancel_calls && entry->cancelled_at == absl::InfiniteFuture()) {
      entry->cancelled_at = clock_->Now();
      entry->shown.mutable_progress()->set_leases_cancelled(look.progress.leases_remaining());
      cancel = changed = true;
    }
  }
  if (cancel) before.managed->pool().CancelDrainingCalls();
  if (look.state != v1::OPERATION_STATE_RUNNING) {
    const bool recycle = before.shown.kind() == v1::OPERATION_KIND_RECYCLE;
    if (recycle && look.state == v1::OPERATION_STATE_EXPIRED) before.managed->pool().StopRecycle();
    End(entry, look.state, look.error, /*actor=*/"");
  } else if (changed) {
    followers_.Tell();
  }
}

std::vector<std::shared_ptr<OperationLog::Entry>> OperationLog::RunningOnes() const {
  std::vector<std::shared_ptr<Entry>> running;
  MutexLock lock(&mu_);
  for (const auto& [id, entry] : entries_) {
    if (entry->running()) running.push_back(entry);
  }
  return running;
}

void OperationLog::Step() {
  const auto running = RunningOnes();
  if (running.empty()) return;
  for (const auto& entry : running) StepOne(entry);
  MutexLock lock(&mu_);
  SetAlarm();
}

std::shared_ptr<void> OperationLog::Follow(std::function<void()> callback) {
  return followers_.Add(std::move(callback));
}

// --- Ending -------------------------------------------------------------------------------------------------------

bool OperationLog::End(const std::shared_ptr<Entry>& entry, v1::OperationState state, const absl::Status& error,
                       const std::string& actor) {
  Operation shown;
  {
    MutexLock lock(&mu_);
    if (!entry->running()) return false;
    entry->ended_at = clock_->Now();
    entry->shown.set_state(state);
    *entry->shown.mutable_end_time() = ToProto(clock_->WallNow());
    if (!error.ok()) *entry->shown.mutable_error() = ToProto(error);
    Forget();
    SetAlarm();
    shown = entry->shown;
  }
  std::string how = "succeeded";
  if (state == v1::OPERATION_STATE_CANCELLED) how = absl::StrCat("was stopped: ", error.message());
  if (state == v1::OPERATION_STATE_EXPIRED) how = absl::StrCat("expired: ", error.message());
  Tell(v1::EVENT_TYPE_OPERATION_ENDED, shown, absl::StrCat(KindText(shown.kind()), " ", how), actor);
  followers_.Tell();
  return true;
}

void OperationLog::Tell(v1::EventType type, const Operation& shown, const std::string& message,
                        const std::string& actor) {
  v1::Event event;
  event.set_type(type);
  event.set_severity(shown.state() == v1::OPERATION_STATE_EXPIRED ? v1::SEVERITY_WARNING : v1::SEVERITY_INFO);
  event.set_resource(shown.target());
  event.set_message(message);
  event.set_actor(actor);
  event.set_operation(shown.name());
  events_.Append(std::move(event));
}

void OperationLog::Forget() {
  const absl::Time now = clock_->Now();
  // In the order of their ends: who has waited long for the oldest still learns how it ended.
  std::vector<std::pair<absl::Time, uint64_t>> ended;
  for (const auto& [id, entry] : entries_) {
    if (!entry->running()) ended.emplace_back(entry->ended_at, id);
  }
  std::sort(ended.begin(), ended.end());
  for (size_t i = 0; i < ended.size(); ++i) {
    const auto [ended_at, id] = ended[i];
    if (i + kMaxEnded < ended.size() || ended_at + kKept < now) entries_.erase(id);
  }
}

void OperationLog::SetAlarm() {
  const bool any = std::any_of(entries_.begin(), entries_.end(), [](const auto& one) { return one.second->running(); });
  alarm_->Set(any ? clock_->Now() + kLookEvery : absl::InfiniteFuture());
}

}  // namespace chanpool::admin
