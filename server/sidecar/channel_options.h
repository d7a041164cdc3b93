// What a pool of the configuration file means for its channels.
//
//   ChannelPoolOptions options = ToChannelPoolOptions(pool_config);   // ... options.pool = EffectiveOptions(...)
#ifndef CHANPOOL_SERVER_SIDECAR_CHANNEL_OPTIONS_H_
#define CHANPOOL_SERVER_SIDECAR_CHANNEL_OPTIONS_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/core/clock.h"
#include "pool/grpc/channel_pool_options.h"
#include "server/config/config_reader.h"

namespace chanpool::sidecar {

// `pool` has been read without errors. All but `pool`, which its defaults decide as well.
ChannelPoolOptions ToChannelPoolOptions(const chanpool::config::v1::PoolConfig& pool);

// Reads the files of a pool's TLS, and says what is wrong with them now.
config::TlsCheck LooksAtTlsFiles(const Clock* clock);

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_CHANNEL_OPTIONS_H_
