#include "server/config/config_writer.h"

#include <google/protobuf/util/message_differencer.h>

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/config_reader.h"
#include "server/config/diagnostics.h"
#include "tests/config/random_config.h"

namespace chanpool::config {
namespace {

using chanpool::config::v1::Config;

TEST(ConfigWriterTest, WritesWhatAPersonWouldWrite) {
  const std::string yaml =
      "version: 1\n"
      "admin:\n"
      "  listeners:\n"
      "    - uds:\n"
      "        path: /run/a.sock\n"
      "        mode: \"0660\"\n"
      "        allow_uids: [1000, 1001]\n"
      "        role: viewer\n"
      "    - tcp:\n"
      "        address: \"::1\"\n"
      "        port: 0\n"
      "http: {}\n"
      "defaults:\n"
      "  max_idle: 1m30s\n"
      "pools:\n"
      "  - name: orders\n"
      "    target: dns:///orders:50051\n"
      "    keepalive:\n"
      "      time: 6m\n"
      "      permit_without_calls: true\n"
      "    max_connections: 32\n"
      "    connect_timeout: 250ms\n"
      "    max_age: infinite\n"
      "    max_age_jitter: 0.2\n"
      "    drain_grace: 0s\n"
      "    overflow: reject\n"
      "  - name: billing\n"
      "    target: \"odd \\\"name\\\\\"\n";
  const ReadResult read = ReadConfig(yaml, "f");
  ASSERT_TRUE(read.diagnostics.empty()) << FormatDiagnostic(read.diagnostics.front());
  EXPECT_EQ(WriteYaml(read.config), yaml);
}

TEST(ConfigWriterTest, WhatItWritesReadsBackAsTheSame) {
  const auto seed = static_cast<std::mt19937::result_type>(testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE(testing::Message() << "--gtest_random_seed=" << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    const Config config = RandomConfig(random);
    const std::string yaml = WriteYaml(config);
    const ReadResult read = ReadConfig(yaml, "f");
    ASSERT_TRUE(read.diagnostics.empty()) << FormatDiagnostic(read.diagnostics.front()) << "\n" << yaml;
    ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read.config, config))
        << yaml << config.DebugString() << "but read:\n"
        << read.config.DebugString();
  }
}

}  // namespace
}  // namespace chanpool::config
