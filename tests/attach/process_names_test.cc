#include "server/attach/process_names.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::attach {
namespace {

using chanpool::testing::IsOk;
using chanpool::testing::StatusIs;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ServiceDescriptor& Service() {
  return *google::protobuf::DescriptorPool::generated_pool()->FindServiceByName("chanpool.admin.v1.PoolAdmin");
}

// Every string field in `message` and what it holds.
void VisitStrings(const Descriptor& message, std::set<std::string>& seen,
                  const std::function<void(const FieldDescriptor&)>& visit) {
  if (!seen.insert(message.full_name()).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.type() == FieldDescriptor::TYPE_STRING) visit(field);
    if (field.message_type() != nullptr) VisitStrings(*field.message_type(), seen, visit);
  }
}

// Sets every field of `message` that holds a name, and those in one of each message below it.
int SetNames(Message& message, const std::string& name, int depth = 0) {
  int count = 0;
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    if (HoldsResourceName(*field)) {
      ++count;
      if (field->is_repeated()) {
        reflection.AddString(&message, field, name);
      } else {
        reflection.SetString(&message, field, name);
      }
    } else if (field->message_type() != nullptr && !field->is_map() && depth < 5 &&
               absl::StartsWith(field->message_type()->full_name(), "chanpool.admin")) {
      count += SetNames(
          field->is_repeated() ? *reflection.AddMessage(&message, field) : *reflection.MutableMessage(&message, field),
          name, depth + 1);
    }
  }
  return count;
}

std::unique_ptr<Message> New(const Descriptor* descriptor) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

TEST(ProcessNamesTest, DecidesOnEveryStringOfEveryMethod) {
  // Text, tokens and identities: the same in every process.
  const std::set<std::string> no_names = {
      "AttachedProcess.version",
      "Call.method",
      "ConfigDiagnostic.code",
      "ConfigDiagnostic.file",
      "ConfigDiagnostic.hint",
      "ConfigDiagnostic.message",
      "ConfigDiagnostic.path",
      "CancelOperationRequest.reason",
      "Connection.backend",
      "Connection.drain_reason",
      "Decision.cause",
      "Decision.kind",
      "Decision.limit",
      "Decision.text",
      "DrainPoolRequest.reason",
      "Event.actor",
      "Event.message",
      "FieldChange.new_value",
      "Certificate.ends_first",
      "Certificate.last_error",
      "Certificate.subject",
      "Endpoint.address",
      "Endpoint.reason",
      "PoolStats.EndpointsByStateEntry.key",
      "Resolution.host",
      "Resolution.last_error",
      "Resolution.servers",
      "FieldChange.old_value",
      "FieldChange.path",
      "Finding.adds",
      "Finding.evidence",
      "Finding.knob",
      "Finding.limit",
      "Finding.value",
      "GetConfigResponse.path",
      "GetConfigResponse.yaml",
      "HotKey.hash",
      "Instance.config_path",
      "Instance.grpc_version",
      "Instance.instance_id",
      "Instance.listeners",
      "Instance.name",
      "Instance.version",
      "ListConnectionsRequest.page_token",
      "ListConnectionsResponse.next_page_token",
      "ListDecisionsRequest.page_token",
      "ListDecisionsResponse.next_page_token",
      "ListEndpointsRequest.page_token",
      "ListEndpointsResponse.next_page_token",
      "ListOperationsRequest.page_token",
      "ListOperationsResponse.next_page_token",
      "ListPoolsRequest.page_token",
      "ListPoolsResponse.next_page_token",
      "Operation.reason",
      "Operation.requested_by",
      "Override.owner_value",
      "Override.path",
      "Override.reason",
      "Override.set_by",
      "Override.value",
      "Pool.conditions",
      "MethodStats.ByCodeEntry.key",
      "MethodStats.method",
      "Pool.etag",
      "Pool.target",
      "PoolStats.ClosedByReasonEntry.key",
      "PoolStats.SlowWaitsEntry.key",
      "PoolStats.last_dial_error",
      "RecyclePoolRequest.reason",
      "Reload.message",
      "ReloadConfigRequest.reason",
      "UndrainPoolRequest.etag",
      "UndrainPoolRequest.reason",
      "UpdatePoolRequest.etag",
      "UpdatePoolRequest.reason",
      "UpdatePoolResponse.warnings",
      "WatchEventsRequest.resume_token",
      "WatchEventsResponse.Hello.instance_id",
      "WatchEventsResponse.resume_token",
  };
  std::set<std::string> seen, undecided, decided_twice;
  for (int i = 0; i < Service().method_count(); ++i) {
    const MethodDescriptor& method = *Service().method(i);
    for (const Descriptor* const message : {method.input_type(), method.output_type()}) {
      VisitStrings(*message, seen, [&](const FieldDescriptor& field) {
        const std::string package = "chanpool.admin.v1.";
        if (!absl::StartsWith(field.full_name(), package)) return;  // Options and Google's own: no names of ours.
        const bool no_name = no_names.count(field.full_name().substr(package.size())) > 0;
        if (no_name == HoldsResourceName(field)) (no_name ? decided_twice : undecided).insert(field.full_name());
      });
    }
  }
  EXPECT_THAT(undecided, IsEmpty()) << "add it to NameFields() of process_names.cc, or to the list here";
  EXPECT_THAT(decided_twice, IsEmpty());
}

