// Where a watch of events ended, as opaque text that a client gives back.
//
//   std::string token = WriteResumeToken({instance_id, 41});
//   std::optional<ResumePoint> point = ReadResumeToken(token);   // none: malformed
#ifndef CHANPOOL_SERVER_ADMIN_RESUME_TOKEN_H_
#define CHANPOOL_SERVER_ADMIN_RESUME_TOKEN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace chanpool::admin {

// A plain value.
struct ResumePoint {
  std::string instance_id;
  uint64_t seq = 0;  // Of the last event that was seen.
};

std::string WriteResumeToken(const ResumePoint& point);
std::optional<ResumePoint> ReadResumeToken(absl::string_view token);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_RESUME_TOKEN_H_
