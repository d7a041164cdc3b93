// What an error says to programs: google.rpc details that travel in an absl::Status as payloads, and leave the process
// in the trailer grpc-status-details-bin, where grpcurl and others decode them.
//
//   return ErrorBuilder(absl::StatusCode::kNotFound, "POOL_NOT_FOUND", "there is no pool \"order\"")
//       .Fact("closest", "orders")
//       .Resource("chanpool.admin.v1.Pool", "pools/order")
//       .Build();
#ifndef CHANPOOL_SERVER_ADMIN_STATUS_DETAILS_H_
#define CHANPOOL_SERVER_ADMIN_STATUS_DETAILS_H_

#include <google/protobuf/message.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace chanpool::admin {

inline constexpr char kErrorDomain[] = "chanpool.admin.v1";

// Collects one error. A plain value.
class ErrorBuilder {
 public:
  // `reason` in UPPER_SNAKE_CASE; `message` for people: one sentence, with what was asked and the nearest right answer.
  ErrorBuilder(absl::StatusCode code, absl::string_view reason, absl::string_view message);

  ErrorBuilder& Fact(absl::string_view key, absl::string_view value);           // ErrorInfo.metadata
  ErrorBuilder& Field(absl::string_view field, absl::string_view description);  // BadRequest
  ErrorBuilder& Resource(absl::string_view type, absl::string_view name);       // ResourceInfo
  ErrorBuilder& Precondition(absl::string_view type, absl::string_view subject, absl::string_view description);
  ErrorBuilder& Quota(absl::string_view subject, absl::string_view description);  // QuotaFailure
  ErrorBuilder& RetryAfter(absl::Duration delay);                                 // RetryInfo
  ErrorBuilder& Detail(const google::protobuf::Message& detail);                  // Anything else.

  absl::Status Build() const;

 private:
  absl::StatusCode code_;
  std::string message_;
  google::rpc::ErrorInfo info_;
  google::rpc::BadRequest bad_request_;
  google::rpc::PreconditionFailure preconditions_;
  google::rpc::QuotaFailure quotas_;
  google::rpc::Status others_;
};

// At the edge: code, message, and every payload as a detail, ErrorInfo first.
grpc::Status ToGrpcStatus(const absl::Status& status);
// The way back, for whoever passes errors on.
absl::Status FromGrpcStatus(const grpc::Status& status);
// The same as a message; OK has code 0.
google::rpc::Status ToProto(const absl::Status& status);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_STATUS_DETAILS_H_
