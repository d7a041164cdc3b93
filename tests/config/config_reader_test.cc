#include "server/config/config_reader.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/endpoint.h"
#include "pool/grpc/dns_options.h"
#include "pool/grpc/transport_options.h"
#include "server/config/diagnostics.h"
#include "server/config/endpoint_keys.h"
#include "server/config/transport_keys.h"

namespace chanpool::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::string FieldNames(const google::protobuf::Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  return absl::StrJoin(names, ", ");
}

std::vector<std::string> Formatted(const std::vector<chanpool::admin::v1::ConfigDiagnostic>& diagnostics) {
  std::vector<std::string> texts;
  for (const auto& diagnostic : diagnostics) texts.push_back(FormatDiagnostic(diagnostic));
  return texts;
}

std::vector<std::string> Errors(const std::string& yaml) { return Formatted(ReadConfig(yaml, "f").diagnostics); }
std::vector<std::string> Warnings(const std::string& yaml) { return Formatted(ReadConfig(yaml, "f").warnings); }

// One pool with these lines of its own.
std::string Pool(const std::string& lines) {
  return absl::StrCat("version: 1\npools:\n  - name: orders\n    target: dns:///orders\n", lines);
}

TEST(ConfigReaderTest, ReadsEveryKindOfValue) {
  const ReadResult read = ReadConfig(
      "version: 1\n"
      "admin:\n"
      "  listeners:\n"
      "    - uds: {path: /run/a.sock, mode: \"0660\", allow_uids: [1000, 1001], role: viewer}\n"
      "pools:\n"
      "  - name: orders\n"
      "    target: 'dns:///orders:50051'\n"
      "    keepalive: {time: 6m, permit_without_calls: true}\n"
      "    max_connections: 32\n"
      "    max_age: infinite\n"
      "    connect_timeout: 250ms\n"
      "    max_age_jitter: 0.25\n"
      "    overflow: reject\n",
      "f");
  EXPECT_THAT(Formatted(read.diagnostics), IsEmpty());
  EXPECT_THAT(read.warnings, IsEmpty());
  const auto& uds = read.config.admin().listeners(0).uds();
  EXPECT_EQ(uds.path(), "/run/a.sock");
  EXPECT_EQ(uds.mode(), "0660");
  EXPECT_THAT(uds.allow_uids(), ElementsAre(1000, 1001));
  EXPECT_EQ(uds.role(), chanpool::config::v1::ROLE_VIEWER);
  const auto& pool = read.config.pools(0);
  EXPECT_EQ(pool.target(), "dns:///orders:50051");
  EXPECT_EQ(pool.keepalive().time().seconds(), 360);
  EXPECT_TRUE(pool.keepalive().permit_without_calls());
  EXPECT_EQ(pool.options().max_connections(), 32u);
  EXPECT_EQ(pool.options().max_age().seconds(), 315576000000);
  EXPECT_EQ(pool.options().connect_timeout().nanos(), 250000000);
  EXPECT_EQ(pool.options().max_age_jitter(), 0.25);
  EXPECT_EQ(pool.options().overflow(), chanpool::config::v1::OVERFLOW_POLICY_REJECT);
  EXPECT_FALSE(pool.options().has_max_idle());
}

struct Mistake {
  std::string name;
  std::string yaml;
  std::string error;
};

class ConfigMistakeTest : public testing::TestWithParam<Mistake> {};

