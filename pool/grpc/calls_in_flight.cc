// What a call runs through on its way is marked hot, here and in the other files that it passes: the linker then puts
// it side by side. A call alone finds the caches cold, and each page it need not touch saves it up to 50 ns.
#include "pool/grpc/calls_in_flight.h"

#include <grpc/grpc.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/call_hook.h>
#include <grpcpp/impl/call_op_set.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "pool/core/pool.h"

namespace chanpool {
namespace {

thread_local Lent lease_on_offer;
thread_local grpc::experimental::Interceptor* last_made = nullptr;  // In this thread; maybe gone since.

void Cancel(grpc_call* call, const absl::Status& why) {
  grpc_call_cancel_with_status(call, static_cast<grpc_status_code>(why.code()), std::string(why.message()).c_str(),
                               nullptr);
}

using grpc::internal::CallOpSetInterface;

// The one batch of a unary callback call, by the type that the stub deserializes into.
template <typename Message>
using UnaryBatch =
    grpc::internal::CallOpSet<grpc::internal::CallOpSendInitialMetadata, grpc::internal::CallOpSendMessage,
                              grpc::internal::CallOpRecvInitialMetadata, grpc::internal::CallOpRecvMessage<Message>,
                              grpc::internal::CallOpClientSendClose, grpc::internal::CallOpClientRecvStatus>;

// Tells the dynamic type. Not typeid: stubs may be compiled with -fno-rtti, and then that would crash.
const void* VTableOf(const CallOpSetInterface& ops) {
  const void* table = nullptr;
  std::memcpy(&table, static_cast<const void*>(&ops), sizeof table);
  return table;
}

// Makes the core report the end of `ops` to `tag`. Returns whom it would have told, or null, and nothing is changed,
// when `ops` is not of the type Batch.
template <typename Batch>
grpc_completion_queue_functor* Redirect(CallOpSetInterface* ops, grpc_completion_queue_functor* tag) {
  static const void* const table = VTableOf(Batch());
  if (VTableOf(*ops) != table) return nullptr;
  auto* const before = static_cast<grpc_completion_queue_functor*>(ops->core_cq_tag());
  static_cast<Batch*>(ops)->set_core_cq_tag(tag);
  return before;
}

}  // namespace

LeaseHandOver::LeaseHandOver(Lent lease) { lease_on_offer = lease; }

LeaseHandOver::~LeaseHandOver() {
  if (const Lent left = Take()) Pool::Release(left);
}

Lent LeaseHandOver::Take() { return std::exchange(lease_on_offer, Lent()); }

class CallsInFlight::Interceptor : public grpc::experimental::Interceptor,
                                   public grpc::internal::CallHook,
                                   private grpc_completion_queue_functor {
 public:
  ABSL_ATTRIBUTE_HOT Interceptor(CallsInFlight* calls, grpc::ClientContext* context)
      : grpc_completion_queue_functor(), calls_(calls), context_(context), lease_(LeaseHandOver::Take()) {
    functor_run = &Interceptor::EndFollowed;
    last_made = this;
  }

  ABSL_ATTRIBUTE_HOT ~Interceptor() override { End(); }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_INITIAL_METADATA)) calls_->Add(this);
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_STATUS)) End();
    methods->Proceed();
  }

  // The call as its stub should use it: it comes to PerformOpsOnCall, and is not intercepted.
  grpc::internal::Call Follow(const grpc::internal::Call& call) {
    intercepted_ = call;
    return grpc::internal::Call(call.call(), this, call.cq());
  }

  // The stub starts a batch of a followed call. A reactor does so in several threads: only the one batch of a unary
  // call may change this object.
  ABSL_ATTRIBUTE_HOT void PerformOpsOnCall(CallOpSetInterface* ops, grpc::internal::Call* call) override {
    grpc_completion_queue_functor* stub = Redirect<UnaryBatch<grpc::protobuf::MessageLite>>(ops, this);
    if (stub == nullptr) stub = Redirect<UnaryBatch<grpc::ByteBuffer>>(ops, this);
    if (stub == nullptr) return ops->FillOps(&intercepted_);
    stub_ = stub;
    calls_->Add(this);
    ops->FillOps(call);
  }

 private:
  friend class CallsInFlight;

  // The core reports the end of a followed call.
  ABSL_ATTRIBUTE_HOT static void EndFollowed(grpc_completion_queue_functor* functor, int ok) {
    auto* const self = static_cast<Interceptor*>(functor);
    grpc_completion_queue_functor* const stub = self->stub_;
    self->End();
    stub->functor_run(stub, ok);  // May destroy the context, and this object with it.
  }

  // At the status and in the destructor, which come one after the other.
  void End() {
    if (std::exchange(over_, true)) return;
    calls_->Remove(this);
    if (lease_) Pool::Release(std::exchange(lease_, Lent()));
  }

  CallsInFlight* const calls_;  // Kept by the factory, which the channel keeps, which the context keeps.
  grpc::ClientContext* const context_;
  Lent lease_;
  bool over_ = false;
  // Guarded by the lock of calls_, since a call's start may come after its end: a corked stream that is cancelled sends
  // its metadata with the first write, on a thread of its user's.
  bool ended_ = false;
  // The core call, referenced while listed; of a followed call the stub holds a reference until it has heard of the
  // end. Not the ClientContext: that one drops its call before it destroys us, so a TryCancel through it would find the
  // call gone.
  grpc_call* call_ = nullptr;
  Interceptor* previous_ = nullptr;
  Interceptor* next_ = nullptr;
  // Of a followed call:
  grpc::internal::Call intercepted_;               // As its channel made it.
  grpc_completion_queue_functor* stub_ = nullptr;  // Whom the core would have told of its end.
};

