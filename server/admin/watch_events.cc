#include "server/admin/watch_events.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/admin/proto_time.h"
#include "server/admin/request_checks.h"
#include "server/admin/resume_token.h"
#include "server/admin/status_details.h"

namespace chanpool::admin {
namespace {

constexpr absl::Duration kBookmarkAfter = absl::Seconds(10);
constexpr int kMaxGaps = 3;
// Of types and of resources in one request.
constexpr int kMaxListed = 100;
// Events that are read at one time while those before were of no interest.
constexpr size_t kBatch = 64;

bool Matches(const v1::Event& event, const v1::WatchEventsRequest& request) {
  if (event.severity() < request.min_severity()) return false;
  const auto& types = request.types();
  if (!types.empty() && std::find(types.begin(), types.end(), event.type()) == types.end()) return false;
  const auto& resources = request.resources();
  return resources.empty() || std::any_of(resources.begin(), resources.end(), [&event](const std::string& resource) {
           return event.resource() == resource || event.operation() == resource ||
                  absl::StartsWith(event.resource(), absl::StrCat(resource, "/"));
         });
}

class EventsWatch : public Watch {
 public:
  EventsWatch(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
              v1::WatchEventsRequest request, absl::Duration max_duration, uint64_t after, std::shared_ptr<void> ticket)
      : Watch(context, admin->clock(), std::move(ticket)),
        admin_(admin),
        request_(std::move(request)),
        ends_(admin->clock()->Now() + max_duration),
        quiet_since_(admin->clock()->Now()),
        after_(after) {}

 private:
  void Follow() override {
    events_ = admin_->events().Follow(WeakPump());
    shutdown_ = admin_->FollowShutdown(WeakPump());
  }

  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) override {
    const absl::Time now = admin_->clock()->Now();
    v1::WatchEventsResponse response;
    if (!greeted_) {
      greeted_ = true;
      auto* hello = response.mutable_hello();
      hello->set_instance_id(admin_->instance_id());
      hello->set_oldest_seq(admin_->events().oldest());
      hello->set_head_seq(admin_->events().head());
      return Send(response, now);
    }
    if (gaps_ >= kMaxGaps) {
      return Step::End(ErrorBuilder(absl::StatusCode::kResourceExhausted, "WATCHER_TOO_SLOW",
                                    absl::StrCat("events were lost ", gaps_,
                                                 " times because they were not read as fast as they came; read "
                                                 "faster, or watch fewer types or resources"))
                           .RetryAfter(absl::Seconds(1))
                           .Build());
    }
    if (admin_->stopping()) {
      AddTrailer(kResumeTokenTrailer, Token());
      return Step::End(PoolAdmin::ShuttingDown());
    }
    if (request_.max_events() > 0 && sent_ >= request_.max_events()) return Step::End(absl::OkStatus());
    if (now >= ends_) return Step::End(absl::OkStatus());
    if (FindNext(response)) return Send(response, now);
    if (now >= quiet_since_ + kBookmarkAfter) {
      response.mutable_bookmark()->set_seq(after_);
      return Send(response, now);
    }
    LookAgainAt(std::min(ends_, quiet_since_ + kBookmarkAfter));
    return Step::Wait();
  }

  // The next event of interest, or a gap. Bounded by the ring.
  bool FindNext(v1::WatchEventsResponse& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (size_t at_most = 1;; at_most = kBatch) {
      EventLog::Batch batch = admin_->events().Read(after_, at_most);
      if (batch.lost > 0) {
        response.mutable_gap()->set_from_seq(after_ + 1);
        response.mutable_gap()->set_to_seq(after_ + batch.lost);
        response.mutable_gap()->set_count(batch.lost);
        after_ += batch.lost;
        ++gaps_;
        return true;
      }
      if (batch.events.empty()) return false;
      for (v1::Event& event : batch.events) {
        after_ = event.seq();
        if (!Matches(event, request_)) continue;
        *response.mutable_event() = std::move(event);
        ++sent_;
        return true;
      }
    }
  }

  Step Send(v1::WatchEventsResponse& response, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    response.set_resume_token(Token());
    quiet_since_ = now;
    return Step::Send(response);
  }

