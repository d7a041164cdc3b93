#include "server/admin/status_details.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;

absl::Status Rich() {
  return ErrorBuilder(absl::StatusCode::kNotFound, "POOL_NOT_FOUND", "there is no pool \"order\"")
      .Fact("closest", "orders")
      .Resource("chanpool.admin.v1.Pool", "pools/order")
      .Field("name", "no such pool")
      .Precondition("P", "pools/order", "why")
      .Quota("q", "used up")
      .RetryAfter(absl::Milliseconds(1500))
      .Build();
}

TEST(StatusDetailsTest, EveryDetailLeavesAndComesBack) {
  const grpc::Status left = ToGrpcStatus(Rich());
  EXPECT_THAT(left, StatusIs(grpc::StatusCode::NOT_FOUND, "there is no pool \"order\""));
  const absl::Status back = FromGrpcStatus(left);
  EXPECT_EQ(ToProto(back).SerializeAsString(), ToProto(Rich()).SerializeAsString());
  EXPECT_EQ(ToProto(back).details_size(), 6);
}

TEST(StatusDetailsTest, ErrorInfoComesFirst) {
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(ToGrpcStatus(Rich()).error_details()));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "POOL_NOT_FOUND");
  EXPECT_EQ(info.domain(), kErrorDomain);
  EXPECT_EQ(info.metadata().at("closest"), "orders");
}

TEST(StatusDetailsTest, OkHasNeitherMessageNorDetails) {
  EXPECT_THAT(ToGrpcStatus(absl::OkStatus()), IsOk());
  EXPECT_EQ(ToProto(absl::OkStatus()).ByteSizeLong(), 0u);
  EXPECT_THAT(FromGrpcStatus(grpc::Status::OK), IsOk());
}

TEST(StatusDetailsTest, WhatComesWithoutDetailsKeepsItsMessage) {
  EXPECT_THAT(FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone", "no message")),
              StatusIs(absl::StatusCode::kUnavailable, "gone"));
}

TEST(StatusDetailsTest, ALongListIsCutToWhatAHeaderHolds) {
  ErrorBuilder error(absl::StatusCode::kInvalidArgument, "FIELD_INVALID", std::string(5000, 'm'));
  for (int i = 0; i < 200; ++i) error.Field(absl::StrCat("field", i), std::string(100, 'x'));
  const grpc::Status status = ToGrpcStatus(error.Build());
  EXPECT_LT(status.error_message().size() + status.error_details().size() * 4 / 3, 7500u);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::BadRequest bad_request;
  ASSERT_EQ(details.details_size(), 2);
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  EXPECT_GT(bad_request.field_violations_size(), 10);
  EXPECT_EQ(bad_request.field_violations(0).field(), "field0");
}

}  // namespace
}  // namespace chanpool::admin
