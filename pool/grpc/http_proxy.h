// Whether gRPC would reach a host through an HTTP proxy.
//
//   const std::string proxy = HttpProxyFor("orders", options.channel_arguments);   // "http://proxy:3128", or ""
//
// gRPC reads the environment (grpc_proxy, https_proxy, http_proxy; no_grpc_proxy, no_proxy) for each channel, and
// compares the name that the channel was made for. A channel to one address of a name would be judged by that address,
// so the pool judges by the name.
#ifndef CHANPOOL_POOL_GRPC_HTTP_PROXY_H_
#define CHANPOOL_POOL_GRPC_HTTP_PROXY_H_

#include <grpcpp/support/channel_arguments.h>

#include <string>

namespace chanpool {

// Empty: none. Reads the environment.
std::string HttpProxyFor(const std::string& host, const grpc::ChannelArguments& arguments);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_HTTP_PROXY_H_
