// Whether certificates and a key would serve: read, fitting, in order, in their time.
//
//   absl::StatusOr<CertificateFacts> facts = CheckCertificates(options, {ca, certificate, key}, clock->WallNow());
//
// gRPC takes what it is given, and tells by failed handshakes.
#ifndef CHANPOOL_POOL_GRPC_CERTIFICATE_CHECK_H_
#define CHANPOOL_POOL_GRPC_CERTIFICATE_CHECK_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/grpc/tls_options.h"

namespace chanpool {

// What is in the files, in the order of TlsOptions; empty where there is none.
struct TlsTexts {
  std::string ca;
  std::string certificate;
  std::string key;

  friend bool operator==(const TlsTexts& a, const TlsTexts& b) {
    return a.ca == b.ca && a.certificate == b.certificate && a.key == b.key;
  }
};

// As CertificateState has them.
struct CertificateFacts {
  std::string subject;
  absl::Time not_after = absl::InfiniteFuture();
  std::string ends_first;
};

// kInvalidArgument: the first thing that is wrong, as "tls.key_file: what; what would be right". `now` is of the wall.
// Of the trusted certificates it is enough that one has not ended. Pure.
absl::StatusOr<CertificateFacts> CheckCertificates(const TlsOptions& options, const TlsTexts& texts, absl::Time now);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CERTIFICATE_CHECK_H_
