// What owners and operators do to a whole pool: wait for it, drain, resume, reconfigure, recycle.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pool/core/pool.h"

namespace chanpool {
namespace {

// After CancelCalls: how long Drain waits for the cancelled calls to give their leases back.
constexpr absl::Duration kCancelSettle = absl::Seconds(1);

}  // namespace

bool Pool::AwaitChange(Wakeup* wakeup, absl::Time deadline) {
  if (clock_->Park(*wakeup, deadline)) return true;
  {
    MutexLock lock(&mu_);
    const auto found = std::find(idlers_.begin(), idlers_.end(), wakeup);
    if (found != idlers_.end()) {
      idlers_.erase(found);
      return false;
    }
  }
  // Whoever took it off the list is about to wake it: it must stay until then.
  clock_->Park(*wakeup, absl::InfiniteFuture());
  return true;
}

absl::Status Pool::WaitForReady(int connections, absl::Time deadline) {
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  const absl::Time until = clock_->FromWall(deadline);
  for (;;) {
    Wakeup changed;
    Effects effects;
    {
      MutexLock lock(&mu_);
      if (connections > state_.options().max_connections || connections < 0) {
        return absl::InvalidArgumentError(absl::StrCat("WaitForReady(", connections, ") on pool \"", name_,
                                                       "\": set 0 to max_connections (",
                                                       state_.options().max_connections, ")"));
      }
      const absl::Status refusal = AdminRefusal();
      if (!refusal.ok()) return refusal;
      if (state_.count(SlotState::kOpen) >= connections) return absl::OkStatus();
      state_.EnsureConnections(connections, clock_->Now());
      RunActions(effects);
      idlers_.push_back(&changed);
    }
    Perform(effects);
    if (AwaitChange(&changed, until)) continue;
    MutexLock lock(&mu_);
    if (state_.count(SlotState::kOpen) >= connections) return absl::OkStatus();
    std::string message = absl::StrCat("pool \"", name_, "\": ", state_.count(SlotState::kOpen), " of ", connections,
                                       " connections open in time");
    if (!state_.last_dial_error().ok())
      absl::StrAppend(&message, "; last dial error: ", state_.last_dial_error().message());
    return absl::DeadlineExceededError(message);
  }
}

void Pool::BeginDrain() { BeginDrainUntil(std::nullopt); }

void Pool::BeginDrainUntil(std::optional<absl::Time> deadline) {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    if (state_.in_service()) {
      drain_until_ = deadline;
      state_.Drain(clock_->Now());
      const absl::Status refusal = AdminRefusal();
      // The slots first: to refuse the waiters clears SLOW where a slot is open, and a pause may end here.
      RunActions(effects);
      RefuseWaiters(refusal, effects);
    }
  }
  Perform(effects);
}

absl::Status Pool::Drain(absl::Time deadline, OnDeadline on_deadline) {
  if (Forked()) return ForkedError();
  const std::shared_ptr<Pool> keep = shared_from_this();
  absl::Time until = clock_->FromWall(deadline);
  BeginDrainUntil(until);
  for (bool cancelled = false;;) {
    Wakeup changed;
    {
      MutexLock lock(&mu_);
      if (state_.admin() == PoolAdminState::kDrained) return absl::OkStatus();
      if (state_.in_service()) {
        return absl::AbortedError(absl::StrCat("drain of pool \"", name_, "\": resumed meanwhile"));
      }
      if (state_.admin() == PoolAdminState::kDestroyed) return AdminRefusal();
      idlers_.push_back(&changed);
    }
    if (AwaitChange(&changed, until)) continue;
    Effects effects;
    {
      MutexLock lock(&mu_);
      if (state_.admin() != PoolAdminState::kDraining) continue;
      if (on_deadline == OnDeadline::kLeave || cancelled) return StillOut();
      CancelDraining(effects);
    }
    Perform(effects);
    cancelled = true;
    until = clock_->Now() + kCancelSettle;
  }
}

