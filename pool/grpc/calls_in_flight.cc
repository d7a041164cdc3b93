// What a call runs through on its way is marked hot, here and in the other files that it passes: the linker then puts
// it side by side. A call alone finds the caches cold, and each page it need not touch saves it up to 50 ns.
#include "pool/grpc/calls_in_flight.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/call_hook.h>
#include <grpcpp/impl/call_op_set.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "pool/core/endpoint.h"
#include "pool/core/pool.h"
#include "pool/grpc/channel_access.h"
#include "pool/grpc/method_tags.h"

namespace chanpool {
namespace {

thread_local LeaseHandOver::Offer on_offer;
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

// Tells the dynamic type. Not typeid: users' code may be compiled with -fno-rtti, and then that would crash.
const void* VTableOf(const void* object) {
  const void* table = nullptr;
  std::memcpy(&table, object, sizeof table);
  return table;
}

// Where the core will write a call's status code. The member is gRPC's own; what asks for the status shows its place.
class StatusPlace : private grpc::internal::CallOpClientRecvStatus {
 public:
  static const grpc_status_code* In(grpc::internal::CallOpClientRecvStatus& batch) {
    void (CallOpClientRecvStatus::*const add)(grpc_op*, size_t*) = &StatusPlace::AddOp;
    grpc_op op;
    size_t added = 0;
    (batch.*add)(&op, &added);
    return added == 1 ? op.data.recv_status_on_client.status : nullptr;
  }
};

template <typename Batch>
const void* VTableOfBatch() {
  const Batch batch;
  return VTableOf(&batch);
}

// Whom the core would have told of a batch's end, and where it writes the status before it does.
struct Redirected {
  grpc_completion_queue_functor* stub = nullptr;
  const grpc_status_code* status = nullptr;
};

// Makes the core report the end of `ops` to `tag`. Nothing, and nothing is changed, when `ops` is not of the type
// Batch.
template <typename Batch>
Redirected Redirect(CallOpSetInterface* ops, grpc_completion_queue_functor* tag) {
  static const void* const table = VTableOfBatch<Batch>();
  if (VTableOf(ops) != table) return Redirected();
  auto* const batch = static_cast<Batch*>(ops);
  Redirected redirected;
  redirected.status = StatusPlace::In(*batch);
  if (redirected.status == nullptr) return redirected;
  redirected.stub = static_cast<grpc_completion_queue_functor*>(ops->core_cq_tag());
  batch->set_core_cq_tag(tag);
  return redirected;
}

absl::Time WallTime(gpr_timespec deadline) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return absl::InfiniteFuture();
  deadline = gpr_convert_clock_type(deadline, GPR_CLOCK_REALTIME);
  return absl::FromUnixSeconds(deadline.tv_sec) + absl::Nanoseconds(deadline.tv_nsec);
}

// The end of a call that is over with this code, which may be one that its peer has made up; none: its caller has
// dropped it, and nobody will read its status.
absl::StatusCode EndOf(std::optional<int> code) {
  if (!code.has_value()) return absl::StatusCode::kCancelled;
  return *code >= 0 && *code < kStatusCodes ? static_cast<absl::StatusCode>(*code) : absl::StatusCode::kUnknown;
}

}  // namespace

LeaseHandOver::LeaseHandOver(Lent lease, MethodTally* row) { on_offer = {lease, row}; }

LeaseHandOver::~LeaseHandOver() {
  if (const Lent left = Take().lease) Pool::Release(left);
}

LeaseHandOver::Offer LeaseHandOver::Take() { return std::exchange(on_offer, Offer()); }

