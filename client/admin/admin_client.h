// Calls PoolAdmin of one process: chanpoold, or an application that serves it.
//
//   absl::StatusOr<std::unique_ptr<AdminClient>> client = AdminClient::Connect("unix:/run/chanpool/admin.sock");
//   if (!client.ok()) return client.status();
//   absl::StatusOr<v1::ListPoolsResponse> pools = (*client)->ListPools({}, absl::Seconds(10));
//   for (const v1::Pool& pool : pools->pools()) ...
//
// Every call has a deadline, so long from now. An error that the server sent carries its details (error_details.h). An
// error without an ErrorInfo was made here: kUnavailable means that nobody could be reached, kDeadlineExceeded that
// nobody answered, and both messages name the endpoint.
#ifndef CHANPOOL_CLIENT_ADMIN_ADMIN_CLIENT_H_
#define CHANPOOL_CLIENT_ADMIN_ADMIN_CLIENT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/pool_admin.pb.h"

namespace chanpool::admin {

// What a server sends again and again. Used by one thread at a time; destroying it ends the call.
template <typename Response>
class ResponseStream {
 public:
  enum class Next {
    kMessage,     // `*response` is filled in.
    kNothingYet,  // `at_most` has passed. The stream goes on.
    kEnd,         // There is no more; status() says why.
  };

  virtual ~ResponseStream() = default;

  // Waits for the next message, but not longer than `at_most`.
  virtual Next Read(Response* response, absl::Duration at_most) = 0;
  // After kEnd: OK if the server had no more to say.
  virtual const absl::Status& status() const = 0;
};

// Thread-safe. Unary calls block until the answer is there or `timeout`, which is positive, has passed. Streams end
// with kDeadlineExceeded after `timeout`; absl::InfiniteDuration() is for those that a person ends.
class AdminClient {
 public:
  // `endpoint` is unix:/path, host:port or tcp:host:port, in plain text. Does not connect: the first call does.
  // kInvalidArgument for an endpoint that is none.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Connect(absl::string_view endpoint);
  ~AdminClient();

  absl::StatusOr<v1::GetInstanceResponse> GetInstance(const v1::GetInstanceRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::ListPoolsResponse> ListPools(const v1::ListPoolsRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::GetPoolResponse> GetPool(const v1::GetPoolRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::ListConnectionsResponse> ListConnections(const v1::ListConnectionsRequest& request,
                                                              absl::Duration timeout);
  absl::StatusOr<v1::ListEndpointsResponse> ListEndpoints(const v1::ListEndpointsRequest& request,
                                                          absl::Duration timeout);
  absl::StatusOr<v1::GetStatsResponse> GetStats(const v1::GetStatsRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::ListCallsResponse> ListCalls(const v1::ListCallsRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::ExplainPoolResponse> ExplainPool(const v1::ExplainPoolRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(const v1::ListDecisionsRequest& request,
                                                          absl::Duration timeout);
  std::unique_ptr<ResponseStream<v1::WatchStatsResponse>> WatchStats(const v1::WatchStatsRequest& request,
                                                                     absl::Duration timeout);
  std::unique_ptr<ResponseStream<v1::WatchEventsResponse>> WatchEvents(const v1::WatchEventsRequest& request,
                                                                       absl::Duration timeout);
  absl::StatusOr<v1::GetConfigResponse> GetConfig(const v1::GetConfigRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::UpdatePoolResponse> UpdatePool(const v1::UpdatePoolRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::ReloadConfigResponse> ReloadConfig(const v1::ReloadConfigRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::DrainPoolResponse> DrainPool(const v1::DrainPoolRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::UndrainPoolResponse> UndrainPool(const v1::UndrainPoolRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::RecyclePoolResponse> RecyclePool(const v1::RecyclePoolRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::GetOperationResponse> GetOperation(const v1::GetOperationRequest& request, absl::Duration timeout);
  absl::StatusOr<v1::ListOperationsResponse> ListOperations(const v1::ListOperationsRequest& request,
                                                            absl::Duration timeout);
  std::unique_ptr<ResponseStream<v1::WatchOperationResponse>> WatchOperation(const v1::WatchOperationRequest& request,
                                                                             absl::Duration timeout);
  absl::StatusOr<v1::CancelOperationResponse> CancelOperation(const v1::CancelOperationRequest& request,
                                                              absl::Duration timeout);

  // As it was given.
  const std::string& endpoint() const;

 private:
  struct Connection;
  explicit AdminClient(std::shared_ptr<const Connection> connection);

  const std::shared_ptr<const Connection> connection_;  // Streams keep it too.
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_CLIENT_ADMIN_ADMIN_CLIENT_H_
