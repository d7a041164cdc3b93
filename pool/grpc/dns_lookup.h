// One look-up of one name in one address family, by c-ares: hosts file, search domains, servers, TTLs.
//
//   auto lookup = DnsLookup::Begin("orders", AF_INET, servers, absl::Seconds(5), [](absl::StatusOr<DnsAnswer> a)
//   {...}); lookup->Cancel();                                     // when it has taken too long; tells nothing any more
//
// A family at a time, since c-ares holds the answer of one back until it knows the other: a server that does not answer
// for AAAA would hide what it has said for A.
#ifndef CHANPOOL_POOL_GRPC_DNS_LOOKUP_H_
#define CHANPOOL_POOL_GRPC_DNS_LOOKUP_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/grpc/dns_thread.h"

struct ares_channeldata;

namespace chanpool {

// A plain value.
struct DnsAnswer {
  std::vector<std::string> ips;  // Best first (RFC 6724). At least one.
  absl::Duration ttl;            // The shortest. Infinite: nobody was asked, it is in the hosts file.
};

// On the DnsThread only.
class DnsLookup : public DnsThread::Watched, public std::enable_shared_from_this<DnsLookup> {
 public:
  using Then = std::function<void(absl::StatusOr<DnsAnswer> answer)>;

  // `then` runs once on the DnsThread, maybe inside this call, unless Cancel comes first. It fails with
  //   kNotFound     there is no such name, or it has no address of this family;
  //   kUnavailable  no server answered, or one that cannot.
  // Each server is asked again after a quarter of `timeout`; the whole is the caller's to limit.
  static std::shared_ptr<DnsLookup> Begin(const std::string& host, int family, const std::vector<std::string>& servers,
                                          absl::Duration timeout, Then then);
  ~DnsLookup() override;
  void Cancel();
  // Whether `then` has run, or never will.
  bool over() const { return then_ == nullptr; }

  int AddTo(std::vector<pollfd>* fds) override;
  void Ready(const pollfd* fds, size_t n) override;

 private:
  explicit DnsLookup(Then then) : then_(std::move(then)) {}
  void Ask(const std::string& host, int family, const std::vector<std::string>& servers, absl::Duration timeout);
  void EndIfAnswered();

  ares_channeldata* channel_ = nullptr;
  Then then_;  // Null once told.
  bool asked_ = false;
  bool answered_ = false;
  absl::StatusOr<DnsAnswer> answer_ = absl::UnknownError("not asked");
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_DNS_LOOKUP_H_
