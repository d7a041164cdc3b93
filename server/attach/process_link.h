// One connection to an attached application: what it says every second, its events, and calls passed on to it.
//
//   ProcessLink link({.name = "shop", .fd = fd, .clock = clock, .events = &events, .wake = wake});
//   link.Tick();                                       // about once a second
//   std::shared_ptr<const Heard> heard = link.heard();
//   link.Close();                                      // then destroy it when idle()
//
// The channel is made from a socket that the application dialled, so it never reconnects: the end of the socket is the
// end of the link. gRPC does not say when that is, so the socket is watched here (ended(), watched_fd()).
#ifndef CHANPOOL_SERVER_ATTACH_PROCESS_LINK_H_
#define CHANPOOL_SERVER_ATTACH_PROCESS_LINK_H_

#include <google/protobuf/message.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "chanpool/admin/v1/pool_admin.grpc.pb.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "server/admin/caller.h"
#include "server/admin/event_log.h"
#include "server/attach/wake_fd.h"

namespace chanpool::attach {

// What an application has said of itself at one time, with names as the sidecar's clients see them. A plain value.
struct Heard {
  absl::Time at;       // By Clock::Now().
  absl::Time wall_at;  // For people.
  std::vector<chanpool::admin::v1::Pool> pools;
  std::vector<chanpool::admin::v1::PoolStats> stats;
  std::vector<chanpool::admin::v1::Operation> operations;
  size_t bytes = 0;  // Of memory, for the messages in which it came.
};

// Thread-safe, except that only its owner ticks, closes and destroys it, on one thread.
class ProcessLink {
 public:
  // An answer that takes longer is given up: the process is asked again.
  static constexpr absl::Duration kAnswerLimit = absl::Seconds(2);
  // What a process may have; more is left out.
  static constexpr size_t kMaxPools = 1'000;
  static constexpr size_t kMaxOperations = 1'000;
  // Of memory; a process that says more counts as one that does not answer.
  static constexpr size_t kMaxHeardBytes = 16 << 20;
  // Events read between two ticks. The process keeps what is more for as long as its own log does.
  static constexpr int kMaxEventsPerTick = 200;
  // Larger events are passed on without their text.
  static constexpr size_t kMaxEventBytes = 4'096;

  struct Options {
    std::string name;                   // As the sidecar's clients see it, without processes/.
    int fd = -1;                        // Connected; owned from here on.
    Clock* clock = nullptr;             // Outlives the link, as `events` does.
    admin::EventLog* events = nullptr;  // Gets the process's events.
    std::string resume_token = {};      // Where an earlier link to the same process ended; empty: events from now.
    std::shared_ptr<WakeFd> wake = {};  // Woken when the process takes leave, and when the link is idle after Close().
  };
  explicit ProcessLink(Options options);
  ~ProcessLink();  // It must be closed and idle.
  ProcessLink(const ProcessLink&) = delete;
  ProcessLink& operator=(const ProcessLink&) = delete;

  // Begins to ask the process how it is, unless it still is being asked; gives up on an answer that is overdue; goes on
  // reading events. Never blocks.
  void Tick();

  // Keeps the link from being destroyed by its owner: idle() is false from Enter() to Leave(). Threads other than the
  // owner's enter while they hold the lock under which they found the link.
  void Enter();
  void Leave();

  // Passes `request`, already with the process's own names, on to it; between Enter() and Leave(). `done` runs once, on
  // gRPC's threads or, when the link is closed, inside this call. `response` is as the process sent it.
  void Call(absl::string_view method, std::unique_ptr<google::protobuf::Message> request, const admin::Caller& caller,
            absl::Time wall_deadline, google::protobuf::Message* response, std::function<void(absl::Status)> done);

  // What was heard last; null before the first time.
  std::shared_ptr<const Heard> heard() const;
  // How often in a row an answer was overdue.
  int overdue() const;
  // Why the last asking failed; OK when it did not.
  absl::Status last_failure() const;
  std::string resume_token() const;

  // Readable by poll(2) for POLLRDHUP: the process has closed its end. Valid until the link is destroyed.
  int watched_fd() const { return watched_fd_; }
  // Whether it has.
  bool ended() const;
  // Whether the process has said that it ends, on purpose. It waits for Close(), but not for long.
  bool took_leave() const;

  // Ends the connection and every call on it, soon. Idempotent.
  void Close();
  // Whether it is closed and all its calls have ended: it may be destroyed.
  bool idle() const;

 private:
  template <typename Request, typename Response>
  struct Step;
  struct PassedCall;
  class EventReader;

  // Counts a call that begins, so that Close() can cancel it. False when the link is closed: do not begin it.
  bool Begin(std::shared_ptr<grpc::ClientContext> context);
  // The last that a call does.
  void End(grpc::ClientContext* context);

  // What became of a call that was passed on.
  absl::Status ResultOf(const grpc::Status& status) const;

  // False, and the asking has failed: it is too much.
  bool Count(size_t bytes, Heard& so_far);
  void AskForPools(std::shared_ptr<Heard> so_far, const std::string& page_token);
  void AskForStats(std::shared_ptr<Heard> so_far);
  void AskForOperations(std::shared_ptr<Heard> so_far, const std::string& page_token);
  // Begins one step of asking; `next` runs on gRPC's threads, if the step is answered well.
  template <typename Request, typename Response, typename Start>
  void Ask(const Request& request, Start start, std::function<void(Response&)> next);
  void FinishAsking(absl::Status status, std::shared_ptr<Heard> heard);

  void FollowEvents();
  bool TakeEvent(const chanpool::admin::v1::WatchEventsResponse& message);  // False: read no more before the next tick.
  void EventsEnded(const grpc::Status& status);

  const Options options_;
  const std::string prefix_;  // "processes/shop/"
  const int watched_fd_;      // A duplicate: gRPC owns the other.
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<chanpool::admin::v1::PoolAdmin::Stub> stub_;
  grpc::TemplatedGenericStub<google::protobuf::Message, google::protobuf::Message> generic_stub_;

  mutable Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  // Calls under way; each context may be one part of what the pointer keeps.
  std::map<grpc::ClientContext*, std::shared_ptr<grpc::ClientContext>> calls_ ABSL_GUARDED_BY(mu_);
  // Those, calls that have ended but not returned yet, and who has entered.
  int running_ ABSL_GUARDED_BY(mu_) = 0;

  bool asking_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time asked_at_ ABSL_GUARDED_BY(mu_);
  grpc::ClientContext* step_ ABSL_GUARDED_BY(mu_) = nullptr;  // In calls_.
  bool given_up_ ABSL_GUARDED_BY(mu_) = false;
  int overdue_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status last_failure_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const Heard> heard_ ABSL_GUARDED_BY(mu_);

  EventReader* reader_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool reader_rests_ ABSL_GUARDED_BY(mu_) = false;
  int events_left_ ABSL_GUARDED_BY(mu_) = kMaxEventsPerTick;
  std::string resume_token_ ABSL_GUARDED_BY(mu_);
  bool took_leave_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace chanpool::attach
#endif  // CHANPOOL_SERVER_ATTACH_PROCESS_LINK_H_
