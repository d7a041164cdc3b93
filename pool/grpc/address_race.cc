#include "pool/grpc/address_race.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace chanpool {
namespace {

// A socket that dials; -1 when that failed at once.
int Dialling(const IpPort& to) {
  sockaddr_in v4 = {};
  sockaddr_in6 v6 = {};
  const bool is_v4 = inet_pton(AF_INET, to.ip.c_str(), &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, to.ip.c_str(), &v6.sin6_addr) != 1) return -1;
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(static_cast<uint16_t>(to.port));
  const int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const auto* address = is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  if (connect(fd, address, is_v4 ? sizeof(v4) : sizeof(v6)) == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

}  // namespace

std::shared_ptr<AddressRace> AddressRace::Begin(std::vector<IpPort> addresses, Then then) {
  std::shared_ptr<AddressRace> race(new AddressRace(std::move(addresses), std::move(then)));
  race->DialNext();
  DnsThread::Get()->Watch(race);
  return race;
}

AddressRace::~AddressRace() {
  for (const Dial& dial : dials_) close(dial.fd);
}

void AddressRace::Cancel() {
  then_ = nullptr;
  DnsThread::Get()->Unwatch(this);
}

void AddressRace::DialNext() {
  while (dials_.size() < kAtOnce && next_ < addresses_.size()) {
    const int fd = Dialling(addresses_[next_]);
    if (fd >= 0) dials_.push_back({fd, next_});
    ++next_;
  }
}

int AddressRace::AddTo(std::vector<pollfd>* fds) {
  for (const Dial& dial : dials_) fds->push_back({dial.fd, POLLOUT, 0});
  return dials_.empty() ? 0 : -1;
}

void AddressRace::Ready(const pollfd* fds, size_t n) {
  const std::shared_ptr<AddressRace> keep = shared_from_this();
  std::optional<size_t> first;
  for (size_t i = n; i-- > 0;) {  // From the end, so that erasing keeps the places of the rest.
    if (fds[i].revents == 0) continue;
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) {
      first = dials_[i].index;
    } else {
      close(dials_[i].fd);
      dials_.erase(dials_.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  if (!first) DialNext();
  if (!first && !dials_.empty()) return;
  DnsThread::Get()->Unwatch(this);
  if (then_ != nullptr) std::exchange(then_, nullptr)(first);
}

}  // namespace chanpool