class CallsInFlight::Interceptor : public grpc::experimental::Interceptor,
                                   public grpc::internal::CallHook,
                                   private grpc_completion_queue_functor {
 public:
  ABSL_ATTRIBUTE_HOT Interceptor(CallsInFlight* calls, const grpc::experimental::ClientRpcInfo& info,
                                 grpc::ClientContext* context)
      : grpc_completion_queue_functor(), calls_(calls), context_(context) {
    const LeaseHandOver::Offer offer = LeaseHandOver::Take();
    lease_ = offer.lease;
    // Calls on Lease::channel(), and those of generic stubs, come without a handle.
    row_ = offer.row != nullptr ? offer.row : calls->tally_.Of(MethodTags::Handle(info.method()));
    functor_run = &Interceptor::EndFollowed;
    last_made = this;
  }

  ABSL_ATTRIBUTE_HOT ~Interceptor() override { End(std::nullopt); }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_INITIAL_METADATA)) calls_->Add(this);
    if (ABSL_PREDICT_FALSE(calls_->backend_wanted())) FindBackend(methods);
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_STATUS)) End(methods->GetRecvStatus()->error_code());
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
    Redirected redirected = Redirect<UnaryBatch<grpc::protobuf::MessageLite>>(ops, this);
    if (redirected.stub == nullptr) redirected = Redirect<UnaryBatch<grpc::ByteBuffer>>(ops, this);
    if (redirected.stub == nullptr) return ops->FillOps(&intercepted_);
    followed_ = redirected;
    calls_->Add(this);
    ops->FillOps(call);
  }

 private:
  friend class CallsInFlight;

  // The maps of metadata are made when they are first asked for: here, before the call's user may ask in a thread of
  // its own.
  void FindBackend(grpc::experimental::InterceptorBatchMethods* methods) {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_INITIAL_METADATA)) {
      calls_->FindBackend(*methods->GetRecvInitialMetadata());
    }
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_STATUS)) calls_->FindBackendAtEnd(*context_);
  }

  // The core reports the end of a followed call.
  ABSL_ATTRIBUTE_HOT static void EndFollowed(grpc_completion_queue_functor* functor, int ok) {
    auto* const self = static_cast<Interceptor*>(functor);
    grpc_completion_queue_functor* const stub = self->followed_.stub;
    if (ABSL_PREDICT_FALSE(self->calls_->backend_wanted())) {
      self->calls_->FindBackend(self->context_->GetServerInitialMetadata());
      self->calls_->FindBackendAtEnd(*self->context_);
    }
    self->End(*self->followed_.status);
    stub->functor_run(stub, ok);  // May destroy the context, and this object with it.
  }

  // At the status, with its code, and in the destructor, which come one after the other. Counts before the lease goes
  // back: whoever has the status, or finds the pool drained, finds the call counted.
  ABSL_ATTRIBUTE_HOT void End(std::optional<int> code) {
    if (std::exchange(over_, true)) return;
    const Ended ended = calls_->Remove(this);
    const bool started = ended.began != absl::InfinitePast();
    if (started || code.has_value()) {
      const absl::Duration took = started ? calls_->clock_->Now() - ended.began : absl::ZeroDuration();
      row_->Count(EndOf(code), took);
      // What the pool itself has ended does not speak against the server.
      if (!ended.cancelled) Report(OutcomeOf(EndOf(code)), took);
    }
    if (lease_) Pool::Release(std::exchange(lease_, Lent()));
  }

  void Report(CallOutcome outcome, absl::Duration took) {
    if (lease_) return Pool::ReportCall(lease_.slot(), outcome, took);
    if (const auto listener = calls_->listener_.lock()) listener->OnCallEnded(calls_->connection_, outcome, took);
  }

  CallsInFlight* const calls_;  // Kept by the factory, which the channel keeps, which the context keeps.
  grpc::ClientContext* const context_;
  MethodTally* row_;  // Of tally_ there.
  Lent lease_;
  bool over_ = false;
  // Guarded by the lock of calls_, since a call's start may come after its end: a corked stream that is cancelled sends
  // its metadata with the first write, on a thread of its user's.
  bool ended_ = false;
  bool cancelled_ = false;  // By CancelAll.
  absl::Time began_ = absl::InfinitePast();
  // The core call, referenced while listed; of a followed call the stub holds a reference until it has heard of the
  // end. Not the ClientContext: that one drops its call before it destroys us, so a TryCancel through it would find the
  // call gone.
  grpc_call* call_ = nullptr;
  Interceptor* previous_ = nullptr;
  Interceptor* next_ = nullptr;
  // Of a followed call:
  grpc::internal::Call intercepted_;  // As its channel made it.
  Redirected followed_;
};

class CallsInFlight::Factory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit Factory(std::shared_ptr<CallsInFlight> calls) : calls_(std::move(calls)) {}
  ABSL_ATTRIBUTE_HOT grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override {
    return new Interceptor(calls_.get(), *info, info->client_context());
  }

  const CallsInFlight* calls() const { return calls_.get(); }

 private:
  const std::shared_ptr<CallsInFlight> calls_;
};

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CallsInFlight::NewInterceptorFactory(
    std::shared_ptr<CallsInFlight> calls) {
  return std::make_unique<Factory>(std::move(calls));
}

