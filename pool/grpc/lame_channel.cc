#include "pool/grpc/lame_channel.h"

#include <grpc/grpc.h>
#include <grpcpp/impl/codegen/grpc_library.h>
#include <grpcpp/impl/grpc_library.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace chanpool {

std::shared_ptr<grpc::Channel> LameChannel(const absl::Status& why) {
  // grpc_init before the first core call: making a grpc::Channel object would do it too late.
  static const bool initialised = (grpc_init(), true);
  (void)initialised;
  static grpc::internal::GrpcLibraryInitializer initializer;
  initializer.summon();
  return grpc::CreateChannelInternal(
      "",
      grpc_lame_client_channel_create("chanpool", static_cast<grpc_status_code>(why.code()),
                                      std::string(why.message()).c_str()),
      {});
}

grpc::Channel* AnchorChannel() {
  static const auto* const anchor = new std::shared_ptr<grpc::Channel>(
      LameChannel(absl::UnavailableError("chanpool: this channel carries no calls")));
  return anchor->get();
}

}  // namespace chanpool
