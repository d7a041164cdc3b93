#include "server/admin/status_details.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/admin/proto_time.h"

namespace chanpool::admin {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";

// Details travel in a header, of which gRPC's clients accept 8 KiB in all, base64 and the message included: a larger
// one would replace the whole answer by a "received metadata size exceeds limit".
constexpr size_t kMaxDetailBytes = 4500;
constexpr size_t kMaxMessageBytes = 1000;

template <typename Message>
void SetPayload(const Message& message, absl::Status& status) {
  status.SetPayload(absl::StrCat(kTypePrefix, message.GetDescriptor()->full_name()),
                    absl::Cord(message.SerializeAsString()));
}

// At most `bytes` of it, without half a character at the end.
std::string Cut(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  size_t end = bytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), "...");
}

std::string MessageName(const google::protobuf::Any& detail) {
  const std::string& url = detail.type_url();
  return url.substr(url.rfind('/') + 1);
}

// Takes entries from the end of the detail's list (all our lists are field 1) until it fits. False if it never does.
bool Shorten(size_t bytes, google::protobuf::Any& detail) {
  if (detail.ByteSizeLong() <= bytes) return true;
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(MessageName(detail));
  const auto* list = type == nullptr ? nullptr : type->FindFieldByNumber(1);
  if (list == nullptr || !list->is_repeated()) return false;
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!detail.UnpackTo(message.get())) return false;
  while (detail.ByteSizeLong() > bytes) {
    if (message->GetReflection()->FieldSize(*message, list) == 0) return false;
    message->GetReflection()->RemoveLast(message.get(), list);
    detail.set_value(message->SerializeAsString());
  }
  return true;
}

}  // namespace

ErrorBuilder::ErrorBuilder(absl::StatusCode code, absl::string_view reason, absl::string_view message)
    : code_(code), message_(message) {
  info_.set_reason(std::string(reason));
  info_.set_domain(kErrorDomain);
}

ErrorBuilder& ErrorBuilder::Fact(absl::string_view key, absl::string_view value) {
  (*info_.mutable_metadata())[std::string(key)] = std::string(value);
  return *this;
}

ErrorBuilder& ErrorBuilder::Field(absl::string_view field, absl::string_view description) {
  auto* violation = bad_request_.add_field_violations();
  violation->set_field(std::string(field));
  violation->set_description(std::string(description));
  return *this;
}

ErrorBuilder& ErrorBuilder::Resource(absl::string_view type, absl::string_view name) {
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(std::string(type));
  resource.set_resource_name(std::string(name));
  return Detail(resource);
}

ErrorBuilder& ErrorBuilder::Precondition(absl::string_view type, absl::string_view subject,
                                         absl::string_view description) {
  auto* violation = preconditions_.add_violations();
  violation->set_type(std::string(type));
  violation->set_subject(std::string(subject));
  violation->set_description(std::string(description));
  return *this;
}

ErrorBuilder& ErrorBuilder::Quota(absl::string_view subject, absl::string_view description) {
  auto* violation = quotas_.add_violations();
  violation->set_subject(std::string(subject));
  violation->set_description(std::string(description));
  return *this;
}

ErrorBuilder& ErrorBuilder::RetryAfter(absl::Duration delay) {
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = admin::ToProto(delay);
  return Detail(retry);
}

ErrorBuilder& ErrorBuilder::Detail(const google::protobuf::Message& detail) {
  others_.add_details()->PackFrom(detail);
  return *this;
}

absl::Status ErrorBuilder::Build() const {
  absl::Status status(code_, message_);
  SetPayload(info_, status);
  if (bad_request_.field_violations_size() > 0) SetPayload(bad_request_, status);
  if (preconditions_.violations_size() > 0) SetPayload(preconditions_, status);
  if (quotas_.violations_size() > 0) SetPayload(quotas_, status);
  for (const google::protobuf::Any& detail : others_.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(std::string(status.message()));
  std::vector<google::protobuf::Any> details;
  status.ForEachPayload([&details](absl::string_view type, const absl::Cord& value) {
    google::protobuf::Any detail;
    detail.set_type_url(std::string(type));
    detail.set_value(std::string(value));
    details.push_back(std::move(detail));
  });
  // Abseil promises no order.
  std::sort(details.begin(), details.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const google::protobuf::Any& detail) {
      return std::make_pair(!absl::EndsWith(detail.type_url(), "/google.rpc.ErrorInfo"), detail.type_url());
    };
    return rank(a) < rank(b);
  });
  for (google::protobuf::Any& detail : details) *proto.add_details() = std::move(detail);
  return proto;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status whole = ToProto(status);
  google::rpc::Status fits;
  fits.set_code(whole.code());
  fits.set_message(Cut(whole.message(), kMaxMessageBytes));
  for (google::protobuf::Any detail : whole.details()) {
    const size_t used = fits.ByteSizeLong();
    if (used < kMaxDetailBytes && Shorten(kMaxDetailBytes - used, detail)) *fits.add_details() = std::move(detail);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), fits.message(), fits.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!status.ok() && details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& detail : details.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

}  // namespace chanpool::admin