// gRPC asks for its global factory to be set before the first call, so before the first channel.
CallsInFlight::CallsInFlight(Setup setup)
    : connection_(setup.connection),
      listener_(std::move(setup.listener)),
      alone_(setup.alone && grpc::internal::g_global_client_interceptor_factory == nullptr),
      clock_(setup.clock),
      tally_(std::move(setup.ledger)),
      diversity_(std::move(setup.diversity)),
      backend_wanted_(diversity_ != nullptr) {}

void CallsInFlight::FindBackend(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  if (diversity_->backend_header.empty()) return;
  const auto found = metadata.find(diversity_->backend_header);
  if (found != metadata.end()) TellBackend({found->second.data(), found->second.size()});
}

void CallsInFlight::FindBackendAtEnd(const grpc::ClientContext& context) {
  FindBackend(context.GetServerTrailingMetadata());
  if (diversity_->backend_of != nullptr) TellBackend(diversity_->backend_of(context));
}

void CallsInFlight::TellBackend(absl::string_view backend) {
  if (backend.empty() || !backend_wanted_.exchange(false, std::memory_order_relaxed)) return;
  if (const auto listener = listener_.lock()) listener->OnBackend(connection_, backend);
}

const CallsInFlight* CallsInFlight::Of(const grpc::ClientContext& context) {
  static const void* const table = [] {
    const Factory factory(nullptr);
    return VTableOf(&factory);
  }();
  const auto* const factory = ChannelAccess::FirstInterceptorFactory(context);
  if (factory == nullptr || VTableOf(factory) != table) return nullptr;
  return static_cast<const Factory*>(factory)->calls();
}

ABSL_ATTRIBUTE_HOT grpc::internal::Call CallsInFlight::Follow(const grpc::internal::Call& call) const {
  if (!alone_) return call;
  return static_cast<Interceptor*>(last_made)->Follow(call);
}

ABSL_ATTRIBUTE_HOT void CallsInFlight::Add(Interceptor* call) {
  grpc_call* const core_call = call->context_->c_call();
  const absl::Time now = clock_->Now();
  absl::Status cancelled;
  {
    MutexLock lock(&mu_);
    if (call->call_ != nullptr || call->ended_) return;
    call->call_ = core_call;
    call->began_ = now;
    if (call->followed_.stub == nullptr) grpc_call_ref(core_call);
    call->previous_ = last_;
    (last_ == nullptr ? first_ : last_->next_) = call;
    last_ = call;
    ++size_;
    if (!cancelled_) return;
    call->cancelled_ = true;
    cancelled = *cancelled_;
    grpc_call_ref(core_call);  // It may end before we come to cancel it.
  }
  Cancel(core_call, cancelled);
  grpc_call_unref(core_call);
}

ABSL_ATTRIBUTE_HOT CallsInFlight::Ended CallsInFlight::Remove(Interceptor* call) {
  grpc_call* core_call = nullptr;
  Ended ended;
  {
    MutexLock lock(&mu_);
    call->ended_ = true;
    core_call = std::exchange(call->call_, nullptr);
    if (core_call == nullptr) return ended;
    ended = {call->began_, call->cancelled_};
    (call->previous_ == nullptr ? first_ : call->previous_->next_) = call->next_;
    (call->next_ == nullptr ? last_ : call->next_->previous_) = call->previous_;
    --size_;
  }
  if (call->followed_.stub == nullptr) grpc_call_unref(core_call);
  return ended;
}

void CallsInFlight::CancelAll(const absl::Status& why) {
  std::vector<grpc_call*> calls;
  {
    MutexLock lock(&mu_);
    cancelled_ = why;
    calls.reserve(size_);
    for (Interceptor* call = first_; call != nullptr; call = call->next_) {
      call->cancelled_ = true;
      grpc_call_ref(call->call_);
      calls.push_back(call->call_);
    }
  }
  for (grpc_call* call : calls) {
    Cancel(call, why);
    grpc_call_unref(call);
  }
}

std::vector<CallInFlight> CallsInFlight::Oldest(size_t most) const {
  const absl::Time now = clock_->Now();
  std::vector<CallInFlight> calls;
  {
    MutexLock lock(&mu_);
    for (const Interceptor* call = first_; call != nullptr && calls.size() < most; call = call->next_) {
      // The context has not changed since the call began, and is there as long as the call is listed.
      calls.push_back({connection_, call->row_->name(), std::max(absl::ZeroDuration(), now - call->began_),
                       WallTime(call->context_->raw_deadline())});
    }
  }
  KeepOldest(most, &calls);
  return calls;
}

int64_t CallsInFlight::in_flight() const {
  MutexLock lock(&mu_);
  return size_;
}

}  // namespace chanpool
