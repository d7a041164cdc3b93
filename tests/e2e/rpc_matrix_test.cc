// Every RPC of PoolAdmin, by real grpcurl against a real chanpoold: what works, and each way in which it is refused.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "chanpool/admin/v1/annotations.pb.h"
#include "chanpool/admin/v1/pool_admin.grpc.pb.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "examples/processes/program.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/e2e/sidecar_under_test.h"
#include "tests/fakes/eventually.h"

namespace chanpool::testing {
namespace {

using ::testing::HasSubstr;

// grpcurl ends with 64 + the status code.
constexpr int kInvalidArgument = 67, kNotFound = 69, kPermissionDenied = 71, kResourceExhausted = 72,
              kFailedPrecondition = 73, kAborted = 74, kOutOfRange = 75;

struct Refusal {
  std::string request;
  int exit;
  std::string reason;  // Of the ErrorInfo, which grpcurl prints decoded.
};

struct Rpc {
  std::string method;
  std::string works;    // A request that is answered; {operation} is one that runs.
  std::string answers;  // What stands in the answer.
  std::vector<Refusal> refused;
};

const std::vector<Rpc>& Rpcs() {
  static const auto* const rpcs = new std::vector<Rpc>{
      {"GetInstance", "{}", "\"instanceId\"", {}},
      {"ListPools",
       "{}",
       "\"name\": \"pools/orders\"",
       {{R"({"page_size": -1})", kInvalidArgument, "FIELD_INVALID"},
        {R"({"page_token": "x"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"GetPool",
       R"({"name": "pools/orders"})",
       "\"maxConnections\": 10",
       {{R"({"name": "pools/order"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"name": "processes/none/pools/orders"})", kNotFound, "PROCESS_NOT_FOUND"},
        {R"({"name": "pools/../x"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"ListConnections",
       R"({"parent": "pools/orders"})",
       "pools/orders/connections/",
       {{R"({"parent": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"parent": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"ListEndpoints",
       R"({"parent": "pools/orders"})",
       "\"address\": \"ipv4:127.0.0.1:1\"",
       {{R"({"parent": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"parent": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"GetStats",
       R"({"pools": ["pools/orders"]})",
       "\"overcommitted\": \"0\"",
       {{R"({"pools": ["pools/none"]})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"pools": ["nonsense"]})", kInvalidArgument, "FIELD_INVALID"}}},
      {"ListCalls",
       R"({"parent": "pools/orders"})",
       "\"truncated\": false",
       {{R"({"parent": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"parent": "pools/-"})", kInvalidArgument, "FIELD_INVALID"},
        {R"({"parent": "pools/orders", "limit": -1})", kInvalidArgument, "FIELD_INVALID"}}},
      {"ExplainPool",
       R"({"name": "pools/orders"})",
       "\"findings\"",
       {{R"({"name": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"name": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"ListDecisions",
       R"({"parent": "pools/orders"})",
       "\"text\": \"opened (",
       {{R"({"parent": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"parent": "pools/-"})", kInvalidArgument, "FIELD_INVALID"},
        {R"({"parent": "pools/orders", "page_token": "x"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"WatchStats",
       R"({"max_responses": 2, "interval": "0.250s"})",
       "\"tickSeq\": \"2\"",
       {{R"({"interval": "0.001s"})", kInvalidArgument, "FIELD_INVALID"},
        {R"({"pools": ["pools/none"]})", kNotFound, "POOL_NOT_FOUND"}}},
      {"WatchEvents",
       R"({"include_history": 1, "max_events": 1})",
       "\"hello\"",
       {{R"({"resume_token": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"GetConfig", R"({"view": "CONFIG_VIEW_RUNNING"})", "\"yaml\"", {}},
      {"UpdatePool",
       R"({"pool": {"name": "pools/orders", "options": {"max_connections": 20}}})",
       "\"maxConnections\": 20",
       {{R"({"pool": {"name": "pools/none", "options": {"max_connections": 20}}})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"pool": {"name": "pools/orders", "options": {"max_connections": 0}}})", kInvalidArgument, "FIELD_INVALID"},
        {R"({"pool": {"name": "pools/orders"}, "update_mask": {"paths": ["options.max_conections"]}})",
         kInvalidArgument, "MASK_PATH_UNKNOWN"},
        {R"({"pool": {"name": "pools/orders", "options": {"max_connections": 20}}, "etag": "stale"})", kAborted,
         "ETAG_MISMATCH"}}},
      {"ReloadConfig",
       R"({"validate_only": true})",
       "\"generation\"",
       {{R"({"expected_generation": 77})", kAborted, "ETAG_MISMATCH"}}},
      {"DrainPool",
       R"({"name": "pools/orders", "reason": "test"})",
       "\"OPERATION_KIND_DRAIN\"",
       {{R"({"name": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"name": "pools/orders", "deadline": "-1s"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"UndrainPool",
       R"({"name": "pools/orders"})",
       "\"ADMIN_STATE_ACTIVE\"",
       {{R"({"name": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"name": "nonsense"})", kInvalidArgument, "FIELD_INVALID"},
        {R"({"name": "pools/orders", "etag": "stale"})", kAborted, "ETAG_MISMATCH"}}},
      {"RecyclePool",
       R"({"name": "pools/orders"})",
       "\"OPERATION_KIND_RECYCLE\"",
       {{R"({"name": "pools/none"})", kNotFound, "POOL_NOT_FOUND"},
        {R"({"name": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"GetOperation",
       R"({"name": "{operation}"})",
       "\"{operation}\"",
       {{R"({"name": "operations/999"})", kNotFound, "OPERATION_NOT_FOUND"},
        {R"({"name": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"ListOperations", "{}", "\"{operation}\"", {{R"({"page_size": -1})", kInvalidArgument, "FIELD_INVALID"}}},
      {"WatchOperation",
       R"({"name": "{operation}"})",
       "\"{operation}\"",
       {{R"({"name": "operations/999"})", kNotFound, "OPERATION_NOT_FOUND"},
        {R"({"name": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
      {"CancelOperation",
       R"({"name": "{operation}"})",
       "\"{operation}\"",
       {{R"({"name": "operations/999"})", kNotFound, "OPERATION_NOT_FOUND"},
        {R"({"name": "nonsense"})", kInvalidArgument, "FIELD_INVALID"}}},
  };
  return *rpcs;
}

const google::protobuf::ServiceDescriptor* PoolAdminDescriptor() {
  return chanpool::admin::v1::GetPoolRequest::descriptor()->file()->FindServiceByName("PoolAdmin");
}

// Of what WatchEvents printed.
std::string LastResumeToken(const std::string& printed) {
  const std::string marker = "\"resumeToken\": \"";
  const size_t at = printed.rfind(marker);
  EXPECT_NE(at, std::string::npos) << printed;
  const size_t from = at + marker.size();
  return printed.substr(from, printed.find('"', from) - from);
}

class RpcMatrixTest : public ::testing::Test {
 protected:
  // A drain that has ended, for the RPCs about operations.
  std::string Operation() {
    const Finished drain = sidecar_.Grpcurl("DrainPool", R"({"name": "pools/orders"})");
    const size_t at = drain.out.find("operations/");
    EXPECT_NE(at, std::string::npos) << drain.out << drain.err;
    const std::string name = drain.out.substr(at, drain.out.find('"', at) - at);
    EXPECT_EQ(sidecar_.Grpcurl("UndrainPool", R"({"name": "pools/orders"})").exit, 0);
    return name;
  }

  SidecarUnderTest sidecar_;
};

// Whether a request names something that may not exist, or not be a name at all.
bool NamesSomething(const google::protobuf::Descriptor& request) {
  for (const char* field : {"name", "parent", "pool", "pools"}) {
    if (request.FindFieldByName(field) != nullptr) return true;
  }
  return false;
}

TEST_F(RpcMatrixTest, EveryRpcHasItsCases) {
  for (int i = 0; i < PoolAdminDescriptor()->method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *PoolAdminDescriptor()->method(i);
    const auto is_it = [&method](const Rpc& rpc) { return rpc.method == method.name(); };
    ASSERT_EQ(std::count_if(Rpcs().begin(), Rpcs().end(), is_it), 1) << method.name() << " has no cases in this test";
    const Rpc& rpc = *std::find_if(Rpcs().begin(), Rpcs().end(), is_it);
    EXPECT_NE(rpc.works, "") << method.name();
    EXPECT_NE(rpc.answers, "") << method.name() << ": any answer would do";
    for (const Refusal& refusal : rpc.refused) EXPECT_NE(refusal.reason, "") << method.name();
    if (!NamesSomething(*method.input_type())) continue;
    for (const int exit : {kNotFound, kInvalidArgument}) {
      const auto ends_so = [exit](const Refusal& refusal) { return refusal.exit == exit; };
      EXPECT_TRUE(std::any_of(rpc.refused.begin(), rpc.refused.end(), ends_so))
          << method.name() << " has no case that ends with " << exit;
    }
  }
}

TEST_F(RpcMatrixTest, EveryRpcWorks) {
  const std::string operation = Operation();
  // What was drained dials again on its back-off.
  ASSERT_TRUE(Eventually([&] {
    return absl::StrContains(sidecar_.Grpcurl("ListConnections", R"({"parent": "pools/orders"})").out, "connections/");
  }));
  for (const Rpc& rpc : Rpcs()) {
    const auto filled = [&](const std::string& text) {
      return absl::StrReplaceAll(text, {{"{operation}", operation}});
    };
    const Finished call = sidecar_.Grpcurl(rpc.method, filled(rpc.works));
    EXPECT_EQ(call.exit, 0) << rpc.method << ": " << call.err;
    EXPECT_THAT(call.out, HasSubstr(filled(rpc.answers))) << rpc.method;
  }
}

TEST_F(RpcMatrixTest, EveryRefusalSaysWhyInDetailsThatGrpcurlDecodes) {
  for (const Rpc& rpc : Rpcs()) {
    for (const Refusal& refusal : rpc.refused) {
      const Finished call = sidecar_.Grpcurl(rpc.method, refusal.request);
      EXPECT_EQ(call.exit, refusal.exit) << rpc.method << " " << refusal.request << ": " << call.out << call.err;
      EXPECT_THAT(call.err, HasSubstr("google.rpc.ErrorInfo")) << rpc.method << " " << refusal.request;
      EXPECT_THAT(call.err, HasSubstr(absl::StrCat("\"", refusal.reason, "\"")))
          << rpc.method << " " << refusal.request;
      EXPECT_THAT(call.err, HasSubstr("chanpool.admin.v1")) << rpc.method << " " << refusal.request;
    }
  }
}

// --- Refusals that depend on what is going on ----------------------------------------------------------------------

TEST_F(RpcMatrixTest, ABrokenFileIsRefusedWithEachErrorAtItsLine) {
  sidecar_.WriteConfig("  - {name: orders, target: \"ipv4:127.0.0.1:1\", max_conections: 33}\n  - {name: Two}\n");
  const Finished reload = sidecar_.Grpcurl("ReloadConfig", "{}");
  EXPECT_EQ(reload.exit, kInvalidArgument) << reload.out << reload.err;
  EXPECT_THAT(reload.err, HasSubstr("\"CONFIG_INVALID\""));
  EXPECT_THAT(reload.err, HasSubstr("ConfigDiagnostic"));
  EXPECT_THAT(reload.err, HasSubstr("\"line\": 9"));
  EXPECT_THAT(reload.err, HasSubstr("\"line\": 10")) << "all errors at once";
}

TEST_F(RpcMatrixTest, APoolThatDrainsIsNotRecycled) {
  EXPECT_EQ(sidecar_.Grpcurl("DrainPool", R"({"name": "pools/orders"})").exit, 0);
  const Finished recycle = sidecar_.Grpcurl("RecyclePool", R"({"name": "pools/orders"})");
  EXPECT_EQ(recycle.exit, kFailedPrecondition) << recycle.out << recycle.err;
  EXPECT_THAT(recycle.err, HasSubstr("\"POOL_DRAINING\""));
  EXPECT_THAT(recycle.err, HasSubstr("google.rpc.PreconditionFailure"));
}

TEST_F(RpcMatrixTest, TheNinthWatchOfOneCallerIsToldItsQuota) {
  constexpr int kMaxPerCaller = 8;
  std::vector<std::unique_ptr<Program>> watches;
  for (int i = 0; i < kMaxPerCaller; ++i) {
    watches.push_back(std::make_unique<Program>(std::vector<std::string>{Tool("grpcurl"), "-plaintext", "-unix", "-d",
                                                                         "{}", sidecar_.admin_socket(),
                                                                         "chanpool.admin.v1.PoolAdmin/WatchEvents"}));
    ASSERT_TRUE(watches.back()->AwaitOutput("\"hello\"")) << watches.back()->output();
  }
  const Finished one_more = sidecar_.Grpcurl("WatchEvents", "{}");
  EXPECT_EQ(one_more.exit, kResourceExhausted) << one_more.out << one_more.err;
  for (const char* said : {"\"TOO_MANY_WATCHERS\"", "google.rpc.QuotaFailure", "google.rpc.RetryInfo"}) {
    EXPECT_THAT(one_more.err, HasSubstr(said));
  }
}

TEST_F(RpcMatrixTest, AResumeTokenFromBeforeTheOldestEventHasExpired) {
  const Finished first = sidecar_.Grpcurl("WatchEvents", R"({"include_history": 1, "max_events": 1})");
  // More events than are kept: each change of an override is one.
  constexpr int kMoreThanKept = 10'100;
  const auto stub = chanpool::admin::v1::PoolAdmin::NewStub(
      grpc::CreateChannel(absl::StrCat("unix:", sidecar_.admin_socket()), grpc::InsecureChannelCredentials()));
  for (int i = 0; i < kMoreThanKept; ++i) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kProgramLimit));
    chanpool::admin::v1::UpdatePoolRequest request;
    request.mutable_pool()->set_name("pools/orders");
    request.mutable_pool()->mutable_options()->set_max_connections(20 + i % 2);
    chanpool::admin::v1::UpdatePoolResponse response;
    const grpc::Status status = stub->UpdatePool(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  const Finished late =
      sidecar_.Grpcurl("WatchEvents", absl::StrCat(R"({"resume_token": ")", LastResumeToken(first.out), R"("})"));
  EXPECT_EQ(late.exit, kOutOfRange) << late.out << late.err;
  EXPECT_THAT(late.err, HasSubstr("\"TOKEN_EXPIRED\""));
}

// --- Roles ----------------------------------------------------------------------------------------------------------

TEST_F(RpcMatrixTest, AViewerReadsAndChangesNothing) {
  const std::string operation = Operation();
  for (const Rpc& rpc : Rpcs()) {
    const bool mutates =
        PoolAdminDescriptor()->FindMethodByName(rpc.method)->options().GetExtension(chanpool::admin::v1::mutates);
    const std::string request = absl::StrReplaceAll(rpc.works, {{"{operation}", operation}});
    const Finished call = sidecar_.GrpcurlAsViewer(rpc.method, request);
    EXPECT_EQ(call.exit, mutates ? kPermissionDenied : 0) << rpc.method << ": " << call.err;
    if (mutates) {
      EXPECT_THAT(call.err, HasSubstr("\"ROLE_REQUIRED\"")) << rpc.method;
    }
  }
  const Finished pool = sidecar_.Grpcurl("GetPool", R"({"name": "pools/orders"})");
  EXPECT_THAT(pool.out, HasSubstr("\"maxConnections\": 10"));
  EXPECT_THAT(pool.out, HasSubstr("\"ADMIN_STATE_ACTIVE\""));
}

TEST_F(RpcMatrixTest, ARoleIsAskedForBeforeAnythingElseIsSaid) {
  // What a viewer may not change, they don't learn to exist either.
  const Finished call = sidecar_.GrpcurlAsViewer("DrainPool", R"({"name": "pools/none"})");
  EXPECT_EQ(call.exit, kPermissionDenied) << call.err;
}

// By raw bytes, which grpcurl can't send.
TEST_F(RpcMatrixTest, MalformedBytesAreAnInvalidArgument) {
  grpc::ChannelArguments arguments;
  const std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(
      absl::StrCat("unix:", sidecar_.admin_socket()), grpc::InsecureChannelCredentials(), arguments);
  grpc::GenericStub stub(channel);
  const std::vector<std::string> bad = {"\xff\xff\xff\xff", std::string("\x0a\xff", 2)};  // No tag; cut short.
  for (int i = 0; i < PoolAdminDescriptor()->method_count(); ++i) {
    const std::string& name = PoolAdminDescriptor()->method(i)->name();
    for (const std::string& bytes : bad) {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + kProgramLimit));
      const grpc::Slice slice(bytes);
      const grpc::ByteBuffer request(&slice, 1);
      grpc::ByteBuffer response;
      grpc::Status status;
      absl::Notification done;
      stub.UnaryCall(&context, absl::StrCat("/chanpool.admin.v1.PoolAdmin/", name), {}, &request, &response,
                     [&](grpc::Status ended) {
                       status = std::move(ended);
                       done.Notify();
                     });
      done.WaitForNotification();
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name << ": " << status.error_message();
      google::rpc::Status details;
      ASSERT_TRUE(details.ParseFromString(status.error_details())) << name;
      ASSERT_GE(details.details_size(), 1) << name;
      google::rpc::ErrorInfo info;
      ASSERT_TRUE(details.details(0).UnpackTo(&info)) << name;
      EXPECT_EQ(info.reason(), "MALFORMED_REQUEST") << name;
    }
  }
}

TEST_F(RpcMatrixTest, ReadsTolerateFieldsOfALaterVersion) {
  // Field 2000, a varint: what a client of a later version might send.
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kProgramLimit));
  grpc::GenericStub stub(
      grpc::CreateChannel(absl::StrCat("unix:", sidecar_.admin_socket()), grpc::InsecureChannelCredentials()));
  chanpool::admin::v1::GetPoolRequest request;
  request.set_name("pools/orders");
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(2000, 7);
  const grpc::Slice slice(request.SerializeAsString());
  const grpc::ByteBuffer bytes(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/chanpool.admin.v1.PoolAdmin/GetPool", {}, &bytes, &response, [&](grpc::Status ended) {
    status = std::move(ended);
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(RpcMatrixTest, AnOldResumeTokenIsToldApartFromAForeignOne) {
  const Finished first = sidecar_.Grpcurl("WatchEvents", R"({"include_history": 1, "max_events": 1})");
  const std::string token = LastResumeToken(first.out);
  EXPECT_EQ(
      sidecar_.Grpcurl("WatchEvents", absl::StrCat(R"({"max_duration": "0.1s", "resume_token": ")", token, R"("})"))
          .exit,
      0);
  sidecar_.program().Signal(SIGTERM);
  EXPECT_EQ(sidecar_.program().AwaitExit(), 0);
  sidecar_.Start();
  const Finished other = sidecar_.Grpcurl("WatchEvents", absl::StrCat(R"({"resume_token": ")", token, R"("})"));
  EXPECT_EQ(other.exit, kFailedPrecondition) << other.err;
  EXPECT_THAT(other.err, HasSubstr("\"INSTANCE_CHANGED\""));
}

// --- Reflection and health -----------------------------------------------------------------------------------------

TEST_F(RpcMatrixTest, GrpcurlListsAndDescribesEverythingWithItsComments) {
  const Finished list = sidecar_.GrpcurlRaw({"-unix", sidecar_.admin_socket(), "list"});
  EXPECT_EQ(list.exit, 0) << list.err;
  for (const char* service : {"chanpool.admin.v1.PoolAdmin", "grpc.health.v1.Health",
                              "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}) {
    EXPECT_THAT(list.out, HasSubstr(service));
    const Finished describe = sidecar_.GrpcurlRaw({"-unix", sidecar_.admin_socket(), "describe", service});
    EXPECT_EQ(describe.exit, 0) << describe.err;
    EXPECT_THAT(describe.out, HasSubstr("service "));
  }
  const Finished describe =
      sidecar_.GrpcurlRaw({"-unix", sidecar_.admin_socket(), "describe", "chanpool.admin.v1.PoolAdmin.DrainPool"});
  EXPECT_THAT(describe.out, HasSubstr("Refuses callers, lets those in flight finish")) << "the comment of the .proto";
}

TEST_F(RpcMatrixTest, HealthIsAnsweredThroughGrpcurlToo) {
  const auto check = [this](const std::string& request) {
    return sidecar_.GrpcurlRaw({"-unix", "-d", request, sidecar_.admin_socket(), "grpc.health.v1.Health/Check"});
  };
  EXPECT_THAT(check("{}").out, HasSubstr("\"SERVING\""));
  EXPECT_THAT(check(R"({"service": "chanpool.admin.v1.PoolAdmin"})").out, HasSubstr("\"SERVING\""));
  EXPECT_EQ(check(R"({"service": "none"})").exit, kNotFound);
}

}  // namespace
}  // namespace chanpool::testing
