#include "server/admin/reflection_service.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <string>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "tests/admin/admin_fixture.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::IsOk;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One question to one version.
template <typename Service, typename Request, typename Response>
Response Ask(const std::shared_ptr<grpc::Channel>& channel, const Request& request) {
  const auto stub = Service::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->ServerReflectionInfo(&context);
  Response response;
  EXPECT_TRUE(stream->Write(request));
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_TRUE(stream->WritesDone());
  Response none;
  EXPECT_FALSE(stream->Read(&none));
  EXPECT_THAT(stream->Finish(), IsOk());
  return response;
}

class ReflectionServiceTest : public AdminFixture {
 protected:
  ServerReflectionResponse AskV1(const ServerReflectionRequest& request) {
    return Ask<grpc::reflection::v1::ServerReflection, ServerReflectionRequest, ServerReflectionResponse>(channel(),
                                                                                                          request);
  }
  static google::protobuf::FileDescriptorProto FirstFile(const ServerReflectionResponse& response) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_GT(response.file_descriptor_response().file_descriptor_proto_size(), 0) << response.DebugString();
    EXPECT_TRUE(file.ParseFromString(response.file_descriptor_response().file_descriptor_proto(0)));
    return file;
  }
};

TEST_F(ReflectionServiceTest, BothVersionsListTheServicesOfTheAdminSide) {
  ServerReflectionRequest request;
  request.set_list_services("*");
  std::vector<std::string> names;
  const ServerReflectionResponse v1_response = AskV1(request);
  for (const auto& service : v1_response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names, ElementsAre("chanpool.admin.v1.PoolAdmin", "grpc.health.v1.Health",
                                 "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"));

  grpc::reflection::v1alpha::ServerReflectionRequest alpha;
  alpha.set_list_services("*");
  const auto response =
      Ask<grpc::reflection::v1alpha::ServerReflection, grpc::reflection::v1alpha::ServerReflectionRequest,
          grpc::reflection::v1alpha::ServerReflectionResponse>(channel(), alpha);
  EXPECT_EQ(response.list_services_response().service_size(), 4);
}

TEST_F(ReflectionServiceTest, AMethodComesWithItsComment) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("chanpool.admin.v1.PoolAdmin.GetPool");
  const auto file = FirstFile(AskV1(request));
  ASSERT_EQ(file.name(), "chanpool/admin/v1/pool_admin.proto");
  int get_pool = -1;
  for (int i = 0; i < file.service(0).method_size(); ++i) {
    if (file.service(0).method(i).name() == "GetPool") get_pool = i;
  }
  std::vector<std::string> comments;
  for (const auto& location : file.source_code_info().location()) {
    const std::vector<int> path(location.path().begin(), location.path().end());
    if (path == std::vector<int>{6, 0, 2, get_pool}) comments.push_back(location.leading_comments());
  }
  EXPECT_THAT(comments, ElementsAre(" One pool. NOT_FOUND names the closest one.\n"));
}

TEST_F(ReflectionServiceTest, AFileComesWithAllThatItImports) {
  ServerReflectionRequest request;
  request.set_file_by_filename("chanpool/admin/v1/pool_admin.proto");
  std::vector<std::string> names;
  const ServerReflectionResponse response = AskV1(request);
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  EXPECT_EQ(names[0], "chanpool/admin/v1/pool_admin.proto");
  EXPECT_THAT(names, Contains("google/protobuf/duration.proto"));
  EXPECT_THAT(names, Contains("google/rpc/status.proto"));
}

TEST_F(ReflectionServiceTest, DetailsOfErrorsCanBeDecoded) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("google.rpc.BadRequest");
  EXPECT_EQ(FirstFile(AskV1(request)).name(), "google/rpc/error_details.proto");
}

TEST_F(ReflectionServiceTest, OptionsOfMethodsCanBeDecoded) {
  ServerReflectionRequest numbers;
  numbers.set_all_extension_numbers_of_type("google.protobuf.MethodOptions");
  const ServerReflectionResponse response = AskV1(numbers);
  EXPECT_THAT(response.all_extension_numbers_response().extension_number(), ElementsAre(50311, 50312));
  ServerReflectionRequest one;
  one.mutable_file_containing_extension()->set_containing_type("google.protobuf.MethodOptions");
  one.mutable_file_containing_extension()->set_extension_number(50311);
  EXPECT_EQ(FirstFile(AskV1(one)).name(), "chanpool/admin/v1/annotations.proto");
}

TEST_F(ReflectionServiceTest, WhatIsNotThereIsAnErrorInTheStream) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("no.such\nthing");
  EXPECT_EQ(AskV1(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("none");
  EXPECT_EQ(AskV1(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(AskV1(ServerReflectionRequest()).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace chanpool::admin
