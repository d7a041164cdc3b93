#include "pool/grpc/unfinished_dial.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>

#include <atomic>
#include <utility>

#include "pool/grpc/channel_access.h"
#include "pool/grpc/closer_thread.h"

namespace chanpool {
namespace {

// gRPC ends a dial that has had its time a moment later.
constexpr absl::Duration kMore = absl::Seconds(1);

std::atomic<int> unfinished_dials{0};

// Owned by the completion queue.
class UnfinishedDial : public CloserThread::Event {
 public:
  explicit UnfinishedDial(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {
    unfinished_dials.fetch_add(1, std::memory_order_relaxed);
  }
  ~UnfinishedDial() override { unfinished_dials.fetch_sub(1, std::memory_order_relaxed); }

  void Await(grpc_connectivity_state now, absl::Duration within) {
    const gpr_timespec deadline = gpr_time_add(
        gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(absl::ToInt64Milliseconds(within + kMore), GPR_TIMESPAN));
    grpc_channel_watch_connectivity_state(ChannelAccess::CoreChannel(*channel_), now, deadline, CloserThread::queue(),
                                          tag());
  }

  bool Run(bool) override { return false; }

 private:
  const std::shared_ptr<grpc::Channel> channel_;  // Ends with this, on the closer's thread.
};

}  // namespace

void EndAfterDial(std::shared_ptr<grpc::Channel> channel, absl::Duration within, bool redials) {
  const grpc_connectivity_state now = channel->GetState(/*try_to_connect=*/false);
  if (now != GRPC_CHANNEL_CONNECTING && !(redials && now == GRPC_CHANNEL_TRANSIENT_FAILURE)) return;
  if (unfinished_dials.load(std::memory_order_relaxed) >= kMaxUnfinishedDials) return;
  (new UnfinishedDial(std::move(channel)))->Await(now, within);
}

}  // namespace chanpool
