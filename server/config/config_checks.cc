#include "server/config/config_checks.h"

#include <arpa/inet.h>
#include <google/protobuf/descriptor.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "pool/core/endpoint.h"
#include "pool/core/options.h"
#include "pool/grpc/diversity_options.h"
#include "pool/grpc/dns_options.h"
#include "pool/grpc/keepalive.h"
#include "pool/grpc/retry_policy.h"
#include "pool/grpc/tls_options.h"
#include "pool/grpc/transport_options.h"
#include "server/admin/pool_name.h"
#include "server/admin/pool_options_proto.h"
#include "server/admin/proto_time.h"
#include "server/config/diversity_keys.h"
#include "server/config/effective_options.h"
#include "server/config/endpoint_keys.h"
#include "server/config/printable_text.h"
#include "server/config/retry_keys.h"
#include "server/config/transport_keys.h"

namespace chanpool::config {
namespace {

using chanpool::config::v1::AdminListener;
using chanpool::config::v1::Config;
using chanpool::config::v1::Keepalive;
using chanpool::config::v1::PoolConfig;
using chanpool::config::v1::Tls;
using google::protobuf::Descriptor;

// sun_path without its closing zero.
constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr uint32_t kMaxPort = 65535;

bool IsIpAddress(const std::string& address) {
  in6_addr parsed;
  return inet_pton(AF_INET, address.c_str(), &parsed) == 1 || inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

bool IsLoopback(const std::string& address) {
  in_addr v4;
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// Options under which every value that is right by itself is right: by them one finds all that is wrong, one after the
// other, although Validate stops at the first.
chanpool::PoolOptions Tolerant() {
  chanpool::PoolOptions options;
  options.min_connections = 0;
  options.max_connections = kMaxConnections;
  options.max_surge = 0;
  options.backoff_initial = absl::Milliseconds(1);
  options.backoff_max = absl::Seconds(admin::kMaxProtoSeconds - 1);
  return options;
}

// "max_connections: 0 is below 1; set at least 1", taken apart.
struct OptionProblem {
  std::string option;
  std::string message;
  std::string hint;
};

OptionProblem TakeApart(const absl::Status& status) {
  const std::pair<absl::string_view, absl::string_view> name_rest =
      absl::StrSplit(status.message(), absl::MaxSplits(": ", 1));
  const size_t hint = name_rest.second.rfind("; ");
  if (hint == absl::string_view::npos) return {std::string(name_rest.first), std::string(name_rest.second), ""};
  return {std::string(name_rest.first), std::string(name_rest.second.substr(0, hint)),
          std::string(name_rest.second.substr(hint + 2))};
}

// All that is wrong with `options`.
std::vector<OptionProblem> Problems(chanpool::PoolOptions options) {
  static const auto* tolerant = new chanpool::config::v1::PoolOptions(admin::ToProto(Tolerant()));
  std::vector<OptionProblem> problems;
  const int fields = tolerant->GetDescriptor()->field_count();
  while (static_cast<int>(problems.size()) < fields) {  // Each turn mends one.
    const absl::Status valid = options.Validate();
    if (valid.ok()) break;
    problems.push_back(TakeApart(valid));
    admin::ApplyField(*tolerant, problems.back().option, options).IgnoreError();
  }
  return problems;
}

class Checker {
 public:
  Checker(const Config& config, const SourceMap& sources, const TlsCheck& check_tls, Diagnostics& errors,
          Diagnostics& warnings)
      : config_(config), sources_(sources), check_tls_(check_tls), errors_(errors), warnings_(warnings) {}

  void Check() {
    if (Has("version") && config_.version() != 1) {
      Error("version", "UNSUPPORTED_VERSION", absl::StrCat(config_.version(), " is no version of this format"),
            "write 1");
    }
    for (int i = 0; i < config_.admin().listeners_size(); ++i) CheckAdminListener(i);
    CheckHttp();
    CheckSocket("attach.uds", config_.attach().uds());
    CheckDefaults();
    for (int i = 0; i < config_.pools_size(); ++i) CheckPool(i);
  }

 private:
  bool Has(const std::string& path) const { return sources_.Find(path) != nullptr; }

  void Error(const std::string& path, absl::string_view code, absl::string_view message, absl::string_view hint = "") {
    errors_.Add(PlaceOf(path), path, code, message, hint);
  }
  void Warn(const std::string& path, absl::string_view code, absl::string_view message, absl::string_view hint = "") {
    warnings_.Add(PlaceOf(path), path, code, message, hint);
  }

  // Of what is not in the file: where what is around it stands.
  Place PlaceOf(std::string path) const {
    while (!Has(path) && !path.empty())
      path.erase(path.find_last_of(".[", path.size()) == std::string::npos ? 0 : path.find_last_of(".["));
    const Place* place = sources_.Find(path);
    return place == nullptr ? Place{} : *place;
  }

  // --- Listeners ---

  void CheckAdminListener(int index) {
    const std::string path = absl::StrCat("admin.listeners[", index, "]");
    if (!Has(path)) return;
    const AdminListener& listener = config_.admin().listeners(index);
    const bool uds = Has(path + ".uds") || sources_.IsUnreadable(path + ".uds");
    const bool tcp = Has(path + ".tcp") || sources_.IsUnreadable(path + ".tcp");
    if (uds == tcp) {
      Error(path, "LISTENER_KIND", uds ? "is both a UNIX socket and TCP" : "is neither a UNIX socket nor TCP",
            "write either uds or tcp; one item for each socket");
    }
    CheckSocket(path + ".uds", listener.uds());
    if (!Has(path + ".tcp")) return;
    const std::string address = listener.tcp().address().empty() ? "127.0.0.1" : listener.tcp().address();
    if (Has(path + ".tcp.address") && !IsLoopback(listener.tcp().address())) {
      Error(path + ".tcp.address", "INVALID_ADDRESS",
            absl::StrCat(Quoted(listener.tcp().address()), " is no loopback address, and there is no encryption"),
            "write 127.0.0.1 or \"::1\"");
    }
    CheckPort(path + ".tcp", address, listener.tcp().port());
    if (listener.tcp().role() == chanpool::config::v1::ROLE_OPERATOR) {
      Warn(path + ".tcp.role", "OPERATOR_ON_TCP", "every user of this machine may drain and change pools",
           "a UNIX socket knows who connects");
    }
  }

  void CheckHttp() {
    if (!Has("http.listen")) return;
    const auto& listen = config_.http().listen();
    if (Has("http.listen.address") && !IsIpAddress(listen.address())) {
      Error("http.listen.address", "INVALID_ADDRESS", absl::StrCat(Quoted(listen.address()), " is no IP address"),
            "write 127.0.0.1, or another address of this machine");
    }
    CheckPort("http.listen", listen.address().empty() ? "127.0.0.1" : listen.address(), listen.port());
  }

  void CheckPort(const std::string& path, const std::string& address, uint32_t port) {
    if (!Has(path + ".port")) return;
    if (port > kMaxPort) {
      Error(path + ".port", "OUT_OF_RANGE", absl::StrCat(port, " is no port"), "write 0 to 65535; 0 takes a free one");
    } else if (port != 0) {
      for (const auto& [other, other_path] : ports_[port]) {
        if (!Overlap(address, other)) continue;
        return Error(path + ".port", "DUPLICATE_ADDRESS", TakenBy(absl::StrCat("port ", port), other_path),
                     "choose another, or 0");
      }
      ports_[port].emplace_back(address, path + ".port");
    }
  }

  // Whether one port cannot be bound on both.
  static bool Overlap(const std::string& a, const std::string& b) {
    const auto any = [](const std::string& address) { return address == "0.0.0.0" || address == "::"; };
    return a == b || any(a) || any(b);
  }

  template <typename Listener>  // UdsListener or AttachListener.
  void CheckSocket(const std::string& path, const Listener& listener) {
    if (Has(path + ".mode") && !IsMode(listener.mode())) {
      Error(path + ".mode", "INVALID_MODE", absl::StrCat(Quoted(listener.mode()), " is no mode of a file"),
            "write three octal digits after a zero, such as \"0600\"");
    }
    const std::string key = path + ".path";
    if (!Has(key)) return;
    const std::string& file = listener.path();
    if (!absl::StartsWith(file, "/") || absl::EndsWith(file, "/")) {
      return Error(key, "INVALID_PATH", absl::StrCat(Quoted(file), " is not the absolute path of a file"),
                   "such as /run/chanpool/admin.sock");
    }
    if (file.size() > kMaxSocketPath) {
      return Error(key, "INVALID_PATH", absl::StrCat("has ", file.size(), " bytes"),
                   absl::StrCat("a UNIX socket's path has at most ", kMaxSocketPath));
    }
    const auto [first, is_first] = socket_paths_.emplace(file, key);
    if (!is_first) Error(key, "DUPLICATE_ADDRESS", TakenBy(Quoted(file), first->second), "choose another");
  }

  static bool IsMode(absl::string_view mode) {
    return mode.size() == 4 && mode[0] == '0' &&
           std::all_of(mode.begin(), mode.end(), [](char c) { return c >= '0' && c <= '7'; });
  }

  std::string TakenBy(const std::string& what, const std::string& path) const {
    return absl::StrCat(what, " is taken by ", path, " on line ", PlaceOf(path).line);
  }

  // --- Pools ---

  // Each value by itself. What they are together only the pools can say.
  void CheckDefaults() {
    const chanpool::config::v1::PoolOptions& defaults = config_.defaults();
    const Descriptor& descriptor = *defaults.GetDescriptor();
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const std::string& option = descriptor.field(i)->name();
      if (!Has("defaults." + option)) continue;
      chanpool::PoolOptions alone = Tolerant();
      absl::Status valid = admin::ApplyField(defaults, option, alone);
      if (valid.ok()) valid = alone.Validate();
      if (valid.ok()) continue;
      const OptionProblem problem = TakeApart(valid);
      Error("defaults." + option, "OUT_OF_RANGE", problem.message, problem.hint);
      bad_defaults_.insert(option);
    }
  }

  void CheckPool(int index) {
    const PoolConfig& pool = config_.pools(index);
    const std::string path = absl::StrCat("pools[", index, "]");
    if (!Has(path)) return;
    CheckName(path + ".name", pool.name());
    if (Has(path + ".target") && absl::StripAsciiWhitespace(pool.target()).empty()) {
      Error(path + ".target", "INVALID_TARGET", "is empty", "write a gRPC name, such as dns:///orders:50051");
    }
    if (pool.has_keepalive()) CheckKeepalive(path + ".keepalive", pool.keepalive());
    CheckAll(path, RetryProblems(ToRetryOptions(pool.retry())));
    CheckTransport(path, pool.transport());
    if (pool.has_tls()) CheckTls(path, pool.tls());
    CheckEndpoints(path + ".endpoints", pool);
    if (pool.has_dns()) CheckDns(path, pool.dns());
    if (pool.has_diversity()) CheckDiversity(path, pool.diversity());
    CheckOptions(path, pool);
  }

  void CheckAll(const std::string& path, const std::vector<absl::Status>& problems) {
    for (const absl::Status& wrong : problems) {
      const OptionProblem problem = TakeApart(wrong);
      Error(absl::StrCat(path, ".", problem.option), "OUT_OF_RANGE", problem.message, problem.hint);
    }
  }

  void CheckTransport(const std::string& path, chanpool::config::v1::Transport transport) {
    // Whether the others make sense beside it is not known.
    if (sources_.IsUnreadable(path + ".transport.bdp_probe")) transport.set_bdp_probe(false);
    CheckAll(path, TransportProblems(ToTransportOptions(transport)));
  }

  void CheckName(const std::string& path, const std::string& name) {
    if (!Has(path)) return;
    if (!admin::IsPoolName(name)) {
      return Error(path, "INVALID_NAME", absl::StrCat(Quoted(name), " is no name of a pool"),
                   "a small letter, then at most 62 small letters, digits or hyphens, not ending in a hyphen");
    }
    const auto [first, is_first] = names_.emplace(name, path);
    if (!is_first) Error(path, "DUPLICATE_NAME", TakenBy(Quoted(name), first->second), "each pool has its own name");
  }

  void CheckKeepalive(const std::string& path, const Keepalive& keepalive) {
    // What is read is a valid message, and never negative.
    const absl::Duration time = admin::FromProto(keepalive.time()).value_or(absl::ZeroDuration());
    const absl::Duration timeout = admin::FromProto(keepalive.timeout()).value_or(absl::ZeroDuration());
    if (Has(path + ".time") && time <= absl::ZeroDuration()) {
      Error(path + ".time", "OUT_OF_RANGE", "must be longer than nothing", "to have no pings leave keepalive out");
    } else if (Has(path + ".time") && time < kStockServersPingFloor) {
      Warn(
          path + ".time", "FREQUENT_PINGS",
          absl::StrCat(admin::DurationText(time), " is shorter than what stock servers allow: they answer with GOAWAY ",
                       "too_many_pings, which ends the connection"),
          "write at least 5m, or be sure that the server permits it");
    }
    if (Has(path + ".timeout") && timeout <= absl::ZeroDuration()) {
      Error(path + ".timeout", "OUT_OF_RANGE", "must be longer than nothing", "such as 20s, the default");
    }
  }

  // The files are looked at once all that is written about them is right.
  void CheckTls(const std::string& pool, const Tls& tls) {
    const std::string path = pool + ".tls";
    bool readable = true;
    for (const char* key : {"ca_file", "certificate_file", "key_file", "server_name", "check_every"}) {
      readable = readable && !sources_.IsUnreadable(absl::StrCat(path, ".", key));
    }
    bool right = true;
    const auto wrong = [&](const std::string& key, const char* code, const std::string& message, const char* hint) {
      Error(key, code, message, hint);
      right = false;
    };
    for (const auto& [key, file] : {std::pair{".ca_file", &tls.ca_file()},
                                    {".certificate_file", &tls.certificate_file()},
                                    {".key_file", &tls.key_file()}}) {
      if (!Has(path + key) || absl::StartsWith(*file, "/")) continue;
      wrong(path + key, "INVALID_PATH", absl::StrCat(Quoted(*file), " is not the absolute path of a file"),
            "such as /etc/chanpool/orders.pem");
    }
    if (readable && Has(path + ".certificate_file") != Has(path + ".key_file")) {
      wrong(path, "TLS_PAIR", Has(path + ".key_file") ? "certificate_file is missing" : "key_file is missing",
            "write both to show a certificate to servers, or neither");
    }
    const absl::Duration every = admin::FromProto(tls.check_every()).value_or(absl::ZeroDuration());
    if (Has(path + ".check_every") && every < kShortestTlsCheck) {
      wrong(path + ".check_every", "OUT_OF_RANGE", absl::StrCat(admin::DurationText(every), " is shorter than 100ms"),
            "such as 10s, the default");
    }
    if (!readable || !right || check_tls_ == nullptr) return;
    const absl::Status valid = check_tls_(tls);
    if (valid.ok()) return;
    const OptionProblem problem = TakeApart(valid);
    Error(absl::StrCat(pool, ".", problem.option), "TLS_FILE", problem.message, problem.hint);
  }

  void CheckEndpoints(const std::string& path, const PoolConfig& pool) {
    std::map<std::string, std::string> taken;
    for (int i = 0; i < pool.endpoints_size(); ++i) {
      const std::string address = absl::StrCat(path, "[", i, "].address"),
                        weight = absl::StrCat(path, "[", i, "].weight");
      const chanpool::config::v1::Endpoint& endpoint = pool.endpoints(i);
      if (Has(address) && absl::StripAsciiWhitespace(endpoint.address()).empty()) {
        Error(address, "INVALID_TARGET", "is empty", "write an address, such as ipv4:10.0.0.1:50051");
      } else if (Has(address)) {
        const auto [first, is_first] = taken.emplace(endpoint.address(), address);
        if (!is_first) {
          Error(address, "DUPLICATE_ADDRESS", TakenBy(Quoted(endpoint.address()), first->second),
                "an address that should get more has a higher weight");
        }
      }
      if (Has(weight) && (endpoint.weight() < 1 || endpoint.weight() > kMaxWeight)) {
        Error(weight, "OUT_OF_RANGE", absl::StrCat("must be 1 to ", kMaxWeight), "to give it nothing leave it out");
      }
    }
  }

  void CheckDns(const std::string& path, const chanpool::config::v1::Dns& dns) {
    const absl::Status valid = chanpool::Validate(ToDnsOptions(dns));
    if (valid.ok()) return;
    const OptionProblem problem = TakeApart(valid);
    const std::string key = absl::StrCat(path, ".", problem.option);
    // max_ttl may be the default, and min_ttl above it.
    Error(Has(key) ? key : path + ".dns", "OUT_OF_RANGE", problem.message, problem.hint);
  }

  // Each key by itself, since Validate stops at the first that is wrong.
  void CheckDiversity(const std::string& pool, const chanpool::config::v1::Diversity& diversity) {
    const auto check = [&](const DiversityOptions& options) {
      const absl::Status valid = chanpool::Validate(options);
      if (valid.ok()) return;
      const OptionProblem problem = TakeApart(valid);
      Error(absl::StrCat(pool, ".", problem.option), "OUT_OF_RANGE", problem.message, problem.hint);
    };
    const std::string header = pool + ".diversity.backend_header";
    if (Has(header) && diversity.backend_header().empty()) {
      Error(header, "OUT_OF_RANGE", "names no key", "to know no backends leave diversity out");
    }
    DiversityOptions one;
    one.backend_header = diversity.backend_header();
    check(one);
    one = ToDiversityOptions(diversity);
    one.backend_header = "";
    check(one);
  }

  void CheckOptions(const std::string& path, const PoolConfig& pool) {
    chanpool::PoolOptions options = EffectiveOptions(config_, pool);
    const Descriptor& descriptor = *pool.options().GetDescriptor();
    const chanpool::config::v1::PoolOptions tolerant = admin::ToProto(Tolerant());
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const std::string& option = descriptor.field(i)->name();
      const std::string key = absl::StrCat(path, ".", option);
      bool settled = sources_.IsUnreadable(key) ||
                     (!Has(key) && (bad_defaults_.count(option) > 0 || sources_.IsUnreadable("defaults." + option)));
      chanpool::PoolOptions unused;
      const absl::Status held = admin::ApplyField(pool.options(), option, unused);
      if (!held.ok()) {
        const OptionProblem problem = TakeApart(held);
        Error(key, "OUT_OF_RANGE", problem.message, problem.hint);
        settled = true;
      }
      // An error has been told: what this option is compared with shall not have another for it.
      if (settled) admin::ApplyField(tolerant, option, options).IgnoreError();
    }
    for (const OptionProblem& problem : Problems(options)) {
      const std::string key = absl::StrCat(path, ".", problem.option);
      if (Has(key)) {
        Error(key, "OUT_OF_RANGE", problem.message, problem.hint);
      } else {
        const std::string from = Has("defaults." + problem.option) ? "from defaults" : "the built-in default";
        Error(path, "OUT_OF_RANGE", absl::StrCat(problem.option, " (", from, "): ", problem.message),
              absl::StrCat(problem.hint, " in this pool"));
      }
    }
    if (options.max_age < options.connect_timeout) {
      const std::string key = Has(path + ".max_age") ? path + ".max_age" : path;
      Warn(key, "SHORT_MAX_AGE",
           absl::StrCat("max_age ", admin::DurationText(options.max_age), " is shorter than connect_timeout ",
                        admin::DurationText(options.connect_timeout),
                        ": a connection may be replaced sooner than another can be made"));
    }
  }

  const Config& config_;
  const SourceMap& sources_;
  const TlsCheck& check_tls_;
  Diagnostics& errors_;
  Diagnostics& warnings_;
  std::map<std::string, std::string> names_;         // To the key that has it.
  std::map<std::string, std::string> socket_paths_;  // To the key that has it.
  // Addresses, and the keys that have them, of each port.
  std::map<uint32_t, std::vector<std::pair<std::string, std::string>>> ports_;
  std::set<std::string> bad_defaults_;
};

}  // namespace

void CheckConfig(const Config& config, const SourceMap& sources, const TlsCheck& check_tls, Diagnostics& errors,
                 Diagnostics& warnings) {
  Checker(config, sources, check_tls, errors, warnings).Check();
}

}  // namespace chanpool::config
