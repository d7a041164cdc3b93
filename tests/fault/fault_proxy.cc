#include "tests/fault/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "pool/core/check.h"

namespace chanpool::fault {
namespace {

constexpr int kReadAtOnce = 16 * 1024;
constexpr int kTlsHeaderBytes = 5;
constexpr int kApplicationData = 23;  // A record's type, in its first byte.

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int NewSocket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  CHANPOOL_CHECK(fd >= 0);
  return fd;
}

// Bound to `port`, together with others of ours.
int BoundTo(int port) {
  const int fd = NewSocket();
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(port);
  CHANPOOL_CHECK(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool MayTryAgain(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOTCONN; }

}  // namespace

FaultProxy::FaultProxy(int upstream_port) : upstream_ports_{upstream_port} {
  port_holder_ = BoundTo(0);
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  CHANPOOL_CHECK(getsockname(port_holder_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  CHANPOOL_CHECK(wake_ >= 0);
  {
    MutexLock lock(&mu_);
    Listen();
  }
  thread_ = std::thread([this] { Run(); });
}

FaultProxy::~FaultProxy() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  MutexLock lock(&mu_);
  for (Relay& relay : relays_) Close(relay, /*by_reset=*/false);
  StopListening();
  close(port_holder_);
  close(wake_);
}

std::string FaultProxy::target() const { return absl::StrCat("ipv4:127.0.0.1:", port_); }

void FaultProxy::Listen() {
  if (listener_ >= 0) return;
  listener_ = BoundTo(port_);
  CHANPOOL_CHECK(listen(listener_, SOMAXCONN) == 0);
}

void FaultProxy::StopListening() {
  if (listener_ < 0) return;
  shutdown(listener_, SHUT_RDWR);  // Closing it alone would wait for the thread that polls it.
  close(std::exchange(listener_, -1));
}

void FaultProxy::Wake() {
  const uint64_t one = 1;
  // Full only if a wake-up is on its way already.
  if (write(wake_, &one, sizeof(one)) < 0) CHANPOOL_CHECK(errno == EAGAIN);
}

template <typename Set>
void FaultProxy::Change(Set set) {
  {
    MutexLock lock(&mu_);
    set();
  }
  Wake();  // What the thread waits for may be something else now.
}

void FaultProxy::DialInTurn(std::vector<int> upstream_ports) {
  CHANPOOL_CHECK(!upstream_ports.empty());
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { upstream_ports_ = std::move(upstream_ports); });
}

// --- Faults -------------------------------------------------------------------------------------------------------

void FaultProxy::Delay(absl::Duration each_way) {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { delay_ = each_way; });
}

void FaultProxy::ByteByByte() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { byte_by_byte_ = true; });
}

void FaultProxy::Drop() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { drop_ = true; });
}

void FaultProxy::BlackHole() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { black_hole_ = true; });
}

void FaultProxy::StopAccepting() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { accepts_ = false; });
}

void FaultProxy::Refuse() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { StopListening(); });
}

void FaultProxy::Heal() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    delay_ = absl::ZeroDuration();
    byte_by_byte_ = drop_ = black_hole_ = false;
    accepts_ = true;
    Listen();
  });
}

void FaultProxy::Reset() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (Relay& relay : relays_) Close(relay, /*by_reset=*/true);
  });
}

void FaultProxy::HalfClose() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (Relay& relay : relays_) {
      if (relay.over || std::exchange(relay.down.ended, true)) continue;
      shutdown(relay.client, SHUT_WR);
      relay.down.queue.clear();
      relay.down.queued_bytes = relay.down.written = 0;
    }
  });
}

void FaultProxy::Strand() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (Relay& relay : relays_) relay.stranded = true;
  });
}

void FaultProxy::CorruptNextRecord() {
  Change([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (Relay& relay : relays_) relay.down.corrupt_next = true;
  });
}

int FaultProxy::open() const {
  MutexLock lock(&mu_);
  return static_cast<int>(
      std::count_if(relays_.begin(), relays_.end(), [](const Relay& relay) { return !relay.over; }));
}

int64_t FaultProxy::accepted() const {
  MutexLock lock(&mu_);
  return accepted_;
}

int64_t FaultProxy::corrupted() const {
  MutexLock lock(&mu_);
  return corrupted_;
}

int FaultProxy::to_be_corrupted() const {
  MutexLock lock(&mu_);
  return static_cast<int>(std::count_if(relays_.begin(), relays_.end(),
                                        [](const Relay& relay) { return !relay.over && relay.down.corrupt_next; }));
}

int FaultProxy::open_corrupted() const {
  MutexLock lock(&mu_);
  return static_cast<int>(std::count_if(relays_.begin(), relays_.end(),
                                        [](const Relay& relay) { return !relay.over && relay.down.corrupted; }));
}

// --- Forwarding ---------------------------------------------------------------------------------------------------

