// Looks at a pool's TLS files each TlsOptions::check_every: good ones come into use, and the pool's connections are
// replaced, new before old; of others it tells.
//
//   std::shared_ptr<TlsReload> reload = TlsReload::Start(pool, connector);
//   ... connector->SetOptions(...);  reload->Rearm();
//
// Time is the pool's clock's; the files are read on the closer's thread.
#ifndef CHANPOOL_POOL_GRPC_TLS_RELOAD_H_
#define CHANPOOL_POOL_GRPC_TLS_RELOAD_H_

#include <memory>

#include "absl/time/time.h"
#include "pool/core/clock.h"
#include "pool/core/pool.h"
#include "pool/grpc/channel_connector.h"

namespace chanpool {

// Thread-safe. Ends with its last reference, or with the pool.
class TlsReload : public std::enable_shared_from_this<TlsReload> {
 public:
  // `connector` is the pool's own. Nothing is looked at while that has no TLS files.
  static std::shared_ptr<TlsReload> Start(const std::shared_ptr<Pool>& pool, ChannelConnector* connector);

  // The connector may have other files, or another check_every.
  void Rearm();

 private:
  TlsReload(const std::shared_ptr<Pool>& pool, ChannelConnector* connector)
      : pool_(pool), clock_(pool->clock()), connector_(connector) {}

  void Look();

  const std::weak_ptr<Pool> pool_;
  Clock* const clock_;
  ChannelConnector* const connector_;  // While pool_ is.
  std::unique_ptr<Alarm> alarm_;
  absl::Time told_end_ = absl::InfiniteFuture();  // The end that was warned of. The closer's thread's.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_TLS_RELOAD_H_
