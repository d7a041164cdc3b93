#include "tests/config/random_config.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/admin/proto_time.h"

namespace chanpool::config {
namespace {

using chanpool::config::v1::Config;

class Generator {
 public:
  explicit Generator(std::mt19937& random) : random_(random) {}

  Config Make() {
    Config config;
    config.set_version(1);
    if (Maybe()) {
      auto& admin = *config.mutable_admin();
      for (uint32_t i = Number(0, 3); i > 0; --i) Listener(*admin.add_listeners());
    }
    if (Maybe()) {
      if (Maybe()) Port(*config.mutable_http()->mutable_listen());
      config.mutable_http();
    }
    if (Maybe()) Socket(*config.mutable_attach()->mutable_uds());
    if (Maybe()) {
      config.mutable_defaults();
      if (Maybe()) Options(*config.mutable_defaults());
    }
    for (uint32_t i = Number(0, 4); i > 0; --i) Pool(*config.add_pools());
    return config;
  }

 private:
  bool Maybe() { return random_() % 2 == 0; }
  uint32_t Number(uint32_t least, uint32_t most) { return least + random_() % (most - least + 1); }

  google::protobuf::Duration Duration(absl::Duration least, absl::Duration most) {
    static constexpr absl::Duration kUnits[] = {absl::Nanoseconds(1), absl::Milliseconds(1), absl::Seconds(1),
                                                absl::Minutes(1), absl::Hours(1)};
    const absl::Duration some = kUnits[random_() % 5] * static_cast<int64_t>(Number(0, 100000));
    return admin::ToProto(std::clamp(some, least, most));
  }

  // Everything that a reader could take for something else, and text of all alphabets.
  std::string Text() {
    static const auto* texts = new std::vector<std::string>{"0600",
                                                            "yes",
                                                            "NO",
                                                            "~",
                                                            "null",
                                                            "1.5",
                                                            "-",
                                                            "- a",
                                                            "a: b",
                                                            "a #b",
                                                            "#",
                                                            "'",
                                                            "\"",
                                                            "\\",
                                                            "\\n",
                                                            "{}",
                                                            "[a]",
                                                            "&a",
                                                            "*a",
                                                            "!a",
                                                            "|",
                                                            ">",
                                                            "%",
                                                            "@a",
                                                            "`",
                                                            "?",
                                                            ":",
                                                            "a:",
                                                            " a ",
                                                            "2001-01-01",
                                                            "1:30",
                                                            "0x1f",
                                                            "0o7",
                                                            "1e3",
                                                            ".inf",
                                                            "+.NaN",
                                                            "<<",
                                                            "=",
                                                            "---",
                                                            "...",
                                                            "dns:///orders:50051",
                                                            "unix:/a b",
                                                            "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                                                            "\xe2\x80\xa8",
                                                            "\xef\xbb\xbf",
                                                            "\xc2\xa0",
                                                            "1_000",
                                                            "y",
                                                            "infinite",
                                                            "5m"};
    std::string text = (*texts)[random_() % texts->size()];
    while (Maybe()) text += (*texts)[random_() % texts->size()];
    return text;
  }

  template <typename Listener>
  void Socket(Listener& listener) {
    listener.set_path(absl::StrCat("/", Text(), ++unique_));
    if (Maybe()) listener.set_mode(absl::StrCat("0", Number(0, 7), Number(0, 7), Number(0, 7)));
    for (uint32_t i = Number(0, 3); i > 0; --i) listener.add_allow_uids(random_());
  }

  template <typename Listener>
  void Port(Listener& listener) {
    if (Maybe()) listener.set_address(Maybe() ? "::1" : "127.0.0.1");
    listener.set_port(Maybe() ? 0 : 1000 + ++unique_);
  }

  void Listener(chanpool::config::v1::AdminListener& listener) {
    const auto role = static_cast<chanpool::config::v1::Role>(Number(0, 2));
    if (Maybe()) {
      Socket(*listener.mutable_uds());
      listener.mutable_uds()->set_role(role);
    } else {
      Port(*listener.mutable_tcp());
      listener.mutable_tcp()->set_role(role);
    }
  }

