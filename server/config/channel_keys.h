// A pool's channels in the keys of the configuration file, both ways.
//
//   ChannelPoolOptions options = ToChannelPoolOptions(pool_config);   // ... options.pool = EffectiveOptions(...)
//   PoolConfig shown = ToPoolConfig(pool->channel_options());         // of a pool that no file knows
//
// A key and what it means stand side by side in this file and in the other *_keys files; tests/config takes every key
// there and back.
#ifndef CHANPOOL_SERVER_CONFIG_CHANNEL_KEYS_H_
#define CHANPOOL_SERVER_CONFIG_CHANNEL_KEYS_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/grpc/channel_pool_options.h"
#include "pool/grpc/tls_options.h"

namespace chanpool::config {

// `pool` has been read without errors. All but `pool`, which its defaults decide as well.
ChannelPoolOptions ToChannelPoolOptions(const chanpool::config::v1::PoolConfig& pool);

// `options` are valid. All but PoolConfig.options, and no key for what has the library's default. What no file can say
// is left out: credentials, channel_arguments, interceptors, a function of the user's that tells backends apart.
chanpool::config::v1::PoolConfig ToPoolConfig(const ChannelPoolOptions& options);

TlsOptions ToTlsOptions(const chanpool::config::v1::Tls& tls);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_CHANNEL_KEYS_H_
