#include "pool/grpc/awaiting_connection.h"

#include <grpc/grpc.h>

#include <string>
#include <utility>

#include "pool/grpc/channel_access.h"
#include "pool/grpc/dns_thread.h"

namespace chanpool {

namespace {

class FailFastFactory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit FailFastFactory(std::shared_ptr<CallsInFlight> calls)
      : every_(CallsInFlight::NewInterceptorFactory(std::move(calls))) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* info) override {
    if (ChannelAccess::WaitsForReady(*info->client_context())) return nullptr;
    return every_->CreateClientInterceptor(info);
  }

 private:
  const std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> every_;
};

}  // namespace

// What the resolver tells, as long as the connection is there.
class AwaitingConnection::Guest : public NameResolver::Guest {
 public:
  Guest(ConnectionId id, std::weak_ptr<ConnectionListener> listener, std::shared_ptr<CallsInFlight> fail_fast,
        std::shared_ptr<WaitingRoom> room)
      : id_(id), listener_(std::move(listener)), fail_fast_(std::move(fail_fast)), room_(std::move(room)) {}

  void OnAddress(const std::string& ip) override {
    if (room_ != nullptr) room_->Admit(ip);
  }
  // The room keeps silent: an answer that there is none would have gRPC wait for up to two minutes before it asks
  // again, and the calls that wait for a connection with it.
  void OnNoAddress(const absl::Status& why) override {
    const absl::Status unavailable = absl::UnavailableError(why.message());
    fail_fast_->CancelAll(unavailable);  // And those that come, until there is an address: then this connection goes.
    if (const auto listener = listener_.lock()) listener->OnFailed(id_, unavailable);
  }
  void Leave() {
    if (room_ != nullptr) DnsThread::Get()->Post([room = room_] { room->Close(); });
  }

 private:
  const ConnectionId id_;
  const std::weak_ptr<ConnectionListener> listener_;
  const std::shared_ptr<CallsInFlight> fail_fast_;
  const std::shared_ptr<WaitingRoom> room_;
};

AwaitingConnection::AwaitingConnection(ConnectionId id, std::weak_ptr<ConnectionListener> listener,
                                       std::shared_ptr<grpc::Channel> channel, std::shared_ptr<CallsInFlight> calls,
                                       std::shared_ptr<CallsInFlight> fail_fast, std::shared_ptr<WaitingRoom> room,
                                       std::shared_ptr<NameResolver> resolver)
    : ChannelConnection(id, listener, std::move(channel), std::move(calls), Setup()),
      resolver_(std::move(resolver)),
      guest_(std::make_shared<Guest>(id, std::move(listener), std::move(fail_fast), std::move(room))) {}

AwaitingConnection::~AwaitingConnection() { guest_->Leave(); }

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> AwaitingConnection::NewInterceptorFactory(
    std::shared_ptr<CallsInFlight> fail_fast) {
  return std::make_unique<FailFastFactory>(std::move(fail_fast));
}

void AwaitingConnection::SetArguments(grpc::ChannelArguments* arguments) {
  arguments->SetInt(GRPC_ARG_DNS_ARES_QUERY_TIMEOUT_MS, 0);
}

void AwaitingConnection::Start() { resolver_->Await(guest_); }
void AwaitingConnection::Redial() { resolver_->Await(guest_); }

}  // namespace chanpool
