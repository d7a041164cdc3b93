#include "examples/demo/closed_loop.h"

#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"

namespace chanpool::demo {
namespace {

constexpr absl::Duration kPauseAfterFailure = absl::Milliseconds(10);
constexpr size_t kPayloadBytes = 100;

}  // namespace

class ClosedLoop::Caller {
 public:
  Caller(ClosedLoop* load, absl::Duration delay, Patience patience, absl::Duration limit, int response_bytes)
      : load_(load), patience_(patience), limit_(limit) {
    request_.set_id(std::string(kPayloadBytes, 'x'));
    request_.set_delay_ms(static_cast<int32_t>(absl::ToInt64Milliseconds(delay)));
    request_.set_response_bytes(response_bytes);
  }

  void Begin(absl::Time now) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_wait_for_ready(patience_ == Patience::kWaitForReady);
    if (limit_ != absl::InfiniteDuration()) context_->set_deadline(absl::ToChronoTime(now + limit_));
    call_.start = now;
    load_->NextStub().async()->GetOrder(context_.get(), &request_, &response_,
                                        [this](const grpc::Status& status) { End(status); });
  }

  std::vector<CallRecord>& calls() { return calls_; }

 private:
  void End(const grpc::Status& status) {
    call_.end = absl::Now();
    call_.code = status.error_code();
    call_.error = status.error_message();
    calls_.push_back(call_);
    load_->ended_.fetch_add(1, std::memory_order_relaxed);
    if (load_->stopping_.load(std::memory_order_relaxed)) {
      load_->running_.DecrementCount();  // The last act: Stop may return, and this object be gone.
    } else if (status.ok()) {
      Begin(calls_.back().end);
    } else {
      // A new alarm each time: the one before may still be returning from its callback.
      pause_ = std::make_unique<grpc::Alarm>();
      pause_->Set(absl::ToChronoTime(calls_.back().end + kPauseAfterFailure), [this](bool) { Begin(absl::Now()); });
    }
  }

  ClosedLoop* const load_;
  const Patience patience_;
  const absl::Duration limit_;
  GetOrderRequest request_;
  Order response_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::Alarm> pause_;
  CallRecord call_;
  std::vector<CallRecord> calls_;
};

ClosedLoop::ClosedLoop(const std::vector<std::shared_ptr<grpc::ChannelInterface>>& channels, int callers,
                       absl::Duration delay, Patience patience, absl::Duration limit, int response_bytes)
    : running_(callers) {
  for (const auto& channel : channels) stubs_.push_back(Orders::NewStub(channel));
  for (int i = 0; i < callers; ++i) {
    callers_.push_back(std::make_unique<Caller>(this, delay, patience, limit, response_bytes));
  }
  for (const auto& caller : callers_) caller->Begin(absl::Now());
}

ClosedLoop::~ClosedLoop() { Stop(); }

std::vector<CallRecord> ClosedLoop::Stop() {
  if (stopping_.exchange(true)) return {};
  running_.Wait();
  std::vector<CallRecord> all;
  for (const auto& caller : callers_) {
    std::move(caller->calls().begin(), caller->calls().end(), std::back_inserter(all));
  }
  return all;
}

Orders::Stub& ClosedLoop::NextStub() {
  if (stubs_.size() == 1) return *stubs_.front();
  return *stubs_[next_stub_.fetch_add(1, std::memory_order_relaxed) % stubs_.size()];
}

LoadFigures Figures(const std::vector<CallRecord>& calls, absl::Time from, absl::Time to) {
  LoadFigures figures;
  std::vector<absl::Duration> latencies;
  for (const CallRecord& call : calls) {
    if (call.end < from || call.end >= to) continue;
    ++figures.calls;
    if (call.code == grpc::StatusCode::OK) {
      latencies.push_back(call.end - call.start);
    } else {
      ++figures.failed;
    }
  }
  figures.per_second = static_cast<double>(latencies.size()) / absl::ToDoubleSeconds(to - from);
  if (latencies.empty()) return figures;
  const auto rank = [&latencies](size_t percent) {
    const auto at = latencies.begin() + static_cast<std::ptrdiff_t>((latencies.size() - 1) * percent / 100);
    std::nth_element(latencies.begin(), at, latencies.end());
    return *at;
  };
  figures.p50 = rank(50);
  figures.p99 = rank(99);
  return figures;
}

}  // namespace chanpool::demo
