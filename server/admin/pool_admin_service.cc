#include "server/admin/pool_admin_service.h"

#include <grpcpp/impl/codegen/server_callback_handlers.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/annotations.pb.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "pool/core/check.h"
#include "server/admin/status_details.h"
#include "server/admin/watch_events.h"
#include "server/admin/watch_operation.h"
#include "server/admin/watch_stats.h"
#include "server/admin/wire_message.h"

namespace chanpool::admin {
namespace {

using google::protobuf::MethodDescriptor;
using Bytes = grpc::ByteBuffer;

// What the gate lets through: handlers get the caller, the bytes, and where the answer goes.
using Unary = std::function<void(const std::shared_ptr<PoolAdmin>&, const CallContext&, const Bytes& request,
                                 std::function<void(absl::StatusOr<Bytes>)> reply)>;
using Streaming = std::function<Watch*(grpc::CallbackServerContext*, const std::shared_ptr<PoolAdmin>&, const Caller&,
                                       const Bytes& request)>;

template <typename Request, typename Response>
Unary Serve(void (PoolAdmin::*call)(const Request&, const CallContext&, Reply<Response>)) {
  return [call](const std::shared_ptr<PoolAdmin>& admin, const CallContext& context, const Bytes& bytes,
                std::function<void(absl::StatusOr<Bytes>)> reply) {
    Request request;
    const absl::Status parsed = ParseMessage(bytes, request);
    if (!parsed.ok()) return reply(parsed);
    (admin.get()->*call)(request, context, [reply = std::move(reply)](absl::StatusOr<Response> response) {
      if (!response.ok()) return reply(response.status());
      reply(WriteMessage(*response));
    });
  };
}

// `begin` gets a ticket of the watches' limits.
template <typename Request>
Streaming ServeWatch(std::function<Watch*(grpc::CallbackServerContext*, const std::shared_ptr<PoolAdmin>&,
                                          const Caller&, const Request&, std::shared_ptr<void>)>
                         begin) {
  return [begin](grpc::CallbackServerContext* context, const std::shared_ptr<PoolAdmin>& admin, const Caller& caller,
                 const Bytes& bytes) {
    Request request;
    const absl::Status parsed = ParseMessage(bytes, request);
    if (!parsed.ok()) return Watch::Refuse(context, parsed);
    absl::StatusOr<std::shared_ptr<void>> ticket = admin->watch_limits().Admit(caller.identity);
    if (!ticket.ok()) return Watch::Refuse(context, ticket.status());
    return begin(context, admin, caller, request, *std::move(ticket));
  };
}

absl::Status Denied(absl::string_view reason, absl::string_view message) {
  return ErrorBuilder(absl::StatusCode::kPermissionDenied, reason, message).Build();
}

// As people write it: "operator".
std::string RoleText(Role role) {
  if (role == Role::ROLE_UNSPECIFIED) return "none";
  return absl::AsciiStrToLower(absl::StripPrefix(chanpool::config::v1::Role_Name(role), "ROLE_"));
}

}  // namespace

// One of the two.
struct PoolAdminService::Row {
  Unary unary;
  Streaming streaming;
};

namespace {

// Every method of the service stands here: the constructor refuses to begin without one.
const std::map<std::string, PoolAdminService::Row>& Rows() {
  static const auto* rows = new std::map<std::string, PoolAdminService::Row>{
      {"GetInstance", {Serve(&PoolAdmin::GetInstance), nullptr}},
      {"ListPools", {Serve(&PoolAdmin::ListPools), nullptr}},
      {"GetPool", {Serve(&PoolAdmin::GetPool), nullptr}},
      {"ListConnections", {Serve(&PoolAdmin::ListConnections), nullptr}},
      {"ListEndpoints", {Serve(&PoolAdmin::ListEndpoints), nullptr}},
      {"GetStats", {Serve(&PoolAdmin::GetStats), nullptr}},
      {"ListCalls", {Serve(&PoolAdmin::ListCalls), nullptr}},
      {"ExplainPool", {Serve(&PoolAdmin::ExplainPool), nullptr}},
      {"ListDecisions", {Serve(&PoolAdmin::ListDecisions), nullptr}},
      {"GetConfig", {Serve(&PoolAdmin::GetConfig), nullptr}},
      {"UpdatePool", {Serve(&PoolAdmin::UpdatePool), nullptr}},
      {"ReloadConfig", {Serve(&PoolAdmin::ReloadConfig), nullptr}},
      {"DrainPool", {Serve(&PoolAdmin::DrainPool), nullptr}},
      {"UndrainPool", {Serve(&PoolAdmin::UndrainPool), nullptr}},
      {"RecyclePool", {Serve(&PoolAdmin::RecyclePool), nullptr}},
      {"GetOperation", {Serve(&PoolAdmin::GetOperation), nullptr}},
      {"ListOperations", {Serve(&PoolAdmin::ListOperations), nullptr}},
      {"CancelOperation", {Serve(&PoolAdmin::CancelOperation), nullptr}},
      {"WatchStats",
       {nullptr, ServeWatch<v1::WatchStatsRequest>(
                     [](auto* context, const auto& admin, const Caller& /*caller*/, const auto& request, auto ticket) {
                       return WatchStats(context, admin, request, std::move(ticket));
                     })}},
      {"WatchEvents",
       {nullptr, ServeWatch<v1::WatchEventsRequest>(
                     [](auto* context, const auto& admin, const Caller& /*caller*/, const auto& request, auto ticket) {
                       return WatchEvents(context, admin, request, std::move(ticket));
                     })}},
      {"WatchOperation",
       {nullptr, ServeWatch<v1::WatchOperationRequest>(
                     [](auto* context, const auto& admin, const Caller& caller, const auto& request, auto ticket) {
                       return WatchOperation(context, admin, caller, request, std::move(ticket));
                     })}},
  };
  return *rows;
}

const google::protobuf::ServiceDescriptor& Descriptor() {
  // All of pool_admin.proto is linked in with any of its messages.
  return *v1::GetInstanceRequest::descriptor()->file()->FindServiceByName("PoolAdmin");
}

// gRPC keeps the pointer.
const char* PathOf(const MethodDescriptor& method) {
  static const auto* paths = [] {
    auto* all = new std::map<std::string, std::string>;
    for (int i = 0; i < Descriptor().method_count(); ++i) {
      const MethodDescriptor& one = *Descriptor().method(i);
      (*all)[one.name()] = absl::StrCat("/", Descriptor().full_name(), "/", one.name());
    }
    return all;
  }();
  return paths->at(method.name()).c_str();
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  return deadline == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture() : absl::FromChrono(deadline);
}

}  // namespace

PoolAdminService::PoolAdminService(std::shared_ptr<PoolAdmin> admin, PoolAdminServiceOptions options)
    : admin_(std::move(admin)), options_(std::move(options)), denied_(admin_->clock()) {
  CHANPOOL_CHECK(static_cast<size_t>(Descriptor().method_count()) == Rows().size());
  for (int i = 0; i < Descriptor().method_count(); ++i) {
    const MethodDescriptor* method = Descriptor().method(i);
    const auto row = Rows().find(method->name());
    CHANPOOL_CHECK(row != Rows().end());
    CHANPOOL_CHECK((row->second.streaming != nullptr) == method->server_streaming() && !method->client_streaming());
    if (method->server_streaming()) {
      const Streaming& serve = row->second.streaming;
      AddMethod(
          new grpc::internal::RpcServiceMethod(PathOf(*method), grpc::internal::RpcMethod::SERVER_STREAMING, nullptr));
      MarkMethodRawCallback(i, new grpc::internal::CallbackServerStreamingHandler<Bytes, Bytes>(
                                   [this, method, &serve](grpc::CallbackServerContext* context,
                                                          const Bytes* request) -> grpc::ServerWriteReactor<Bytes>* {
                                     const absl::StatusOr<Caller> caller = Gate(*context, *method);
                                     if (!caller.ok()) return Watch::Refuse(context, caller.status());
                                     return serve(context, admin_, *caller, *request);
                                   }));
    } else {
      const Unary& serve = row->second.unary;
      AddMethod(new grpc::internal::RpcServiceMethod(PathOf(*method), grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
      MarkMethodRawCallback(
          i, new grpc::internal::CallbackUnaryHandler<Bytes, Bytes>(
                 [this, method, &serve](grpc::CallbackServerContext* context, const Bytes* request, Bytes* response) {
                   grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
                   const absl::StatusOr<Caller> caller = Gate(*context, *method);
                   if (!caller.ok()) {
                     reactor->Finish(ToGrpcStatus(caller.status()));
                     return reactor;
                   }
                   serve(admin_, {*caller, DeadlineOf(*context)}, *request,
                         [reactor, response](absl::StatusOr<Bytes> answer) {
                           if (answer.ok()) *response = *std::move(answer);
                           reactor->Finish(ToGrpcStatus(answer.status()));
                         });
                   return reactor;
                 }));
    }
  }
}

PoolAdminService::~PoolAdminService() = default;

absl::StatusOr<Caller> PoolAdminService::Gate(const grpc::CallbackServerContext& context,
                                              const MethodDescriptor& method) {
  if (options_.authorize == nullptr) return Denied("NOBODY_ALLOWED", "this server lets nobody call PoolAdmin");
  CallFacts facts;
  facts.method = method.name();
  facts.peer = context.peer();
  for (const auto& [key, value] : context.client_metadata()) {
    facts.metadata.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  }
  absl::StatusOr<Caller> caller = options_.authorize(facts);
  if (!caller.ok()) {
    // Nothing that would help to guess.
    return ErrorBuilder(absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED", "who calls is not known here").Build();
  }
  const Role required = method.options().GetExtension(v1::required_role);
  const std::string name = chanpool::config::v1::Role_Name(required);
  if (required == Role::ROLE_UNSPECIFIED) return Denied("METHOD_WITHOUT_ROLE", "nobody may call this method");
  if (caller->role >= required) return caller;
  const std::string needs = absl::StrCat("needs the role ", RoleText(required));
  TellDenied(*caller, method.name(), needs);
  return ErrorBuilder(absl::StatusCode::kPermissionDenied, "ROLE_REQUIRED",
                      absl::StrCat(method.name(), " ", needs, "; ", caller->identity, " has ", RoleText(caller->role)))
      .Fact("required_role", name)
      .Build();
}

void PoolAdminService::TellDenied(const Caller& caller, const std::string& method, const std::string& needs) {
  const absl::optional<uint64_t> silent = denied_.Tell(caller.identity, method);
  if (!silent.has_value()) return;
  v1::Event event;
  event.set_type(v1::EVENT_TYPE_CALLER_DENIED);
  event.set_severity(v1::SEVERITY_WARNING);
  event.set_resource("instance");
  event.set_actor(caller.identity);
  event.set_message(absl::StrCat(method, " refused: it ", needs, "; ", caller.identity, " has ", RoleText(caller.role),
                                 *silent > 0 ? absl::StrCat(" (refused ", *silent, " times more before)") : ""));
  admin_->events().Append(std::move(event));
}

}  // namespace chanpool::admin
