#include "server/admin/managed_pool.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/admin/pool_event_text.h"
#include "server/admin/pool_options_proto.h"
#include "server/admin/proto_time.h"
#include "server/admin/status_details.h"

namespace chanpool::admin {
namespace {

using OptionsProto = chanpool::config::v1::PoolOptions;
using chanpool::admin::v1::Override;

bool IsSet(const OptionsProto& values, const std::string& field) {
  const auto* descriptor = OptionsProto::descriptor()->FindFieldByName(field);
  return descriptor != nullptr && values.GetReflection()->HasField(values, descriptor);
}

// `values` with this field alone.
OptionsProto Only(const OptionsProto& values, const std::string& field) {
  OptionsProto one = values;
  for (int i = 0; i < OptionsProto::descriptor()->field_count(); ++i) {
    const auto* descriptor = OptionsProto::descriptor()->field(i);
    if (descriptor->name() != field) one.GetReflection()->ClearField(&one, descriptor);
  }
  return one;
}

// What of a pool's keys is shown as its channel; the pool itself knows the others better.
chanpool::config::v1::PoolConfig ChannelOnly(chanpool::config::v1::PoolConfig keys) {
  keys.clear_name();
  keys.clear_target();
  keys.clear_options();
  return keys;
}

// The name before the colon, as in "max_surge: 9 is above ...".
std::string FieldOf(absl::string_view problem) { return std::string(problem.substr(0, problem.find(':'))); }

}  // namespace

std::shared_ptr<ManagedPool> ManagedPool::Create(Clock* clock, EventLog* events,
                                                 PoolRegistry::Registration registration) {
  std::shared_ptr<ManagedPool> managed(new ManagedPool(clock, events, std::move(registration)));
  managed->Follow();
  (void)managed->Look();  // The options that it comes with are its first generation.
  return managed;
}

ManagedPool::ManagedPool(Clock* clock, EventLog* events, PoolRegistry::Registration registration)
    : clock_(clock),
      events_(*events),
      id_(std::move(registration.name)),
      pool_(std::move(registration.pool)),
      create_time_(clock->WallNow()),
      target_(std::move(registration.target)),
      channel_(ChannelOnly(std::move(registration.channel))) {}

ManagedPool::~ManagedPool() = default;

void ManagedPool::Follow() {
  const std::weak_ptr<ManagedPool> weak = weak_from_this();
  Subscription subscription = pool_->Subscribe([weak](const PoolEvent& event) {
    if (const auto self = weak.lock()) self->OnPoolEvent(event);
  });
  std::unique_ptr<Alarm> alarm = clock_->NewAlarm([weak] {
    if (const auto self = weak.lock()) self->Expire();
  });
  MutexLock lock(&mu_);
  subscription_ = std::move(subscription);
  alarm_ = std::move(alarm);
}

void ManagedPool::SetTarget(std::string target, chanpool::config::v1::PoolConfig channel) {
  MutexLock lock(&mu_);
  target_ = std::move(target);
  channel_ = ChannelOnly(std::move(channel));
}

void ManagedPool::Remove() {
  MutexLock steering(&steering_);
  Subscription ended;
  bool overridden = false;
  {
    MutexLock lock(&mu_);
    if (removed_) return;
    removed_ = true;
    overridden = !overrides_.empty();
    overrides_.clear();
    SetAlarm();
    ended = std::move(subscription_);
  }
  // Not an error when the pool was destroyed: then it has no options that anybody could see.
  if (overridden) (void)pool_->Override(nullptr);
}

bool ManagedPool::removed() const {
  MutexLock lock(&mu_);
  return removed_;
}

ManagedPool::Facts ManagedPool::Look() {
  // The pool is read under the lock: looks that overtook each other would count a change there and back. It calls
  // nobody while it answers, so that its lock may be taken under this one.
  MutexLock lock(&mu_);
  const PoolAdminState state = pool_->state();
  const PoolOptions options = pool_->options();
  Facts facts = Describe(overrides_, options, pool_->owner_options());
  if (!seen_options_.has_value() || *seen_options_ != options) {
    seen_options_ = options;
    ++generation_;
  }
  std::string seen = absl::StrCat(options.DebugString(), static_cast<int>(state));
  for (const Override& shown : facts.overrides) absl::StrAppend(&seen, "\n", shown.SerializeAsString());
  if (seen != seen_) {
    seen_ = std::move(seen);
    ++revision_;
  }
  facts.generation = generation_;
  // The count tells changes there and back from none; the hash tells this process from the one before it.
  facts.etag = absl::StrFormat("%x-%x", revision_, std::hash<std::string>()(seen_));
  return facts;
}

ManagedPool::Facts ManagedPool::Describe(const Overrides& overrides, const PoolOptions& options,
                                         const PoolOptions& owner) const {
  Facts facts;
  facts.target = target_;
  facts.channel = channel_;
  facts.options = options;
  facts.create_time = create_time_;
  const OptionsProto owners = ToProto(owner);
  for (int i = 0; i < OptionsProto::descriptor()->field_count(); ++i) {
    const std::string& field = OptionsProto::descriptor()->field(i)->name();
    const auto found = overrides.find(field);
    if (found == overrides.end()) continue;
    facts.overrides.push_back(found->second.shown);
    facts.overrides.back().set_owner_value(FieldText(owners, field));
  }
  return facts;
}

// --- Changing -----------------------------------------------------------------------------------------------------

std::vector<std::pair<std::string, std::string>> ManagedPool::Check(const OverrideChange& change) const {
  std::vector<std::pair<std::string, std::string>> wrong;
  const PoolOptions owner = pool_->owner_options();
  PoolOptions options = pool_->options();
  for (const std::string& field : change.fields) {
    (void)ApplyField(ToProto(owner), field, options);
    const absl::Status read = ApplyField(change.values, field, options);
    if (!read.ok()) wrong.emplace_back(field, read.message());
  }
  // Validate names one problem: put that field back, and look for the next.
  const OptionsProto before = ToProto(pool_->options());
  std::vector<std::string> left = change.fields;
  for (;;) {
    const absl::Status valid = options.Validate();
    if (valid.ok() || left.empty()) return wrong;
    // A field that was not asked for is named when it does not go with one that was.
    auto blamed = std::find(left.begin(), left.end(), FieldOf(valid.message()));
    if (blamed == left.end()) {
      blamed = std::find_if(left.begin(), left.end(),
                            [&](const std::string& field) { return absl::StrContains(valid.message(), field); });
    }
    if (blamed == left.end()) blamed = left.begin();
    wrong.emplace_back(*blamed, valid.message());
    (void)ApplyField(before, *blamed, options);
    left.erase(blamed);
  }
}

ManagedPool::Overrides ManagedPool::Changed(const OverrideChange& change) const {
  Overrides overrides;
  {
    MutexLock lock(&mu_);
    overrides = overrides_;
  }
  const bool expires = change.ttl != absl::InfiniteDuration();
  const absl::Time now = clock_->WallNow();  // Read once: expire_time - set_time is the ttl.
  for (const std::string& field : change.fields) {
    overrides.erase(field);
    if (!IsSet(change.values, field)) continue;
    Overriding& overriding = overrides[field];
    overriding.value = Only(change.values, field);
    overriding.shown.set_path(absl::StrCat("options.", field));
    overriding.shown.set_value(FieldText(change.values, field));
    overriding.shown.set_set_by(change.actor);
    overriding.shown.set_reason(change.reason);
    *overriding.shown.mutable_set_time() = ToProto(now);
    if (!expires) continue;
    *overriding.shown.mutable_expire_time() = ToProto(now + change.ttl);
    overriding.expires = clock_->Now() + change.ttl;
  }
  return overrides;
}

absl::Status ManagedPool::Apply(const Overrides& overrides) {
  if (overrides.empty()) return pool_->Override(nullptr);
  OptionsProto values;
  for (const auto& [field, overriding] : overrides) values.MergeFrom(overriding.value);
  return pool_->Override([values](PoolOptions& options) {
    const absl::StatusOr<PoolOptions> overridden = FromProto(values, options);
    if (overridden.ok()) options = *overridden;  // Always: it was read before it was kept.
  });
}

absl::Status ManagedPool::CheckEtag(const std::string& etag) {
  if (etag.empty()) return absl::OkStatus();
  const std::string current = Look().etag;
  if (etag == current) return absl::OkStatus();
  return ErrorBuilder(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                      absl::StrCat(name(), " was changed since you read it; read it again and decide anew"))
      .Fact("etag", current)
      .Resource("chanpool.admin.v1.Pool", name())
      .Build();
}

absl::StatusOr<ManagedPool::Facts> ManagedPool::Change(const OverrideChange& change) {
  Overrides before;
  Overrides after;
  {
    MutexLock steering(&steering_);
    const absl::Status same = CheckEtag(change.etag);
    if (!same.ok()) return same;
    const auto wrong = Check(change);
    if (!wrong.empty()) return absl::InvalidArgumentError(wrong.front().second);
    after = Changed(change);
    if (change.validate_only) {
      PoolOptions options = pool_->owner_options();
      for (const auto& [field, overriding] : after) (void)ApplyField(overriding.value, field, options);
      const Facts now = Look();
      MutexLock lock(&mu_);
      Facts facts = Describe(after, options, pool_->owner_options());
      facts.etag = now.etag;
      facts.generation = now.generation;
      return facts;
    }
    if (removed()) return absl::NotFoundError(absl::StrCat(name(), " was removed"));
    const absl::Status applied = Apply(after);
    if (!applied.ok()) return applied;
    MutexLock lock(&mu_);
    before = std::exchange(overrides_, after);
    SetAlarm();
  }
  TellChanges(before, after, change.reason, change.actor);
  return Look();
}

void ManagedPool::Expire() {
  Overrides before;
  Overrides after;
  std::string why = "its time is over";
  {
    MutexLock steering(&steering_);
    {
      MutexLock lock(&mu_);
      before = after = overrides_;
    }
    const absl::Time now = clock_->Now();
    for (auto it = after.begin(); it != after.end();) it = it->second.expires <= now ? after.erase(it) : std::next(it);
    if (after.size() != before.size()) {
      const absl::Status applied = Apply(after);
      if (absl::IsInvalidArgument(applied)) {
        // What is left makes no sense without what has expired, and that may not stay: the owner's options always do.
        why = absl::StrCat("another one's time is over, without which: ", applied.message());
        after.clear();
        (void)Apply(after);
      }
    }
    MutexLock lock(&mu_);
    overrides_ = after;
    SetAlarm();
  }
  TellChanges(before, after, why, /*actor=*/"");
}

void ManagedPool::SetAlarm() {
  absl::Time first = absl::InfiniteFuture();
  for (const auto& [field, overriding] : overrides_) first = std::min(first, overriding.expires);
  alarm_->Set(first);
}

// --- Events -------------------------------------------------------------------------------------------------------

void ManagedPool::Tell(v1::EventType type, v1::Severity severity, const std::string& message,
                       const std::string& actor) {
  v1::Event event;
  event.set_type(type);
  event.set_severity(severity);
  event.set_resource(name());
  event.set_message(message);
  event.set_actor(actor);
  events_.Append(std::move(event));
}

void ManagedPool::TellChanges(const Overrides& before, const Overrides& after, const std::string& why,
                              const std::string& actor) {
  const std::string because = why.empty() ? "" : absl::StrCat(": ", why);
  for (const auto& [field, overriding] : before) {
    if (after.count(field) > 0) continue;
    Tell(v1::EVENT_TYPE_OVERRIDE_ENDED, v1::SEVERITY_INFO,
         absl::StrCat(field, " is not ", overriding.shown.value(), " any more", because), actor);
  }
  for (const auto& [field, overriding] : after) {
    const auto was = before.find(field);
    if (was != before.end() && was->second.shown.SerializeAsString() == overriding.shown.SerializeAsString()) continue;
    std::string how_long;
    if (overriding.shown.has_expire_time()) {
      const absl::Duration ttl = FromProto(overriding.shown.expire_time()) - FromProto(overriding.shown.set_time());
      how_long = absl::StrCat(" for ", DurationText(ttl));
    }
    Tell(v1::EVENT_TYPE_OVERRIDE_SET, v1::SEVERITY_INFO,
         absl::StrCat(field, " is ", overriding.shown.value(), how_long, because), actor);
  }
}

void ManagedPool::OnPoolEvent(const PoolEvent& event) {
  uint64_t missed = 0;
  uint64_t failures = 0;
  {
    MutexLock lock(&mu_);
    if (removed_) return;
    if (event.kind == PoolEvent::Kind::kOpened) failures_in_a_row_ = 0;
    if (event.kind == PoolEvent::Kind::kConnectFailed) {
      failures_in_a_row_ = event.detail == last_failure_ ? failures_in_a_row_ + 1 : 1;
      last_failure_ = event.detail;
      failures = failures_in_a_row_;
    }
    if (last_sequence_ > 0 && event.sequence > last_sequence_ + 1) missed = event.sequence - last_sequence_ - 1;
    last_sequence_ = event.sequence;
  }
  if (missed > 0) {
    Tell(v1::EVENT_TYPE_UNSPECIFIED, v1::SEVERITY_WARNING,
         absl::StrCat(missed, " events of this pool are missing here: they came faster than they could be told"), "");
  }
  // Of a target that stays away the 1st, 2nd, 4th, 8th... failure: the log is for what is new.
  if (failures > 0 && (failures & (failures - 1)) != 0) return;
  // Notices a change as early as possible: one there and back between two looks would not be counted.
  if (event.kind == PoolEvent::Kind::kReconfigured) (void)Look();
  v1::Event told = ToProto(event, name());
  if (failures > 1) told.set_message(absl::StrCat(told.message(), " (", failures, " times in a row)"));
  *told.mutable_time() = ToProto(clock_->WallNow() - (clock_->Now() - event.time));
  events_.Append(std::move(told));
}

}  // namespace chanpool::admin
