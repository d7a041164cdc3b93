// A client that sends what it is told, byte by byte if need be, and reads what comes: for tests of servers.
//
//   RawClient client(listener.port());
//   client.Send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
//   EXPECT_THAT(client.ReadAnswer(), HasSubstr("200 OK"));
#ifndef CHANPOOL_TESTS_WEB_RAW_CLIENT_H_
#define CHANPOOL_TESTS_WEB_RAW_CLIENT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace chanpool::testing {

// One thread at a time. Every wait has a limit of 20 s.
class RawClient {
 public:
  // Connects to 127.0.0.1.
  explicit RawClient(uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False when the other side does not take it.
  bool Send(absl::string_view bytes);
  // One answer: its head, and as many bytes after it as its Content-Length says, none after `head`. Empty at the end.
  std::string ReadAnswer(bool head = false);
  // All there is until the other side closes.
  std::string ReadToEnd();

 private:
  bool Receive();
  int fd_;
  std::string received_;  // Not yet given out.
};

// Send, ReadAnswer, close.
std::string Get(uint16_t port, absl::string_view path);

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_WEB_RAW_CLIENT_H_
