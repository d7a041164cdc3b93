// Whether the files that a pool's `tls` names are good, for whoever reads the configuration.
//
//   ReadConfig(text, path, LooksAtTlsFiles(RealClock()));
#ifndef CHANPOOL_SERVER_SIDECAR_TLS_CHECK_H_
#define CHANPOOL_SERVER_SIDECAR_TLS_CHECK_H_

#include "pool/core/clock.h"
#include "server/config/config_reader.h"

namespace chanpool::sidecar {

// Reads the files of a pool's TLS, and says what is wrong with them now.
config::TlsCheck LooksAtTlsFiles(const Clock* clock);

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_TLS_CHECK_H_
