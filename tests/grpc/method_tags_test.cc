#include "pool/grpc/method_tags.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "pool/grpc/channel_access.h"
#include "pool/grpc/lame_channel.h"

namespace chanpool {
namespace {

using grpc::internal::RpcMethod;

// A stub's channel as far as its methods are concerned.
class HandleGiver : public grpc::ChannelInterface {
 public:
  grpc_connectivity_state GetState(bool) override { return GRPC_CHANNEL_IDLE; }

 private:
  void* RegisterMethod(const char* name) override { return MethodTags::Handle(name); }
  grpc::internal::Call CreateCall(const RpcMethod&, grpc::ClientContext*, grpc::CompletionQueue*) override {
    return grpc::internal::Call();
  }
  void PerformOpsOnCall(grpc::internal::CallOpSetInterface*, grpc::internal::Call*) override {}
  void NotifyOnStateChangeImpl(grpc_connectivity_state, gpr_timespec, grpc::CompletionQueue*, void*) override {}
  bool WaitForStateChangeImpl(grpc_connectivity_state, gpr_timespec) override { return false; }
};

RpcMethod OfAStub(const char* name) {
  return RpcMethod(name, "suffix", RpcMethod::BIDI_STREAMING, std::make_shared<HandleGiver>());
}

TEST(MethodTagsTest, EachConnectionKeepsTheTagOfItsOwnChannel) {
  const auto one = LameChannel(absl::UnavailableError("one")), other = LameChannel(absl::UnavailableError("other"));
  grpc_channel* const core_one = ChannelAccess::CoreChannel(*one);
  grpc_channel* const core_other = ChannelAccess::CoreChannel(*other);
  const MethodTags of_one, of_other;
  const RpcMethod method = OfAStub("/chanpool.Test/Method");
  const RpcMethod first = of_one.Translate(method, core_one);
  EXPECT_EQ(first.channel_tag(), grpc_channel_register_call(core_one, "/chanpool.Test/Method", nullptr, nullptr));
  EXPECT_EQ(of_one.Translate(method, core_one).channel_tag(), first.channel_tag());
  EXPECT_NE(of_other.Translate(method, core_other).channel_tag(), first.channel_tag());
  EXPECT_STREQ(first.name(), "/chanpool.Test/Method");
  EXPECT_STREQ(first.suffix_for_stats(), "suffix");
  EXPECT_EQ(first.method_type(), RpcMethod::BIDI_STREAMING);
}

TEST(MethodTagsTest, NoHandleReachesAChannelThatDoesNotKnowIt) {
  const RpcMethod method = OfAStub("/chanpool.Test/Method");
  EXPECT_NE(method.channel_tag(), nullptr);
  EXPECT_EQ(MethodTags::Unregistered(method).channel_tag(), nullptr);
}

// Last: it takes every handle that is left.
TEST(MethodTagsTest, MethodsBeyondTheMaximumAreCalledByName) {
  std::set<void*> handles;
  void* const first = MethodTags::Handle("/chanpool.Test/0");
  for (int i = 0; i < MethodTags::kMaxMethods + 10; ++i) {
    handles.insert(MethodTags::Handle(("/chanpool.Test/" + std::to_string(i)).c_str()));
  }
  EXPECT_EQ(MethodTags::Handle("/chanpool.Test/0"), first) << "a name keeps its handle";
  EXPECT_EQ(handles.count(nullptr), 1u);
  EXPECT_LE(handles.size(), MethodTags::kMaxMethods + 1u);
  const auto channel = LameChannel(absl::UnavailableError("no"));
  const MethodTags tags;
  const RpcMethod beyond = OfAStub("/chanpool.Test/beyond");
  EXPECT_EQ(tags.Translate(beyond, ChannelAccess::CoreChannel(*channel)).channel_tag(), nullptr);
}

}  // namespace
}  // namespace chanpool
