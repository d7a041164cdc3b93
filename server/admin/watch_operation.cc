#include "server/admin/watch_operation.h"

#include <string>
#include <utility>

#include "server/admin/request_checks.h"

namespace chanpool::admin {
namespace {

constexpr absl::Duration kAskEvery = absl::Milliseconds(250);

// What both kinds have in common: telling what is new, and ending after the end.
class OperationWatch : public Watch {
 protected:
  OperationWatch(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
                 std::shared_ptr<void> ticket)
      : Watch(context, admin->clock(), std::move(ticket)), admin_(admin) {}

  void Follow() override { shutdown_ = admin_->FollowShutdown(WeakPump()); }

  // Waits if `operation` is what was told last.
  Step Tell(const v1::Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::string told = operation.SerializeAsString();
    if (told != told_) {
      told_ = std::move(told);
      v1::WatchOperationResponse response;
      *response.mutable_operation() = operation;
      return Step::Send(response);
    }
    if (operation.has_end_time()) return Step::End(absl::OkStatus());
    return Step::Wait();
  }

  const std::shared_ptr<PoolAdmin> admin_;

 private:
  std::string told_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<void> shutdown_;
};

class LocalOperationWatch : public OperationWatch {
 public:
  LocalOperationWatch(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin, std::string id,
                      std::shared_ptr<void> ticket)
      : OperationWatch(context, admin, std::move(ticket)), id_(std::move(id)) {}

 private:
  void Follow() override {
    OperationWatch::Follow();
    operations_ = admin_->operations().Follow(WeakPump());
  }

  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) override {
    if (admin_->stopping()) return Step::End(PoolAdmin::ShuttingDown());
    const absl::StatusOr<v1::Operation> operation = admin_->operations().Get(id_);
    return operation.ok() ? Tell(*operation) : Step::End(operation.status());
  }

  const std::string id_;
  std::shared_ptr<void> operations_;
};

// Asks again and again, one call at a time.
class RemoteOperationWatch : public OperationWatch {
 public:
  RemoteOperationWatch(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin, Caller caller,
                       const std::string& name, std::shared_ptr<void> ticket)
      : OperationWatch(context, admin, std::move(ticket)), caller_(std::move(caller)) {
    request_.set_name(name);
  }

 private:
  void Ask() {
    const std::weak_ptr<Watch> weak = weak_from_this();
    admin_->GetOperation(request_, {caller_, absl::InfiniteFuture()},
                         [weak](absl::StatusOr<v1::GetOperationResponse> response) {
                           const auto self = std::static_pointer_cast<RemoteOperationWatch>(weak.lock());
                           if (self != nullptr) self->OnAnswer(std::move(response));
                         });
  }

  void OnAnswer(absl::StatusOr<v1::GetOperationResponse> response) {
    {
      MutexLock lock(&mu_);
      answer_ = std::move(response);
      answered_ = true;
      ask_at_ = admin_->clock()->Now() + kAskEvery;
    }
    Pump();
  }

  void OnPumped() override {
    {
      MutexLock lock(&mu_);
      if (held() || !answered_ || ended() || admin_->clock()->Now() < ask_at_) return;
      answered_ = false;
      // Asking uses what the server's owner takes down once no RPC is left: this one does not end meanwhile. It does
      // not wait for the answer, so that this is short.
      Hold(true);
    }
    Ask();
    {
      MutexLock lock(&mu_);
      Hold(false);
    }
    Pump();
  }

  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) override {
    if (admin_->stopping()) return Step::End(PoolAdmin::ShuttingDown());
    if (!answer_.ok()) return Step::End(answer_.status());
    Step step = answer_->has_operation() ? Tell(answer_->operation()) : Step::Wait();
    if (answered_ && ask_at_ > admin_->clock()->Now()) LookAgainAt(ask_at_);
    return step;
  }

  const Caller caller_;
  v1::GetOperationRequest request_;
  // Empty: none has come yet.
  absl::StatusOr<v1::GetOperationResponse> answer_ ABSL_GUARDED_BY(mu_) = v1::GetOperationResponse();
  bool answered_ ABSL_GUARDED_BY(mu_) = true;  // No call is under way.
  absl::Time ask_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace

Watch* WatchOperation(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin,
                      const Caller& caller, const v1::WatchOperationRequest& request, std::shared_ptr<void> ticket) {
  RequestChecks checks;
  const ResourceName name = checks.OperationName("name", request.name());
  if (!checks.ok()) return Watch::Refuse(context, checks.ToStatus());
  if (!name.process.empty()) {
    return Watch::Begin(
        std::make_shared<RemoteOperationWatch>(context, admin, caller, request.name(), std::move(ticket)));
  }
  const absl::StatusOr<v1::Operation> operation = admin->operations().Get(name.id);
  if (!operation.ok()) return Watch::Refuse(context, operation.status());
  return Watch::Begin(std::make_shared<LocalOperationWatch>(context, admin, name.id, std::move(ticket)));
}

}  // namespace chanpool::admin
