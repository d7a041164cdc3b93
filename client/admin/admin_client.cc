#include "client/admin/admin_client.h"

#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/pool_admin.grpc.pb.h"
#include "client/admin/endpoint.h"
#include "client/admin/error_details.h"

namespace chanpool::admin {
namespace {

// Answers are lists of at most 1000 things of a few KiB; gRPC's own limit, 4 MiB, would do for most.
constexpr int kMaxAnswerBytes = 16 << 20;

// gRPC adds a time span to its own clock, so this file needs none.
gpr_timespec FromNow(absl::Duration timeout) {
  const absl::Duration longest = absl::Hours(24 * 365);  // Further than any process lives; fits into nanoseconds.
  return gpr_time_from_nanos(absl::ToInt64Nanoseconds(std::clamp(timeout, absl::ZeroDuration(), longest)),
                             GPR_TIMESPAN);
}

// gRPC wraps the reason in the names of its layers, each followed by a colon; the last part is what a person needs.
absl::string_view LastReason(absl::string_view message) {
  const size_t colon = message.rfind(": ");
  return colon == absl::string_view::npos ? message : message.substr(colon + 2);
}

absl::Status FromGrpc(const grpc::Status& status, const std::string& endpoint, absl::Duration timeout) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  std::string message = status.error_message();
  if (status.error_details().empty()) {  // Made by gRPC, here or there, and not by PoolAdmin.
    if (code == absl::StatusCode::kUnavailable) {
      const bool never_there = absl::StrContains(message, "connect") || absl::StrContains(message, "resolution");
      message = absl::StrCat(never_there ? "cannot connect to " : "lost the connection to ", endpoint, ": ",
                             LastReason(message));
    } else if (code == absl::StatusCode::kDeadlineExceeded) {
      message = absl::StrCat("no answer from ", endpoint, " within ", absl::FormatDuration(timeout));
    } else if (code == absl::StatusCode::kUnimplemented) {
      message = absl::StrCat(endpoint, " does not know this call: it is no PoolAdmin, or an older one",
                             message.empty() ? "" : ": ", message);
    }
  }
  if (message.empty()) message = absl::StrCat(endpoint, " answered ", absl::StatusCodeToString(code), " and no reason");
  return StatusWithDetails(code, message, status.error_details());
}

}  // namespace

struct AdminClient::Connection {
  std::string endpoint;
  std::unique_ptr<v1::PoolAdmin::Stub> stub;
};

namespace {

// At most one operation is under way at a time, so one completion queue without tags will do.
template <typename Response, typename Kept>
class QueuedStream : public ResponseStream<Response> {
 public:
  using typename ResponseStream<Response>::Next;
  using Reader = std::unique_ptr<grpc::ClientAsyncReader<Response>>;

  // `start` makes the call: (context, queue, tag) -> Reader.
  template <typename Start>
  QueuedStream(Kept connection, absl::Duration timeout, const Start& start)
      : connection_(std::move(connection)), timeout_(timeout) {
    if (timeout != absl::InfiniteDuration()) context_.set_deadline(FromNow(timeout));
    reader_ = start(&context_, &queue_, this);
  }