TEST_P(ConfigMistakeTest, IsToldOnceWithItsPlace) {
  EXPECT_THAT(Errors(GetParam().yaml), ElementsAre(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Text, ConfigMistakeTest,
    testing::ValuesIn(std::vector<Mistake>{
        {"Empty", "", "f: is empty (the least there can be is: version: 1)"},
        {"OnlyAComment", "# nothing\n", "f: is empty (the least there can be is: version: 1)"},
        {"OnlyABeginning", "---\n", "f: is empty (the least there can be is: version: 1)"},
        {"NoMap", "- version\n", "f:1:1: is a list, not a map of keys"},
        {"ByteOrderMark", "\xef\xbb\xbfversion: 1\n",
         "f:1:1: begins with a byte order mark (save it as UTF-8 without one)"},
        {"Latin1", "version: 1\n# caf\xe9\n", "f:2:6: byte 0xe9 is not UTF-8 (save the file as UTF-8)"},
        {"Overlong", "# \xc0\xaf\nversion: 1\n", "f:1:3: byte 0xc0 is not UTF-8 (save the file as UTF-8)"},
        {"Surrogate", "# \xed\xa0\x80\nversion: 1\n", "f:1:3: byte 0xed is not UTF-8 (save the file as UTF-8)"},
        {"Nul", std::string("version: 1\n# \0\n", 15), "f:2:3: control character 0x00"},
        {"Escape", "version: 1\n# \x1b[31m\n", "f:2:3: control character 0x1b"},
        {"LoneCarriageReturn", "version: 1\r# x\n", "f:1:11: control character 0x0d"},
        {"Tab", "version: 1\nadmin:\n\tlisteners: []\n",
         "f:3:1: a tab (indent and separate by spaces; in a text write \\t)"},
        {"Syntax", "version: 1\nadmin: {listeners: [}\n", "f:2:21: no YAML: illegal flow end"},
        {"SecondDocument", "version: 1\n---\nversion: 1\n", "f:2:1: a second document (one file has one)"},
        {"Anchor", "version: &v 1\n", "f:1:10: an anchor (write the value out where it is needed)"},
        {"UndefinedAlias", "version: *v\n", "f:1:10: an alias (write the value out)"},
        {"Tag", "version: !!int 1\n", "f:1:10: a tag (the key says the type; remove the tag)"},
        {"BareTag", "version: 1\nadmin: ! {}\n", "f:2:8: a tag (the key says the type; remove the tag)"},
        {"MergeKey", "version: 1\nadmin: {<<: {}}\n",
         "f:2:9: admin: a merge key (write the keys out; what pools share goes in defaults)"},
        {"DuplicateKey", "version: 1\nadmin: {}\nversion: 1\n",
         "f:3:1: version: is there twice, first on line 1 (remove one)"},
        {"KeyThatIsAList", "version: 1\n? [a]\n: 1\n", "f:2:3: a key must be a word"},
        {"UnknownKey", "version: 1\nadmim: {}\n", "f:2:1: admim: unknown key (did you mean admin?)"},
        {"UnknownKeyOfAnotherStyle", Pool("    Max-Connections: 1\n"),
         "f:5:5: pools[0].Max-Connections: unknown key (did you mean max_connections?)"},
        {"UnknownKeyThatIsNearNone", "version: 1\nhttp: {tls: {}}\n",
         "f:2:8: http.tls: unknown key (the keys here are listen)"},
        {"InlinedMessage", Pool("    options: {}\n"),
         absl::StrCat(
             "f:5:5: pools[0].options: unknown key (the keys here are name, target, keepalive, retry, health, tls, "
             "endpoints, dns, transport, diversity, ",
             FieldNames(*chanpool::config::v1::PoolOptions::descriptor()), ")")},
        {"NullMap", "version: 1\nadmin:\n", "f:2:1: admin: has no value (remove the key, or write {})"},
        {"NullList", "version: 1\npools: ~\n", "f:2:1: pools: has no value (remove the key, or write [])"},
        {"NullValue", "version:\n", "f:1:1: version: has no value (remove the key)"},
        {"ListForMap", "version: 1\nadmin: []\n", "f:2:8: admin: is a list, not a map of keys"},
        {"MapForList", "version: 1\npools: {}\n", "f:2:8: pools: is a map of keys, not a list"},
        {"ValueForList", "version: 1\npools: orders\n", "f:2:8: pools: is one value, not a list"},
        {"ListForValue", "version: [1]\n", "f:1:10: version: is a list, not one value"},
        // Columns count characters, not bytes.
        {"AfterUmlauts", "version: 1\npools: [{name: a, target: \"\xc3\xa4\xc3\xb6\", overflow: 1}]\n",
         "f:2:43: pools[0].overflow: \"1\" is not overcommit or reject"},
    }),
    [](const auto& mistake) { return mistake.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Values, ConfigMistakeTest,
    testing::ValuesIn(std::vector<Mistake>{
        {"BoolYes", Pool("    keepalive: {time: 6m, permit_without_calls: yes}\n"),
         "f:5:49: pools[0].keepalive.permit_without_calls: \"yes\" is not true or false (write true or false, in small "
         "letters, without quotes)"},
        {"BoolCapital", Pool("    keepalive: {time: 6m, permit_without_calls: True}\n"),
         "f:5:49: pools[0].keepalive.permit_without_calls: \"True\" is not true or false (write true or false, in "
         "small "
         "letters, without quotes)"},
        {"IntegerText", Pool("    max_connections: many\n"),
         "f:5:22: pools[0].max_connections: \"many\" is not a whole number (write it in decimal digits, without "
         "quotes)"},
        {"IntegerInQuotes", Pool("    max_connections: '5'\n"),
         "f:5:22: pools[0].max_connections: \"5\" is not a whole number (write it in decimal digits, without quotes)"},
        {"IntegerHex", Pool("    max_connections: 0x10\n"),
         "f:5:22: pools[0].max_connections: \"0x10\" is not a whole number (write it in decimal digits, without "
         "quotes)"},
        {"IntegerOctal", Pool("    max_connections: 010\n"),
         "f:5:22: pools[0].max_connections: \"010\" is not a decimal number (remove the zero before it; permissions go "
         "in "
         "quotes)"},
        {"IntegerFraction", Pool("    max_connections: 1.5\n"),
         "f:5:22: pools[0].max_connections: \"1.5\" is not a whole number (write it in decimal digits, without "
         "quotes)"},
        {"IntegerNegative", Pool("    max_connections: -1\n"),
         "f:5:22: pools[0].max_connections: \"-1\" is not from 0 to 4294967295"},
        {"IntegerHuge", Pool("    max_connections: 4294967296\n"),
         "f:5:22: pools[0].max_connections: \"4294967296\" is not from 0 to 4294967295"},
        {"IntegerAboveOurs", Pool("    max_waiters: 4294967295\n"),
         "f:5:18: pools[0].max_waiters: 4294967295 is above any limit (set at most 2147483647)"},
        {"DoubleInfinite", Pool("    max_age_jitter: .inf\n"),
         "f:5:21: pools[0].max_age_jitter: \".inf\" is not a number (write it like 0.1, without quotes)"},
        {"DoubleHuge", Pool("    max_age_jitter: 1e999\n"), "f:5:21: pools[0].max_age_jitter: \"1e999\" is too large"},
        {"DurationWithoutUnit", Pool("    max_idle: 30\n"),
         "f:5:15: pools[0].max_idle: \"30\" is not a duration: it has no unit (write 250ms, 2s, 5m or 1h, or "
         "infinite)"},
        {"DurationZeroWithoutUnit", Pool("    drain_grace: 0\n"),
         "f:5:18: pools[0].drain_grace: \"0\" is not a duration: it has no unit (write 250ms, 2s, 5m or 1h)"},
        {"DurationOfDays", Pool("    max_idle: 1d\n"),
         "f:5:15: pools[0].max_idle: \"1d\" is not a duration (write 250ms, 2s, 5m or 1h, or infinite)"},
        {"DurationNegative", Pool("    max_idle: -5s\n"),
         "f:5:15: pools[0].max_idle: \"-5s\" is not a duration (write 250ms, 2s, 5m or 1h, or infinite)"},
        {"DurationTooLong", Pool("    max_idle: 99999999999999h\n"),
         "f:5:15: pools[0].max_idle: \"99999999999999h\" is longer than 10000 years (write infinite)"},
        {"DurationInfinite", Pool("    connect_timeout: infinite\n"),
         "f:5:22: pools[0].connect_timeout: must not be infinite (write how long, such as 30s)"},
        {"EnumTypingMistake", Pool("    overflow: rejekt\n"),
         "f:5:15: pools[0].overflow: \"rejekt\" is not overcommit or reject (did you mean reject?)"},
        {"EnumUnspecified", Pool("    overflow: unspecified\n"),
         "f:5:15: pools[0].overflow: \"unspecified\" is not overcommit or reject"},
        {"EnumNumber", Pool("    overflow: 1\n"), "f:5:15: pools[0].overflow: \"1\" is not overcommit or reject"},
        {"TextThatIsANumber", "version: 1\nattach: {uds: {path: /a, mode: 0600}}\n",
         "f:2:32: attach.uds.mode: \"0600\" is not a text: it reads as a number or a constant (put it in quotes: "
         "\"0600\")"},
        {"TextThatIsAConstant", "version: 1\npools: [{name: no, target: a}]\n",
         "f:2:16: pools[0].name: \"no\" is not a text: it reads as a number or a constant (put it in quotes: \"no\")"},
        {"TextWithEscapedNul", "version: 1\npools: [{name: a, target: \"x\\0y\"}]\n",
         "f:2:27: pools[0].target: \"x\\x00y\" has a control character"},
    }),
    [](const auto& mistake) { return mistake.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Sense, ConfigMistakeTest,
    testing::ValuesIn(std::vector<Mistake>{
        {"NoVersion", "pools: []\n", "f:1:1: version: is missing"},
        {"OtherVersion", "version: 2\n", "f:1:10: version: 2 is no version of this format (write 1)"},
        {"NoTarget", "version: 1\npools:\n  - name: a\n", "f:3:5: pools[0].target: is missing"},
        {"EmptyTarget", "version: 1\npools: [{name: a, target: ''}]\n",
         "f:2:27: pools[0].target: is empty (write a gRPC name, such as dns:///orders:50051)"},
        {"NameWithCapital", "version: 1\npools: [{name: Orders, target: a}]\n",
         "f:2:16: pools[0].name: \"Orders\" is no name of a pool (a small letter, then at most 62 small letters, "
         "digits "
         "or hyphens, not ending in a hyphen)"},
        {"TwoPoolsOfOneName",
         "version: 1\npools:\n- {name: a, target: a}\n- {name: b, target: a}\n- {name: a, target: b}\n",
         "f:5:10: pools[2].name: \"a\" is taken by pools[0].name on line 3 (each pool has its own name)"},
        {"OptionOfThePool", Pool("    max_connections: 0\n"),
         "f:5:22: pools[0].max_connections: 0 is below 1 (set at least 1)"},
        {"OptionOfDefaults", "version: 1\ndefaults: {max_connections: 5000}\npools: [{name: a, target: a}]\n",
         "f:2:29: defaults.max_connections: 5000 is above 4096, the most one pool manages (set at most 4096)"},
        {"OptionAgainstADefault",
         "version: 1\ndefaults: {min_connections: 8}\npools: [{name: a, target: a, "
         "max_connections: 5}]\n",
         "f:3:9: pools[0]: min_connections (from defaults): 8 is above max_connections (5) (set at most 5 in this "
         "pool)"},
        {"OptionAgainstTheBuiltIn", Pool("    backoff_initial: 20s\n"),
         "f:3:5: pools[0]: backoff_max (the built-in default): 10s is shorter than backoff_initial (20s) (set at least "
         "20s in this pool)"},
        // Nothing follows from what could not be read.
        {"OptionBesideAnUnreadableOne", Pool("    max_connections: many\n    min_connections: 20\n"),
         "f:5:22: pools[0].max_connections: \"many\" is not a whole number (write it in decimal digits, without "
         "quotes)"},
        {"TlsRelativePath", Pool("    tls: {ca_file: ca.pem}\n"),
         "f:5:20: pools[0].tls.ca_file: \"ca.pem\" is not the absolute path of a file (such as "
         "/etc/chanpool/orders.pem)"},
        {"TlsHalfAPair", Pool("    tls: {certificate_file: /c.pem}\n"),
         "f:5:10: pools[0].tls: key_file is missing (write both to show a certificate to servers, or neither)"},
        {"TlsOtherHalf", Pool("    tls: {key_file: /c.key}\n"),
         "f:5:10: pools[0].tls: certificate_file is missing (write both to show a certificate to servers, or neither)"},
        {"TlsCheckedTooOften", Pool("    tls: {check_every: 99ms}\n"),
         "f:5:24: pools[0].tls.check_every: 99ms is shorter than 100ms (such as 10s, the default)"},
        {"KeepaliveZero", Pool("    keepalive: {time: 0s}\n"),
         "f:5:23: pools[0].keepalive.time: must be longer than nothing (to have no pings leave keepalive out)"},
        {"DiversityWithoutHeader", Pool("    diversity: {rerolls_per_minute: 6}\n"),
         "f:5:16: pools[0].diversity.backend_header: is missing"},
        {"DiversityOfNoKey", Pool("    diversity: {backend_header: \"\"}\n"),
         "f:5:33: pools[0].diversity.backend_header: names no key (to know no backends leave diversity out)"},
        {"DiversityByABinaryHeader", Pool("    diversity: {backend_header: x-backend-bin}\n"),
         "f:5:33: pools[0].diversity.backend_header: \"x-backend-bin\" is binary, and a name is text (set a key such "
         "as "
         "x-backend)"},
        {"DiversityAboveTheMost", Pool("    diversity: {backend_header: x-backend, rerolls_per_minute: 4294967295}\n"),
         "f:5:64: pools[0].diversity.rerolls_per_minute: 2147483647 is above 60 (set at most 60)"},
        {"HealthWithoutCheck", Pool("    health: {service: shop.Orders}\n"),
         "f:5:13: pools[0].health.check: is missing"},
        {"HealthCheckOfAnotherKind", Pool("    health: {check: ping}\n"),
         "f:5:21: pools[0].health.check: \"ping\" is not check or watch"},
        {"RetryAttempts", Pool("    retry: {calls: [{max_attempts: 9}]}\n"),
         "f:5:36: pools[0].retry.calls[0].max_attempts: 9 is above 5 (set 5)"},
        {"RetryCode", Pool("    retry: {calls: [{codes: [down]}]}\n"),
         "f:5:30: pools[0].retry.calls[0].codes[0]: \"down\" is not cancelled or unknown or invalid_argument or "
         "deadline_exceeded or not_found or already_exists or permission_denied or resource_exhausted or "
         "failed_precondition or aborted or out_of_range or unimplemented or internal or unavailable or data_loss or "
         "unauthenticated"},
        {"RetryMethod", Pool("    retry: {calls: [{}, {methods: [/a.B/C]}]}\n"),
         "f:5:35: pools[0].retry.calls[1].methods: \"/a.B/C\" is no name of a method (set one such as "
         "shop.Orders/GetOrder, or shop.Orders for the whole service)"},
        {"RetryBackoff", Pool("    retry: {calls: [{max_attempts: 2, initial_backoff: 2s}]}\n"),
         "f:5:21: pools[0].retry.calls[0].max_backoff: 1s is shorter than initial_backoff, 2s (set 2s)"},
        {"RetryTokens", Pool("    retry: {max_tokens: 5000, calls: [{max_attempts: 2}]}\n"),
         "f:5:25: pools[0].retry.max_tokens: 5000 is above 1000 (set 1000)"},
        {"TransportMessageTooLarge", Pool("    transport: {max_receive_message_bytes: 4294967295}\n"),
         "f:5:44: pools[0].transport.max_receive_message_bytes: 4294967295 is above 2147483647 (set 2147483647)"},
        {"TransportFrameTooSmall", Pool("    transport: {bdp_probe: false, max_frame_bytes: 100}\n"),
         "f:5:52: pools[0].transport.max_frame_bytes: 100 is below 16384 (set 16384)"},
        {"TransportWindowBesideProbing", Pool("    transport: {initial_window_bytes: 1048576}\n"),
         "f:5:39: pools[0].transport.initial_window_bytes: holds for nothing while bdp_probe is on (set bdp_probe to "
         "false as well, or leave it out)"},
        {"TransportWindowBesideAnUnreadableOne", Pool("    transport: {initial_window_bytes: 9999, bdp_probe: 0}\n"),
         "f:5:56: pools[0].transport.bdp_probe: \"0\" is not true or false (write true or false, in small letters, "
         "without quotes)"},
        {"TransportCompression", Pool("    transport: {compression: zstd}\n"),
         "f:5:30: pools[0].transport.compression: \"zstd\" is not none or deflate or gzip"},
        {"TransportUserAgent", Pool("    transport: {user_agent_prefix: ' a'}\n"),
         "f:5:36: pools[0].transport.user_agent_prefix: has a character that no header may have, or a space at an end "
         "(set one such as orders/1.4)"},
        {"KeepaliveTimeoutZero", Pool("    keepalive: {time: 6m, timeout: 0s}\n"),
         "f:5:36: pools[0].keepalive.timeout: must be longer than nothing (such as 20s, the default)"},
        {"ListenerOfNoKind", "version: 1\nadmin: {listeners: [{}]}\n",
         "f:2:21: admin.listeners[0]: is neither a UNIX socket nor TCP (write either uds or tcp; one item for each "
         "socket)"},
        {"ListenerOfBothKinds", "version: 1\nadmin: {listeners: [{uds: {path: /a}, tcp: {port: 0}}]}\n",
         "f:2:21: admin.listeners[0]: is both a UNIX socket and TCP (write either uds or tcp; one item for each "
         "socket)"},
        {"RelativePath", "version: 1\nattach: {uds: {path: run/a.sock}}\n",
         "f:2:22: attach.uds.path: \"run/a.sock\" is not the absolute path of a file (such as "
         "/run/chanpool/admin.sock)"},
        {"AbstractSocket", "version: 1\nattach: {uds: {path: '@a'}}\n",
         "f:2:22: attach.uds.path: \"@a\" is not the absolute path of a file (such as /run/chanpool/admin.sock)"},
        {"LongPath", absl::StrCat("version: 1\nattach: {uds: {path: /", std::string(107, 'a'), "}}\n"),
         "f:2:22: attach.uds.path: has 108 bytes (a UNIX socket's path has at most 107)"},
        {"ModeOfAnotherKind", "version: 1\nattach: {uds: {path: /a, mode: '0680'}}\n",
         "f:2:32: attach.uds.mode: \"0680\" is no mode of a file (write three octal digits after a zero, such as "
         "\"0600\")"},
        {"SamePathTwice", "version: 1\nadmin: {listeners: [{uds: {path: /a}}]}\nattach: {uds: {path: /a}}\n",
         "f:3:22: attach.uds.path: \"/a\" is taken by admin.listeners[0].uds.path on line 2 (choose another)"},
        {"SamePortTwice", "version: 1\nadmin: {listeners: [{tcp: {port: 9402}}]}\nhttp: {listen: {port: 9402}}\n",
         "f:3:23: http.listen.port: port 9402 is taken by admin.listeners[0].tcp.port on line 2 (choose another, or "
         "0)"},
        {"SamePortOnAnyAddress",
         "version: 1\nadmin: {listeners: [{tcp: {port: 9402}}]}\nhttp: {listen: {address: 0.0.0.0, port: 9402}}\n",
         "f:3:41: http.listen.port: port 9402 is taken by admin.listeners[0].tcp.port on line 2 (choose another, or "
         "0)"},
        {"AdminForTheWorld", "version: 1\nadmin: {listeners: [{tcp: {address: 0.0.0.0, port: 1}}]}\n",
         "f:2:37: admin.listeners[0].tcp.address: \"0.0.0.0\" is no loopback address, and there is no encryption "
         "(write "
         "127.0.0.1 or \"::1\")"},
        {"AdminOnAHostName", "version: 1\nadmin: {listeners: [{tcp: {address: localhost, port: 1}}]}\n",
         "f:2:37: admin.listeners[0].tcp.address: \"localhost\" is no loopback address, and there is no encryption "
         "(write 127.0.0.1 or \"::1\")"},
        {"HttpOnAHostName", "version: 1\nhttp: {listen: {address: here, port: 1}}\n",
         "f:2:26: http.listen.address: \"here\" is no IP address (write 127.0.0.1, or another address of this "
         "machine)"},
        {"NoSuchPort", "version: 1\nhttp: {listen: {port: 65536}}\n",
         "f:2:23: http.listen.port: 65536 is no port (write 0 to 65535; 0 takes a free one)"},
    }),
    [](const auto& mistake) { return mistake.param.name; });

TEST(ConfigReaderTest, TellsAllErrorsAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(
      Errors("version: 3\n"
             "http: {listen: {prot: 1}}\n"
             "defaults: {max_surge: -1, overflow: maybe}\n"
             "pools:\n"
             "  - {name: a, target: a, max_connections: 0, max_waiters: 2000000, max_age_jitter: 2}\n"
             "  - {target: b, connect_timeout: 0s}\n"),
      ElementsAre(StartsWith("f:1:10: version: "), StartsWith("f:2:16: http.listen.port: is missing"),
                  StartsWith("f:2:17: http.listen.prot: "), StartsWith("f:3:23: defaults.max_surge: "),
                  StartsWith("f:3:37: defaults.overflow: "), StartsWith("f:5:43: pools[0].max_connections: "),
                  StartsWith("f:5:59: pools[0].max_waiters: "), StartsWith("f:5:84: pools[0].max_age_jitter: "),
                  StartsWith("f:6:5: pools[1].name: is missing"), StartsWith("f:6:34: pools[1].connect_timeout: ")));
}

TEST(ConfigReaderTest, ReadsEveryKeyOfTransport) {
  const ReadResult read = ReadConfig(
      Pool("    transport:\n"
           "      max_receive_message_bytes: 1024\n      max_send_message_bytes: 1025\n"
           "      max_metadata_bytes: 1026\n      user_agent_prefix: shop/1\n      compression: deflate\n"
           "      bdp_probe: false\n      initial_window_bytes: 1027\n      max_frame_bytes: 16385\n"
           "      write_buffer_bytes: 1028\n      hpack_decoder_bytes: 1029\n      hpack_encoder_bytes: 1030\n"
           "      http_proxy: false\n"),
      "f");
  ASSERT_THAT(Formatted(read.diagnostics), IsEmpty());
  const TransportOptions options = ToTransportOptions(read.config.pools(0).transport());
  EXPECT_EQ(options.max_receive_message_bytes, 1024);
  EXPECT_EQ(options.max_send_message_bytes, 1025);
  EXPECT_EQ(options.max_metadata_bytes, 1026);
  EXPECT_EQ(options.user_agent_prefix, "shop/1");
  EXPECT_EQ(options.compression, Compression::kDeflate);
  EXPECT_FALSE(options.bdp_probe);
  EXPECT_EQ(options.initial_window_bytes, 1027);
  EXPECT_EQ(options.max_frame_bytes, 16385);
  EXPECT_EQ(options.write_buffer_bytes, 1028);
  EXPECT_EQ(options.hpack_decoder_bytes, 1029);
  EXPECT_EQ(options.hpack_encoder_bytes, 1030);
  EXPECT_FALSE(options.http_proxy);
  const ReadResult other = ReadConfig(Pool("    transport: {compression: gzip}\n"), "f");
  EXPECT_EQ(ToTransportOptions(other.config.pools(0).transport()).compression, Compression::kGzip);
}

TEST(ConfigReaderTest, ReadsEndpointsAndDns) {
  const ReadResult read = ReadConfig(Pool("    endpoints: [{address: \"ipv4:10.0.0.1:1\"}, {address: b, weight: 3}]\n"
                                          "    dns: {servers: [10.0.0.2], min_interval: 0s}\n"),
                                     "f");
  ASSERT_THAT(read.diagnostics, IsEmpty());
  const std::vector<Endpoint> endpoints = ToEndpoints(read.config.pools(0));
  ASSERT_THAT(endpoints, SizeIs(2));
  EXPECT_EQ(endpoints[0].address, "ipv4:10.0.0.1:1");
  EXPECT_EQ(endpoints[0].weight, 1);
  EXPECT_EQ(endpoints[1].weight, 3);
  const DnsOptions dns = ToDnsOptions(read.config.pools(0).dns());
  EXPECT_THAT(dns.servers, ElementsAre("10.0.0.2"));
  EXPECT_EQ(dns.min_interval, absl::ZeroDuration());
  EXPECT_EQ(dns.timeout, DnsOptions().timeout);
}

TEST(ConfigReaderTest, EndpointsAndDnsThatMakeNoSenseAreErrors) {
  EXPECT_THAT(
      Errors(Pool("    endpoints: [{address: a}, {address: a}, {address: \"\"}, {address: b, weight: 0}, {weight: 1}]\n"
                  "    dns: {servers: [ns.example]}\n")),
      ElementsAre(StartsWith("f:5:41: pools[0].endpoints[1].address: \"a\" is taken by pools[0].endpoints[0].address"),
                  StartsWith("f:5:55: pools[0].endpoints[2].address: is empty"),
                  StartsWith("f:5:81: pools[0].endpoints[3].weight: must be 1 to 1000"),
                  StartsWith("f:5:85: pools[0].endpoints[4].address: is missing"),
                  StartsWith("f:6:20: pools[0].dns.servers: \"ns.example\" is no address of a server")));
  EXPECT_THAT(Errors(Pool("    dns: {timeout: 1ms}\n")),
              ElementsAre(StartsWith("f:5:20: pools[0].dns.timeout: 1ms is not between 10ms and 1m")));
  EXPECT_THAT(Errors(Pool("    dns: {min_ttl: 10m}\n")), ElementsAre(StartsWith("f:5:10: pools[0].dns: ")));
}

TEST(ConfigReaderTest, TellsTheFirstFiftyOfManyErrors) {
  std::string yaml = "version: 1\n";
  for (int i = 0; i < 200; ++i) absl::StrAppend(&yaml, "unknown", i, ": 1\n");
  const std::vector<std::string> errors = Errors(yaml);
  ASSERT_THAT(errors, SizeIs(50));
  EXPECT_THAT(errors.front(), StartsWith("f:2:1: unknown0"));
  EXPECT_THAT(errors.back(), StartsWith("f:51:1: unknown49"));
}

TEST(ConfigReaderTest, WarnsOfWhatIsAllowedAndProbablyNotMeant) {
  EXPECT_THAT(Warnings(Pool("    keepalive: {time: 30s}\n")),
              ElementsAre(AllOf(StartsWith("f:5:23: pools[0].keepalive.time: 30s is shorter than"),
                                HasSubstr("too_many_pings"))));
  EXPECT_THAT(Warnings(Pool("    keepalive: {time: 5m}\n")), IsEmpty());
  EXPECT_THAT(Warnings(Pool("    max_age: 5s\n")),
              ElementsAre(StartsWith("f:5:14: pools[0].max_age: max_age 5s is shorter than "
                                     "connect_timeout 10s")));
  EXPECT_THAT(Warnings("version: 1\nadmin: {listeners: [{tcp: {port: 0, role: operator}}]}\n"),
              ElementsAre(StartsWith("f:2:43: admin.listeners[0].tcp.role: every user of this machine may")));
}

TEST(ConfigReaderTest, TellsWhatIsWrongWithTlsFilesWhereTheyAreNamed) {
  const TlsCheck no_key = [](const chanpool::config::v1::Tls& tls) {
    return absl::InvalidArgumentError(absl::StrCat("tls.key_file: ", tls.key_file(), " is missing; put it there"));
  };
  const auto errors = [&](const std::string& yaml) {
    std::vector<std::string> texts;
    for (const auto& error : ReadConfig(yaml, "f", no_key).diagnostics) texts.push_back(FormatDiagnostic(error));
    return texts;
  };
  EXPECT_THAT(errors(Pool("    tls: {certificate_file: /c.pem, key_file: /c.key}\n")),
              ElementsAre("f:5:47: pools[0].tls.key_file: /c.key is missing (put it there)"));
  // Not asked of what is not well written.
  EXPECT_THAT(errors(Pool("    tls: {certificate_file: c.pem, key_file: /c.key}\n")),
              ElementsAre(HasSubstr("is not the absolute path of a file")));
  EXPECT_THAT(errors(Pool("    tls: {check_every: often, key_file: /c.key}\n")), ElementsAre(HasSubstr("check_every")));
}

TEST(ConfigReaderTest, CombinesDefaultsOnlyWhereAPoolHasThem) {
  // As a whole these defaults make no sense beside the built-in max_connections; in each pool they do.
  EXPECT_THAT(
      Errors("version: 1\ndefaults: {min_connections: 20}\npools: [{name: a, target: a, max_connections: 30}]\n"),
      IsEmpty());
}

TEST(ConfigReaderTest, LetsSocketsHaveFreePortsSideBySide) {
  EXPECT_THAT(Errors("version: 1\nadmin: {listeners: [{tcp: {port: 0}}, {tcp: {port: 0}}, {tcp: {port: 1}}]}\n"
                     "http: {listen: {address: \"::1\", port: 1}}\n"),
              IsEmpty());
}

TEST(ConfigReaderTest, ReadsWindowsLineEnds) {
  EXPECT_THAT(Errors("version: 1\r\npools: []\r\n"), IsEmpty());
  EXPECT_THAT(Errors("version: 1\r\n\r\nx: 1\r\n"), ElementsAre(StartsWith("f:3:1: x: unknown key")));
}

TEST(ConfigReaderTest, StartsFromAVersionAndNothingElse) {
  EXPECT_EQ(DefaultConfig().ShortDebugString(), "version: 1");
}

// --- Hostile files ---

TEST(HostileConfigTest, AliasesDoNotExplode) {
  std::string yaml = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    absl::StrAppend(&yaml, "a", i, ": &a", i, " [");
    for (int j = 0; j < 9; ++j) absl::StrAppend(&yaml, j > 0 ? ", " : "", "*a", i - 1);
    absl::StrAppend(&yaml, "]\n");
  }
  EXPECT_THAT(Errors(yaml), SizeIs(50));
}

TEST(HostileConfigTest, DepthIsLimited) {
  EXPECT_THAT(Errors(absl::StrCat("version: 1\nadmin: ", std::string(100000, '['))),
              ElementsAre(HasSubstr("nested more than 32 deep")));
  EXPECT_THAT(Errors(absl::StrCat("version: 1\nadmin: ", std::string(100000, '{'))),
              ElementsAre(HasSubstr("nested more than 32 deep")));
  std::string indented;
  for (int i = 0; i < 400; ++i) absl::StrAppend(&indented, std::string(i, ' '), "a:\n");
  EXPECT_THAT(Errors(indented), ElementsAre("f:33:33: nested more than 32 deep"));
}

TEST(HostileConfigTest, SizeIsLimited) {
  EXPECT_THAT(Errors(std::string((1 << 20) + 1, '#')), ElementsAre("f: is larger than 1 MiB (1048576 bytes)"));
  std::string many = "version: 1\nx: [";
  for (int i = 0; i < 100001; ++i) many += "1,";
  EXPECT_THAT(Errors(many + "]\n"), ElementsAre(HasSubstr("more than 100000 keys and values")));
}

TEST(HostileConfigTest, MessagesShowNoTerminalSequences) {
  // YAML can spell what the file may not contain.
  const std::string yaml = "version: 1\n\"\\e[2J\\u202Eevil\": 1\npools: [{name: \"\\e]0;owned\\a\", target: a}]\n";
  const ReadResult read = ReadConfig(yaml, "/etc/\x1b[31m.yaml");
  EXPECT_THAT(Formatted(read.diagnostics),
              ElementsAre(StartsWith("/etc/\\x1b[31m.yaml:2:1: \\x1b[2J\\u202eevil: unknown key"),
                          AllOf(HasSubstr(R"("\x1b]0;owned\x07")"), Not(HasSubstr("\x1b")))));
  for (const auto& diagnostic : read.diagnostics) {
    EXPECT_THAT(diagnostic.SerializeAsString(), Not(HasSubstr("\x1b")));
  }
}

TEST(HostileConfigTest, LongKeysAndValuesAreCutInMessages) {
  const std::string error = Errors(absl::StrCat("version: ", std::string(100000, 'v'), "\n")).front();
  EXPECT_THAT(error, AllOf(HasSubstr("vvv...\""), SizeIs(testing::Lt(200u))));
  EXPECT_THAT(Errors(absl::StrCat("version: 1\n\"", std::string(900, 'k'), "\": 1\n")).front(),
              SizeIs(testing::Lt(300u)));
}

}  // namespace
}  // namespace chanpool::config
