#include "client/cli/session.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/admin/endpoint.h"
#include "client/cli/json_text.h"

namespace chanpool::cli {
namespace {

constexpr char kUsage[] = "poolctl/usage";

}  // namespace

Session::Session(Environment& environment, Settings settings)
    : environment_(environment), settings_(std::move(settings)) {}

absl::StatusOr<AdminClient*> Session::client() {
  if (client_ != nullptr) return client_.get();
  std::string endpoint = settings_.endpoint;
  if (endpoint.empty()) {
    absl::StatusOr<std::string> found = chanpool::admin::FindEndpoint(environment_.default_sockets);
    if (!found.ok()) return found.status();
    endpoint = *std::move(found);
  }
  absl::StatusOr<std::unique_ptr<AdminClient>> client = AdminClient::Connect(endpoint);
  if (!client.ok()) return UsageError(client.status().message());
  client_ = *std::move(client);
  return client_.get();
}

absl::StatusOr<AdminClient*> Session::answering_client() {
  absl::StatusOr<AdminClient*> client = this->client();
  if (!client.ok()) return client;
  const absl::StatusOr<v1::GetInstanceResponse> answer = (*client)->GetInstance({}, timeout());
  if (!answer.ok()) return answer.status();
  return client;
}

std::string Session::endpoint() const { return client_ == nullptr ? settings_.endpoint : client_->endpoint(); }

void Session::Write(absl::string_view text) {
  *environment_.out << text;
  environment_.out->flush();
}

void Session::Print(const Table& table) { Write(table.Text({settings_.headers, settings_.colour, columns()})); }

void Session::PrintMessage(const google::protobuf::Message& message) { PrintJson(ToJson(message)); }

void Session::PrintJson(const std::string& json) { Write(format() == Format::kYaml ? Yaml(json) : Laid(json)); }

void Session::PrintStreamed(const google::protobuf::Message& message) {
  const std::string json = ToJson(message);
  Write(format() == Format::kYaml ? absl::StrCat("---\n", Yaml(json)) : absl::StrCat(json, "\n"));
}

void Session::Say(absl::string_view line) {
  *environment_.err << line << "\n";
  environment_.err->flush();
}

int Session::columns() const { return environment_.terminal == nullptr ? 0 : environment_.terminal->size().columns; }

absl::Status UsageError(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsage, absl::Cord(""));
  return status;
}

bool IsUsageError(const absl::Status& status) { return status.GetPayload(kUsage).has_value(); }

}  // namespace chanpool::cli
