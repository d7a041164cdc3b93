// A DNS server in this process, on a UDP port of its own: it answers what a test has set, and counts what it is asked.
//
//   DnsServer dns;
//   dns.Set("orders.test", {"127.0.0.1", "127.0.0.2"}, absl::Seconds(30));
//   options.dns.servers = {dns.address()};
//   EXPECT_EQ(dns.queries(DnsServer::kA), 1);
//
// A name that is not set does not exist.
#ifndef CHANPOOL_TESTS_FAKES_DNS_SERVER_H_
#define CHANPOOL_TESTS_FAKES_DNS_SERVER_H_

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "pool/core/mutex.h"

namespace chanpool::testing {

// Thread-safe.
class DnsServer {
 public:
  enum Type { kA = 1, kAaaa = 28 };
  enum class Reply {
    kAnswer,
    kFailure,  // SERVFAIL.
    kSilence,
  };

  DnsServer();
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  std::string address() const;  // "127.0.0.1:40123"

  // Addresses of both families, from now on.
  void Set(const std::string& name, std::vector<std::string> ips, absl::Duration ttl);
  // What becomes of queries of this type from now on.
  void SetReply(Type type, Reply reply);
  void SetReplies(Reply reply);

  int queries(Type type) const;  // Resends too.

 private:
  struct Record {
    std::vector<std::string> ips;
    absl::Duration ttl;
  };

  void Serve();
  // Empty: none.
  std::string AnswerTo(const std::string& query);

  int socket_ = -1;
  int port_ = 0;
  mutable Mutex mu_;
  std::map<std::string, Record> records_ ABSL_GUARDED_BY(mu_);
  std::map<int, Reply> replies_ ABSL_GUARDED_BY(mu_);
  std::map<int, int> queries_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_FAKES_DNS_SERVER_H_
