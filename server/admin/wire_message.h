// Messages as gRPC carries them, for services that parse their requests themselves.
//
//   GetPoolRequest request;
//   absl::Status parsed = ParseMessage(*bytes, request);     // INVALID_ARGUMENT MALFORMED_REQUEST
//   *answer = WriteMessage(response);
#ifndef CHANPOOL_SERVER_ADMIN_WIRE_MESSAGE_H_
#define CHANPOOL_SERVER_ADMIN_WIRE_MESSAGE_H_

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"

namespace chanpool::admin {

// kInvalidArgument MALFORMED_REQUEST for bytes that are no such message, and for none at all.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message& message);
grpc::ByteBuffer WriteMessage(const google::protobuf::Message& message);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_WIRE_MESSAGE_H_
