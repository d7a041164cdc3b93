// A stub's methods, as each connection's channel knows them: saves gRPC the work of making a call by name.
//
//   void* PooledChannel::RegisterMethod(const char* name) { return MethodTags::Handle(name); }
//   ...
//   channel.CreateCall(connection.tags().Translate(method, channel), ...);   // for a real channel
//   lame.CreateCall(MethodTags::Unregistered(method), ...);
//
// What gRPC gives for a registered method belongs to one channel, and a stub of ours outlives its channels. So a stub
// gets a handle of ours, and each connection keeps the method as its own channel registered it. A handle must never
// reach a real channel: every call's method goes through one of the two functions above.
#ifndef CHANPOOL_POOL_GRPC_METHOD_TAGS_H_
#define CHANPOOL_POOL_GRPC_METHOD_TAGS_H_

#include <grpc/grpc.h>
#include <grpcpp/impl/rpc_method.h>

#include <array>
#include <atomic>
#include <cstddef>

namespace chanpool {

// One connection's. Thread-safe, without a lock: a child of fork() may make stubs as well.
class MethodTags {
 public:
  // Methods with a handle, in one process. Each costs 8 bytes a connection, and 32 once it was called there; those
  // beyond are called by name.
  static constexpr int kMaxMethods = 256;
  // In bytes. What is longer, or has other than printable ASCII, gets no handle: calls by name may come from anywhere.
  static constexpr size_t kLongestName = 256;

  MethodTags() = default;
  ~MethodTags();
  MethodTags(const MethodTags&) = delete;
  MethodTags& operator=(const MethodTags&) = delete;

  // The process's handle for `name`; null beyond kMaxMethods, and for what is no name. The cost of one hash of the
  // name, or of kMaxMethods looks for a name that got none: for stubs, and for calls that come without a handle.
  static void* Handle(const char* name);
  // 0 to kMaxMethods - 1, of a handle.
  static int IndexOf(const void* handle);
  // By its index; stays as long as the process.
  static const char* NameOf(int index);

  // `method`, whose tag is a handle or null, as one for `channel`, always the same.
  grpc::internal::RpcMethod Translate(const grpc::internal::RpcMethod& method, grpc_channel* channel) const;
  // The same for any channel.
  static grpc::internal::RpcMethod Unregistered(const grpc::internal::RpcMethod& method) {
    return grpc::internal::RpcMethod(method.name(), method.suffix_for_stats(), method.method_type());
  }

 private:
  using Registered = std::atomic<const grpc::internal::RpcMethod*>;

  static const grpc::internal::RpcMethod* Register(const grpc::internal::RpcMethod& method, grpc_channel* channel,
                                                   Registered& place);

  mutable std::array<Registered, kMaxMethods> methods_ = {};  // By handle; owned.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_METHOD_TAGS_H_
