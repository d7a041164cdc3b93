#include "pool/grpc/http_proxy.h"

#include <grpc/grpc.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace chanpool {
namespace {

constexpr char kProxyArgument[] = "grpc.http_proxy";  // gRPC has no macro for it in its public headers.

std::string FirstSet(std::initializer_list<const char*> variables) {
  for (const char* variable : variables) {
    const char* value = std::getenv(variable);
    if (value != nullptr) return value;
  }
  return "";
}

}  // namespace

std::string HttpProxyFor(const std::string& host, const grpc::ChannelArguments& arguments) {
  std::string proxy;
  const grpc_channel_args all = arguments.c_channel_args();
  for (size_t i = 0; i < all.num_args; ++i) {
    const grpc_arg& argument = all.args[i];
    const absl::string_view key = argument.key;
    if (key == GRPC_ARG_ENABLE_HTTP_PROXY && argument.type == GRPC_ARG_INTEGER && argument.value.integer == 0)
      return "";
    if (key == kProxyArgument && argument.type == GRPC_ARG_STRING) proxy = argument.value.string;
  }
  if (proxy.empty()) proxy = FirstSet({"grpc_proxy", "https_proxy", "http_proxy"});
  if (proxy.empty()) return "";
  const std::string without = FirstSet({"no_grpc_proxy", "no_proxy"});
  for (absl::string_view entry : absl::StrSplit(without, ',', absl::SkipWhitespace())) {
    entry = absl::StripAsciiWhitespace(entry);
    // gRPC compares the end of the host's name, in any case.
    if (absl::EndsWithIgnoreCase(host, entry)) return "";
  }
  return proxy;
}

}  // namespace chanpool