TEST(ProcessNamesTest, TakesTheProcessOutOfEveryRequestAndPutsItBack) {
  int names = 0;
  for (int i = 0; i < Service().method_count(); ++i) {
    const std::unique_ptr<Message> request = New(Service().method(i)->input_type());
    const std::unique_ptr<Message> own = New(Service().method(i)->input_type());
    names += SetNames(*request, "processes/shop/pools/orders");
    SetNames(*own, "pools/orders");
    const std::string before = request->SerializeAsString();

    ASSERT_THAT(ToProcess("shop", *request), IsOk());
    EXPECT_EQ(request->SerializeAsString(), own->SerializeAsString()) << Service().method(i)->name();
    FromProcess("shop", *request);
    EXPECT_EQ(request->SerializeAsString(), before) << Service().method(i)->name();
  }
  EXPECT_EQ(names, 16);
}

TEST(ProcessNamesTest, PutsTheProcessIntoEveryResponse) {
  int names = 0;
  for (int i = 0; i < Service().method_count(); ++i) {
    const std::unique_ptr<Message> response = New(Service().method(i)->output_type());
    const std::unique_ptr<Message> expected = New(Service().method(i)->output_type());
    names += SetNames(*response, "operations/4");
    SetNames(*expected, "processes/shop/operations/4");

    FromProcess("shop", *response);

    EXPECT_EQ(response->SerializeAsString(), expected->SerializeAsString()) << Service().method(i)->name();
  }
  EXPECT_GT(names, 25);
}