void Pool::CancelDraining(Effects& effects) {
  for (uint32_t i = 0; i < state_.size(); ++i) {
    if (state_.record(i).state != SlotState::kDraining || held_[i].connection == nullptr) continue;
    effects.calls.push_back(
        {Effects::Call::Kind::kCancelCalls, {i, state_.record(i).generation}, held_[i].connection, "pool is draining"});
  }
}

void Pool::CancelDrainingCalls() {
  if (Forked()) return;
  Effects effects;
  {
    MutexLock lock(&mu_);
    // It may have been resumed since the caller decided, and then calls were promised to go on.
    if (state_.in_service()) return;
    CancelDraining(effects);
  }
  Perform(effects);
}

absl::Status Pool::StillOut() const {
  std::string who;
  int64_t leases = 0;
  int connections = 0;
  constexpr int kNamed = 5;
  for (uint32_t i = 0; i < state_.size(); ++i) {
    if (state_.record(i).state != SlotState::kDraining) continue;
    const SlotWord word = table_.Get(i)->Load();
    leases += word.leases();
    if (++connections <= kNamed) {
      absl::StrAppend(&who, who.empty() ? "" : ", ", ConnectionId{i, word.generation()}.ToString(), ": ",
                      word.leases());
    }
  }
  if (connections > kNamed) absl::StrAppend(&who, ", ...");
  return absl::DeadlineExceededError(absl::StrCat("drain of pool \"", name_, "\": ", leases, " leases still out on ",
                                                  connections, " connections (", who, ")"));
}

template <typename Change>
absl::Status Pool::Steer(Change change) {
  if (Forked()) return ForkedError();
  Effects effects;
  absl::Status result;
  {
    MutexLock lock(&mu_);
    result = change(state_, clock_->Now());
    RunActions(effects);
  }
  Perform(effects);
  return result;
}

absl::Status Pool::Resume() {
  return Steer([this](PoolState& state, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (state.admin() == PoolAdminState::kDestroyed) {
      return absl::FailedPreconditionError(absl::StrCat("resume of pool \"", name_, "\": it was destroyed"));
    }
    drain_until_ = std::nullopt;
    state.Resume(now);
    return absl::OkStatus();
  });
}

absl::Status Pool::Pause(absl::Duration max_hold) {
  if (Forked()) return ForkedError();
  if (max_hold <= absl::ZeroDuration() || max_hold > kLongestPause) {
    return absl::InvalidArgumentError(
        absl::StrCat("pause of pool \"", name_, "\": max_hold: ", absl::FormatDuration(max_hold),
                     " is not a time up to ", absl::FormatDuration(kLongestPause), "; set ",
                     max_hold <= absl::ZeroDuration() ? "more than 0"
                                                      : absl::StrCat("at most ", absl::FormatDuration(kLongestPause))));
  }
  return Steer([&](PoolState& state, absl::Time now) {
    if (!state.in_service()) {
      return absl::FailedPreconditionError(
          absl::StrCat("pause of pool \"", name_, "\": it ",
                       state.admin() == PoolAdminState::kDestroyed ? "was destroyed" : "drains, and refuses callers"));
    }
    state.Pause(max_hold, now);
    return absl::OkStatus();
  });
}

absl::Status Pool::Unpause() {
  return Steer([this](PoolState& state, absl::Time now) {
    if (state.admin() == PoolAdminState::kDestroyed) {
      return absl::FailedPreconditionError(absl::StrCat("unpause of pool \"", name_, "\": it was destroyed"));
    }
    state.Unpause(now);
    return absl::OkStatus();
  });
}

absl::Status Pool::Reconfigure(const PoolOptions& options) {
  return ChangeSources([&options](Sources& sources) { sources.owner = options; });
}

absl::Status Pool::Override(std::function<void(PoolOptions&)> override) {
  std::shared_ptr<const std::function<void(PoolOptions&)>> kept;
  if (override != nullptr) kept = std::make_shared<const std::function<void(PoolOptions&)>>(std::move(override));
  return ChangeSources([&kept](Sources& sources) { sources.override = kept; });
}

