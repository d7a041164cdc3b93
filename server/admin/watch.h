// One streaming RPC: says what there is to say, one message at a time, until it ends.
//
//   class WatchNumbers : public Watch { Step Next() override { ... return Step::Send(message); } };
//   return Watch::Begin(std::make_shared<WatchNumbers>(context, admin, ticket));
//
// It keeps a position, not a queue: Next is asked only when the message before has left, so a reader that is slow is
// told less often, and costs nobody memory.
#ifndef CHANPOOL_SERVER_ADMIN_WATCH_H_
#define CHANPOOL_SERVER_ADMIN_WATCH_H_

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"

namespace chanpool::admin {

// Thread-safe. Lives until its RPC is done and nobody looks at it any more.
class Watch : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public std::enable_shared_from_this<Watch> {
 public:
  // Begins to write. The result is for gRPC, which keeps it until the RPC is done.
  static Watch* Begin(const std::shared_ptr<Watch>& watch);
  // One that only ends so.
  static Watch* Refuse(grpc::CallbackServerContext* context, const absl::Status& why);

  ~Watch() override;

  // Looks whether there is something to say. Never blocks.
  void Pump();

 protected:
  // What is to be done next.
  struct Step {
    std::optional<grpc::ByteBuffer> message;
    std::optional<absl::Status> end;  // OK or an error; where there is no message.
    static Step Send(const google::protobuf::Message& message);
    static Step End(absl::Status status);
    static Step Wait() { return {}; }
  };

  // `ticket` is let go when the RPC is done (watch_limits.h); may be null.
  Watch(grpc::CallbackServerContext* context, Clock* clock, std::shared_ptr<void> ticket);

  // The next step. Called once before anything else, and then whenever something may have changed.
  virtual Step Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) = 0;
  // Called once, before the first Next, when weak_from_this works: the place to follow things.
  virtual void Follow() {}

  // Called after each Pump, without the lock.
  virtual void OnPumped() {}
  // While true nothing is said and nothing ends, so that what only lives until the last RPC's end can be used in
  // OnPumped without the lock. Who sets it back pumps.
  void Hold(bool hold) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { held_ = hold; }
  bool held() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return held_; }
  // Whether the RPC's end has been decided.
  bool ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return finished_; }

  // Next is called again at this time at the latest, unless it is set anew.
  void LookAgainAt(absl::Time when) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Only before End.
  void AddTrailer(const std::string& key, const std::string& value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Pump, for whoever may outlive this.
  std::function<void()> WeakPump();

  Mutex mu_;

 private:
  void OnWriteDone(bool ok) final;
  void OnCancel() final;
  void OnDone() final;
  void PumpLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  grpc::CallbackServerContext* const context_;
  std::shared_ptr<Watch> self_;  // Until OnDone: gRPC's reference.
  std::shared_ptr<void> ticket_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Alarm> alarm_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;  // Finish was called: nothing of gRPC's may be touched any more.
  grpc::ByteBuffer outgoing_ ABSL_GUARDED_BY(mu_);
  Clock* const clock_;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_WATCH_H_
