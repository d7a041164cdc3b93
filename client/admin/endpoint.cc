#include "client/admin/endpoint.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace chanpool::admin {
namespace {

// What is wrong with the socket at `path`; empty if somebody listens on it and lets us in.
std::string WhatIsWrong(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return "longer than a socket's path may be (107 bytes)";
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::strerror(errno);
  const int failed = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  ucred server{};
  socklen_t size = sizeof(server);
  const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &size) == 0;
  close(fd);
  // In /tmp anybody may have made the folder first, and would answer whatever they like.
  if (failed == 0 && known && server.uid != 0 && server.uid != geteuid()) {
    return absl::StrCat("served by user ", server.uid, ", who is neither root nor you; give -e if you trust them");
  }
  switch (failed) {
    case 0:
    case EAGAIN:  // Its queue is full: somebody is there.
      return "";
    case ENOENT:
      return "not there";
    case ECONNREFUSED:
      return "nobody listens; its process has ended";
    case EACCES:
      return "permission denied; its owner decides who may connect";
    default:
      return std::strerror(failed);
  }
}

}  // namespace

absl::StatusOr<std::string> FindEndpoint(const std::vector<std::string>& sockets) {
  std::string looked_at;
  for (const std::string& path : sockets) {
    const std::string wrong = WhatIsWrong(path);
    if (wrong.empty()) return absl::StrCat("unix:", path);
    absl::StrAppend(&looked_at, "\n  ", path, ": ", wrong);
  }
  return absl::UnavailableError(
      absl::StrCat("found no chanpoold on this machine; looked at", looked_at,
                   "\nstart chanpoold, or say where it is: -e unix:/path/to/admin.sock or -e host:port"));
}

absl::StatusOr<std::string> TargetOf(absl::string_view endpoint) {
  const auto refuse = [endpoint](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", endpoint, "\" is no endpoint: ", why, "; write unix:/path/to/admin.sock or host:port"));
  };
  absl::string_view path = endpoint;
  if (absl::ConsumePrefix(&path, "unix:")) {
    if (absl::StartsWith(path, "//")) path.remove_prefix(2);
    if (path.empty()) return refuse("it has no path");
    return absl::StrCat("unix:", path);
  }
  // As GetInstance lists it. "tcp:7400" is a host of that name.
  absl::string_view address = endpoint;
  if (absl::ConsumePrefix(&address, "tcp:") && !absl::StrContains(address, ":")) address = endpoint;
  if (absl::StartsWith(endpoint, "/")) return refuse("a path begins with unix:");
  if (absl::StrContains(address, "/")) return refuse("it is neither a path nor host:port");
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return refuse("it has no host or no port");
  const absl::string_view host = address.substr(0, colon);
  if (absl::StrContains(host, ":") && !(absl::StartsWith(host, "[") && absl::EndsWith(host, "]"))) {
    return refuse("an IPv6 address stands in brackets, as in [::1]:7400");
  }
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return refuse("its port is not a number from 1 to 65535");
  }
  return absl::StrCat("dns:///", address);
}

}  // namespace chanpool::admin