TEST(ProcessNamesTest, RefusesANameOfAnotherProcess) {
  chanpool::admin::v1::GetPoolRequest request;
  for (const char* const name : {"processes/mail/pools/orders", "pools/orders", "processes/shop-2/pools/orders"}) {
    request.set_name(name);
    EXPECT_THAT(ToProcess("shop", request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  }
}

TEST(ProcessNamesTest, LeavesEmptyNamesEmpty) {
  chanpool::admin::v1::GetStatsRequest request;
  EXPECT_THAT(ToProcess("shop", request), IsOk());
  chanpool::admin::v1::Event event;
  FromProcess("shop", event);
  EXPECT_EQ(event.ByteSizeLong(), 0u);
}

TEST(ProcessNamesTest, RewritesTheDetailsOfErrorsAndLeavesWhatItDoesNotKnow) {
  google::rpc::ResourceInfo resource;
  resource.set_resource_name("pools/order");
  absl::Status error = absl::NotFoundError("there is no pool \"order\"");
  error.SetPayload("type.googleapis.com/google.rpc.ResourceInfo", absl::Cord(resource.SerializeAsString()));
  error.SetPayload("type.googleapis.com/of.nobody", absl::Cord("\xff"));

  const absl::Status changed = FromProcess("shop", error);

  EXPECT_EQ(changed.message(), error.message());
  EXPECT_EQ(changed.GetPayload("type.googleapis.com/of.nobody"), absl::Cord("\xff"));
  ASSERT_TRUE(
      resource.ParseFromString(std::string(*changed.GetPayload("type.googleapis.com/google.rpc.ResourceInfo"))));
  EXPECT_EQ(resource.resource_name(), "processes/shop/pools/order");
}

TEST(ProcessNamesTest, AdviceInAnErrorIsAboutTheProcessesOwnOperation) {
  google::rpc::ErrorInfo info;
  (*info.mutable_metadata())["operation"] = "operations/4";
  (*info.mutable_metadata())["pool"] = "pools/orders";
  (*info.mutable_metadata())["required_role"] = "ROLE_OPERATOR";
  absl::Status error = absl::AbortedError("a drain of pools/orders runs: operations/4; cancel it");
  error.SetPayload("type.googleapis.com/google.rpc.ErrorInfo", absl::Cord(info.SerializeAsString()));

  const absl::Status changed = FromProcess("shop", error);

  EXPECT_EQ(changed.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(changed.message(), "a drain of processes/shop/pools/orders runs: processes/shop/operations/4; cancel it");
  ASSERT_TRUE(info.ParseFromString(std::string(*changed.GetPayload("type.googleapis.com/google.rpc.ErrorInfo"))));
  EXPECT_EQ(info.metadata().at("operation"), "processes/shop/operations/4");
  EXPECT_EQ(info.metadata().at("pool"), "processes/shop/pools/orders");
  EXPECT_EQ(info.metadata().at("required_role"), "ROLE_OPERATOR");
}

TEST(ProcessNamesTest, RewritesWholeNamesInTheTextOfAnErrorOnly) {
  google::rpc::PreconditionFailure failure;
  failure.add_violations()->set_subject("pools/orders.keepalive");
  failure.mutable_violations(0)->set_description("pools/orders drains");
  absl::Status error = absl::FailedPreconditionError(
      "pools/orders: pools/orders-2, pools/orders/connections/0-1, dns:///pools/orders, \"pools/orders\".");
  error.SetPayload("type.googleapis.com/google.rpc.PreconditionFailure", absl::Cord(failure.SerializeAsString()));

  const absl::Status changed = FromProcess("shop", error);

  EXPECT_EQ(changed.message(),
            "processes/shop/pools/orders: pools/orders-2, processes/shop/pools/orders/connections/0-1, "
            "dns:///pools/orders, \"processes/shop/pools/orders\".");
  ASSERT_TRUE(
      failure.ParseFromString(std::string(*changed.GetPayload("type.googleapis.com/google.rpc.PreconditionFailure"))));
  EXPECT_EQ(failure.violations(0).subject(), "processes/shop/pools/orders.keepalive");
  EXPECT_EQ(failure.violations(0).description(), "processes/shop/pools/orders drains");
}

TEST(ProcessNamesTest, RewritesTheErrorOfAnOperation) {
  google::rpc::PreconditionFailure failure;
  failure.add_violations()->set_subject("pools/orders");
  failure.add_violations()->set_subject("options.max_connections");
  chanpool::admin::v1::Operation operation;
  operation.mutable_error()->add_details()->PackFrom(failure);

  FromProcess("shop", operation);

  ASSERT_TRUE(operation.error().details(0).UnpackTo(&failure));
  EXPECT_EQ(failure.violations(0).subject(), "processes/shop/pools/orders");
  EXPECT_EQ(failure.violations(1).subject(), "options.max_connections");
}

}  // namespace
}  // namespace chanpool::attach
