#include "server/attach/process_names.h"

#include <google/protobuf/any.pb.h>

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
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
      "chanpool.admin.v1.ListEndpointsRequest.parent",
      "chanpool.admin.v1.GetStatsRequest.pools",
      "chanpool.admin.v1.ListCallsRequest.parent",
      "chanpool.admin.v1.ExplainPoolRequest.name",
      "chanpool.admin.v1.ListDecisionsRequest.parent",
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
      "chanpool.admin.v1.Explanation.name",
      "chanpool.admin.v1.Connection.name",
      "chanpool.admin.v1.Call.connection",
      "chanpool.admin.v1.Endpoint.name",
      "chanpool.admin.v1.Resolution.pool",
      "chanpool.admin.v1.Operation.name",
      "chanpool.admin.v1.Operation.target",
      "chanpool.admin.v1.Blocker.connection",
      "chanpool.admin.v1.Event.resource",
      "chanpool.admin.v1.Event.operation",
      "chanpool.admin.v1.AttachedProcess.name",
      "google.rpc.ErrorInfo.MetadataEntry.value",
      "google.rpc.ResourceInfo.resource_name",
      "google.rpc.PreconditionFailure.Violation.subject",
      "google.rpc.QuotaFailure.Violation.subject",
  };
  return *fields;
}

// What a detail of an error says to people.
const std::set<std::string>& TextFields() {
  static const auto* fields = new std::set<std::string>{
      "google.rpc.BadRequest.FieldViolation.description",
      "google.rpc.PreconditionFailure.Violation.description",
      "google.rpc.QuotaFailure.Violation.description",
  };
  return *fields;
}

bool HoldsText(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && TextFields().count(field.full_name()) > 0;
}

std::string PrefixOf(absl::string_view process) { return absl::StrCat("processes/", process, "/"); }

// Calls `change` on every string in `message` whose field is one of `which`; false from it ends the walk.
using Which = bool (*)(const FieldDescriptor&);
using Change = std::function<bool(std::string&)>;
bool ChangeStrings(Message& message, Which which, const Change& change, int any_depth);

bool ChangeStringsInAny(Any& any, Which which, const Change& change, int any_depth) {
  if (any_depth >= kMaxAnyDepth) return true;
  std::string type;
  if (!Any::ParseAnyTypeUrl(any.type_url(), &type)) return true;
  const Descriptor* const descriptor = DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  if (descriptor == nullptr) return true;  // Of a type that this program does not have: passed on as it is.
  const std::unique_ptr<Message> inner(MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  if (!any.UnpackTo(inner.get())) return true;
  const bool all = ChangeStrings(*inner, which, change, any_depth + 1);
  inner->SerializeToString(any.mutable_value());
  return all;
}

bool ChangeStrings(Message& message, Which which, const Change& change, int any_depth) {
  if (message.GetDescriptor() == Any::descriptor()) {
    return ChangeStringsInAny(static_cast<Any&>(message), which, change, any_depth);
  }
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> set_fields;
  reflection.ListFields(message, &set_fields);
  for (const FieldDescriptor* const field : set_fields) {
    // To reflect on a map is dear.
    if (field->is_map() && !which(*field->message_type()->map_value())) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Message& inner = field->is_repeated() ? *reflection.MutableRepeatedMessage(&message, field, i)
                                              : *reflection.MutableMessage(&message, field);
        if (!ChangeStrings(inner, which, change, any_depth)) return false;
      } else if (which(*field)) {
        std::string text = field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                                : reflection.GetString(message, field);
        const bool go_on = change(text);
        if (field->is_repeated()) {
          reflection.SetRepeatedString(&message, field, i, std::move(text));
        } else {
          reflection.SetString(&message, field, std::move(text));
        }
        if (!go_on) return false;
      }
    }
  }
  return true;
}

bool ChangeNames(Message& message, const Change& change) {
  return ChangeStrings(message, HoldsResourceName, change, /*any_depth=*/0);
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

bool IsOfId(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-'; }

// The pool or operation that `name` is of: "pools/orders" of "pools/orders/connections/0-1". Empty for another name.
absl::string_view RootOf(absl::string_view name) {
  const size_t slash = name.find('/');
  if (slash == absl::string_view::npos) return "";
  const absl::string_view collection = name.substr(0, slash);
  if (collection != "pools" && collection != "operations") return "";
  size_t end = slash + 1;
  while (end < name.size() && IsOfId(name[end])) ++end;
  return end == slash + 1 ? "" : name.substr(0, end);
}

// Puts `prefix` before each of `roots` that stands in `text` as a word of its own, or as the beginning of a longer
// name.
void PrependInText(const std::string& prefix, const std::set<std::string>& roots, std::string& text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (at > 0 && (IsOfId(text[at - 1]) || text[at - 1] == '/')) continue;
    const absl::string_view root = RootOf(absl::string_view(text).substr(at));
    if (root.empty() || roots.count(std::string(root)) == 0) continue;
    const size_t length = prefix.size() + root.size();
    text.insert(at, prefix);
    at += length - 1;
  }
}

}  // namespace

bool HoldsResourceName(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && NameFields().count(field.full_name()) > 0;
}

absl::Status ToProcess(absl::string_view process, Message& request) {
  const std::string prefix = PrefixOf(process);
  std::string foreign;
  ChangeNames(request, [&prefix, &foreign](std::string& name) {
    if (name.empty()) return true;
    if (!absl::StartsWith(name, prefix)) {
      foreign = name;
      return false;
    }
    name.erase(0, prefix.size());
    return true;
  });
  if (foreign.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("\"", foreign, "\" is not of processes/", process,
                                                 ", which the rest of the request is about; ask for it by itself"));
}

void FromProcess(absl::string_view process, Message& response) { ChangeNames(response, Prepend(process)); }

absl::Status FromProcess(absl::string_view process, const absl::Status& error) {
  std::vector<Any> details;
  error.ForEachPayload([&details](absl::string_view type_url, const absl::Cord& payload) {
    Any& detail = details.emplace_back();
    detail.set_type_url(std::string(type_url));
    detail.set_value(std::string(payload));
  });
  std::set<std::string> roots;
  const Change prepend = Prepend(process);
  for (Any& detail : details) {
    ChangeNames(detail, [&roots, &prepend](std::string& name) {
      if (const absl::string_view root = RootOf(name); !root.empty()) roots.emplace(root);
      return prepend(name);
    });
  }
  const Change prepend_in_text = [&roots, prefix = PrefixOf(process)](std::string& text) {
    PrependInText(prefix, roots, text);
    return true;
  };
  std::string message(error.message());
  prepend_in_text(message);
  absl::Status changed(error.code(), message);
  for (Any& detail : details) {
    ChangeStrings(detail, HoldsText, prepend_in_text, /*any_depth=*/0);
    changed.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return changed;
}

}  // namespace chanpool::attach