class CallsInFlight::Factory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit Factory(std::shared_ptr<CallsInFlight> calls) : calls_(std::move(calls)) {}
  ABSL_ATTRIBUTE_HOT grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override {
    return new Interceptor(calls_.get(), info->client_context());
  }

 private:
  const std::shared_ptr<CallsInFlight> calls_;
};

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CallsInFlight::NewInterceptorFactory(
    std::shared_ptr<CallsInFlight> calls) {
  return std::make_unique<Factory>(std::move(calls));
}

// gRPC asks for its global factory to be set before the first call, so before the first channel.
CallsInFlight::CallsInFlight(bool alone)
    : alone_(alone && grpc::internal::g_global_client_interceptor_factory == nullptr) {}

ABSL_ATTRIBUTE_HOT grpc::internal::Call CallsInFlight::Follow(const grpc::internal::Call& call) const {
  if (!alone_) return call;
  return static_cast<Interceptor*>(last_made)->Follow(call);
}

ABSL_ATTRIBUTE_HOT void CallsInFlight::Add(Interceptor* call) {
  grpc_call* const core_call = call->context_->c_call();
  absl::Status cancelled;
  {
    MutexLock lock(&mu_);
    if (call->call_ != nullptr || call->ended_) return;
    call->call_ = core_call;
    if (call->stub_ == nullptr) grpc_call_ref(core_call);
    call->next_ = first_;
    if (first_ != nullptr) first_->previous_ = call;
    first_ = call;
    ++size_;
    if (!cancelled_) return;
    cancelled = *cancelled_;
    grpc_call_ref(core_call);  // It may end before we come to cancel it.
  }
  Cancel(core_call, cancelled);
  grpc_call_unref(core_call);
}

ABSL_ATTRIBUTE_HOT void CallsInFlight::Remove(Interceptor* call) {
  grpc_call* core_call = nullptr;
  {
    MutexLock lock(&mu_);
    call->ended_ = true;
    core_call = std::exchange(call->call_, nullptr);
    if (core_call == nullptr) return;
    (call->previous_ == nullptr ? first_ : call->previous_->next_) = call->next_;
    if (call->next_ != nullptr) call->next_->previous_ = call->previous_;
    --size_;
  }
  if (call->stub_ == nullptr) grpc_call_unref(core_call);
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
