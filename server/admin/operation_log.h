// Drains and recycles: what runs, how far it is, and what has ended in the last hour.
//
//   auto operations = OperationLog::Create(clock, &events);
//   absl::StatusOr<Operation> drain = operations->Drain(managed, {.deadline = absl::Seconds(30)}, caller, ...);
//
// Nothing here waits. While an operation runs it is looked at every 100 ms by the clock's alarm, and whenever something
// happens in a pool.
#ifndef CHANPOOL_SERVER_ADMIN_OPERATION_LOG_H_
#define CHANPOOL_SERVER_ADMIN_OPERATION_LOG_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/operation.pb.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "pool/core/pool.h"
#include "server/admin/event_log.h"
#include "server/admin/followers.h"
#include "server/admin/managed_pool.h"

namespace chanpool::admin {

// Thread-safe. Never blocks, but for another operator's steering of the same pool.
class OperationLog : public std::enable_shared_from_this<OperationLog> {
 public:
  // Of those that have ended. Running ones are at most two for each pool.
  static constexpr size_t kMaxEnded = 100;
  static constexpr absl::Duration kKept = absl::Hours(1);

  // What an operator asks for.
  struct Request {
    absl::Duration deadline = absl::InfiniteDuration();
    OnDeadline on_deadline = OnDeadline::kLeave;  // Of a drain.
    bool supersede = false;                       // Of a drain.
    bool validate_only = false;
    std::string actor;
    std::string reason;
  };

  // `clock` outlives it; of `*events` it keeps a copy, since its alarm may ring after the end.
  // Ids count up from the seconds since 2026 at this time: an application that is started again begins
  // above those that it gave before, and no old name ever means a new operation.
  static std::shared_ptr<OperationLog> Create(Clock* clock, EventLog* events);
  ~OperationLog();

  // The operation: a new one, the one that runs if it was asked for in the same way, or with validate_only one without
  // a name. kAborted OPERATION_CONFLICT if one runs that was asked for otherwise. kNotFound POOL_NOT_FOUND if it was
  // removed meanwhile.
  absl::StatusOr<chanpool::admin::v1::Operation> Drain(const std::shared_ptr<ManagedPool>& managed, Request request);
  // The same; kFailedPrecondition POOL_DRAINING for a pool that drains.
  absl::StatusOr<chanpool::admin::v1::Operation> Recycle(const std::shared_ptr<ManagedPool>& managed, Request request);
  // Whether the pool was drained, and lends again now (or would, with validate_only). Ends a drain that runs. kAborted
  // for another etag, kFailedPrecondition when the pool was destroyed, kNotFound as Drain.
  absl::StatusOr<bool> Undrain(const std::shared_ptr<ManagedPool>& managed, const std::string& etag, Request request);

  // kNotFound OPERATION_NOT_FOUND.
  absl::StatusOr<chanpool::admin::v1::Operation> Get(const std::string& id);
  // Newest first.
  std::vector<chanpool::admin::v1::Operation> List();
  // As it is after; unchanged if it had ended. kNotFound.
  absl::StatusOr<chanpool::admin::v1::Operation> Cancel(const std::string& id, const std::string& actor,
                                                        const std::string& reason);

  // Looks at what runs.
  void Step();
  // As EventLog::Follow: called when any operation has changed.
  std::shared_ptr<void> Follow(std::function<void()> callback);

 private:
  struct Entry {
    uint64_t id = 0;
    std::shared_ptr<ManagedPool> managed;
    Request request;
    chanpool::admin::v1::Operation shown;
    absl::Time deadline = absl::InfiniteFuture();         // Of Now().
    std::set<std::pair<uint32_t, uint32_t>> connections;  // Of a recycle: those to be replaced, as {slot, generation}.
    absl::Time cancelled_at = absl::InfiniteFuture();
    absl::Time ended_at = absl::InfiniteFuture();
    bool running() const { return ended_at == absl::InfiniteFuture(); }
  };
  // How an operation stands, from what its pool says.
  struct Look {
    chanpool::admin::v1::OperationState state = chanpool::admin::v1::OPERATION_STATE_RUNNING;
    absl::Status error;
    bool cancel_calls = false;
    chanpool::admin::v1::Progress progress;
  };

  OperationLog(Clock* clock, EventLog* events);

  Entry NewEntry(chanpool::admin::v1::OperationKind kind, const std::shared_ptr<ManagedPool>& managed,
                 Request request) const;
  // The one that runs for this pool; null if none.
  std::shared_ptr<Entry> Running(const ManagedPool& managed, chanpool::admin::v1::OperationKind kind) const;
  absl::StatusOr<chanpool::admin::v1::Operation> Begin(Entry entry);
  // What the pool says of an entry, without a lock of ours.
  Look LookAt(const Entry& entry) const;
  Look LookAtDrain(const Entry& entry) const;
  Look LookAtRecycle(const Entry& entry) const;
  void StepOne(const std::shared_ptr<Entry>& entry);
  // Ends it if it runs; false if it had ended.
  bool End(const std::shared_ptr<Entry>& entry, chanpool::admin::v1::OperationState state, const absl::Status& error,
           const std::string& actor);
  void Tell(chanpool::admin::v1::EventType type, const chanpool::admin::v1::Operation& shown,
            const std::string& message, const std::string& actor);
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::shared_ptr<Entry>> RunningOnes() const;

  Clock* const clock_;
  EventLog events_;
  Followers followers_;
  mutable Mutex mu_;
  const uint64_t first_id_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = first_id_;
  // Entries change under mu_; what is set before they are here never does.
  std::map<uint64_t, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Alarm> alarm_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<void> following_;  // The events, in which a pool's changes show. Constant after Create.
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_OPERATION_LOG_H_
