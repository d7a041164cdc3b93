// How a pool resolves its target's name.
//
//   ChannelPoolOptions options{.target = "dns:///orders:50051"};
//   options.dns.servers = {"10.0.0.2"};          // default: those of /etc/resolv.conf
//
// One look-up serves the whole pool until its answer's TTL is over. What it does not read: a service config from TXT
// records; give one in channel_arguments.
#ifndef CHANPOOL_POOL_GRPC_DNS_OPTIONS_H_
#define CHANPOOL_POOL_GRPC_DNS_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace chanpool {

// A plain value. A change takes a Redirect.
struct DnsOptions {
  // Name servers: "10.0.0.2", "10.0.0.2:5353", "[2001:db8::2]:53"; at most kMaxDnsServers, tried in order. Default
  // empty: what the target itself names (dns://SERVER/HOST), else those of /etc/resolv.conf. The hosts file comes first
  // in either case, and search domains hold.
  std::vector<std::string> servers = {};

  // The longest that one look-up may take, over all servers and resends; 10 ms to 1 min. More holds calls up for longer
  // while no server answers at the pool's beginning.
  absl::Duration timeout = absl::Seconds(5);

  // An answer counts as good for its TTL, but not shorter and not longer than these. A lower minimum asks servers that
  // give short TTLs more often; a higher maximum notices new servers later. At least 1 s, at most 24 h.
  absl::Duration min_ttl = absl::Seconds(5);
  absl::Duration max_ttl = absl::Minutes(5);

  // A lost connection or a failed dial asks again before the TTL is over, but not sooner than this after the last
  // look-up began; so does an answer that failed. 0 to 1 h. Less finds moved servers sooner, and asks more in an
  // outage.
  absl::Duration min_interval = absl::Seconds(10);
};
inline constexpr int kMaxDnsServers = 8;

bool operator==(const DnsOptions& a, const DnsOptions& b);

// OK, or kInvalidArgument: the option, and the nearest value that makes sense.
absl::Status Validate(const DnsOptions& options);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_DNS_OPTIONS_H_
