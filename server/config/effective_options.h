// What a pool of a configuration really has: its own options over `defaults` over the library's.
//
//   chanpool::PoolOptions options = EffectiveOptions(config, config.pools(0));
#ifndef CHANPOOL_SERVER_CONFIG_EFFECTIVE_OPTIONS_H_
#define CHANPOOL_SERVER_CONFIG_EFFECTIVE_OPTIONS_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/core/options.h"

namespace chanpool::config {

// For a configuration that ReadConfig accepted they are valid. A value that no PoolOptions can hold counts as not set.
// Pure and thread-safe.
chanpool::PoolOptions EffectiveOptions(const chanpool::config::v1::Config& config,
                                       const chanpool::config::v1::PoolConfig& pool);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_EFFECTIVE_OPTIONS_H_
