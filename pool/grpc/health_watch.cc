#include "pool/grpc/health_watch.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "pool/grpc/channel_access.h"
#include "pool/grpc/closer_thread.h"
#include "pool/grpc/health.h"
#include "pool/grpc/message_bytes.h"

namespace chanpool {
namespace {

constexpr char kWatchMethod[] = "/grpc.health.v1.Health/Watch";

}  // namespace

// One batch of its call's operations. Keeps the watch until they have ended.
class HealthWatch::Batch : public CloserThread::Event {
 public:
  using Then = void (HealthWatch::*)();
  Batch(std::shared_ptr<HealthWatch> watch, Then then) : watch_(std::move(watch)), then_(then) {}
  bool Run(bool) override {
    if (then_ != nullptr) (watch_.get()->*then_)();
    return false;
  }

 private:
  const std::shared_ptr<HealthWatch> watch_;
  const Then then_;
};

std::shared_ptr<HealthWatch> HealthWatch::Begin(std::shared_ptr<grpc::Channel> channel, const std::string& service,
                                                Tell tell) {
  std::shared_ptr<HealthWatch> watch(new HealthWatch(std::move(channel), std::move(tell)));
  watch->Start(service);
  return watch;
}

HealthWatch::HealthWatch(std::shared_ptr<grpc::Channel> channel, Tell tell)
    : channel_(std::move(channel)), tell_(std::move(tell)), message_(grpc_empty_slice()) {
  grpc_metadata_array_init(&initial_);
  grpc_metadata_array_init(&trailing_);
}

HealthWatch::~HealthWatch() {
  grpc_call_unref(call_);
  grpc_slice_unref(message_);
  grpc_metadata_array_destroy(&initial_);
  grpc_metadata_array_destroy(&trailing_);
  grpc_byte_buffer_destroy(request_);
  grpc_byte_buffer_destroy(response_);
}

void HealthWatch::Start(const std::string& service) {
  request_ = MessageOf(HealthRequest(service));
  call_ = grpc_channel_create_call(ChannelAccess::CoreChannel(*channel_), nullptr, GRPC_PROPAGATE_DEFAULTS,
                                   CloserThread::queue(), grpc_slice_from_static_string(kWatchMethod), nullptr,
                                   gpr_inf_future(GPR_CLOCK_REALTIME), nullptr);
  grpc_op send[4] = {};
  send[0].op = GRPC_OP_SEND_INITIAL_METADATA;
  send[1].op = GRPC_OP_SEND_MESSAGE;
  send[1].data.send_message.send_message = request_;
  send[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
  send[3].op = GRPC_OP_RECV_INITIAL_METADATA;
  send[3].data.recv_initial_metadata.recv_initial_metadata = &initial_;
  grpc_op end[1] = {};
  end[0].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
  end[0].data.recv_status_on_client.trailing_metadata = &trailing_;
  end[0].data.recv_status_on_client.status = &code_;
  end[0].data.recv_status_on_client.status_details = &message_;
  grpc_call_start_batch(call_, send, 4, (new Batch(shared_from_this(), nullptr))->tag(), nullptr);
  grpc_call_start_batch(call_, end, 1, (new Batch(shared_from_this(), &HealthWatch::Ended))->tag(), nullptr);
  Receive();
}

void HealthWatch::Receive() {
  grpc_op receive[1] = {};
  receive[0].op = GRPC_OP_RECV_MESSAGE;
  receive[0].data.recv_message.recv_message = &response_;
  grpc_call_start_batch(call_, receive, 1, (new Batch(shared_from_this(), &HealthWatch::Received))->tag(), nullptr);
}

void HealthWatch::Received() {
  if (response_ == nullptr) return;  // No more will come; Ended says why.
  const absl::Status serving = ServingOf(BytesOf(response_));
  grpc_byte_buffer_destroy(std::exchange(response_, nullptr));
  if (tell_ == nullptr) return;
  tell_(serving);
  Receive();
}

void HealthWatch::Ended() {
  const Tell tell = std::exchange(tell_, nullptr);
  if (tell == nullptr) return;
  if (code_ == GRPC_STATUS_UNIMPLEMENTED) return tell(absl::OkStatus());
  const absl::string_view message(reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(message_)),
                                  GRPC_SLICE_LENGTH(message_));
  tell(absl::UnavailableError(absl::StrCat("the watch on its health ended: ", message)));
}

void HealthWatch::Stop() {
  tell_ = nullptr;
  grpc_call_cancel(call_, nullptr);
}

}  // namespace chanpool
