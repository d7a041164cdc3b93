#include "pool/grpc/health.h"

#include <google/protobuf/unknown_field_set.h>

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace chanpool {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

constexpr int kService = 1;  // Of HealthCheckRequest.
constexpr int kStatus = 1;   // Of HealthCheckResponse.

}  // namespace

std::string HealthRequest(absl::string_view service) {
  UnknownFieldSet fields;
  if (!service.empty()) fields.AddLengthDelimited(kService, std::string(service));
  std::string request;
  fields.SerializeToString(&request);
  return request;
}

absl::Status ServingOf(absl::string_view response) {
  UnknownFieldSet fields;
  if (!fields.ParseFromArray(response.data(), static_cast<int>(response.size()))) {
    return absl::UnavailableError("its health service answers what is no HealthCheckResponse");
  }
  uint64_t status = 0;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.number() == kStatus && field.type() == UnknownField::TYPE_VARINT) status = field.varint();
  }
  constexpr const char* kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  if (status == 1) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("its health service says ", status < 4 ? kNames[status] : absl::StrCat("status ", status).c_str()));
}

}  // namespace chanpool