  void Pool(chanpool::config::v1::PoolConfig& pool) {
    pool.set_name(absl::StrCat(Maybe() ? "pool-" : "y", ++unique_));
    pool.set_target(absl::StrCat(Text(), "x"));
    if (Maybe()) {
      auto& keepalive = *pool.mutable_keepalive();
      *keepalive.mutable_time() = Duration(absl::Nanoseconds(1), absl::Hours(9));
      if (Maybe()) *keepalive.mutable_timeout() = Duration(absl::Nanoseconds(1), absl::Hours(9));
      keepalive.set_permit_without_calls(Maybe());
    }
    if (Maybe()) Retry(*pool.mutable_retry());
    if (Maybe() && Maybe()) Transport(*pool.mutable_transport());
    for (uint32_t i = Maybe() ? Number(1, 3) : 0; i > 0; --i) {
      auto& endpoint = *pool.add_endpoints();
      endpoint.set_address(absl::StrCat(Text(), ++unique_));
      if (Maybe()) endpoint.set_weight(Number(1, 1000));
    }
    if (Maybe()) {
      auto& dns = *pool.mutable_dns();
      for (uint32_t i = Number(0, 2); i > 0; --i) dns.add_servers(Maybe() ? "10.0.0.2" : "[::1]:53");
      if (Maybe()) *dns.mutable_timeout() = Duration(absl::Milliseconds(10), absl::Minutes(1));
      if (Maybe()) *dns.mutable_min_ttl() = Duration(absl::Seconds(1), absl::Minutes(5));
      if (Maybe()) *dns.mutable_max_ttl() = Duration(absl::Minutes(5), absl::Hours(24));
      if (Maybe()) *dns.mutable_min_interval() = Duration(absl::ZeroDuration(), absl::Hours(1));
    }
    if (Maybe() && Maybe()) {
      pool.mutable_diversity()->set_backend_header("x-backend");
      if (Maybe()) pool.mutable_diversity()->set_rerolls_per_minute(Number(0, 60));
    }
    if (Maybe()) {
      pool.mutable_health()->set_check(static_cast<chanpool::config::v1::HealthCheck>(1 + random_() % 2));
      if (Maybe()) pool.mutable_health()->set_service("shop.Orders");
    }
    if (Maybe()) {
      auto& tls = *pool.mutable_tls();
      if (Maybe()) tls.set_ca_file(absl::StrCat("/", Text()));
      if (Maybe()) {
        tls.set_certificate_file(absl::StrCat("/", Text()));
        tls.set_key_file(absl::StrCat("/", Text()));
      }
      if (Maybe()) tls.set_server_name(Text());
      if (Maybe()) *tls.mutable_check_every() = Duration(absl::Milliseconds(100), absl::Hours(9));
    }
    if (Maybe()) {
      Options(*pool.mutable_options());
      // In a file a pool has options only if it has one.
      if (pool.options().ByteSizeLong() == 0) pool.clear_options();
    }
  }

  void Retry(chanpool::config::v1::Retry& retry) {
    for (uint32_t i = Number(0, 2); i > 0; --i) {
      auto& policy = *retry.add_calls();
      for (uint32_t j = Number(i == 1 ? 0 : 1, 2); j > 0; --j) policy.add_methods(absl::StrCat("a.B/C", ++unique_));
      policy.set_max_attempts(Number(2, 5));
      for (uint32_t j = Number(0, 2); j > 0; --j) {
        policy.add_codes(static_cast<chanpool::config::v1::StatusCode>(Number(1, 16)));
      }
      if (Maybe()) *policy.mutable_initial_backoff() = Duration(absl::Milliseconds(1), absl::Seconds(1));
      if (Maybe()) *policy.mutable_max_backoff() = Duration(absl::Seconds(1), absl::Hours(24));
      if (Maybe()) policy.set_backoff_multiplier(1 + Number(0, 99000000) / 1e6);
      if (Maybe()) *policy.mutable_attempt_timeout() = Duration(absl::Milliseconds(1), absl::Hours(24));
      if (Maybe()) *policy.mutable_timeout() = Duration(absl::Milliseconds(1), absl::Hours(24));
      policy.set_wait_for_ready(Maybe());
    }
    if (Maybe() && retry.calls_size() > 0) retry.set_max_tokens(Number(0, 1000));
    if (Maybe()) retry.set_token_ratio(Number(1, 1000000) / 1e3);
    if (Maybe()) retry.set_buffer_bytes(Number(0, 1u << 30));
  }

