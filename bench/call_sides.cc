#include "bench/call_sides.h"

#include <errno.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace chanpool::bench {

void GiveUp(const absl::Status& why) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.ToString().c_str());
  std::exit(1);
}

std::unique_ptr<demo::UpstreamProcess> StartServer(int max_streams, const std::vector<std::string>& more_flags) {
  auto server = demo::UpstreamProcess::Start(demo::PathBeside("../examples/demo/upstream"), max_streams, more_flags);
  if (!server.ok()) GiveUp(server.status());
  return *std::move(server);
}

Channels PlainChannels(const std::string& target, int n) {
  Channels channels;
  for (int i = 0; i < n; ++i) {
    grpc::ChannelArguments arguments;
    if (n > 1) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Else they share one connection.
    auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
      GiveUp(absl::UnavailableError("a plain channel did not connect"));
    }
    channels.push_back(std::move(channel));
  }
  return channels;
}

std::shared_ptr<ChannelPool> MakePool(const ChannelPoolOptions& options) {
  auto pool = ChannelPool::Create(options);
  if (!pool.ok()) GiveUp(pool.status());
  const absl::Status ready = (*pool)->WaitForReady(options.pool.min_connections, absl::Now() + absl::Seconds(10));
  if (!ready.ok()) GiveUp(ready);
  return *std::move(pool);
}

std::shared_ptr<ChannelPool> MakePool(const std::string& target, const PoolOptions& options) {
  ChannelPoolOptions all;
  all.target = target;
  all.pool = options;
  return MakePool(all);
}

PoolOptions PoolOf(int connections) {
  PoolOptions options;
  options.min_connections = connections;
  options.max_connections = connections;
  return options;
}

}  // namespace chanpool::bench
