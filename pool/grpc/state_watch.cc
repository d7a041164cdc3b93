#include "pool/grpc/state_watch.h"

#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpcpp/impl/codegen/completion_queue_tag.h>

#include <utility>

#include "pool/core/mutex.h"

namespace chanpool {
namespace {

// A channel to nowhere, for calls that only wait. Its dials fail in this process; one in two hours is enough.
grpc_channel* NowhereChannel() {
  static grpc_channel* const channel = [] {
    grpc_init();
    grpc_arg slowly[3];
    const char* const keys[] = {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                                GRPC_ARG_MIN_RECONNECT_BACKOFF_MS};
    for (int i = 0; i < 3; ++i) {
      slowly[i].type = GRPC_ARG_INTEGER;
      slowly[i].key = const_cast<char*>(keys[i]);
      slowly[i].value.integer = 2 * 60 * 60 * 1000;
    }
    const grpc_channel_args arguments = {3, slowly};
    grpc_channel_credentials* credentials = grpc_insecure_credentials_create();
    grpc_channel* made = grpc_channel_create("unix:/dev/null/nowhere", credentials, &arguments);
    grpc_channel_credentials_release(credentials);
    return made;
  }();
  return channel;
}

// What the tag and the subscription share.
struct Shared {
  Mutex mu;
  grpc_call* call ABSL_GUARDED_BY(mu) = nullptr;  // Null once the tag is out.
  bool changed ABSL_GUARDED_BY(mu) = false;

  void Changed() {
    MutexLock lock(&mu);
    if (call == nullptr || std::exchange(changed, true)) return;
    grpc_call_cancel(call, nullptr);
  }
};

class Tag : public grpc::internal::CompletionQueueTag {
 public:
  Tag(grpc_call* call, void* user_tag) : user_tag_(user_tag), shared_(std::make_shared<Shared>()) {
    MutexLock lock(&shared_->mu);
    shared_->call = call;
    grpc_metadata_array_init(&trailing_);
  }
  ~Tag() override {
    grpc_slice_unref(details_);
    grpc_metadata_array_destroy(&trailing_);
  }

  void Watch(const std::shared_ptr<Pool>& pool, grpc_connectivity_state last) {
    subscription_ = pool->Subscribe([shared = shared_, weak = std::weak_ptr<Pool>(pool), last](const PoolEvent&) {
      const std::shared_ptr<Pool> alive = weak.lock();
      if (alive == nullptr || ToGrpc(alive->Connectivity()) != last) shared->Changed();
    });
    // It may have changed before anybody listened. Where nobody may (too many do), it is better to look once too often
    // than never.
    if (!subscription_ || ToGrpc(pool->Connectivity()) != last) shared_->Changed();
  }

  void Start() {
    grpc_op ops[2] = {};
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[0].flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
    ops[1].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[1].data.recv_status_on_client.trailing_metadata = &trailing_;
    ops[1].data.recv_status_on_client.status = &status_;
    ops[1].data.recv_status_on_client.status_details = &details_;
    MutexLock lock(&shared_->mu);
    grpc_call_start_batch(shared_->call, ops, 2, this, nullptr);
  }

  // In the user's thread, inside Next().
  bool FinalizeResult(void** tag, bool* ok) override {
    grpc_call* ended = nullptr;
    {
      MutexLock lock(&shared_->mu);
      ended = std::exchange(shared_->call, nullptr);
      *ok = shared_->changed;
    }
    *tag = user_tag_;
    grpc_call_unref(ended);
    delete this;
    return true;
  }

 private:
  void* const user_tag_;
  const std::shared_ptr<Shared> shared_;
  Subscription subscription_;
  grpc_metadata_array trailing_;
  grpc_status_code status_ = GRPC_STATUS_UNKNOWN;
  grpc_slice details_ = grpc_empty_slice();
};

}  // namespace

grpc_connectivity_state ToGrpc(PoolConnectivity connectivity) {
  switch (connectivity) {
    case PoolConnectivity::kIdle:
      return GRPC_CHANNEL_IDLE;
    case PoolConnectivity::kConnecting:
      return GRPC_CHANNEL_CONNECTING;
    case PoolConnectivity::kReady:
      return GRPC_CHANNEL_READY;
    case PoolConnectivity::kTransientFailure:
      return GRPC_CHANNEL_TRANSIENT_FAILURE;
    case PoolConnectivity::kShutdown:
      return GRPC_CHANNEL_SHUTDOWN;
  }
  return GRPC_CHANNEL_SHUTDOWN;
}

void StateWatch::Begin(const std::shared_ptr<Pool>& pool, grpc_connectivity_state last_observed, gpr_timespec deadline,
                       grpc::CompletionQueue* queue, void* tag) {
  grpc_call* call =
      grpc_channel_create_call(NowhereChannel(), nullptr, GRPC_PROPAGATE_DEFAULTS, queue->cq(),
                               grpc_slice_from_static_string("/chanpool.StateWatch/Await"), nullptr, deadline, nullptr);
  auto* watch = new Tag(call, tag);
  // Started last: from then on the tag may come out, and be deleted, at any time.
  watch->Watch(pool, last_observed);
  watch->Start();
}

}  // namespace chanpool
