#include "pool/grpc/calls_in_flight.h"

#include <grpc/grpc.h>
#include <grpcpp/client_context.h>

#include <string>
#include <utility>
#include <vector>

#include "pool/core/pool.h"

namespace chanpool {
namespace {

thread_local Slot* lease_on_offer = nullptr;

void Cancel(grpc_call* call, const absl::Status& why) {
  grpc_call_cancel_with_status(call, static_cast<grpc_status_code>(why.code()), std::string(why.message()).c_str(),
                               nullptr);
}

}  // namespace

LeaseHandOver::LeaseHandOver(Slot* slot) { lease_on_offer = slot; }

LeaseHandOver::~LeaseHandOver() {
  if (Slot* left = Take()) Pool::Release(left);
}

Slot* LeaseHandOver::Take() { return std::exchange(lease_on_offer, nullptr); }

class CallsInFlight::Interceptor : public grpc::experimental::Interceptor {
 public:
  Interceptor(CallsInFlight* calls, grpc::ClientContext* context)
      : calls_(calls), context_(context), lease_(LeaseHandOver::Take()) {}

  ~Interceptor() override { End(); }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_INITIAL_METADATA)) calls_->Add(this);
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_STATUS)) End();
    methods->Proceed();
  }

 private:
  friend class CallsInFlight;

  void End() {
    if (call_ != nullptr) calls_->Remove(this);
    if (lease_ != nullptr) Pool::Release(std::exchange(lease_, nullptr));
  }

  CallsInFlight* const calls_;  // Kept by the factory, which the channel keeps, which the context keeps.
  grpc::ClientContext* const context_;
  Slot* lease_;
  // The core call, referenced while listed. Not the ClientContext: that one drops its call before it destroys us, so a
  // TryCancel through it would find the call gone.
  grpc_call* call_ = nullptr;
  Interceptor* previous_ = nullptr;
  Interceptor* next_ = nullptr;
};

class CallsInFlight::Factory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit Factory(std::shared_ptr<CallsInFlight> calls) : calls_(std::move(calls)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* info) override {
    return new Interceptor(calls_.get(), info->client_context());
  }

 private:
  const std::shared_ptr<CallsInFlight> calls_;
};

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CallsInFlight::NewInterceptorFactory(
    std::shared_ptr<CallsInFlight> calls) {
  return std::make_unique<Factory>(std::move(calls));
}

void CallsInFlight::Add(Interceptor* call) {
  if (call->call_ != nullptr) return;
  call->call_ = call->context_->c_call();
  grpc_call_ref(call->call_);
  absl::Status cancelled;
  {
    MutexLock lock(&mu_);
    call->next_ = first_;
    if (first_ != nullptr) first_->previous_ = call;
    first_ = call;
    ++size_;
    if (!cancelled_) return;
    cancelled = *cancelled_;
  }
  Cancel(call->call_, cancelled);
}

void CallsInFlight::Remove(Interceptor* call) {
  {
    MutexLock lock(&mu_);
    (call->previous_ == nullptr ? first_ : call->previous_->next_) = call->next_;
    if (call->next_ != nullptr) call->next_->previous_ = call->previous_;
    --size_;
  }
  grpc_call_unref(std::exchange(call->call_, nullptr));
}

void CallsInFlight::CancelAll(const absl::Status& why) {
  std::vector<grpc_call*> calls;
  {
    MutexLock lock(&mu_);
    cancelled_ = why;
    calls.reserve(size_);
    for (Interceptor* call = first_; call != nullptr; call = call->next_) {
      grpc_call_ref(call->call_);
      calls.push_back(call->call_);
    }
  }
  for (grpc_call* call : calls) {
    Cancel(call, why);
    grpc_call_unref(call);
  }
}

int64_t CallsInFlight::in_flight() const {
  MutexLock lock(&mu_);
  return size_;
}

}  // namespace chanpool