  ~QueuedStream() override {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  Next Read(Response* response, absl::Duration at_most) override {
    for (;;) {
      if (doing_ == Doing::kNothing) {
        doing_ = Doing::kReading;
        reader_->Read(&read_, this);
      }
      if (doing_ == Doing::kEnded) return Next::kEnd;
      void* tag = nullptr;
      bool ok = false;
      const absl::Duration wait =
          doing_ == Doing::kFinishing ? std::min(at_most, kLongestFinish - finishing_) : at_most;
      if (queue_.AsyncNext(&tag, &ok, FromNow(wait)) != grpc::CompletionQueue::GOT_EVENT) {
        if (doing_ == Doing::kFinishing) finishing_ += wait;
        if (finishing_ < kLongestFinish || unreadable_) return Next::kNothingYet;
        unreadable_ = true;
        context_.TryCancel();
        continue;
      }
      if (doing_ == Doing::kFinishing) {
        doing_ = Doing::kEnded;
        status_ = unreadable_
                      ? absl::InternalError(absl::StrCat(connection_->endpoint, " sent a message that cannot be read"))
                      : FromGrpc(finished_, connection_->endpoint, timeout_);
      } else if (!ok) {
        doing_ = Doing::kFinishing;
        reader_->Finish(&finished_, this);
      } else if (doing_ == Doing::kReading) {
        doing_ = Doing::kNothing;
        *response = std::move(read_);
        return Next::kMessage;
      } else {
        doing_ = Doing::kNothing;  // Started.
      }
    }
  }

  const absl::Status& status() const override { return status_; }

 private:
  // A read fails at the end of the stream, whose status is there already; and when a message cannot be parsed, and then
  // the status would wait for ever behind the messages that nobody reads.
  static constexpr absl::Duration kLongestFinish = absl::Seconds(1);

  enum class Doing { kStarting, kNothing, kReading, kFinishing, kEnded };

  const Kept connection_;
  const absl::Duration timeout_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  Reader reader_;
  Doing doing_ = Doing::kStarting;
  Response read_;
  grpc::Status finished_;
  absl::Duration finishing_ = absl::ZeroDuration();  // How long has been waited for it.
  bool unreadable_ = false;
  absl::Status status_;
};

// One unary call: `method` is that of the stub.
template <typename Connection, typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(const Connection& connection,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, absl::Duration timeout) {
  grpc::ClientContext context;
  context.set_deadline(FromNow(timeout));
  Response response;
  const absl::Status status =
      FromGrpc((connection.stub.get()->*method)(&context, request, &response), connection.endpoint, timeout);
  if (!status.ok()) return status;
  return response;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Connect(absl::string_view endpoint) {
  const absl::StatusOr<std::string> target = TargetOf(endpoint);
  if (!target.ok()) return target.status();
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");  // For a path gRPC would make up an odd one.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);               // The address is meant as it stands.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  auto connection = std::make_shared<Connection>();
  connection->endpoint = std::string(endpoint);
  connection->stub =
      v1::PoolAdmin::NewStub(grpc::CreateCustomChannel(*target, grpc::InsecureChannelCredentials(), arguments));
  return std::unique_ptr<AdminClient>(new AdminClient(std::move(connection)));
}

AdminClient::AdminClient(std::shared_ptr<const Connection> connection) : connection_(std::move(connection)) {}
AdminClient::~AdminClient() = default;

const std::string& AdminClient::endpoint() const { return connection_->endpoint; }

absl::StatusOr<v1::GetInstanceResponse> AdminClient::GetInstance(const v1::GetInstanceRequest& request,
                                                                 absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::GetInstance, request, timeout);
}

absl::StatusOr<v1::ListPoolsResponse> AdminClient::ListPools(const v1::ListPoolsRequest& request,
                                                             absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ListPools, request, timeout);
}

absl::StatusOr<v1::GetPoolResponse> AdminClient::GetPool(const v1::GetPoolRequest& request, absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::GetPool, request, timeout);
}

absl::StatusOr<v1::ListCallsResponse> AdminClient::ListCalls(const v1::ListCallsRequest& request,
                                                             absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ListCalls, request, timeout);
}

absl::StatusOr<v1::ExplainPoolResponse> AdminClient::ExplainPool(const v1::ExplainPoolRequest& request,
                                                                 absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ExplainPool, request, timeout);
}

absl::StatusOr<v1::ListDecisionsResponse> AdminClient::ListDecisions(const v1::ListDecisionsRequest& request,
                                                                     absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ListDecisions, request, timeout);
}