  std::string Token() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return WriteResumeToken({admin_->instance_id(), after_});
  }

  const std::shared_ptr<PoolAdmin> admin_;
  const v1::WatchEventsRequest request_;
  const absl::Time ends_;
  absl::Time quiet_since_ ABSL_GUARDED_BY(mu_);
  uint64_t after_ ABSL_GUARDED_BY(mu_);  // The last event that was sent or left out.
  uint64_t sent_ ABSL_GUARDED_BY(mu_) = 0;
  int gaps_ ABSL_GUARDED_BY(mu_) = 0;
  bool greeted_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<void> events_;
  std::shared_ptr<void> shutdown_;
};

// Where to begin.
absl::StatusOr<uint64_t> BeginAfter(PoolAdmin& admin, const v1::WatchEventsRequest& request, RequestChecks& checks) {
  const uint64_t head = admin.events().head();
  if (request.resume_token().empty()) return head - std::min<uint64_t>(head, request.include_history());
  const std::optional<ResumePoint> point = ReadResumeToken(request.resume_token());
  if (point.has_value() && point->instance_id != admin.instance_id()) {
    const std::string why = "the token is of another start of the process; begin anew without it";
    return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "INSTANCE_CHANGED", why)
        .Fact("instance_id", admin.instance_id())
        .Precondition("INSTANCE_CHANGED", "resume_token", why)
        .Build();
  }
  if (!point.has_value() || point->seq > head) {
    checks.Wrong("resume_token", "it is not from this API; give one as it came from WatchEvents, or none");
    return checks.ToStatus();
  }
  const uint64_t oldest = admin.events().oldest();
  if (point->seq + 1 < oldest) {
    return ErrorBuilder(absl::StatusCode::kOutOfRange, "TOKEN_EXPIRED",
                        absl::StrCat("the events from ", point->seq + 1, " to ", oldest - 1,
                                     " are not kept any more; begin anew without the token"))
        .Fact("oldest", absl::StrCat(oldest))
        .Fact("head", absl::StrCat(head))
        .Build();
  }
  return point->seq;
}

void Check(const v1::WatchEventsRequest& request, RequestChecks& checks) {
  if (request.types_size() > kMaxListed || request.resources_size() > kMaxListed) {
    checks.Wrong(request.types_size() > kMaxListed ? "types" : "resources",
                 absl::StrCat("too many; give at most ", kMaxListed, ", or none for all"));
    return;
  }
  for (int i = 0; i < request.types_size(); ++i) {
    if (v1::EventType_IsValid(request.types(i))) continue;
    checks.Wrong(absl::StrCat("types[", i, "]"), absl::StrCat(request.types(i), " is no type of event"));
  }
  for (int i = 0; i < request.resources_size(); ++i) {
    checks.Reason(absl::StrCat("resources[", i, "]"), request.resources(i));
    if (request.resources(i).empty())
      checks.Wrong(absl::StrCat("resources[", i, "]"), "it is empty; give pools/{pool}");
  }
  if (!v1::Severity_IsValid(request.min_severity())) {
    checks.Wrong("min_severity", absl::StrCat(request.min_severity(), " is none; give INFO (1) to ERROR (3)"));
  }
  if (request.include_history() > EventLog::kCapacity) {
    checks.Wrong("include_history",
                 absl::StrCat(request.include_history(), " is more than is kept; give at most ", EventLog::kCapacity));
  }
}

}  // namespace

Watch* WatchEvents(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
                   const v1::WatchEventsRequest& request, std::shared_ptr<void> ticket) {
  RequestChecks checks;
  Check(request, checks);
  absl::Duration max_duration = absl::InfiniteDuration();
  if (request.has_max_duration()) {
    max_duration =
        checks.DurationIn("max_duration", request.max_duration(), absl::ZeroDuration(), absl::InfiniteDuration());
  }
  if (!checks.ok()) return Watch::Refuse(context, checks.ToStatus());
  const absl::StatusOr<uint64_t> after = BeginAfter(*admin, request, checks);
  if (!after.ok()) return Watch::Refuse(context, after.status());
  return Watch::Begin(std::make_shared<EventsWatch>(context, admin, request, max_duration, *after, std::move(ticket)));
}

}  // namespace chanpool::admin
