#include "server/admin/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "pool/core/check.h"
#include "pool/core/mutex.h"
#include "server/admin/descriptors.h"
#include "server/admin/request_checks.h"
#include "server/admin/status_details.h"
#include "server/admin/wire_message.h"

namespace chanpool::admin {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;
using Bytes = grpc::ByteBuffer;

// What is built in. Immutable.
class Files {
 public:
  static const Files& BuiltIn() {
    static const auto* files = new Files;
    return *files;
  }

  const google::protobuf::DescriptorPool& pool() const { return pool_; }
  const std::string& BytesOf(const FileDescriptor& file) const { return bytes_.at(file.name()); }
  const std::vector<std::string>& services() const { return services_; }

 private:
  Files() {
    google::protobuf::FileDescriptorSet set;
    const absl::string_view embedded = AdminDescriptorSet();
    CHANPOOL_CHECK(set.ParseFromArray(embedded.data(), static_cast<int>(embedded.size())));
    for (const auto& file : set.file()) {  // Each after what it imports, as protoc promises.
      CHANPOOL_CHECK(pool_.BuildFile(file) != nullptr);
      bytes_[file.name()] = file.SerializeAsString();
      for (const auto& service : file.service()) {
        services_.push_back(absl::StrCat(file.package(), ".", service.name()));
      }
    }
    std::sort(services_.begin(), services_.end());
  }

  google::protobuf::DescriptorPool pool_;
  std::map<std::string, std::string> bytes_;  // With comments, which a FileDescriptor copies without.
  std::vector<std::string> services_;
};

// Answers the requests of one stream, in which no file is sent twice unless it is asked for. One thread at a time.
class Answerer {
 public:
  ServerReflectionResponse Answer(const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    const google::protobuf::DescriptorPool& pool = Files::BuiltIn().pool();
    switch (request.message_request_case()) {
      case ServerReflectionRequest::kFileByFilename:
        AddFile(pool.FindFileByName(request.file_by_filename()), "file", request.file_by_filename(), response);
        break;
      case ServerReflectionRequest::kFileContainingSymbol:
        AddFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), "symbol",
                request.file_containing_symbol(), response);
        break;
      case ServerReflectionRequest::kFileContainingExtension: {
        const auto& asked = request.file_containing_extension();
        const auto* type = pool.FindMessageTypeByName(asked.containing_type());
        const FieldDescriptor* extension =
            type == nullptr ? nullptr : pool.FindExtensionByNumber(type, asked.extension_number());
        AddFile(extension == nullptr ? nullptr : extension->file(), "extension",
                absl::StrCat(asked.containing_type(), " ", asked.extension_number()), response);
        break;
      }
      case ServerReflectionRequest::kAllExtensionNumbersOfType:
        AddExtensions(request.all_extension_numbers_of_type(), response);
        break;
      case ServerReflectionRequest::kListServices:
        for (const std::string& service : Files::BuiltIn().services()) {
          response.mutable_list_services_response()->add_service()->set_name(service);
        }
        break;
      case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
        SetError(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing that this version knows", response);
        break;
    }
    return response;
  }

 private:
  void AddFile(const FileDescriptor* file, absl::string_view kind, absl::string_view asked,
               ServerReflectionResponse& response) {
    if (file == nullptr) {
      return SetError(grpc::StatusCode::NOT_FOUND, absl::StrCat("there is no ", kind, " ", Quoted(asked)), response);
    }
    sent_.erase(file->name());
    AddWithImports(*file, *response.mutable_file_descriptor_response());
  }

  void AddWithImports(const FileDescriptor& file, grpc::reflection::v1::FileDescriptorResponse& response) {
    if (!sent_.insert(file.name()).second) return;
    response.add_file_descriptor_proto(Files::BuiltIn().BytesOf(file));
    for (int i = 0; i < file.dependency_count(); ++i) AddWithImports(*file.dependency(i), response);
  }

  static void AddExtensions(const std::string& type, ServerReflectionResponse& response) {
    const google::protobuf::DescriptorPool& pool = Files::BuiltIn().pool();
    const auto* descriptor = pool.FindMessageTypeByName(type);
    if (descriptor == nullptr) {
      return SetError(grpc::StatusCode::NOT_FOUND, absl::StrCat("there is no type ", Quoted(type)), response);
    }
    std::vector<const FieldDescriptor*> extensions;
    pool.FindAllExtensions(descriptor, &extensions);
    auto& numbers = *response.mutable_all_extension_numbers_response();
    numbers.set_base_type_name(type);
    for (const FieldDescriptor* extension : extensions) numbers.add_extension_number(extension->number());
  }

  static void SetError(grpc::StatusCode code, const std::string& message, ServerReflectionResponse& response) {
    response.mutable_error_response()->set_error_code(code);
    response.mutable_error_response()->set_error_message(message);
  }

  std::set<std::string> sent_;
};

// One stream: a request, its answer, the next request. gRPC calls it one reaction at a time, but for OnCancel.
class Stream : public grpc::ServerBidiReactor<Bytes, Bytes> {
 public:
  Stream() { StartRead(&request_); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    ServerReflectionRequest request;
    const absl::Status parsed = ParseMessage(request_, request);
    if (!parsed.ok()) return End(parsed);
    response_ = WriteMessage(answerer_.Answer(request));
    MutexLock lock(&mu_);
    if (!finished_) StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the caller is gone"));
    request_.Clear();
    MutexLock lock(&mu_);
    if (!finished_) StartRead(&request_);
  }

  // What is under way ends with ok = false, and that ends the stream.
  void OnCancel() override {}
  void OnDone() override { delete this; }

  void End(const absl::Status& status) {
    MutexLock lock(&mu_);
    if (std::exchange(finished_, true)) return;
    Finish(ToGrpcStatus(status));
  }

  Bytes request_;
  Bytes response_;
  Answerer answerer_;
  Mutex mu_;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
};

const char* PathOf(ReflectionService::Version version) {
  return version == ReflectionService::Version::kV1 ? "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
                                                    : "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
}

}  // namespace

ReflectionService::ReflectionService(Version version) {
  AddMethod(new grpc::internal::RpcServiceMethod(PathOf(version), grpc::internal::RpcMethod::BIDI_STREAMING, nullptr));
  MarkMethodRawCallback(0, new grpc::internal::CallbackBidiHandler<Bytes, Bytes>(
                               [](grpc::CallbackServerContext*) { return new Stream; }));
}

ReflectionService::~ReflectionService() = default;

}  // namespace chanpool::admin
