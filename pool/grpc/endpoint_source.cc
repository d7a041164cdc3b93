#include "pool/grpc/endpoint_source.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pool/grpc/http_proxy.h"
#include "pool/grpc/target_name.h"
#include "pool/grpc/transport_options.h"

namespace chanpool {
namespace {

bool NamesAuthority(const grpc::ChannelArguments& arguments) {
  const grpc_channel_args all = arguments.c_channel_args();
  return std::any_of(all.args, all.args + all.num_args, [](const grpc_arg& argument) {
    const absl::string_view key = argument.key;
    return key == GRPC_ARG_DEFAULT_AUTHORITY || key == GRPC_SSL_TARGET_NAME_OVERRIDE_ARG;
  });
}

// As gRPC takes it from the target, to compare with no_proxy.
std::string HostOf(const TargetName& name) {
  if (!name.host.empty()) return name.host;
  return name.authority.substr(0, name.authority.find(':'));
}

std::string ProxyFor(const std::string& host, const ChannelPoolOptions& options) {
  grpc::ChannelArguments arguments = options.channel_arguments;
  ApplyTransport(options.transport, arguments);
  return HttpProxyFor(host, arguments);
}

bool IsUnix(const std::string& address) { return absl::StartsWith(address, "unix"); }

}  // namespace

EndpointSource SourceOf(const ChannelPoolOptions& options, Clock* clock) {
  const TargetName name = ParseTarget(options.target);
  EndpointSource source;
  source.authority = name.authority;
  const std::string proxy = ProxyFor(HostOf(name), options);
  if (!options.endpoints.empty()) {
    source.endpoints = options.endpoints;
    if (!proxy.empty()) {
      source.warning = absl::StrCat("endpoints: dialled directly, and not through the HTTP proxy ", proxy);
    }
    return source;
  }
  if (name.kind == TargetName::Kind::kOther) return source;
  if (!proxy.empty() && !(name.kind == TargetName::Kind::kAddresses && IsUnix(name.addresses[0]))) {
    source.warning = absl::StrCat("target \"", options.target, "\" is reached through the HTTP proxy ", proxy,
                                  ", so gRPC resolves it and the pool does not know its endpoints; name the host in "
                                  "no_proxy, or set transport.http_proxy to false");
    return source;
  }
  if (name.kind == TargetName::Kind::kName) {
    source.endpoints = {NameResolver::Unresolved()};
    source.resolver = NameResolver::Create(name, options.dns, clock, options.pool.connect_timeout);
    return source;
  }
  source.endpoints.clear();
  for (const std::string& address : name.addresses) source.endpoints.push_back({address});
  return source;
}

bool SameSource(const ChannelPoolOptions& a, const ChannelPoolOptions& b) {
  const auto same = [](const Endpoint& x, const Endpoint& y) {
    return std::tie(x.address, x.weight) == std::tie(y.address, y.weight);
  };
  return a.target == b.target && a.dns == b.dns &&
         std::equal(a.endpoints.begin(), a.endpoints.end(), b.endpoints.begin(), b.endpoints.end(), same) &&
         ProxyFor("", a).empty() == ProxyFor("", b).empty();
}

void PinToAddress(const std::string& authority, grpc::ChannelArguments* arguments) {
  if (!authority.empty() && !NamesAuthority(*arguments)) arguments->SetString(GRPC_ARG_DEFAULT_AUTHORITY, authority);
  arguments->SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // The pool's answer has no service config; who wants one gives it in channel_arguments.
  arguments->SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
}

}  // namespace chanpool
