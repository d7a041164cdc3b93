#include "server/admin/wire_message.h"

#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/admin/status_details.h"

namespace chanpool::admin {

absl::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  std::vector<grpc::Slice> slices;
  std::string joined;
  const bool read = bytes.Valid() && bytes.Dump(&slices).ok();
  for (const grpc::Slice& slice : slices) {
    joined.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  if (read && message.ParseFromString(joined)) return absl::OkStatus();
  const std::string why = absl::StrCat("its ", joined.size(), " bytes are no ", message.GetDescriptor()->full_name(),
                                       ", or a text in it is not UTF-8");
  return ErrorBuilder(absl::StatusCode::kInvalidArgument, "MALFORMED_REQUEST", absl::StrCat("the request: ", why))
      .Field("", why)
      .Build();
}

grpc::ByteBuffer WriteMessage(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace chanpool::admin