absl::Status Pool::CheckReconfigure(const PoolOptions& options) const {
  if (Forked()) return ForkedError();
  Sources sources;
  {
    MutexLock lock(&mu_);
    sources = sources_;
  }
  sources.owner = options;
  return InForce(sources).status();
}

absl::StatusOr<PoolOptions> Pool::InForce(const Sources& sources) {
  absl::Status valid = sources.owner.Validate();  // Alone: they must hold when the override is cleared.
  if (!valid.ok()) return valid;
  PoolOptions in_force = sources.owner;
  if (sources.override == nullptr) return in_force;
  (*sources.override)(in_force);
  valid = in_force.Validate();
  if (valid.ok()) return in_force;
  return absl::InvalidArgumentError(absl::StrCat("with the operator's override: ", valid.message()));
}

void Pool::ApplyOptions() {
  table_.SetSelection(state_.options().selection, static_cast<uint32_t>(state_.target()));
  penalty_.store(state_.penalty(), std::memory_order_relaxed);
  SetWatch();
}

absl::Status Pool::ChangeSources(const std::function<void(Sources&)>& change) {
  if (Forked()) return ForkedError();
  // The override is foreign code, so it runs without the lock. If another change came between, this one is made again
  // on top of that: each further round follows somebody's success.
  for (;;) {
    Sources next;  // Outlives the lock: in the end it holds the override that was replaced.
    uint64_t seen = 0;
    {
      MutexLock lock(&mu_);
      next = sources_;
      seen = sources_changed_;
    }
    change(next);
    const absl::StatusOr<PoolOptions> in_force = InForce(next);
    if (!in_force.ok()) return in_force.status();
    Effects effects;
    {
      MutexLock lock(&mu_);
      if (state_.admin() == PoolAdminState::kDestroyed) {
        return absl::FailedPreconditionError(absl::StrCat("reconfigure of pool \"", name_, "\": it was destroyed"));
      }
      if (sources_changed_ != seen) continue;
      ++sources_changed_;
      std::swap(sources_, next);
      if (*in_force == state_.options()) return absl::OkStatus();  // Nothing to do, and nothing to tell.
      state_.Reconfigure(*in_force, ReadUse(/*clear=*/false), clock_->Now());
      ApplyOptions();
      MarkQuiet();
      RunActions(effects);
    }
    Perform(effects);
    return absl::OkStatus();
  }
}

absl::Status Pool::SetEndpoints(const std::vector<Endpoint>& endpoints) {
  const absl::Status valid = EndpointSet::Validate(endpoints);
  if (!valid.ok()) return valid;
  return Steer([&](PoolState& state, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (state.admin() == PoolAdminState::kDestroyed) {
      return absl::FailedPreconditionError(absl::StrCat("endpoints of pool \"", name_, "\": it was destroyed"));
    }
    state.SetEndpoints(endpoints, now);
    SetAlarm();  // Also if there is nothing to do yet: an endpoint may be back whose back-off ends later.
    return absl::OkStatus();
  });
}

void Pool::Recycle() {
  Steer([](PoolState& state, absl::Time now) {
    state.Recycle(now);
    return absl::OkStatus();
  }).IgnoreError();
}

void Pool::Redirected(const std::vector<Endpoint>& endpoints) {
  Steer([&endpoints](PoolState& state, absl::Time now) {
    state.Redirected(endpoints, now);
    return absl::OkStatus();
  }).IgnoreError();
}

void Pool::SetRerolls(int per_minute) {
  if (Forked()) return;
  MutexLock lock(&mu_);
  state_.SetRerolls(per_minute);
}

void Pool::StopRecycle() {
  if (Forked()) return;
  MutexLock lock(&mu_);
  state_.StopRecycle();
}

void Pool::TryToConnect() {
  Steer([](PoolState& state, absl::Time now) {
    if (state.serving() == 0) state.EnsureConnections(1, now);
    return absl::OkStatus();
  }).IgnoreError();
}

}  // namespace chanpool
