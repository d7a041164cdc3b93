#include "server/admin/watch.h"

#include <utility>

#include "server/admin/status_details.h"
#include "server/admin/wire_message.h"

namespace chanpool::admin {
namespace {

class Refusal : public Watch {
 public:
  Refusal(grpc::CallbackServerContext* context, absl::Status why)
      : Watch(context, RealClock(), /*ticket=*/nullptr), why_(std::move(why)) {}

 private:
  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) override { return Step::End(why_); }
  const absl::Status why_;
};

}  // namespace

Watch::Step Watch::Step::Send(const google::protobuf::Message& message) {
  Step step;
  step.message = WriteMessage(message);
  return step;
}

Watch::Step Watch::Step::End(absl::Status status) {
  Step step;
  step.end = std::move(status);
  return step;
}

Watch::Watch(grpc::CallbackServerContext* context, Clock* clock, std::shared_ptr<void> ticket)
    : context_(context), ticket_(std::move(ticket)), clock_(clock) {}

Watch::~Watch() = default;

Watch* Watch::Begin(const std::shared_ptr<Watch>& watch) {
  watch->self_ = watch;
  {
    MutexLock lock(&watch->mu_);
    watch->alarm_ = watch->clock_->NewAlarm(watch->WeakPump());
  }
  watch->Follow();
  watch->Pump();
  return watch.get();
}

Watch* Watch::Refuse(grpc::CallbackServerContext* context, const absl::Status& why) {
  return Begin(std::make_shared<Refusal>(context, why));
}

std::function<void()> Watch::WeakPump() {
  return [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Pump();
  };
}

void Watch::Pump() {
  {
    MutexLock lock(&mu_);
    PumpLocked();
  }
  OnPumped();
}

// StartWrite and Finish are called under the lock: their order is the whole point of it, and gRPC runs what they lead
// to (OnWriteDone, OnDone) on threads of its own, never inside.
void Watch::PumpLocked() {
  if (writing_ || finished_ || held_) return;
  Step step = cancelled_ ? Step::End(absl::CancelledError("cancelled by the caller")) : Next();
  if (step.message.has_value()) {
    writing_ = true;
    outgoing_ = *std::move(step.message);
    StartWrite(&outgoing_);
  } else if (step.end.has_value()) {
    finished_ = true;
    alarm_->Set(absl::InfiniteFuture());
    Finish(ToGrpcStatus(*step.end));
  }
}

void Watch::LookAgainAt(absl::Time when) { alarm_->Set(when); }

void Watch::AddTrailer(const std::string& key, const std::string& value) { context_->AddTrailingMetadata(key, value); }

void Watch::OnWriteDone(bool ok) {
  {
    MutexLock lock(&mu_);
    writing_ = false;
    if (!ok) cancelled_ = true;  // The connection is gone.
  }
  Pump();
}

void Watch::OnCancel() {
  MutexLock lock(&mu_);
  cancelled_ = true;  // A write that is under way ends soon, and then this does.
  PumpLocked();
}

void Watch::OnDone() {
  std::shared_ptr<void> ticket;
  {
    MutexLock lock(&mu_);
    ticket = std::move(ticket_);
  }
  const std::shared_ptr<Watch> last = std::move(self_);  // May end this object, when it goes.
}

}  // namespace chanpool::admin