  void Transport(chanpool::config::v1::Transport& transport) {
    if (Maybe()) transport.set_max_receive_message_bytes(Number(1024, INT_MAX));
    if (Maybe()) transport.set_max_send_message_bytes(Number(1024, INT_MAX));
    if (Maybe()) transport.set_max_metadata_bytes(Number(1024, 16 << 20));
    if (Maybe()) transport.set_user_agent_prefix(absl::StrCat("orders/1.4 (", ++unique_, ")"));
    transport.set_compression(static_cast<chanpool::config::v1::Compression>(Number(0, 3)));
    if (Maybe()) transport.set_bdp_probe(Maybe());
    if (transport.has_bdp_probe() && !transport.bdp_probe()) {
      if (Maybe()) transport.set_initial_window_bytes(Number(1024, INT_MAX));
      if (Maybe()) transport.set_max_frame_bytes(Number(16384, (1 << 24) - 1));
    }
    if (Maybe()) transport.set_write_buffer_bytes(Number(0, 64 << 20));
    if (Maybe()) transport.set_hpack_decoder_bytes(Number(0, 1 << 20));
    if (Maybe()) transport.set_hpack_encoder_bytes(Number(0, 1 << 20));
    if (Maybe()) transport.set_http_proxy(Maybe());
  }

  // Such that those of one pool are valid over those of any defaults.
  void Options(chanpool::config::v1::PoolOptions& options) {
    const absl::Duration longest = absl::Hours(100000);
    if (Maybe()) options.set_min_connections(Number(0, 1));
    if (Maybe()) options.set_max_connections(Number(1, 4096));
    if (Maybe()) options.set_max_leases_per_connection(Number(1, 65535));
    if (Maybe()) options.set_target_leases_per_connection(Number(1, 65535));
    if (Maybe()) options.set_max_surge(Number(0, 1));
    if (Maybe()) options.set_max_waiters(Number(0, 1000000));
    if (Maybe()) *options.mutable_connect_timeout() = Duration(absl::Milliseconds(1), longest);
    if (Maybe()) *options.mutable_acquire_timeout() = Duration(absl::ZeroDuration(), longest);
    if (Maybe()) *options.mutable_max_idle() = Duration(absl::Milliseconds(1), longest);
    if (Maybe())
      *options.mutable_max_age() =
          Maybe() ? admin::ToProto(absl::InfiniteDuration()) : Duration(absl::Milliseconds(1), longest);
    if (Maybe()) options.set_max_age_jitter(Number(0, 1000000) / 1e6 / (Maybe() ? 1 : 3));
    if (Maybe()) *options.mutable_drain_grace() = Duration(absl::ZeroDuration(), longest);
    options.set_overflow(static_cast<chanpool::config::v1::OverflowPolicy>(Number(0, 2)));
    if (Maybe()) *options.mutable_backoff_initial() = Duration(absl::Milliseconds(1), absl::Seconds(1));
    if (Maybe()) *options.mutable_backoff_max() = Duration(absl::Seconds(1), longest);
    if (Maybe()) options.set_preconnect_ratio(1 + Number(0, 2000000) / 1e6);
    if (Maybe()) options.set_max_connecting(Number(1, 4096));
    if (Maybe()) options.set_max_connects_per_second(Number(1, 1000000) / 1e3);
    if (Maybe()) *options.mutable_shrink_interval() = Duration(absl::Seconds(1), longest);
    if (Maybe()) *options.mutable_shrink_cooldown() = Duration(absl::ZeroDuration(), longest);
    if (Maybe()) options.set_max_shrink_step(Number(1, 4096));
    options.set_selection(static_cast<chanpool::config::v1::SelectionPolicy>(Number(0, 5)));
    if (Maybe()) *options.mutable_leak_after() = Duration(absl::Milliseconds(1), longest);
    if (Maybe()) *options.mutable_validate_after_idle() = Duration(absl::Milliseconds(1), longest);
    if (Maybe()) *options.mutable_validate_every() = Duration(absl::Milliseconds(1), longest);
    if (Maybe()) *options.mutable_probe_after_silence() = Duration(absl::Milliseconds(1), longest);
    if (Maybe()) *options.mutable_probe_timeout() = Duration(absl::Milliseconds(1), longest);
    if (Maybe()) options.set_subset_size(Number(0, 1000000));
    if (Maybe()) *options.mutable_slow_start() = Duration(absl::ZeroDuration(), longest);
    if (Maybe()) options.set_max_ejected(Number(0, 1000) / 1e3);
    if (Maybe()) *options.mutable_ejection_time() = Duration(absl::Milliseconds(1), longest);
  }

  std::mt19937& random_;
  uint32_t unique_ = 0;
};

}  // namespace

Config RandomConfig(std::mt19937& random) { return Generator(random).Make(); }

}  // namespace chanpool::config
