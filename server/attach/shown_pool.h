// A pool of gRPC channels as operators see it, for Attachment.
//
//   auto attachment = chanpool::Attachment::Start({.name = "shop"}, {chanpool::ShownPool("orders", *pool)});
#ifndef CHANPOOL_SERVER_ATTACH_SHOWN_POOL_H_
#define CHANPOOL_SERVER_ATTACH_SHOWN_POOL_H_

#include <string>

#include "pool/grpc/channel_pool.h"
#include "server/admin/pool_registry.h"

namespace chanpool {

// `name` is what operators call it: a lower-case letter, then up to 62 lower-case letters, digits or hyphens. Shows the
// target and how channels are made (keepalive, retry, TLS and the rest, but no credentials) as they are now: after
// Redirect, Attachment::Update shows what has changed. Keeps the pool's engine, not the ChannelPool. Does not block.
admin::PoolRegistry::Registration ShownPool(std::string name, const ChannelPool& pool);

}  // namespace chanpool
#endif  // CHANPOOL_SERVER_ATTACH_SHOWN_POOL_H_
