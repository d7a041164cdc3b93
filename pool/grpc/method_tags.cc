#include "pool/grpc/method_tags.h"

#include <grpcpp/impl/call.h>
#include <grpcpp/impl/channel_interface.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "pool/core/stable_hash.h"

namespace chanpool {

using grpc::internal::RpcMethod;

namespace {

// The names that have a handle, each at the first free place from its hash on. Never freed: stubs and connections are
// of any age.
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
  grpc::internal::Call CreateCall(const RpcMethod&, grpc::ClientContext*, grpc::CompletionQueue*) override {
    return grpc::internal::Call();
  }
  void PerformOpsOnCall(grpc::internal::CallOpSetInterface*, grpc::internal::Call*) override {}
  void NotifyOnStateChangeImpl(grpc_connectivity_state, gpr_timespec, grpc::CompletionQueue*, void*) override {}
  bool WaitForStateChangeImpl(grpc_connectivity_state, gpr_timespec) override { return false; }

  static thread_local void* next;
};

thread_local void* TagGiver::next = nullptr;

RpcMethod WithTag(const RpcMethod& method, void* tag) {
  return RpcMethod(method.name(), method.suffix_for_stats(), method.method_type(), TagGiver::Of(tag));
}

bool IsName(absl::string_view text) {
  return text.size() <= MethodTags::kLongestName && std::all_of(text.begin(), text.end(), absl::ascii_isgraph);
}

}  // namespace

void* MethodTags::Handle(const char* name) {
  if (!IsName(name)) return nullptr;
  const char* mine = nullptr;
  const uint64_t begin = StableHash(name);
  for (uint64_t i = 0; i < names.size(); ++i) {
    std::atomic<const char*>& place = names[(begin + i) % names.size()];
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

int MethodTags::IndexOf(const void* handle) {
  return static_cast<int>(static_cast<const std::atomic<const char*>*>(handle) - names.data());
}

const char* MethodTags::NameOf(int index) { return names[index].load(std::memory_order_acquire); }

MethodTags::~MethodTags() {
  for (Registered& method : methods_) delete method.load(std::memory_order_relaxed);
}

const RpcMethod* MethodTags::Register(const RpcMethod& method, grpc_channel* channel, Registered& place) {
  const RpcMethod* mine =
      new RpcMethod(WithTag(method, grpc_channel_register_call(channel, method.name(), nullptr,
                                                               nullptr)));  // Whoever else asks gets the same.
  const RpcMethod* known = nullptr;
  if (place.compare_exchange_strong(known, mine, std::memory_order_acq_rel)) return mine;
  delete mine;
  return known;
}

ABSL_ATTRIBUTE_HOT RpcMethod MethodTags::Translate(const RpcMethod& method, grpc_channel* channel) const {
  if (method.channel_tag() == nullptr) return method;
  Registered& place = methods_[IndexOf(method.channel_tag())];
  const RpcMethod* known = place.load(std::memory_order_acquire);
  if (ABSL_PREDICT_FALSE(known == nullptr)) known = Register(method, channel, place);
  const bool same =
      known->suffix_for_stats() == method.suffix_for_stats() && known->method_type() == method.method_type();
  // Two stubs may call one name differently.
  return ABSL_PREDICT_TRUE(same) ? *known : WithTag(method, known->channel_tag());
}

}  // namespace chanpool
