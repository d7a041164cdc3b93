// Which of several addresses answers first: a TCP connection to each, all but the first given up.
//
//   auto race = AddressRace::Begin({{"10.0.0.1", 50051}, {"2001:db8::1", 50051}}, [](std::optional<size_t> first)
//   {...}); race->Cancel();                                             // when it has taken too long
//
// A channel to one address holds the calls that were given to it until its dial ends. So the first one must be to an
// address that is there, and not to one of a dead family, or to the one server of three that is down.
#ifndef CHANPOOL_POOL_GRPC_ADDRESS_RACE_H_
#define CHANPOOL_POOL_GRPC_ADDRESS_RACE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pool/grpc/dns_thread.h"

namespace chanpool {

// A plain value.
struct IpPort {
  std::string ip;  // Numeric.
  int port = 0;
};

// On the DnsThread only.
class AddressRace : public DnsThread::Watched, public std::enable_shared_from_this<AddressRace> {
 public:
  using Then = std::function<void(std::optional<size_t> first)>;

  // `then` runs once on the DnsThread, after this call, unless Cancel comes first: with the index of the first that
  // accepted, or nullopt when none did. Has no limit in time of its own. At most kAtOnce dials at a time, in order.
  static std::shared_ptr<AddressRace> Begin(std::vector<IpPort> addresses, Then then);
  static constexpr size_t kAtOnce = 8;

  ~AddressRace() override;
  void Cancel();

  int AddTo(std::vector<pollfd>* fds) override;
  void Ready(const pollfd* fds, size_t n) override;

 private:
  struct Dial {
    int fd;
    size_t index;
  };

  AddressRace(std::vector<IpPort> addresses, Then then) : addresses_(std::move(addresses)), then_(std::move(then)) {}
  void DialNext();

  const std::vector<IpPort> addresses_;
  Then then_;
  size_t next_ = 0;
  std::vector<Dial> dials_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_ADDRESS_RACE_H_
