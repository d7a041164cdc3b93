#include "examples/microservice/steady_calls.h"

#include <grpcpp/client_context.h>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"

namespace chanpool::microservice {
namespace {

// Whether the pool said it, not the upstream or the network.
bool IsOfThePool(const grpc::Status& status) {
  return absl::StartsWith(status.error_message(), "pool \"") &&
         (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
          absl::StrContains(status.error_message(), "is draining"));
}

}  // namespace

void CallCounts::Add(const CallCounts& other) {
  ok += other.ok;
  refused += other.refused;
  failed += other.failed;
  in_flight += other.in_flight;
  left_out += other.left_out;
  for (const auto& [code, count] : other.by_code) by_code[code] += count;
}

struct SteadyCalls::Call {
  grpc::ClientContext context;
  chanpool::demo::GetOrderRequest request;
  chanpool::demo::Order response;
};

SteadyCalls::SteadyCalls(const std::shared_ptr<grpc::ChannelInterface>& channel, const Options& options)
    : stub_(chanpool::demo::Orders::NewStub(channel)), options_(options) {}

SteadyCalls::~SteadyCalls() { AwaitAll(); }

void SteadyCalls::Start(int calls) {
  for (int i = 0; i < calls; ++i) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (counts_.in_flight >= options_.max_in_flight) {
        ++counts_.left_out;
        continue;
      }
      ++counts_.in_flight;
    }
    auto call = std::make_shared<Call>();
    call->context.set_deadline(absl::ToChronoTime(absl::Now() + options_.deadline));
    call->request.set_id("42");
    call->request.set_delay_ms(static_cast<int32_t>(absl::ToInt64Milliseconds(options_.delay)));
    Call& begun = *call;
    stub_->async()->GetOrder(&begun.context, &begun.request, &begun.response,
                             [this, call = std::move(call)](const grpc::Status& status) mutable {
                               call.reset();  // With it the hold on its connection.
                               End(status);
                             });
  }
}

void SteadyCalls::End(const grpc::Status& status) {
  std::lock_guard<std::mutex> lock(mu_);
  if (status.ok()) {
    ++counts_.ok;
  } else {
    ++(IsOfThePool(status) ? counts_.refused : counts_.failed);
    ++counts_.by_code[absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()))];
  }
  if (--counts_.in_flight == 0) ended_.notify_all();
}

CallCounts SteadyCalls::counts() const {
  std::lock_guard<std::mutex> lock(mu_);
  return counts_;
}

void SteadyCalls::AwaitAll() {
  std::unique_lock<std::mutex> lock(mu_);
  ended_.wait(lock, [this] { return counts_.in_flight == 0; });
}

}  // namespace chanpool::microservice
