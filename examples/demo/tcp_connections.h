// How many TCP connections lead to a local port, as the kernel counts them: what a program says about its own
// connections proves nothing.
//
//   int sockets = CountTcpConnections(40123);
#ifndef CHANPOOL_EXAMPLES_DEMO_TCP_CONNECTIONS_H_
#define CHANPOOL_EXAMPLES_DEMO_TCP_CONNECTIONS_H_

#include <istream>

namespace chanpool::demo {

// Established connections of any process of this machine to `port`, seen from the end that dialled.
int CountTcpConnections(int port);

// The same in a table of the form of /proc/net/tcp.
int CountTcpConnectionsIn(std::istream& table, int port);

}  // namespace chanpool::demo
#endif  // CHANPOOL_EXAMPLES_DEMO_TCP_CONNECTIONS_H_
