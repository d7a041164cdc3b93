#include "examples/demo/tcp_connections.h"

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"

namespace chanpool::demo {

int CountTcpConnectionsIn(std::istream& table, int port) {
  constexpr char kEstablished[] = "01";
  const std::string suffix = absl::StrFormat(":%04X", port);
  int count = 0;
  std::string line;
  std::getline(table, line);  // The header.
  std::string number, local, remote, state;
  while (table >> number >> local >> remote >> state && std::getline(table, line)) {
    count += state == kEstablished && absl::EndsWith(remote, suffix);
  }
  return count;
}

int CountTcpConnections(int port) {
  std::ifstream ipv4("/proc/net/tcp");
  std::ifstream ipv6("/proc/net/tcp6");  // gRPC dials IPv4 addresses by sockets of IPv6 as well.
  return CountTcpConnectionsIn(ipv4, port) + CountTcpConnectionsIn(ipv6, port);
}

}  // namespace chanpool::demo
