#include "tests/fakes/dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "pool/core/check.h"

namespace chanpool::testing {

DnsServer::DnsServer() : socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  CHANPOOL_CHECK(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHANPOOL_CHECK(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

DnsServer::~DnsServer() {
  // A datagram without a byte ends the thread: shutdown() wakes nobody on a socket that is not connected.
  sockaddr_in self = {};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  self.sin_port = htons(static_cast<uint16_t>(port_));
  sendto(socket_, "", 0, 0, reinterpret_cast<sockaddr*>(&self), sizeof(self));
  thread_.join();
  close(socket_);
}

std::string DnsServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

void DnsServer::Set(const std::string& name, std::vector<std::string> ips, absl::Duration ttl) {
  MutexLock lock(&mu_);
  records_[name] = {std::move(ips), ttl};
}

void DnsServer::SetReply(Type type, Reply reply) {
  MutexLock lock(&mu_);
  replies_[type] = reply;
}

void DnsServer::SetReplies(Reply reply) {
  for (const Type type : {kA, kAaaa}) SetReply(type, reply);
}

int DnsServer::queries(Type type) const {
  MutexLock lock(&mu_);
  const auto found = queries_.find(type);
  return found == queries_.end() ? 0 : found->second;
}

std::string DnsServer::AnswerTo(const std::string& query) {
  constexpr size_t kHeader = 12;
  std::string name;
  size_t at = kHeader;
  while (at < query.size() && query[at] != 0) {
    const auto length = static_cast<size_t>(query[at]);
    absl::StrAppend(&name, name.empty() ? "" : ".", query.substr(at + 1, length));
    at += 1 + length;
  }
  const size_t end = at + 5;
  if (end > query.size()) return "";
  const int type = query[end - 3];
  MutexLock lock(&mu_);
  ++queries_[type];
  if (replies_[type] == Reply::kSilence) return "";
  const auto found = records_.find(absl::AsciiStrToLower(name));
  const char code = replies_[type] == Reply::kFailure ? 2 : found == records_.end() ? 3 : 0;
  std::string answer = query.substr(0, end);
  answer[2] = static_cast<char>(0x81);
  answer[3] = static_cast<char>(0x80 | code);
  for (int i = 6; i < 12; ++i) answer[i] = 0;
  if (code != 0) return answer;
  for (const std::string& ip : found->second.ips) {
    char bytes[16];
    const size_t size = ip.find(':') == std::string::npos ? 4 : 16;
    if ((size == 4) != (type == kA)) continue;
    CHANPOOL_CHECK(inet_pton(size == 4 ? AF_INET : AF_INET6, ip.c_str(), bytes) == 1);
    const auto ttl = static_cast<uint32_t>(absl::ToInt64Seconds(found->second.ttl));
    const char record[] = {static_cast<char>(0xc0),
                           kHeader,
                           0,
                           static_cast<char>(type),
                           0,
                           1,
                           static_cast<char>(ttl >> 24),
                           static_cast<char>(ttl >> 16),
                           static_cast<char>(ttl >> 8),
                           static_cast<char>(ttl),
                           0,
                           static_cast<char>(size)};
    answer.append(record, sizeof(record)).append(bytes, size);
    ++answer[7];
  }
  return answer;
}

void DnsServer::Serve() {
  for (;;) {
    char packet[512];
    sockaddr_storage from;
    socklen_t size = sizeof(from);
    const ssize_t n = recvfrom(socket_, packet, sizeof(packet), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n <= 0) return;
    const std::string answer = AnswerTo(std::string(packet, static_cast<size_t>(n)));
    if (!answer.empty()) sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
}

}  // namespace chanpool::testing
