// Everything that is wrong with a request, gathered for one answer, and what resource names in it mean.
//
//   RequestChecks checks;
//   const ResourceName name = checks.PoolName("name", request.name());
//   checks.Reason("reason", request.reason());
//   if (!checks.ok()) return checks.ToStatus();           // INVALID_ARGUMENT FIELD_INVALID, all in one BadRequest
#ifndef CHANPOOL_SERVER_ADMIN_REQUEST_CHECKS_H_
#define CHANPOOL_SERVER_ADMIN_REQUEST_CHECKS_H_

#include <google/protobuf/duration.pb.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace chanpool::admin {

// pools/{id} or operations/{id} of this process, or processes/{process}/... of an attached one.
struct ResourceName {
  std::string process;  // Empty: this one.
  std::string id;       // {pool}, {operation}; "-" for all pools where that is allowed.
};

// The longest reason, and the longest that is looked at of any name.
inline constexpr size_t kMaxReasonBytes = 256;

// One request's. One thread at a time.
class RequestChecks {
 public:
  // Something is wrong with `field`. `why` for people, with what was given and the nearest right answer.
  void Wrong(absl::string_view field, absl::string_view why);
  // The same, and the whole answer has this reason instead of FIELD_INVALID.
  void Wrong(absl::string_view field, absl::string_view why, absl::string_view reason);

  // pools/{pool} or processes/{process}/pools/{pool}.
  ResourceName PoolName(absl::string_view field, absl::string_view name);
  // The same, or pools/-.
  ResourceName PoolParent(absl::string_view field, absl::string_view name);
  // operations/{id} or processes/{process}/operations/{id}.
  ResourceName OperationName(absl::string_view field, absl::string_view name);
  // At most 256 bytes, no control characters.
  void Reason(absl::string_view field, absl::string_view reason);
  // From `least` to `most`; zero if it is not.
  absl::Duration DurationIn(absl::string_view field, const google::protobuf::Duration& duration, absl::Duration least,
                            absl::Duration most);

  bool ok() const { return violations_.empty(); }
  absl::Status ToStatus() const;

 private:
  ResourceName Name(absl::string_view field, absl::string_view name, absl::string_view collection,
                    bool (*is_id)(absl::string_view));

  std::string reason_ = "FIELD_INVALID";
  std::vector<std::pair<std::string, std::string>> violations_;  // Field, why.
};

// `text` from outside, fit for a message: in quotes, control characters escaped, cut.
std::string Quoted(absl::string_view text);

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_REQUEST_CHECKS_H_
