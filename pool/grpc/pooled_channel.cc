#include "pool/grpc/pooled_channel.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "pool/core/check.h"
#include "pool/grpc/calls_in_flight.h"
#include "pool/grpc/channel_access.h"
#include "pool/grpc/channel_connector.h"
#include "pool/grpc/forked_callbacks.h"
#include "pool/grpc/lame_channel.h"
#include "pool/grpc/method_tags.h"
#include "pool/grpc/state_watch.h"

namespace chanpool {
namespace {

const ChannelConnection& ConnectionOf(const Place& place) {
  return static_cast<const ChannelConnection&>(*place.connection());
}

}  // namespace

PooledChannel::PooledChannel(std::shared_ptr<Pool> pool, WhenFull when_full)
    : pool_(std::move(pool)), when_full_(when_full), callback_queue_(CallbackQueue()) {}

grpc_connectivity_state PooledChannel::GetState(bool try_to_connect) {
  const grpc_connectivity_state state = ToGrpc(pool_->Connectivity());
  if (try_to_connect && state == GRPC_CHANNEL_IDLE) pool_->TryToConnect();
  return state;
}

ABSL_ATTRIBUTE_NOINLINE absl::StatusOr<Place> PooledChannel::AcquireSlow(Place lost, const grpc::ClientContext& context,
                                                                         const grpc::CompletionQueue* cq) {
  lost.Reset();
  if (pool_->Forked()) return pool_->ForkedError();
  if (when_full_ == WhenFull::kBlock) return AcquireBlocking(context, cq);
  const bool wait_for_ready = ChannelAccess::WaitsForReady(context);
  return AcquireUsable([&] { return pool_->AcquireNow(wait_for_ready); });
}

absl::StatusOr<Place> PooledChannel::AcquireBlocking(const grpc::ClientContext& context,
                                                     const grpc::CompletionQueue* cq) {
  // A callback call starts on threads that must deliver completions: one that waits there for a place waits for what
  // it holds up itself (measured: stuck after 21 of 2,000 calls).
  if (cq == callback_queue_) {
    return absl::FailedPreconditionError(
        absl::StrCat("blocking_channel() of pool \"", pool_->name(),
                     "\" carries blocking stubs only; use channel() or AcquireAsync for callback calls"));
  }
  absl::Time deadline = pool_->clock()->WallNow() + pool_->options().acquire_timeout;
  if (context.deadline() != std::chrono::system_clock::time_point::max()) {
    deadline = std::min(deadline, absl::FromChrono(context.deadline()));
  }
  return AcquireUsable([&] { return pool_->Acquire(deadline); });
}

ABSL_ATTRIBUTE_HOT grpc::internal::Call PooledChannel::CreateCall(const grpc::internal::RpcMethod& method,
                                                                  grpc::ClientContext* context,
                                                                  grpc::CompletionQueue* cq) {
  Place place = when_full_ == WhenFull::kAsOptionsSay ? pool_->TryAcquire() : Place();
  if (!place || ConnectionOf(place).ReportIfLost()) {
    absl::StatusOr<Place> acquired = AcquireSlow(std::move(place), *context, cq);
    if (!acquired.ok()) {
      return ChannelAccess::CreateCall(LameChannel(acquired.status()).get(), MethodTags::Unregistered(method), context,
                                       cq);
    }
    place = *std::move(acquired);
  }
  const ChannelConnection& connection = ConnectionOf(place);
  // The interceptor of the new call takes the lease; from then on it may end, and the connection with it, at any time,
  // but not before CreateCall has given the context its own reference to the channel.
  MethodTally* const row =
      method.channel_tag() == nullptr ? nullptr : connection.calls().tally().Of(method.channel_tag());
  LeaseHandOver hand_over(place.Detach(), row);
  grpc::Channel* const channel = connection.channel().get();
  const grpc::internal::Call call = ChannelAccess::CreateCall(
      channel, connection.tags().Translate(method, ChannelAccess::CoreChannel(*channel)), context, cq);
  return cq == callback_queue_ ? connection.calls().Follow(call) : call;
}

// A call's operations go to the channel that made it.
void PooledChannel::PerformOpsOnCall(grpc::internal::CallOpSetInterface*, grpc::internal::Call*) {
  CHANPOOL_CHECK(false);
}

// A real tag belongs to one channel and dangles when that is recycled.
void* PooledChannel::RegisterMethod(const char* method) { return MethodTags::Handle(method); }

void PooledChannel::NotifyOnStateChangeImpl(grpc_connectivity_state last_observed, gpr_timespec deadline,
                                            grpc::CompletionQueue* cq, void* tag) {
  StateWatch::Begin(pool_, last_observed, deadline, cq, tag);
}

bool PooledChannel::WaitForStateChangeImpl(grpc_connectivity_state last_observed, gpr_timespec deadline) {
  if (pool_->Forked())
    return last_observed != GRPC_CHANNEL_SHUTDOWN;  // To wait would be to poll the parent's epoll set.
  grpc::CompletionQueue queue;
  StateWatch::Begin(pool_, last_observed, deadline, &queue, nullptr);
  void* tag = nullptr;
  bool changed = false;
  CHANPOOL_CHECK(queue.Next(&tag, &changed));
  return changed;
}

grpc::CompletionQueue* PooledChannel::CallbackCQ() {
  return pool_->Forked() ? CallbackQueueAfterFork() : callback_queue_;
}

}  // namespace chanpool
