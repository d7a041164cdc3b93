#include "server/config/config_error.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/admin/status_details.h"
#include "server/config/config_reader.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::config {
namespace {

using chanpool::testing::StatusIs;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ConfigErrorTest, HasEveryErrorAsTextAndAsDetails) {
  const ReadResult read = ReadConfig("version: 2\npools: [{name: A, target: t}]\n", "f.yaml");
  const absl::Status error = ConfigError(read.diagnostics);
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kInvalidArgument,
                              AllOf(StartsWith("f.yaml:1:10: version: 2 is no"), EndsWith("; 1 more"))));

  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  chanpool::admin::v1::ConfigDiagnostics diagnostics;
  const google::rpc::Status all = admin::ToProto(error);
  for (const auto& detail : all.details()) {
    detail.UnpackTo(&info);
    detail.UnpackTo(&bad_request);
    detail.UnpackTo(&diagnostics);
  }
  EXPECT_EQ(info.reason(), "CONFIG_INVALID");
  ASSERT_EQ(bad_request.field_violations_size(), 2);
  EXPECT_EQ(bad_request.field_violations(1).field(), "pools[0].name");
  EXPECT_THAT(bad_request.field_violations(1).description(), StartsWith("f.yaml:2:16: pools[0].name: "));
  ASSERT_EQ(diagnostics.diagnostics_size(), 2);
  EXPECT_EQ(diagnostics.diagnostics(1).line(), 2u);
  EXPECT_EQ(diagnostics.diagnostics(1).code(), "INVALID_NAME");
}

TEST(ConfigErrorTest, OneErrorIsTheWholeMessage) {
  EXPECT_EQ(ConfigError(ReadConfig("", "f").diagnostics).message(),
            "f: is empty (the least there can be is: version: 1)");
}

TEST(ConfigErrorTest, SaysThatThereMayBeMoreThanItTells) {
  std::string yaml = "version: 1\n";
  for (int i = 0; i < 60; ++i) absl::StrAppend(&yaml, "x", i, ": 1\n");
  EXPECT_THAT(ConfigError(ReadConfig(yaml, "f").diagnostics).message(), HasSubstr("; at least 49 more"));
}

}  // namespace
}  // namespace chanpool::config
