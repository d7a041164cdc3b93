// TLS from files: whom to trust, and what to show to servers that ask for it (mTLS).
//
//   options.tls = TlsOptions();
//   options.tls->ca_file = "/etc/orders/ca.pem";
//   options.tls->certificate_file = "/etc/orders/client.pem";      // both or neither
//   options.tls->key_file = "/etc/orders/client.key";
//
// The files are read again when they change: a rotation needs no restart.
#ifndef CHANPOOL_POOL_GRPC_TLS_OPTIONS_H_
#define CHANPOOL_POOL_GRPC_TLS_OPTIONS_H_

#include <string>

#include "absl/time/time.h"

namespace chanpool {

// A plain value. Files are PEM, of at most kMaxTlsFile bytes.
struct TlsOptions {
  // The certificates that servers' must lead to. Default empty: those that this machine trusts.
  std::string ca_file = {};

  // The pool's own certificate, followed by those that lead from it to the root, each issued by the next. Default
  // empty: none is shown.
  std::string certificate_file = {};

  // Its key, not encrypted. With certificate_file, or not at all.
  std::string key_file = {};

  // The name that the server's certificate must have, where it is not the target's; also sent as :authority.
  // Default empty: the target's.
  std::string server_name = {};

  // How often the files are looked at. At least 100 ms; infinite: never again.
  // Default 10 s. More: a new pair is used later. Less: three small files are read more often.
  absl::Duration check_every = absl::Seconds(10);
};

// The largest file: more than ten times what this machine trusts.
inline constexpr size_t kMaxTlsFile = 4 << 20;
inline constexpr absl::Duration kShortestTlsCheck = absl::Milliseconds(100);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_TLS_OPTIONS_H_
