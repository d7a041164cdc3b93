#include "pool/grpc/target_name.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace chanpool {
namespace {

constexpr char kDefaultPort[] = "443";  // gRPC's own, for a DNS name without one.

bool IsPort(absl::string_view text) {
  int port = 0;
  return absl::SimpleAtoi(text, &port) && port > 0 && port < 65536 &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

bool IsHost(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
  });
}

// "host", "host:port", "[v6]", "[v6]:port" or a bare v6; false for anything else.
bool SplitHostPort(absl::string_view text, std::string* host, std::string* port) {
  *port = kDefaultPort;
  if (absl::ConsumePrefix(&text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return false;
    *host = std::string(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (text.empty()) return true;
    if (!absl::ConsumePrefix(&text, ":")) return false;
    *port = std::string(text);
    return IsPort(text);
  }
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || text.find(':', colon + 1) != absl::string_view::npos) {
    *host = std::string(text);
    return true;
  }
  *host = std::string(text.substr(0, colon));
  *port = std::string(text.substr(colon + 1));
  return IsPort(*port);
}

TargetName ParseDns(absl::string_view rest) {
  TargetName name;
  if (absl::ConsumePrefix(&rest, "//")) {
    const size_t slash = rest.find('/');
    if (slash == absl::string_view::npos) return name;
    name.dns_server = std::string(rest.substr(0, slash));
    rest.remove_prefix(slash + 1);
  } else {
    absl::ConsumePrefix(&rest, "/");
  }
  if (!SplitHostPort(rest, &name.host, &name.port)) return name;
  name.authority = std::string(rest);
  const std::string address = AddressTarget(name.host, name.port);
  if (!address.empty()) {
    name.kind = TargetName::Kind::kAddresses;
    name.addresses.push_back(address);
  } else if (IsHost(name.host)) {
    name.kind = TargetName::Kind::kName;
  }
  return name;
}

TargetName ParseAddresses(absl::string_view scheme, absl::string_view rest) {
  TargetName name;
  if (absl::ConsumePrefix(&rest, "//")) {
    if (!absl::ConsumePrefix(&rest, "/")) return name;  // An authority, which gRPC refuses here.
  } else {
    absl::ConsumePrefix(&rest, "/");
  }
  for (const absl::string_view address : absl::StrSplit(rest, ',')) {
    std::string host, port;
    if (!SplitHostPort(address, &host, &port)) return name;
    const std::string dialled = AddressTarget(host, port);
    if (!absl::StartsWith(dialled, scheme)) return name;
    if (std::find(name.addresses.begin(), name.addresses.end(), dialled) == name.addresses.end()) {
      name.addresses.push_back(dialled);
    }
  }
  name.kind = TargetName::Kind::kAddresses;
  name.authority = std::string(rest);
  return name;
}

}  // namespace

std::string AddressTarget(const std::string& ip, absl::string_view port) {
  in6_addr ignored;
  if (inet_pton(AF_INET, ip.c_str(), &ignored) == 1) return absl::StrCat("ipv4:", ip, ":", port);
  if (inet_pton(AF_INET6, ip.c_str(), &ignored) == 1) return absl::StrCat("ipv6:[", ip, "]:", port);
  return "";
}

TargetName ParseTarget(absl::string_view target) {
  TargetName name;
  const size_t colon = target.find(':');
  const absl::string_view scheme = colon == absl::string_view::npos ? "" : target.substr(0, colon);
  if (scheme == "dns") return ParseDns(target.substr(colon + 1));
  if (scheme == "ipv4" || scheme == "ipv6") return ParseAddresses(scheme, target.substr(colon + 1));
  if (scheme == "unix" || scheme == "unix-abstract") {
    name.kind = TargetName::Kind::kAddresses;
    name.addresses.emplace_back(target);
    return name;
  }
  // No scheme: but "xds:///orders" is no host, since what follows its colon is no port.
  name = ParseDns(absl::StrCat("///", target));
  if (target.empty() || name.kind == TargetName::Kind::kOther) return TargetName();
  return name;
}

}  // namespace chanpool
