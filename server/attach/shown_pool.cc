#include "server/attach/shown_pool.h"

#include <utility>

#include "server/config/channel_keys.h"

namespace chanpool {

admin::PoolRegistry::Registration ShownPool(std::string name, const ChannelPool& pool) {
  const ChannelPoolOptions options = pool.channel_options();
  return {std::move(name), options.target, pool.engine(), config::ToPoolConfig(options)};
}

}  // namespace chanpool
