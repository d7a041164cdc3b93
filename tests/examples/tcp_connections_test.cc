#include "examples/demo/tcp_connections.h"

#include <sstream>

#include "gtest/gtest.h"

namespace chanpool::demo {
namespace {

TEST(TcpConnectionsTest, CountsEstablishedOnesByTheEndThatDialled) {
  // Port 0x9C40 is 40000: a listener, a dialled end, its accepted end, one that is closing, one of IPv6, another port.
  std::istringstream table(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100\n"
      "   1: 0100007F:C001 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20\n"
      "   2: 0100007F:9C40 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20\n"
      "   3: 0100007F:C002 0100007F:9C40 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20\n"
      "   4: 0000000000000000FFFF00000100007F:C003 0000000000000000FFFF00000100007F:9C40 01 0:0 0:0 0 0 0 4 1\n"
      "   5: 0100007F:C004 0100007F:9C41 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0 20\n");
  EXPECT_EQ(CountTcpConnectionsIn(table, 40000), 2);
}

}  // namespace
}  // namespace chanpool::demo
