#include "pool/grpc/health.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"

namespace chanpool {
namespace {

// Field 1 of each message: HealthCheckRequest.service, and HealthCheckResponse.status.
constexpr char kServiceTag = 1 << 3 | 2;
constexpr uint64_t kStatusTag = 1 << 3 | 0;

std::optional<uint64_t> TakeVarint(absl::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// A field of another number, of any type that proto3 has.
bool Skip(uint64_t tag, absl::string_view* bytes) {
  uint64_t size = 0;
  switch (tag & 7) {
    case 0:
      return TakeVarint(bytes).has_value();
    case 1:
      size = 8;
      break;
    case 2: {
      const std::optional<uint64_t> length = TakeVarint(bytes);
      if (!length.has_value()) return false;
      size = *length;
      break;
    }
    case 5:
      size = 4;
      break;
    default:
      return false;
  }
  if (size > bytes->size()) return false;
  bytes->remove_prefix(size);
  return true;
}

// The last one holds; 0 if there is none. Nullopt for what is no message.
std::optional<uint64_t> StatusIn(absl::string_view response) {
  uint64_t status = 0;
  while (!response.empty()) {
    const std::optional<uint64_t> tag = TakeVarint(&response);
    if (!tag.has_value() || *tag >> 3 == 0 || *tag >> 32 != 0) return std::nullopt;
    if (*tag != kStatusTag) {
      if (!Skip(*tag, &response)) return std::nullopt;
      continue;
    }
    const std::optional<uint64_t> value = TakeVarint(&response);
    if (!value.has_value()) return std::nullopt;
    status = *value;
  }
  return status;
}

}  // namespace

std::string HealthRequest(absl::string_view service) {
  std::string request;
  if (service.empty()) return request;
  request += kServiceTag;
  size_t length = service.size();
  for (; length >= 0x80; length >>= 7) request += static_cast<char>(length | 0x80);
  request += static_cast<char>(length);
  return absl::StrCat(request, service);
}

absl::Status ServingOf(absl::string_view response) {
  const std::optional<uint64_t> status = StatusIn(response);
  if (!status.has_value()) {
    return absl::UnavailableError("its health service answers what is no HealthCheckResponse");
  }
  if (*status == 1) return absl::OkStatus();
  constexpr const char* kNames[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return absl::UnavailableError(absl::StrCat("its health service says ",
                                             *status < 4 ? kNames[*status] : absl::StrCat("status ", *status).c_str()));
}

}  // namespace chanpool
