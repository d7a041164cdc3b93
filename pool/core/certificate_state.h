// What a transport knows of the certificates that it shows and trusts, for whoever watches over their ends.
//
//   std::optional<CertificateState> state = pool->Certificate();       // nothing: no TLS, or not of files
//   if (state && state->not_after < clock->WallNow() + kExpiryWarning) ...
#ifndef CHANPOOL_POOL_CORE_CERTIFICATE_STATE_H_
#define CHANPOOL_POOL_CORE_CERTIFICATE_STATE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace chanpool {

// A certificate that ends sooner is warned of: two weeks, in which somebody is not on holiday.
inline constexpr absl::Duration kExpiryWarning = absl::Hours(24 * 14);

// A plain value. Times are of the wall.
struct CertificateState {
  std::string subject;  // Of the certificate that the pool shows; empty when it shows none.
  // When the first of these ends, after which no connection can be made: the shown certificate, one of those it is sent
  // with, the last trusted one. Infinite where neither is of a file.
  absl::Time not_after = absl::InfiniteFuture();
  std::string ends_first;  // The file with that end.
  std::string last_error;  // Why the files as they are now are not in use; empty: they are.
  uint64_t changes = 0;    // Times that other files came into use.
  uint64_t refusals = 0;   // Times that the files had changed and were no good: what was in use stayed.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_CERTIFICATE_STATE_H_
