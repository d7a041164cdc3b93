// What a server says about an error, beside its message: the google.rpc details, decoded.
//
//   absl::StatusOr<v1::GetPoolResponse> got = client->GetPool(request, absl::Seconds(10));
//   if (!got.ok()) std::cerr << got.status().message() << " (" << DetailsOf(got.status()).reason << ")\n";
//
// They travel in the absl::Status as payloads, one for each type.
#ifndef CHANPOOL_CLIENT_ADMIN_ERROR_DETAILS_H_
#define CHANPOOL_CLIENT_ADMIN_ERROR_DETAILS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "google/rpc/status.pb.h"

namespace chanpool::admin {

// A plain value; what the server did not say is empty.
struct ErrorDetails {
  // Of BadRequest, PreconditionFailure or QuotaFailure.
  struct Violation {
    std::string subject;  // The field, or what the condition or quota is about.
    std::string description;
  };
  std::string reason;                        // A constant: POOL_NOT_FOUND.
  std::map<std::string, std::string> facts;  // ErrorInfo.metadata: closest, etag, ...
  std::vector<Violation> violations;
  std::vector<chanpool::admin::v1::ConfigDiagnostic> diagnostics;  // Of a refused configuration.
  absl::Duration retry_after = absl::ZeroDuration();
};

// Of a status that AdminClient returned. A status without details, or with ones that cannot be parsed, gives empty
// ones.
ErrorDetails DetailsOf(const absl::Status& status);

// The error as a status with payloads: `code` and `message`, and the details of `serialized`, a google.rpc.Status that
// may be empty or malformed. `code` is not OK.
absl::Status StatusWithDetails(absl::StatusCode code, absl::string_view message, const std::string& serialized);

}  // namespace chanpool::admin
#endif  // CHANPOOL_CLIENT_ADMIN_ERROR_DETAILS_H_