absl::StatusOr<v1::ListConnectionsResponse> AdminClient::ListConnections(const v1::ListConnectionsRequest& request,
                                                                         absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ListConnections, request, timeout);
}

absl::StatusOr<v1::ListEndpointsResponse> AdminClient::ListEndpoints(const v1::ListEndpointsRequest& request,
                                                                     absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ListEndpoints, request, timeout);
}

absl::StatusOr<v1::GetStatsResponse> AdminClient::GetStats(const v1::GetStatsRequest& request, absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::GetStats, request, timeout);
}

std::unique_ptr<ResponseStream<v1::WatchStatsResponse>> AdminClient::WatchStats(const v1::WatchStatsRequest& request,
                                                                                absl::Duration timeout) {
  return std::make_unique<QueuedStream<v1::WatchStatsResponse, std::shared_ptr<const Connection>>>(
      connection_, timeout, [this, &request](grpc::ClientContext* context, grpc::CompletionQueue* queue, void* tag) {
        return connection_->stub->AsyncWatchStats(context, request, queue, tag);
      });
}

std::unique_ptr<ResponseStream<v1::WatchEventsResponse>> AdminClient::WatchEvents(const v1::WatchEventsRequest& request,
                                                                                  absl::Duration timeout) {
  return std::make_unique<QueuedStream<v1::WatchEventsResponse, std::shared_ptr<const Connection>>>(
      connection_, timeout, [this, &request](grpc::ClientContext* context, grpc::CompletionQueue* queue, void* tag) {
        return connection_->stub->AsyncWatchEvents(context, request, queue, tag);
      });
}

absl::StatusOr<v1::GetConfigResponse> AdminClient::GetConfig(const v1::GetConfigRequest& request,
                                                             absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::GetConfig, request, timeout);
}

absl::StatusOr<v1::UpdatePoolResponse> AdminClient::UpdatePool(const v1::UpdatePoolRequest& request,
                                                               absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::UpdatePool, request, timeout);
}

absl::StatusOr<v1::ReloadConfigResponse> AdminClient::ReloadConfig(const v1::ReloadConfigRequest& request,
                                                                   absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ReloadConfig, request, timeout);
}

absl::StatusOr<v1::DrainPoolResponse> AdminClient::DrainPool(const v1::DrainPoolRequest& request,
                                                             absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::DrainPool, request, timeout);
}

absl::StatusOr<v1::UndrainPoolResponse> AdminClient::UndrainPool(const v1::UndrainPoolRequest& request,
                                                                 absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::UndrainPool, request, timeout);
}

absl::StatusOr<v1::RecyclePoolResponse> AdminClient::RecyclePool(const v1::RecyclePoolRequest& request,
                                                                 absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::RecyclePool, request, timeout);
}

absl::StatusOr<v1::GetOperationResponse> AdminClient::GetOperation(const v1::GetOperationRequest& request,
                                                                   absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::GetOperation, request, timeout);
}

absl::StatusOr<v1::ListOperationsResponse> AdminClient::ListOperations(const v1::ListOperationsRequest& request,
                                                                       absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::ListOperations, request, timeout);
}

std::unique_ptr<ResponseStream<v1::WatchOperationResponse>> AdminClient::WatchOperation(
    const v1::WatchOperationRequest& request, absl::Duration timeout) {
  return std::make_unique<QueuedStream<v1::WatchOperationResponse, std::shared_ptr<const Connection>>>(
      connection_, timeout, [this, &request](grpc::ClientContext* context, grpc::CompletionQueue* queue, void* tag) {
        return connection_->stub->AsyncWatchOperation(context, request, queue, tag);
      });
}

absl::StatusOr<v1::CancelOperationResponse> AdminClient::CancelOperation(const v1::CancelOperationRequest& request,
                                                                         absl::Duration timeout) {
  return Call(*connection_, &v1::PoolAdmin::Stub::CancelOperation, request, timeout);
}

}  // namespace chanpool::admin
