#include "server/attach/process_names.h"

#include <google/protobuf/any.pb.h>

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace chanpool::attach {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::Reflection;

// A detail inside a detail of an error is as deep as ours go.
constexpr int kMaxAnyDepth = 3;

// Every field of PoolAdmin, and of the details of its errors, that holds a resource's name.
const std::set<std::string>& NameFields() {
  static const auto* fields = new std::set<std::string>{
      "chanpool.admin.v1.GetPoolRequest.name",
      "chanpool.admin.v1.ListConnectionsRequest.parent",
      "chanpool.admin.v1.GetStatsRequest.pools",
      "chanpool.admin.v1.WatchStatsRequest.pools",
      "chanpool.admin.v1.WatchEventsRequest.resources",
      "chanpool.admin.v1.DrainPoolRequest.name",
      "chanpool.admin.v1.UndrainPoolRequest.name",
      "chanpool.admin.v1.RecyclePoolRequest.name",
      "chanpool.admin.v1.GetOperationRequest.name",
      "chanpool.admin.v1.WatchOperationRequest.name",
      "chanpool.admin.v1.CancelOperationRequest.name",
      "chanpool.admin.v1.ReloadConfigResponse.recycled_pools",
      "chanpool.admin.v1.ReloadConfigResponse.added_pools",
      "chanpool.admin.v1.ReloadConfigResponse.removed_pools",
      "chanpool.admin.v1.Pool.name",
      "chanpool.admin.v1.PoolStats.name",
      "chanpool.admin.v1.Connection.name",
      "chanpool.admin.v1.Operation.name",
      "chanpool.admin.v1.Operation.target",
      "chanpool.admin.v1.Blocker.connection",
      "chanpool.admin.v1.Event.resource",
      "chanpool.admin.v1.Event.operation",
      "chanpool.admin.v1.AttachedProcess.name",
      "google.rpc.ResourceInfo.resource_name",
      "google.rpc.PreconditionFailure.Violation.subject",
      "google.rpc.QuotaFailure.Violation.subject",
  };
  return *fields;
}

std::string PrefixOf(absl::string_view process) { return absl::StrCat("processes/", process, "/"); }

// Calls `change` on every name in `message`; false from it ends the walk.
using Change = std::function<bool(std::string&)>;
bool ChangeNames(Message& message, const Change& change, int any_depth);

bool ChangeNamesInAny(Any& any, const Change& change, int any_depth) {
  if (any_depth >= kMaxAnyDepth) return true;
  std::string type;
  if (!Any::ParseAnyTypeUrl(any.type_url(), &type)) return true;
  const Descriptor* const descriptor = DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  if (descriptor == nullptr) return true;  // Of a type that this program does not have: passed on as it is.
  const std::unique_ptr<Message> inner(MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  if (!any.UnpackTo(inner.get())) return true;
  const bool all = ChangeNames(*inner, change, any_depth + 1);
  inner->SerializeToString(any.mutable_value());
  return all;
}

bool ChangeNames(Message& message, const Change& change, int any_depth) {
  if (message.GetDescriptor() == Any::descriptor()) {
    return ChangeNamesInAny(static_cast<Any&>(message), change, any_depth);
  }
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> set_fields;
  reflection.ListFields(message, &set_fields);
  for (const FieldDescriptor* const field : set_fields) {
    if (field->is_map()) continue;  // None holds names, and to reflect on one is dear.
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Message& inner = field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                              : *reflection.MutableMessage(&message, field);
        if (!ChangeNames(inner, change, any_depth)) return false;
      } else if (HoldsResourceName(*field)) {
        std::string name = field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                                : reflection.GetString(message, field);
        const bool go_on = change(name);
        if (field->is_repeated()) {
          reflection.SetRepeatedString(&message, field, i, std::move(name));
        } else {
          reflection.SetString(&message, field, std::move(name));
        }
        if (!go_on) return false;
      }
    }
  }
  return true;
}

Change Prepend(absl::string_view process) {
  return [prefix = PrefixOf(process)](std::string& name) {
    // An error's subject may be something else than a resource: an option, a user.
    for (absl::string_view kind : {"pools/", "operations/", "processes/"}) {
      if (!absl::StartsWith(name, kind)) continue;
      name.insert(0, prefix);
      break;
    }
    return true;
  };
}

}  // namespace

bool HoldsResourceName(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && NameFields().count(field.full_name()) > 0;
}

absl::Status ToProcess(absl::string_view process, Message& request) {
  const std::string prefix = PrefixOf(process);
  std::string foreign;
  ChangeNames(
      request,
      [&prefix, &foreign](std::string& name) {
        if (name.empty()) return true;
        if (!absl::StartsWith(name, prefix)) {
          foreign = name;
          return false;
        }
        name.erase(0, prefix.size());
        return true;
      },
      /*any_depth=*/0);
  if (foreign.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("\"", foreign, "\" is not of processes/", process,
                                                 ", which the rest of the request is about; ask for it by itself"));
}

void FromProcess(absl::string_view process, Message& response) {
  ChangeNames(response, Prepend(process), /*any_depth=*/0);
}

absl::Status FromProcess(absl::string_view process, const absl::Status& error) {
  absl::Status changed = error;
  error.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    Any any;
    any.set_type_url(std::string(type_url));
    any.set_value(std::string(payload));
    ChangeNames(any, Prepend(process), /*any_depth=*/0);
    changed.SetPayload(type_url, absl::Cord(any.value()));
  });
  return changed;
}

}  // namespace chanpool::attach
