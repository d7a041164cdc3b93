#include "pool/grpc/dns_lookup.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pool/core/check.h"

namespace chanpool {
namespace {

constexpr int kTries = 4;           // Of each server.
constexpr int kMaxAddresses = 256;  // Of an answer: what a UDP answer of the largest usual size carries, and again.

// "localhost" has a loopback address of either family, whatever the hosts file says (RFC 6761). c-ares adds the one
// that is missing there, and leaks its name each time (1.18): so it is asked for what the file has, and we add.
bool IsLocalhost(const std::string& host) { return absl::EqualsIgnoreCase(host, "localhost"); }

std::string Loopback(int family) { return family == AF_INET ? "127.0.0.1" : "::1"; }

absl::Status StatusOf(int ares_status, const std::string& host, int family) {
  const std::string what =
      absl::StrCat("name \"", host, "\": ", ares_strerror(ares_status), " (", family == AF_INET ? "A" : "AAAA", ")");
  return ares_status == ARES_ENOTFOUND || ares_status == ARES_ENODATA ? absl::NotFoundError(what)
                                                                      : absl::UnavailableError(what);
}

std::string TextOf(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* bytes = address->sa_family == AF_INET
                          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr)
                          : &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  return inet_ntop(address->sa_family, bytes, text, sizeof(text)) != nullptr ? text : "";
}

}  // namespace

std::shared_ptr<DnsLookup> DnsLookup::Begin(const std::string& host, int family,
                                            const std::vector<std::string>& servers, absl::Duration timeout,
                                            Then then) {
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  CHANPOOL_CHECK(library == ARES_SUCCESS);
  std::shared_ptr<DnsLookup> lookup(new DnsLookup(std::move(then)));
  lookup->Ask(host, family, servers, timeout);
  lookup->EndIfAnswered();
  if (lookup->then_ != nullptr) DnsThread::Get()->Watch(lookup);
  return lookup;
}

void DnsLookup::Ask(const std::string& host, int family, const std::vector<std::string>& servers,
                    absl::Duration timeout) {
  // A channel for each look-up reads resolv.conf anew, and sends from another port, which is harder to forge.
  ares_options options = {};
  options.timeout = static_cast<int>(std::max<int64_t>(absl::ToInt64Milliseconds(timeout / kTries), 1));
  options.tries = kTries;
  int made = ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  if (made == ARES_SUCCESS && !servers.empty()) {
    made = ares_set_servers_ports_csv(channel_, absl::StrJoin(servers, ",").c_str());
  }
  if (made != ARES_SUCCESS) {
    answered_ = true;
    answer_ = StatusOf(made, host, family);
    return;
  }
  struct Query {
    DnsLookup* lookup;
    std::string host;
    int family;
  };
  ares_addrinfo_hints hints = {};
  hints.ai_family = IsLocalhost(host) ? AF_UNSPEC : family;
  // Called exactly once, also by ares_destroy.
  const ares_addrinfo_callback callback = [](void* arg, int status, int, ares_addrinfo* result) {
    const std::unique_ptr<Query> query(static_cast<Query*>(arg));
    DnsLookup& lookup = *query->lookup;
    lookup.answered_ = true;
    if (status != ARES_SUCCESS) {
      lookup.answer_ = StatusOf(status, query->host, query->family);
      return;
    }
    DnsAnswer answer;
    answer.ttl = absl::InfiniteDuration();
    for (const ares_addrinfo_node* node = result->nodes; node != nullptr; node = node->ai_next) {
      std::string ip = TextOf(node->ai_addr);
      if (node->ai_family != query->family || ip.empty() || answer.ips.size() == kMaxAddresses) continue;
      if (std::find(answer.ips.begin(), answer.ips.end(), ip) != answer.ips.end()) continue;
      answer.ips.push_back(std::move(ip));
      if (lookup.asked_) answer.ttl = std::min(answer.ttl, absl::Seconds(node->ai_ttl));
    }
    ares_freeaddrinfo(result);
    if (answer.ips.empty() && IsLocalhost(query->host)) answer.ips.push_back(Loopback(query->family));
    if (answer.ips.empty()) {
      lookup.answer_ = StatusOf(ARES_ENODATA, query->host, query->family);
    } else {
      lookup.answer_ = std::move(answer);
    }
  };
  ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, callback, new Query{this, host, family});
  asked_ = true;  // What is answered after this came from a server.
}

DnsLookup::~DnsLookup() {
  then_ = nullptr;
  if (channel_ != nullptr) ares_destroy(channel_);
}

void DnsLookup::Cancel() {
  then_ = nullptr;
  DnsThread::Get()->Unwatch(this);
}

void DnsLookup::EndIfAnswered() {
  if (!answered_ || then_ == nullptr) return;
  const std::shared_ptr<DnsLookup> keep = shared_from_this();
  DnsThread::Get()->Unwatch(this);
  std::exchange(then_, nullptr)(std::move(answer_));
}

int DnsLookup::AddTo(std::vector<pollfd>* fds) {
  ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
  const int wanted = ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM);
  for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    short events = 0;
    if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
    if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
    if (events != 0) fds->push_back({sockets[i], events, 0});
  }
  timeval limit = {};
  if (ares_timeout(channel_, nullptr, &limit) == nullptr) return -1;
  return static_cast<int>(limit.tv_sec * 1000 + (limit.tv_usec + 999) / 1000);
}

void DnsLookup::Ready(const pollfd* fds, size_t n) {
  for (size_t i = 0; i < n && !answered_; ++i) {
    const short events = fds[i].revents;
    ares_process_fd(channel_, (events & ~POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD,
                    (events & POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD);
  }
  if (!answered_) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // Resends.
  EndIfAnswered();
}

}  // namespace chanpool
