// One registered pool: what it does not know itself, namely its target and what operators have overridden.
//
//   std::shared_ptr<ManagedPool> orders = registry.Find("orders");
//   ManagedPool::Facts facts = orders->Look();                       // options in force, overrides, etag
//   absl::StatusOr<ManagedPool::Facts> after = orders->Change({.values = {...}, .fields = {"max_connections"}});
//
// Its pool's events become events of the process. Overrides that expire do so by the clock's alarm.
#ifndef CHANPOOL_SERVER_ADMIN_MANAGED_POOL_H_
#define CHANPOOL_SERVER_ADMIN_MANAGED_POOL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/pool.pb.h"
#include "chanpool/config/v1/config.pb.h"
#include "pool/core/clock.h"
#include "pool/core/event_feed.h"
#include "pool/core/mutex.h"
#include "pool/core/pool.h"
#include "server/admin/event_log.h"
#include "server/admin/pool_registry.h"

namespace chanpool::admin {

// Thread-safe.
class ManagedPool : public std::enable_shared_from_this<ManagedPool> {
 public:
  // What is shown beside the pool's own numbers. Options may be ahead of overrides while a change is applied.
  struct Facts {
    std::string target;
    chanpool::config::v1::PoolConfig channel;              // Without name, target and options.
    PoolOptions options;                                   // In force.
    std::vector<chanpool::admin::v1::Override> overrides;  // In the order of the fields.
    std::string etag;
    uint64_t generation = 0;
    absl::Time create_time;  // Of the wall.
  };

  // What an operator asks for.
  struct OverrideChange {
    chanpool::config::v1::PoolOptions values;
    // Fields of PoolOptions: those that `values` sets are overridden, the others taken back.
    std::vector<std::string> fields;
    absl::Duration ttl = absl::InfiniteDuration();
    std::string actor;
    std::string reason;
    std::string etag;  // Empty: whatever it is.
    bool validate_only = false;
  };

  // `clock` outlives it; of `*events` it keeps a copy, since its pool's events and its alarm may come after the end.
  static std::shared_ptr<ManagedPool> Create(Clock* clock, EventLog* events, PoolRegistry::Registration registration);
  ~ManagedPool();

  const std::string& id() const { return id_; }
  std::string name() const { return "pools/" + id_; }
  Pool& pool() const { return *pool_; }

  void SetTarget(std::string target, chanpool::config::v1::PoolConfig channel);
  // Ends its overrides and its subscription: it is not registered any more. Idempotent.
  void Remove();
  bool removed() const;

  // What is the case. Counts what has changed since the last look, which the etag and the generation show: who changes
  // something looks before and after, so that no change is missed for being undone.
  Facts Look();

  // Everything that is wrong with the values of `change`: fields of PoolOptions, and why.
  std::vector<std::pair<std::string, std::string>> Check(const OverrideChange& change) const;
  // The facts after the change, or with validate_only as they would be. kAborted for another etag; else, for what Check
  // finds, kInvalidArgument; kFailedPrecondition when the pool was destroyed.
  absl::StatusOr<Facts> Change(const OverrideChange& change);
  // OK if `etag` is empty or the pool's; else kAborted, ETAG_MISMATCH.
  absl::Status CheckEtag(const std::string& etag);

  // Held while operators steer: who compares an etag and then acts, or drains and keeps an account of it, does so
  // alone. Connections may be made meanwhile. Taken before every other lock, never by a callback of the pool's.
  Mutex& steering() ABSL_LOCK_RETURNED(steering_) { return steering_; }

 private:
  struct Overriding {
    chanpool::admin::v1::Override shown;          // Without owner_value.
    chanpool::config::v1::PoolOptions value;      // One field is set.
    absl::Time expires = absl::InfiniteFuture();  // Of Now().
  };
  using Overrides = std::map<std::string, Overriding>;  // By field.

  ManagedPool(Clock* clock, EventLog* events, PoolRegistry::Registration registration);
  void Follow();

  Facts Describe(const Overrides& overrides, const PoolOptions& options, const PoolOptions& owner) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Overrides Changed(const OverrideChange& change) const;
  absl::Status Apply(const Overrides& overrides);
  void Expire();
  void SetAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnPoolEvent(const PoolEvent& event);
  void Tell(chanpool::admin::v1::EventType type, chanpool::admin::v1::Severity severity, const std::string& message,
            const std::string& actor);
  // For each override that is in `before` and not in `after`, or another there.
  void TellChanges(const Overrides& before, const Overrides& after, const std::string& why, const std::string& actor);

  Clock* const clock_;
  EventLog events_;
  const std::string id_;
  const std::shared_ptr<Pool> pool_;
  const absl::Time create_time_;

  Mutex steering_;
  mutable Mutex mu_ ABSL_ACQUIRED_AFTER(steering_);
  std::string target_ ABSL_GUARDED_BY(mu_);
  chanpool::config::v1::PoolConfig channel_ ABSL_GUARDED_BY(mu_);
  Overrides overrides_ ABSL_GUARDED_BY(mu_);  // Changed under steering_ as well.
  bool removed_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<Alarm> alarm_ ABSL_GUARDED_BY(mu_);
  Subscription subscription_ ABSL_GUARDED_BY(mu_);
  // What was seen last, to count changes.
  std::string seen_ ABSL_GUARDED_BY(mu_);
  std::optional<PoolOptions> seen_options_ ABSL_GUARDED_BY(mu_);
  uint64_t revision_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t last_sequence_ ABSL_GUARDED_BY(mu_) = 0;      // Of the pool's events.
  uint64_t failures_in_a_row_ ABSL_GUARDED_BY(mu_) = 0;  // Dials, with the same error.
  std::string last_failure_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_MANAGED_POOL_H_
