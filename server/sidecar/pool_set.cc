#include "server/sidecar/pool_set.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/admin/managed_pool.h"
#include "server/config/channel_keys.h"
#include "server/config/config_diff.h"
#include "server/config/effective_options.h"

namespace chanpool::sidecar {
namespace {

using ::chanpool::config::v1::Config;
using ::chanpool::config::v1::PoolConfig;

// As a reload shows it: a default that was written out is no change.
bool SameChannel(const PoolSet::Wanted& a, const PoolSet::Wanted& b) {
  Config before, after;
  *before.add_pools() = a.channel;
  *after.add_pools() = b.channel;
  return config::Diff(before, after).empty();
}

absl::Status Named(const std::string& name, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("pool \"", name, "\": ", status.message()));
}

}  // namespace

PoolSet::~PoolSet() {
  for (const auto& [name, owned] : pools_) registry_->Remove(name).IgnoreError();
}

absl::StatusOr<PoolSet::Plan> PoolSet::Prepare(const Config& config, bool dry_run) const {
  Plan plan;
  for (const PoolConfig& pool : config.pools()) {
    Wanted& wanted = plan.wanted[pool.name()];
    wanted.channel = pool;
    wanted.channel.clear_options();
    wanted.options = config::EffectiveOptions(config, pool);
  }
  // What may be refused first: a pool that was added dials at once.
  for (const auto& [name, wanted] : plan.wanted) {
    const auto owned = pools_.find(name);
    if (owned == pools_.end()) continue;
    if (!SameChannel(owned->second.as, wanted)) {
      const absl::Status valid = ChannelPool::CheckRedirect(config::ToChannelPoolOptions(wanted.channel));
      if (!valid.ok()) return Named(name, valid);
    }
    if (owned->second.as.options != wanted.options) {
      const absl::Status valid = owned->second.pool->engine()->CheckReconfigure(wanted.options);
      if (!valid.ok()) {
        return Named(name, absl::Status(valid.code(), absl::StrCat(valid.message(), " (with what an operator has ",
                                                                   "overridden; take that back first)")));
      }
    }
  }
  for (const auto& [name, wanted] : plan.wanted) {
    if (pools_.count(name) > 0) continue;
    ChannelPoolOptions options = config::ToChannelPoolOptions(wanted.channel);
    options.pool = wanted.options;
    if (dry_run) {
      if (absl::Status valid = ChannelPool::Validate(options); !valid.ok()) return Named(name, valid);
      continue;
    }
    absl::StatusOr<std::shared_ptr<ChannelPool>> pool = ChannelPool::Create(std::move(options));
    if (!pool.ok()) return Named(name, pool.status());
    plan.added[name] = *std::move(pool);
  }
  return plan;
}

absl::StatusOr<PoolSet::Outcome> PoolSet::Apply(Plan plan) {
  // No operator overrides anything from the second check to the end. In the order of names, as everybody would who
  // took more than one; the compiler can't follow a list of locks.
  std::vector<std::shared_ptr<admin::ManagedPool>> held;
  std::vector<std::unique_ptr<MutexLock>> steering;
  for (const auto& [name, wanted] : plan.wanted) {
    const auto owned = pools_.find(name);
    if (owned == pools_.end() || owned->second.as.options == wanted.options) continue;
    held.push_back(registry_->Find(name));
    steering.push_back(std::make_unique<MutexLock>(&held.back()->steering()));
    const absl::Status valid = owned->second.pool->engine()->CheckReconfigure(wanted.options);
    if (!valid.ok()) {
      return absl::AbortedError(absl::StrCat("an operator changed pool \"", name,
                                             "\" during the reload: ", valid.message(), "; reload again"));
    }
  }
  Outcome outcome;
  for (auto owned = pools_.begin(); owned != pools_.end();) {
    if (plan.wanted.count(owned->first) > 0) {
      ++owned;
      continue;
    }
    // Known here and nowhere else, so it is there to be removed.
    registry_->Remove(owned->first).IgnoreError();
    outcome.removed.push_back(owned->first);
    outcome.gone.push_back(std::move(owned->second.pool));  // Drains with its last reference.
    owned = pools_.erase(owned);
  }
  for (auto& [name, wanted] : plan.wanted) {
    const auto added = plan.added.find(name);
    if (added != plan.added.end()) {
      // The name is good, and nobody else registers any.
      registry_->Add({name, wanted.channel.target(), added->second->engine(), wanted.channel}).IgnoreError();
      pools_[name] = {added->second, std::move(wanted)};
      outcome.added.push_back(name);
      continue;
    }
    Owned& owned = pools_.at(name);
    // Options first: the connections that a redirect makes have them.
    if (owned.as.options != wanted.options) owned.pool->Reconfigure(wanted.options).IgnoreError();  // Checked.
    if (!SameChannel(owned.as, wanted)) {
      owned.pool->Redirect(config::ToChannelPoolOptions(wanted.channel)).IgnoreError();  // Checked in Prepare.
      registry_->SetTarget(name, wanted.channel.target(), wanted.channel).IgnoreError();
      outcome.recycled.push_back(name);
    }
    owned.as = std::move(wanted);
  }
  return outcome;
}

std::string PoolSet::OverriddenBy(const std::string& pool, const std::string& option) const {
  const std::shared_ptr<admin::ManagedPool> managed = registry_->Find(pool);
  if (managed == nullptr) return "";
  for (const chanpool::admin::v1::Override& entry : managed->Look().overrides) {
    if (entry.path() == absl::StrCat("options.", option)) return entry.value();
  }
  return "";
}

std::shared_ptr<ChannelPool> PoolSet::Find(const std::string& name) const {
  const auto owned = pools_.find(name);
  return owned == pools_.end() ? nullptr : owned->second.pool;
}

}  // namespace chanpool::sidecar
