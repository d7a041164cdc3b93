#include "server/sidecar/tls_check.h"

#include "pool/grpc/tls_files.h"
#include "server/config/channel_keys.h"

namespace chanpool::sidecar {

config::TlsCheck LooksAtTlsFiles(const Clock* clock) {
  return [clock](const chanpool::config::v1::Tls& tls) {
    return TlsFiles::Open(config::ToTlsOptions(tls), clock->WallNow()).status();
  };
}

}  // namespace chanpool::sidecar
