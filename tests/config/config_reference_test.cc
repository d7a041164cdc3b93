#include "server/config/config_reference.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/message_differencer.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pool/core/options.h"
#include "pool/grpc/keepalive.h"
#include "pool/grpc/retry_policy.h"
#include "pool/grpc/tls_options.h"
#include "pool/grpc/transport_options.h"
#include "server/admin/pool_options_proto.h"
#include "server/admin/proto_time.h"
#include "server/config/config_reader.h"
#include "server/config/diagnostics.h"
#include "server/config/endpoint_keys.h"
#include "server/config/retry_keys.h"
#include "server/config/schema.h"
#include "server/config/transport_keys.h"

namespace chanpool::config {
namespace {

using chanpool::config::v1::Config;
using google::protobuf::Descriptor;
using google::protobuf::util::MessageDifferencer;

std::string File(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

Config Read(const std::string& yaml) {
  const ReadResult read = ReadConfig(yaml, "f");
  EXPECT_TRUE(read.diagnostics.empty()) << FormatDiagnostic(read.diagnostics.front());
  EXPECT_TRUE(read.warnings.empty()) << FormatDiagnostic(read.warnings.front());
  return read.config;
}

// "key: default_text" of each field that has one, in one flow map.
std::string DefaultsAsYaml(const Descriptor& message) {
  std::string yaml;
  for (int i = 0; i < message.field_count(); ++i) {
    if (IsRequired(*message.field(i)) || DefaultText(*message.field(i)).empty()) continue;
    absl::StrAppend(&yaml, i > 0 ? ", " : "", message.field(i)->name(), ": ", DefaultText(*message.field(i)));
  }
  return yaml;
}

TEST(ConfigReferenceTest, DocsAreWhatTheProgramSays) {
  EXPECT_EQ(File("docs/config.md"), ConfigReference())
      << "run: bazel run //server/config:config_reference > docs/config.md";
}

TEST(ConfigReferenceTest, TheExampleIsAcceptedAndShowsEveryKey) {
  const std::string page = ConfigReference();
  const size_t begin = page.find("```yaml\n") + 8;
  const std::string example = page.substr(begin, page.find("```", begin) - begin);
  EXPECT_EQ(Read(example).pools_size(), 2);
  std::set<const Descriptor*> seen;
  std::vector<const Descriptor*> left = {Config::descriptor()};
  while (!left.empty()) {
    const Descriptor* message = left.back();
    left.pop_back();
    if (!seen.insert(message).second) continue;
    for (const Key& key : KeysOf(*message)) {
      EXPECT_TRUE(absl::StrContains(example, absl::StrCat(key.field->name(), ":"))) << key.field->full_name();
      if (!IsScalar(*key.field)) left.push_back(key.field->message_type());
    }
  }
}

TEST(ConfigReferenceTest, EveryKeyIsExplained) { EXPECT_FALSE(absl::StrContains(ConfigReference(), "|  |")); }

TEST(ConfigReferenceTest, EveryPoolOptionSaysWhatAChangeOfItTakes) {
  const Descriptor& options = *chanpool::config::v1::PoolOptions::descriptor();
  for (int i = 0; i < options.field_count(); ++i) {
    EXPECT_NE(ReloadOf(*options.field(i), chanpool::config::v1::RELOAD_CLASS_UNSPECIFIED),
              chanpool::config::v1::RELOAD_CLASS_UNSPECIFIED)
        << options.field(i)->name();
  }
}

TEST(ConfigReferenceTest, DefaultsOfPoolOptionsAreTheLibrarys) {
  const Config config = Read(
      absl::StrCat("version: 1\ndefaults: {", DefaultsAsYaml(*chanpool::config::v1::PoolOptions::descriptor()), "}\n"));
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(admin::ToProto(chanpool::PoolOptions()), config.defaults())) << difference;
}

TEST(ConfigReferenceTest, DefaultsOfKeepaliveAreTheLibrarys) {
  const Config config = Read(absl::StrCat("version: 1\npools: [{name: a, target: t, keepalive: {time: 6m",
                                          DefaultsAsYaml(*chanpool::config::v1::Keepalive::descriptor()), "}}]\n"));
  const auto& keepalive = config.pools(0).keepalive();
  EXPECT_EQ(*admin::FromProto(keepalive.timeout()), KeepaliveOptions().timeout);
  EXPECT_EQ(keepalive.permit_without_calls(), KeepaliveOptions().permit_without_calls);
  EXPECT_EQ(KeepaliveOptions().time, absl::InfiniteDuration()) << "left out, keepalive is no longer off";
}

TEST(ConfigReferenceTest, DefaultsOfRetryAreTheLibrarys) {
  const RetryOptions left_out = ToRetryOptions(Read("version: 1\npools: [{name: a, target: t}]\n").pools(0).retry());
  const RetryOptions empty =
      ToRetryOptions(Read("version: 1\npools: [{name: a, target: t, retry: {calls: [{}]}}]\n").pools(0).retry());
  const Config config = Read(absl::StrCat(
      "version: 1\npools: [{name: a, target: t, retry: {calls: [{",
      DefaultsAsYaml(*chanpool::config::v1::CallPolicy::descriptor()),
      "}], max_tokens: ", DefaultText(*chanpool::config::v1::Retry::descriptor()->FindFieldByName("max_tokens")),
      ", token_ratio: ", DefaultText(*chanpool::config::v1::Retry::descriptor()->FindFieldByName("token_ratio")),
      ", buffer_bytes: ", DefaultText(*chanpool::config::v1::Retry::descriptor()->FindFieldByName("buffer_bytes")),
      "}}]\n"));
  RetryOptions library;
  EXPECT_FALSE(AsksForAnything(left_out));
  library.calls.resize(1);
  for (const RetryOptions& options : {empty, ToRetryOptions(config.pools(0).retry())}) {
    ASSERT_EQ(options.calls.size(), 1);
    EXPECT_EQ(options.calls[0].max_attempts, library.calls[0].max_attempts);
    EXPECT_EQ(options.calls[0].codes, library.calls[0].codes);
    EXPECT_EQ(options.calls[0].initial_backoff, library.calls[0].initial_backoff);
    EXPECT_EQ(options.calls[0].max_backoff, library.calls[0].max_backoff);
    EXPECT_EQ(options.calls[0].backoff_multiplier, library.calls[0].backoff_multiplier);
    EXPECT_EQ(options.calls[0].attempt_timeout, absl::InfiniteDuration());
    EXPECT_EQ(options.calls[0].timeout, absl::InfiniteDuration());
    EXPECT_EQ(options.calls[0].wait_for_ready, library.calls[0].wait_for_ready);
    EXPECT_EQ(options.max_tokens, library.max_tokens);
    EXPECT_EQ(options.token_ratio, library.token_ratio);
    EXPECT_EQ(options.buffer_bytes, library.buffer_bytes);
  }
}

TEST(ConfigReferenceTest, StatusCodesAreGrpcs) {
  const auto& codes = *chanpool::config::v1::StatusCode_descriptor();
  EXPECT_EQ(codes.value_count(), grpc::StatusCode::UNAUTHENTICATED + 1);
  EXPECT_EQ(chanpool::config::v1::STATUS_CODE_UNAVAILABLE, static_cast<int>(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(chanpool::config::v1::STATUS_CODE_ABORTED, static_cast<int>(grpc::StatusCode::ABORTED));
}

TEST(ConfigReferenceTest, DefaultsOfTlsAreTheLibrarys) {
  const Config config = Read(
      absl::StrCat("version: 1\npools: [{name: a, target: t, tls: {check_every: ",
                   DefaultText(*chanpool::config::v1::Tls::descriptor()->FindFieldByName("check_every")), "}}]\n"));
  EXPECT_EQ(*admin::FromProto(config.pools(0).tls().check_every()), TlsOptions().check_every);
}

TEST(ConfigReferenceTest, DefaultsOfDnsAreTheLibrarys) {
  const Config config = Read(absl::StrCat("version: 1\npools: [{name: a, target: t, dns: {",
                                          DefaultsAsYaml(*chanpool::config::v1::Dns::descriptor()), "}}]\n"));
  EXPECT_TRUE(ToDnsOptions(config.pools(0).dns()) == DnsOptions());
}

TEST(ConfigReferenceTest, DefaultsOfTransportAreTheLibrarys) {
  const Config config = Read(absl::StrCat("version: 1\npools: [{name: a, target: t, transport: {",
                                          DefaultsAsYaml(*chanpool::config::v1::Transport::descriptor()), "}}]\n"));
  const chanpool::config::v1::Transport& written = config.pools(0).transport();
  for (const TransportOptions& options : {ToTransportOptions(written), ToTransportOptions({})}) {
    const TransportOptions library;
    EXPECT_EQ(options.max_receive_message_bytes, library.max_receive_message_bytes);
    EXPECT_EQ(options.max_send_message_bytes, library.max_send_message_bytes);
    EXPECT_EQ(options.max_metadata_bytes, library.max_metadata_bytes);
    EXPECT_EQ(options.user_agent_prefix, library.user_agent_prefix);
    EXPECT_EQ(options.compression, library.compression);
    EXPECT_EQ(options.bdp_probe, library.bdp_probe);
    EXPECT_EQ(options.initial_window_bytes, library.initial_window_bytes);
    EXPECT_EQ(options.max_frame_bytes, library.max_frame_bytes);
    EXPECT_EQ(options.write_buffer_bytes, library.write_buffer_bytes);
    EXPECT_EQ(options.hpack_decoder_bytes, library.hpack_decoder_bytes);
    EXPECT_EQ(options.hpack_encoder_bytes, library.hpack_encoder_bytes);
    EXPECT_EQ(options.http_proxy, library.http_proxy);
  }
}

TEST(ConfigReferenceTest, SaysOfTheRightDurationsThatTheyMayBeInfinite) {
  // By row: the comment and the column that the reader's own rule fills in.
  const std::string page = ConfigReference();
  for (const absl::string_view row : absl::StrSplit(page, '\n')) {
    EXPECT_EQ(absl::StrContains(row, "May be infinite."), absl::StrContains(row, "duration or `infinite`")) << row;
  }
}

}  // namespace
}  // namespace chanpool::config
