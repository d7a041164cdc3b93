#include "server/admin/watch_limits.h"

#include "absl/strings/str_cat.h"
#include "server/admin/status_details.h"

namespace chanpool::admin {
namespace {

// Watches end when somebody closes a terminal: no sooner than a person does.
constexpr absl::Duration kRetry = absl::Seconds(5);

absl::Status Refusal(const std::string& subject, int limit) {
  const std::string what = absl::StrCat("all ", limit, " watches of ", subject, " are in use; end one");
  return ErrorBuilder(absl::StatusCode::kResourceExhausted, "TOO_MANY_WATCHERS", what)
      .Quota(subject, what)
      .RetryAfter(kRetry)
      .Build();
}

}  // namespace

absl::StatusOr<std::shared_ptr<void>> WatchLimits::Admit(const std::string& identity) {
  {
    MutexLock lock(&counts_->mu);
    if (counts_->all >= kMaxInAll) return Refusal("this process", kMaxInAll);
    const auto found = counts_->by_caller.find(identity);
    if (found != counts_->by_caller.end() && found->second >= kMaxPerCaller) {
      return Refusal(absl::StrCat("caller ", identity), kMaxPerCaller);
    }
    ++counts_->all;
    ++counts_->by_caller[identity];
  }
  const std::shared_ptr<Counts> counts = counts_;
  return std::shared_ptr<void>(counts.get(), [counts, identity](void*) {
    MutexLock lock(&counts->mu);
    --counts->all;
    if (--counts->by_caller[identity] == 0) counts->by_caller.erase(identity);
  });
}

}  // namespace chanpool::admin
