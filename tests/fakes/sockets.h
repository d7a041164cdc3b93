// How many TCP connections this process has, as the kernel sees it.
//
//   EXPECT_EQ(EstablishedSocketsTo(server.port()), 8);
//
// Only the client's ends are counted, so the server may live in the same process.
#ifndef CHANPOOL_TESTS_FAKES_SOCKETS_H_
#define CHANPOOL_TESTS_FAKES_SOCKETS_H_

namespace chanpool::testing {

// Sockets of this process, ESTABLISHED, whose far end is `port` of any host.
int EstablishedSocketsTo(int port);

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_FAKES_SOCKETS_H_
