// A connection to a target that has no address yet: it never opens, and goes when there is one. The calls on it stay,
// and end on it.
//
//   auto room = WaitingRoom::Open(name.host, name.port);
//   auto channel = grpc::CreateCustomChannel(room->target(), ...);
//   AwaitingConnection connection(id, listener, channel, calls, room, resolver);
//   connection.Start();                     // listener->OnFailed(id, why) if the look-up fails
#ifndef CHANPOOL_POOL_GRPC_AWAITING_CONNECTION_H_
#define CHANPOOL_POOL_GRPC_AWAITING_CONNECTION_H_

#include <memory>

#include "pool/grpc/channel_connector.h"
#include "pool/grpc/name_resolver.h"
#include "pool/grpc/waiting_room.h"

namespace chanpool {

// Thread-safe.
class AwaitingConnection : public ChannelConnection {
 public:
  // `channel` is to `room`, or, where that is null, to the target itself; it has a factory for `fail_fast`, and the
  // arguments of SetArguments.
  AwaitingConnection(ConnectionId id, std::weak_ptr<ConnectionListener> listener,
                     std::shared_ptr<grpc::Channel> channel, std::shared_ptr<CallsInFlight> calls,
                     std::shared_ptr<CallsInFlight> fail_fast, std::shared_ptr<WaitingRoom> room,
                     std::shared_ptr<NameResolver> resolver);
  ~AwaitingConnection() override;

  // Lists in `fail_fast` the calls that would rather fail than wait: those end when the look-up fails.
  static std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> NewInterceptorFactory(
      std::shared_ptr<CallsInFlight> fail_fast);
  // How long gRPC may wait for the room's answer is the resolver's to say.
  static void SetArguments(grpc::ChannelArguments* arguments);

  // Both ask the resolver, which looks the name up unless it does so already.
  void Start() override;
  void Redial() override;

 private:
  class Guest;

  const std::shared_ptr<NameResolver> resolver_;
  const std::shared_ptr<Guest> guest_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_AWAITING_CONNECTION_H_
