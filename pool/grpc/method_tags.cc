#include "pool/grpc/method_tags.h"

#include <grpcpp/impl/call.h>
#include <grpcpp/impl/channel_interface.h>

#include <cstdlib>
#include <cstring>
#include <memory>

namespace chanpool {
namespace {

// The names that have a handle, from the first on. Never freed: stubs and connections are of any age.
std::array<std::atomic<const char*>, MethodTags::kMaxMethods> names{};

// An RpcMethod takes its tag from a channel, in its constructor, and from nowhere else.
class TagGiver : public grpc::ChannelInterface {
 public:
  static const std::shared_ptr<grpc::ChannelInterface>& Of(void* tag) {
    static const auto* const giver = new std::shared_ptr<grpc::ChannelInterface>(new TagGiver);
    next = tag;
    return *giver;
  }

  grpc_connectivity_state GetState(bool) override { return GRPC_CHANNEL_SHUTDOWN; }

 private:
  void* RegisterMethod(const char*) override { return next; }
  grpc::internal::Call CreateCall(const grpc::internal::RpcMethod&, grpc::ClientContext*,
                                  grpc::CompletionQueue*) override {
    return grpc::internal::Call();
  }
  void PerformOpsOnCall(grpc::internal::CallOpSetInterface*, grpc::internal::Call*) override {}
  void NotifyOnStateChangeImpl(grpc_connectivity_state, gpr_timespec, grpc::CompletionQueue*, void*) override {}
  bool WaitForStateChangeImpl(grpc_connectivity_state, gpr_timespec) override { return false; }

  static thread_local void* next;
};

thread_local void* TagGiver::next = nullptr;

}  // namespace

void* MethodTags::Handle(const char* name) {
  const char* mine = nullptr;
  for (std::atomic<const char*>& place : names) {
    const char* known = place.load(std::memory_order_acquire);
    if (known == nullptr) {
      if (mine == nullptr) mine = strdup(name);
      if (place.compare_exchange_strong(known, mine, std::memory_order_acq_rel)) return &place;
    }
    if (std::strcmp(known, name) == 0) {
      std::free(const_cast<char*>(mine));
      return &place;
    }
  }
  std::free(const_cast<char*>(mine));
  return nullptr;
}

grpc::internal::RpcMethod MethodTags::Translate(const grpc::internal::RpcMethod& method, grpc_channel* channel) const {
  if (method.channel_tag() == nullptr) return method;
  std::atomic<void*>& known = tags_[static_cast<std::atomic<const char*>*>(method.channel_tag()) - names.data()];
  void* tag = known.load(std::memory_order_acquire);
  if (tag == nullptr) {
    // Whoever else registers it now gets the same.
    tag = grpc_channel_register_call(channel, method.name(), nullptr, nullptr);
    known.store(tag, std::memory_order_release);
  }
  return grpc::internal::RpcMethod(method.name(), method.suffix_for_stats(), method.method_type(), TagGiver::Of(tag));
}

}  // namespace chanpool
