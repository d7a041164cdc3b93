// Follows what a server says of its health: one stream of grpc.health.v1.Health/Watch over one channel.
//
//   auto watch = HealthWatch::Begin(channel, service, [](const absl::Status& serving) { ... });
//   watch->Stop();
#ifndef CHANPOOL_POOL_GRPC_HEALTH_WATCH_H_
#define CHANPOOL_POOL_GRPC_HEALTH_WATCH_H_

#include <grpc/grpc.h>
#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace chanpool {

// On the closer's thread alone (closer_thread.h), where `tell` is called as well.
class HealthWatch : public std::enable_shared_from_this<HealthWatch> {
 public:
  // `tell` gets OK for SERVING, and kUnavailable with the reason for anything else, at first and at each change; also
  // when the stream ends, which is its last word. Once only, and OK, for a server that has no health service.
  using Tell = std::function<void(const absl::Status& serving)>;
  static std::shared_ptr<HealthWatch> Begin(std::shared_ptr<grpc::Channel> channel, const std::string& service,
                                            Tell tell);
  ~HealthWatch();
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  // Nothing is told any more, and the stream ends. Idempotent.
  void Stop();

 private:
  class Batch;

  HealthWatch(std::shared_ptr<grpc::Channel> channel, Tell tell);
  void Start(const std::string& service);
  void Receive();
  void Received();
  void Ended();

  const std::shared_ptr<grpc::Channel> channel_;
  Tell tell_;  // Null once stopped.
  grpc_call* call_ = nullptr;
  grpc_metadata_array initial_, trailing_;
  grpc_byte_buffer* request_ = nullptr;
  grpc_byte_buffer* response_ = nullptr;  // Of the batch under way.
  grpc_status_code code_ = GRPC_STATUS_UNKNOWN;
  grpc_slice message_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_HEALTH_WATCH_H_
