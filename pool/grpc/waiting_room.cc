#include "pool/grpc/waiting_room.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace chanpool {
namespace {

// RFC 1035, section 4.
constexpr size_t kHeader = 12;
constexpr uint8_t kTypeA = 1, kTypeAaaa = 28, kClassIn = 1;
constexpr size_t kMaxPacket = 512;

// Where the one question ends; 0 if this is none.
size_t EndOfQuestion(const std::string& packet) {
  if (packet.size() < kHeader || packet[4] != 0 || packet[5] != 1) return 0;
  size_t at = kHeader;
  while (at < packet.size() && packet[at] != 0) at += 1 + static_cast<uint8_t>(packet[at]);
  return at + 5 <= packet.size() ? at + 5 : 0;
}

std::string Answer(const std::string& query, const std::string& ip) {
  const size_t end = EndOfQuestion(query);
  if (end == 0) return "";
  std::string answer = query.substr(0, end);
  answer[2] = static_cast<char>(0x81);  // A response; recursion was desired...
  answer[3] = static_cast<char>(0x80);  // ... and is available. No error.
  std::memset(&answer[6], 0, 6);
  const auto type = static_cast<uint8_t>(query[end - 3]);
  char bytes[16];
  size_t size = 0;
  if (type == kTypeA && inet_pton(AF_INET, ip.c_str(), bytes) == 1) size = 4;
  if (type == kTypeAaaa && inet_pton(AF_INET6, ip.c_str(), bytes) == 1) size = 16;
  if (size == 0) return answer;  // None of this family.
  answer[7] = 1;
  // The name of the question, its type and class, a TTL of 0.
  const uint8_t record[] = {0xc0, kHeader, 0, type, 0, kClassIn, 0, 0, 0, 0, 0, static_cast<uint8_t>(size)};
  answer.append(reinterpret_cast<const char*>(record), sizeof(record));
  return answer.append(bytes, size);
}

}  // namespace

std::shared_ptr<WaitingRoom> WaitingRoom::Open(const std::string& host, const std::string& port) {
  const char* resolver = std::getenv("GRPC_DNS_RESOLVER");
  if (resolver != nullptr && absl::EqualsIgnoreCase(resolver, "native")) return nullptr;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return nullptr;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    close(fd);
    return nullptr;
  }
  // With a dot at its end a name is looked up as it is, and only here: no hosts file, no search domain.
  const char* const dot = absl::EndsWith(host, ".") ? "" : ".";
  std::shared_ptr<WaitingRoom> room(
      new WaitingRoom(fd, absl::StrCat("dns://127.0.0.1:", ntohs(address.sin_port), "/", host, dot, ":", port)));
  DnsThread::Get()->Post([room] { DnsThread::Get()->Watch(room); });
  return room;
}

WaitingRoom::~WaitingRoom() { close(fd_); }

void WaitingRoom::Close() { DnsThread::Get()->Unwatch(this); }

void WaitingRoom::Admit(const std::string& ip) {
  ip_ = ip;
  AnswerAll();
}

void WaitingRoom::AnswerAll() {
  if (ip_.empty()) return;
  for (const Question& question : questions_) {
    const std::string answer = Answer(question.packet, ip_);
    // One that is lost is asked again.
    sendto(fd_, answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&question.from), question.from_size);
  }
  questions_.clear();
}

int WaitingRoom::AddTo(std::vector<pollfd>* fds) {
  fds->push_back({fd_, POLLIN, 0});
  return -1;
}

void WaitingRoom::Ready(const pollfd*, size_t) {
  for (;;) {
    Question question;
    question.from_size = sizeof(question.from);
    char packet[kMaxPacket];
    const ssize_t n =
        recvfrom(fd_, packet, sizeof(packet), 0, reinterpret_cast<sockaddr*>(&question.from), &question.from_size);
    if (n < 0) break;
    question.packet.assign(packet, static_cast<size_t>(n));
    if (EndOfQuestion(question.packet) != 0 && questions_.size() < kMaxQuestions) {
      questions_.push_back(std::move(question));
    }
  }
  AnswerAll();
}

}  // namespace chanpool
