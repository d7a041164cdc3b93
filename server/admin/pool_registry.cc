#include "server/admin/pool_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/admin/event_log.h"
#include "server/admin/managed_pool.h"
#include "server/admin/request_checks.h"

namespace chanpool::admin {
namespace {

v1::Event EventOf(v1::EventType type, absl::string_view name, const std::string& message) {
  v1::Event event;
  event.set_type(type);
  event.set_severity(v1::SEVERITY_INFO);
  event.set_resource(absl::StrCat("pools/", name));
  event.set_message(message);
  return event;
}

absl::Status Unknown(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("no pool ", Quoted(name), " is registered"));
}

}  // namespace

PoolRegistry::PoolRegistry(Clock* clock, EventLog* events) : clock_(clock), events_(events) {}

PoolRegistry::~PoolRegistry() {
  for (const auto& pool : List()) pool->Remove();
}

absl::Status PoolRegistry::Add(Registration registration) {
  if (!IsPoolName(registration.name)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(registration.name),
                     " is no name for a pool; give a lower-case letter, then up to 62 letters, digits or hyphens"));
  }
  if (registration.pool == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("pool ", Quoted(registration.name), " is null"));
  }
  const std::string name = registration.name;
  const std::string message = absl::StrCat("added, dials ", registration.target);
  {
    MutexLock lock(&mu_);
    if (pools_.count(name) > 0) return absl::AlreadyExistsError(absl::StrCat("pool ", Quoted(name), " is registered"));
    pools_[name] = ManagedPool::Create(clock_, events_, std::move(registration));
  }
  events_->Append(EventOf(v1::EVENT_TYPE_POOL_ADDED, name, message));
  return absl::OkStatus();
}

absl::Status PoolRegistry::Remove(absl::string_view name) {
  std::shared_ptr<ManagedPool> gone;
  {
    MutexLock lock(&mu_);
    const auto found = pools_.find(std::string(name));
    if (found == pools_.end()) return Unknown(name);
    gone = std::move(found->second);
    pools_.erase(found);
  }
  gone->Remove();
  events_->Append(EventOf(v1::EVENT_TYPE_POOL_REMOVED, name, "removed"));
  return absl::OkStatus();
}

absl::Status PoolRegistry::SetTarget(absl::string_view name, std::string target,
                                     chanpool::config::v1::PoolConfig channel) {
  const std::shared_ptr<ManagedPool> pool = Find(name);
  if (pool == nullptr) return Unknown(name);
  pool->SetTarget(std::move(target), std::move(channel));
  return absl::OkStatus();
}

std::shared_ptr<ManagedPool> PoolRegistry::Find(absl::string_view name) const {
  MutexLock lock(&mu_);
  const auto found = pools_.find(std::string(name));
  return found == pools_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<ManagedPool>> PoolRegistry::List() const {
  MutexLock lock(&mu_);
  std::vector<std::shared_ptr<ManagedPool>> pools;
  for (const auto& [name, pool] : pools_) pools.push_back(pool);
  return pools;
}

}  // namespace chanpool::admin