void FaultProxy::Close(Relay& relay, bool by_reset) {
  if (std::exchange(relay.over, true)) return;
  for (const int fd : {relay.client, relay.server}) {
    const linger at_once = {1, 0};  // Closing sends RST.
    if (by_reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
  }
}

void FaultProxy::Run() {
  std::vector<pollfd> polled;
  std::vector<Relay*> of;  // The relay of each two of `polled`: client, server. A relay stays where it is.
  for (;;) {
    polled.clear();
    of.clear();
    int timeout_ms = -1;
    {
      MutexLock lock(&mu_);
      if (stopping_) return;
      relays_.remove_if([](const Relay& relay) { return relay.over; });
      polled.push_back({wake_, POLLIN, 0});
      const bool accepts = accepts_ && relays_.size() < kMaxRelays;
      polled.push_back({accepts ? listener_ : -1, POLLIN, 0});
      const absl::Time now = absl::Now();
      for (Relay& relay : relays_) {
        of.push_back(&relay);
        if (IsBlack(relay)) {
          // Left to the kernel, but for a client that hangs up: else its descriptors would stay for ever.
          polled.push_back({relay.client, POLLRDHUP, 0});
          polled.push_back({-1, 0, 0});
          continue;
        }
        pollfd client = {relay.client, 0, 0}, server = {relay.server, 0, 0};
        const auto wish = [&](const Stream& stream, pollfd& from, pollfd& to) {
          if (!stream.read_all && stream.queued_bytes < kMaxQueuedBytes) from.events |= POLLIN;
          if (stream.queue.empty()) return;
          if (stream.queue.front().due <= now) {
            to.events |= POLLOUT;
          } else {
            const auto ms = static_cast<int>(absl::ToInt64Milliseconds(stream.queue.front().due - now)) + 1;
            timeout_ms = timeout_ms < 0 ? ms : std::min(timeout_ms, ms);
          }
        };
        wish(relay.up, client, server);
        wish(relay.down, server, client);
        // The kernel tells of a broken connection whether asked or not; where neither way is of interest it may wait.
        if (client.events == 0) client.fd = -1;
        if (server.events == 0) server.fd = -1;
        polled.push_back(client);
        polled.push_back(server);
      }
    }
    poll(polled.data(), polled.size(), timeout_ms);
    MutexLock lock(&mu_);
    if (polled[0].revents != 0) {
      uint64_t ignored = 0;
      CHANPOOL_CHECK(read(wake_, &ignored, sizeof(ignored)) == sizeof(ignored));  // Nobody else reads it.
    }
    // What was asked for may have changed while the lock was free, so each step looks again.
    const absl::Time now = absl::Now();
    for (size_t i = 0; i < of.size(); ++i) {
      Relay& relay = *of[i];
      const pollfd& client = polled[2 + 2 * i];
      const pollfd& server = polled[3 + 2 * i];
      if (relay.over) continue;
      if (IsBlack(relay)) {
        if ((client.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) Close(relay, /*by_reset=*/false);
        continue;
      }
      if (client.revents != 0) Read(relay, relay.up, relay.client);
      if (server.revents != 0 && !relay.over) Read(relay, relay.down, relay.server);
      if (!relay.over) Write(relay, relay.up, relay.server, now);
      if (!relay.over) Write(relay, relay.down, relay.client, now);
      if (!relay.over && relay.up.ended && relay.down.ended) Close(relay, /*by_reset=*/false);
    }
    if (polled[1].revents != 0) Accept();
  }
}

void FaultProxy::Accept() {
  if (!accepts_ || listener_ < 0) return;
  const int client = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  ++accepted_;
  Relay& relay = relays_.emplace_back();
  relay.client = client;
  relay.server = NewSocket();
  SendAtOnce(relay.client);
  SendAtOnce(relay.server);
  const sockaddr_in address = Loopback(upstream_ports_[next_upstream_++ % upstream_ports_.size()]);
  if (connect(relay.server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS) {
    Close(relay, /*by_reset=*/true);
  }
}

void FaultProxy::Read(Relay& relay, Stream& stream, int from) {
  if (stream.read_all || stream.queued_bytes >= kMaxQueuedBytes) return;
  std::string bytes(kReadAtOnce, '\0');
  const ssize_t size = read(from, bytes.data(), bytes.size());
  if (size < 0) {
    if (!MayTryAgain(errno)) Close(relay, /*by_reset=*/true);
    return;
  }
  bytes.resize(static_cast<size_t>(size));
  if (size == 0) {
    stream.read_all = true;
  } else if (stream.ended || drop_) {
    return;
  } else {
    Corrupt(stream, bytes);
  }
  stream.queued_bytes += bytes.size();
  stream.queue.push_back({absl::Now() + delay_, std::move(bytes)});
}

void FaultProxy::Write(Relay& relay, Stream& stream, int to, absl::Time now) {
  while (!stream.queue.empty() && stream.queue.front().due <= now) {
    const std::string& bytes = stream.queue.front().bytes;
    if (bytes.empty()) {
      if (!std::exchange(stream.ended, true)) shutdown(to, SHUT_WR);
      stream.queue.pop_front();
      continue;
    }
    const size_t most = byte_by_byte_ ? 1 : bytes.size() - stream.written;
    const ssize_t size = send(to, bytes.data() + stream.written, most, MSG_NOSIGNAL);
    if (size < 0) {
      if (!MayTryAgain(errno)) Close(relay, /*by_reset=*/true);
      return;
    }
    stream.written += static_cast<size_t>(size);
    stream.queued_bytes -= static_cast<size_t>(size);
    if (stream.written == bytes.size()) {
      stream.queue.pop_front();
      stream.written = 0;
    }
    if (byte_by_byte_) return;
  }
}

void FaultProxy::Corrupt(Stream& stream, std::string& bytes) {
  RecordReader& record = stream.records;
  for (char& c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (record.header_bytes < kTlsHeaderBytes) {
      // Type, two bytes of version, two of length.
      if (record.header_bytes == 0) record.type = byte;
      if (record.header_bytes == 3) record.left = byte * 256;
      if (record.header_bytes == 4) record.left += byte;
      ++record.header_bytes;
    } else {
      --record.left;
      if (stream.corrupt_next && record.type == kApplicationData) {
        c = static_cast<char>(byte ^ 1);
        stream.corrupt_next = false;
        stream.corrupted = true;
        ++corrupted_;
      }
    }
    if (record.header_bytes == kTlsHeaderBytes && record.left == 0) record.header_bytes = 0;
  }
}

}  // namespace chanpool::fault
