#include "server/admin/health_service.h"

#include <grpcpp/impl/codegen/server_callback_handlers.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.pb.h"
#include "server/admin/request_checks.h"
#include "server/admin/status_details.h"
#include "server/admin/watch.h"
#include "server/admin/wire_message.h"

namespace chanpool::admin {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using Bytes = grpc::ByteBuffer;

// Between two looks when no event says that something happened: callers that begin to wait make none.
constexpr absl::Duration kLookEvery = absl::Seconds(1);

HealthCheckResponse::ServingStatus StatusOf(PoolAdmin::Serving serving) {
  switch (serving) {
    case PoolAdmin::Serving::kYes:
      return HealthCheckResponse::SERVING;
    case PoolAdmin::Serving::kNo:
      return HealthCheckResponse::NOT_SERVING;
    case PoolAdmin::Serving::kUnknown:
      break;
  }
  return HealthCheckResponse::SERVICE_UNKNOWN;
}

absl::StatusOr<Bytes> Check(PoolAdmin& admin, const Bytes& bytes) {
  HealthCheckRequest request;
  const absl::Status parsed = ParseMessage(bytes, request);
  if (!parsed.ok()) return parsed;
  HealthCheckResponse response;
  response.set_status(StatusOf(admin.ServingOf(request.service())));
  if (response.status() != HealthCheckResponse::SERVICE_UNKNOWN) return WriteMessage(response);
  return ErrorBuilder(absl::StatusCode::kNotFound, "SERVICE_NOT_FOUND",
                      absl::StrCat("there is no service ", Quoted(request.service()),
                                   "; ask for \"\", \"chanpool.admin.v1.PoolAdmin\", \"pools/{pool}\" or "
                                   "\"processes/{process}/pools/{pool}\""))
      .Build();
}

class HealthWatch : public Watch {
 public:
  HealthWatch(grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin, std::string service,
              std::shared_ptr<void> ticket)
      : Watch(context, admin->clock(), std::move(ticket)), admin_(admin), service_(std::move(service)) {}

 private:
  void Follow() override {
    events_ = admin_->events().Follow(WeakPump());
    shutdown_ = admin_->FollowShutdown(WeakPump());
  }

  Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) override {
    // It stays when the process begins to end: who balances load learns NOT_SERVING from it, until the server ends it.
    const PoolAdmin::Serving serving = admin_->ServingOf(service_);
    LookAgainAt(admin_->clock()->Now() + kLookEvery);
    if (told_ == serving) return Step::Wait();
    told_ = serving;
    HealthCheckResponse response;
    response.set_status(StatusOf(serving));
    return Step::Send(response);
  }

  const std::shared_ptr<PoolAdmin> admin_;
  const std::string service_;
  std::optional<PoolAdmin::Serving> told_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<void> events_;
  std::shared_ptr<void> shutdown_;
};

}  // namespace

HealthService::HealthService(std::shared_ptr<PoolAdmin> admin) : admin_(std::move(admin)) {
  AddMethod(new grpc::internal::RpcServiceMethod("/grpc.health.v1.Health/Check", grpc::internal::RpcMethod::NORMAL_RPC,
                                                 nullptr));
  MarkMethodRawCallback(0, new grpc::internal::CallbackUnaryHandler<Bytes, Bytes>(
                               [this](grpc::CallbackServerContext* context, const Bytes* request, Bytes* response) {
                                 grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
                                 absl::StatusOr<Bytes> answer = Check(*admin_, *request);
                                 if (answer.ok()) *response = *std::move(answer);
                                 reactor->Finish(ToGrpcStatus(answer.status()));
                                 return reactor;
                               }));
  AddMethod(new grpc::internal::RpcServiceMethod("/grpc.health.v1.Health/Watch",
                                                 grpc::internal::RpcMethod::SERVER_STREAMING, nullptr));
  MarkMethodRawCallback(
      1,
      new grpc::internal::CallbackServerStreamingHandler<Bytes, Bytes>(
          [this](grpc::CallbackServerContext* context, const Bytes* bytes) -> grpc::ServerWriteReactor<Bytes>* {
            HealthCheckRequest request;
            const absl::Status parsed = ParseMessage(*bytes, request);
            if (!parsed.ok()) return Watch::Refuse(context, parsed);
            absl::StatusOr<std::shared_ptr<void>> ticket = watches_.Admit(context->peer());
            if (!ticket.ok()) return Watch::Refuse(context, ticket.status());
            return Watch::Begin(std::make_shared<HealthWatch>(context, admin_, request.service(), *std::move(ticket)));
          }));
}

HealthService::~HealthService() = default;

}  // namespace chanpool::admin
