#include "tests/fakes/frame_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/core/check.h"

namespace chanpool::testing {
namespace {

constexpr uint8_t kData = 0, kHeaders = 1, kSettings = 4, kPing = 6, kAck = 1;

uint8_t Byte(const std::string& bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

bool Read(int socket, std::string& all) {
  size_t have = 0;
  while (have < all.size()) {
    const ssize_t n = recv(socket, &all[have], all.size() - have, 0);
    if (n <= 0) return false;
    have += n;
  }
  return true;
}

}  // namespace

FramePeer::FramePeer() {
  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  CHANPOOL_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHANPOOL_CHECK(listen(listener_, 64) == 0);
  CHANPOOL_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  accepts_ = std::thread([this] { Accept(); });
}

FramePeer::~FramePeer() {
  shutdown(listener_, SHUT_RDWR);
  accepts_.join();
  close(listener_);
  {
    MutexLock lock(&mu_);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& thread : serves_) thread.join();
}

std::map<int, uint32_t> FramePeer::settings() const {
  MutexLock lock(&mu_);
  return settings_;
}

std::vector<size_t> FramePeer::header_sizes() const {
  MutexLock lock(&mu_);
  return header_sizes_;
}

std::string FramePeer::data() const {
  MutexLock lock(&mu_);
  return data_;
}

int FramePeer::connections() const {
  MutexLock lock(&mu_);
  return static_cast<int>(sockets_.size());
}

void FramePeer::Greet() {
  MutexLock lock(&mu_);
  greets_ = true;
  for (const int socket : sockets_) Send(socket, kSettings, 0, "");
}

void FramePeer::Accept() {
  for (;;) {
    const int socket = accept(listener_, nullptr, nullptr);
    if (socket < 0) return;
    if (unwelcome_ > 0) {
      --unwelcome_;
      close(socket);
      continue;
    }
    MutexLock lock(&mu_);
    sockets_.insert(socket);
    serves_.emplace_back([this, socket] { Serve(socket); });
  }
}

void FramePeer::Serve(int socket) {
  std::string preface(24, '\0');  // "PRI * HTTP/2.0..."
  if (Read(socket, preface)) {
    Send(socket, kSettings, 0, "");
    std::string header(9, '\0');
    while (Read(socket, header)) {
      std::string payload(Byte(header, 0) << 16 | Byte(header, 1) << 8 | Byte(header, 2), '\0');
      if (!Read(socket, payload)) break;
      const uint8_t type = Byte(header, 3), flags = Byte(header, 4);
      Note(type, payload);
      calls_ += type == kHeaders;
      if (type == kSettings && (flags & kAck) == 0) Send(socket, kSettings, kAck, "");
      if (type == kPing && (flags & kAck) == 0) {
        ++pings_;
        Send(socket, kPing, kAck, payload);
      }
    }
  }
  MutexLock lock(&mu_);
  sockets_.erase(socket);
  close(socket);
}

void FramePeer::Note(uint8_t type, const std::string& payload) {
  MutexLock lock(&mu_);
  if (type == kHeaders) header_sizes_.push_back(payload.size());
  if (type == kData) data_ += payload;
  if (type != kSettings) return;
  for (size_t at = 0; at + 6 <= payload.size(); at += 6) {
    uint32_t value = 0;
    for (size_t i = 2; i < 6; ++i) value = value << 8 | Byte(payload, at + i);
    settings_[Byte(payload, at) << 8 | Byte(payload, at + 1)] = value;
  }
}

void FramePeer::Send(int socket, uint8_t type, uint8_t flags, const std::string& payload) {
  if (silent_ || !greets_) return;
  std::string frame(9, '\0');
  frame[2] = static_cast<char>(payload.size());
  frame[3] = static_cast<char>(type);
  frame[4] = static_cast<char>(flags);
  frame += payload;
  send(socket, frame.data(), frame.size(), MSG_NOSIGNAL);
}

}  // namespace chanpool::testing
