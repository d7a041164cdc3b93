#include "pool/grpc/dns_options.h"

#include <tuple>

#include "absl/strings/str_cat.h"
#include "pool/grpc/target_name.h"

namespace chanpool {
namespace {

absl::Status CheckRange(const char* name, absl::Duration value, absl::Duration least, absl::Duration most) {
  if (least <= value && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("dns.", name, ": ", absl::FormatDuration(value), " is not between ",
                                                 absl::FormatDuration(least), " and ", absl::FormatDuration(most),
                                                 "; set ", absl::FormatDuration(value < least ? least : most)));
}

}  // namespace

bool operator==(const DnsOptions& a, const DnsOptions& b) {
  const auto all = [](const DnsOptions& o) {
    return std::tie(o.servers, o.timeout, o.min_ttl, o.max_ttl, o.min_interval);
  };
  return all(a) == all(b);
}

absl::Status Validate(const DnsOptions& options) {
  if (options.servers.size() > kMaxDnsServers) {
    return absl::InvalidArgumentError(
        absl::StrCat("dns.servers: ", options.servers.size(), " are more than ", kMaxDnsServers));
  }
  for (const std::string& server : options.servers) {
    // Reads addresses with and without a port as a target does.
    if (ParseTarget(absl::StrCat("dns:///", server)).kind == TargetName::Kind::kAddresses) continue;
    return absl::InvalidArgumentError(absl::StrCat("dns.servers: \"", server,
                                                   "\" is no address of a server; set one such as 10.0.0.2, "
                                                   "10.0.0.2:5353 or [2001:db8::2]:53"));
  }
  absl::Status valid = CheckRange("timeout", options.timeout, absl::Milliseconds(10), absl::Minutes(1));
  if (valid.ok()) valid = CheckRange("min_ttl", options.min_ttl, absl::Seconds(1), absl::Hours(24));
  if (valid.ok()) valid = CheckRange("max_ttl", options.max_ttl, options.min_ttl, absl::Hours(24));
  if (valid.ok()) valid = CheckRange("min_interval", options.min_interval, absl::ZeroDuration(), absl::Hours(1));
  return valid;
}

}  // namespace chanpool
