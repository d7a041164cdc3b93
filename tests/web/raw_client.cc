#include "tests/web/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace chanpool::testing {
namespace {

constexpr char kLength[] = "Content-Length: ";

size_t LengthOf(const std::string& head) {
  const size_t at = head.find(kLength);
  size_t length = 0;
  if (at == std::string::npos) return 0;
  const size_t begin = at + sizeof(kLength) - 1;
  return absl::SimpleAtoi(head.substr(begin, head.find('\r', begin) - begin), &length) ? length : 0;
}

}  // namespace

RawClient::RawClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit = {20, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd_);
    fd_ = -1;
  }
}

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

bool RawClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(sent);
  }
  return true;
}

bool RawClient::Receive() {
  std::array<char, 16384> bytes;
  const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
  if (size <= 0) return false;
  received_.append(bytes.data(), size);
  return true;
}

std::string RawClient::ReadAnswer(bool head) {
  size_t end = std::string::npos;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!Receive()) return "";
  }
  const size_t size = end + 4 + (head ? 0 : LengthOf(received_.substr(0, end + 2)));
  while (received_.size() < size) {
    if (!Receive()) return "";
  }
  const std::string answer = received_.substr(0, size);
  received_.erase(0, size);
  return answer;
}

std::string RawClient::ReadToEnd() {
  while (Receive()) {
  }
  return std::move(received_);
}

std::string Get(uint16_t port, absl::string_view path) {
  RawClient client(port);
  client.Send(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: a\r\n\r\n"));
  return client.ReadAnswer();
}

}  // namespace chanpool::testing
