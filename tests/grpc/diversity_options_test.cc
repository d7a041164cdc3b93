#include "pool/grpc/diversity_options.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::StatusIs;
using ::testing::HasSubstr;

absl::Status WithHeader(const std::string& header) {
  DiversityOptions options;
  options.backend_header = header;
  return Validate(options);
}

TEST(DiversityOptionsTest, AHeaderIsAKeyThatAServerMaySetAsText) {
  EXPECT_EQ(WithHeader(""), absl::OkStatus());
  EXPECT_EQ(WithHeader("x-backend"), absl::OkStatus());
  for (const char* header : {"X-Backend", "x backend", ":authority", "x-backend-bin", "grpc-status"}) {
    EXPECT_THAT(WithHeader(header), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr(std::string("backend_header: \"") + header + "\" is ")));
  }
}

TEST(DiversityOptionsTest, ThereIsOneWayToLearnABackend) {
  DiversityOptions options;
  options.backend_header = "x-backend";
  options.backend_of = [](const grpc::ClientContext&) { return std::string(); };
  EXPECT_THAT(Validate(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("leave one out")));
  options.backend_header = "";
  EXPECT_EQ(Validate(options), absl::OkStatus());
}

TEST(DiversityOptionsTest, TheBudgetHasBounds) {
  DiversityOptions options;
  options.rerolls_per_minute = -1;
  EXPECT_THAT(Validate(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-1 is below 0; set at least 0")));
  options.rerolls_per_minute = 61;
  EXPECT_THAT(Validate(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("61 is above 60; set at most 60")));
  options.rerolls_per_minute = 60;
  EXPECT_EQ(Validate(options), absl::OkStatus());
}

}  // namespace
}  // namespace chanpool
