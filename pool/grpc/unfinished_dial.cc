#include "pool/grpc/unfinished_dial.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>

#include <utility>

#include "pool/grpc/channel_access.h"
#include "pool/grpc/closer_thread.h"

namespace chanpool {
namespace {

// gRPC ends a dial that has had its time a moment later.
constexpr absl::Duration kMore = absl::Seconds(1);

// Owned by the completion queue.
class UnfinishedDial : public CloserThread::Event {
 public:
  explicit UnfinishedDial(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

  void Await(absl::Duration within) {
    const gpr_timespec deadline = gpr_time_add(
        gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(absl::ToInt64Milliseconds(within + kMore), GPR_TIMESPAN));
    grpc_channel_watch_connectivity_state(ChannelAccess::CoreChannel(*channel_), GRPC_CHANNEL_CONNECTING, deadline,
                                          CloserThread::queue(), tag());
  }

  bool Run(bool) override { return false; }

 private:
  const std::shared_ptr<grpc::Channel> channel_;  // Ends with this, on the closer's thread.
};

}  // namespace

void EndAfterDial(std::shared_ptr<grpc::Channel> channel, absl::Duration within) {
  if (channel->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_CONNECTING) return;
  (new UnfinishedDial(std::move(channel)))->Await(within);
}

}  // namespace chanpool
