// The applications that have attached to this process: accepts them, asks each how it is every second, shows what they
// said, and passes calls on to them.
//
//   AttachedProcesses attached({.events = &events});
//   auto listener = UnixListener::Bind({.path = "/run/chanpool/attach.sock"},
//                                      [&](int fd, const UnixPeer& peer) { attached.Accept(fd, peer); });
//   PoolAdmin::Options{..., .remote = &attached};
//
// The application dials, but it is the gRPC server on that connection and this process the client.
//
// Names: an application is called as it says, processes/shop, and the second one of that name while the first is there
// shop-2. A name never changes under an application that is attached: operators, scripts and metrics would act on
// another process than they mean. So after a restart in which the old process outlived the start of the new one, the
// new one stays shop-2. As soon as the old one has gone, with or without a goodbye, its name is free for the next
// application of that name and user, whoever else is shop-2 meanwhile.
#ifndef CHANPOOL_SERVER_ATTACH_ATTACHED_PROCESSES_H_
#define CHANPOOL_SERVER_ATTACH_ATTACHED_PROCESSES_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "chanpool/admin/v1/instance.pb.h"
#include "pool/core/clock.h"
#include "pool/core/mutex.h"
#include "server/admin/event_log.h"
#include "server/admin/remote_processes.h"
#include "server/attach/attach_line.h"
#include "server/attach/process_link.h"
#include "server/attach/wake_fd.h"
#include "server/socket/unix_listener.h"

namespace chanpool {

// Thread-safe. Has one thread of its own.
class AttachedProcesses : public admin::RemoteProcesses {
 public:
  // Attached at one time; further ones are refused.
  static constexpr size_t kMaxProcesses = 256;
  // Connected and not presented yet; further ones are refused.
  static constexpr size_t kMaxUnpresented = 64;
  // To present itself.
  static constexpr absl::Duration kHelloLimit = absl::Seconds(2);
  // Between two askings of the same process.
  static constexpr absl::Duration kAskEvery = absl::Seconds(1);
  // Not heard of for this long: STALE.
  static constexpr absl::Duration kStaleAfter = absl::Seconds(3);
  // STALE for this long, through so many askings in a row: its connection is dropped. It may attach again.
  static constexpr absl::Duration kHungAfter = absl::Seconds(60);
  static constexpr int kHungAskings = 10;
  // LOST for this long: forgotten. One that says goodbye is forgotten at once.
  static constexpr absl::Duration kForgetAfter = absl::Minutes(5);

  struct Options {
    admin::EventLog* events = nullptr;  // Gets PROCESS_ATTACHED, PROCESS_LOST, and what happens in the processes.
    Clock* clock = nullptr;             // Null: the process's. Outlives this, as `events` does.
    // Users whose applications may attach, beside root and this process's own.
    std::vector<uid_t> allow_uids = {};
    // Gets a line when a process attaches, is lost or is refused. Default: stderr. Called on the thread of this object;
    // must not block.
    std::function<void(absl::string_view)> log = nullptr;
  };
  explicit AttachedProcesses(Options options);
  // Stops, if nobody has. Nothing else may be called any more.
  ~AttachedProcesses() override;
  AttachedProcesses(const AttachedProcesses&) = delete;
  AttachedProcesses& operator=(const AttachedProcesses&) = delete;

  // Ends all connections and the calls on them, and waits until those have ended: soon, whatever the processes do. A
  // server that passes calls on can end only after that: it waits for its calls, and a process may be stopped. Not
  // twice at a time; no Accept() during it or after. Everything else may still be called: all processes are LOST.
  void Stop();

  // For UnixListener. Owns `fd`. Never blocks.
  void Accept(int fd, const UnixPeer& peer);

  // As in admin::RemoteProcesses. Processes that are STALE or LOST keep what was heard of them last, marked stale.
  std::vector<chanpool::admin::v1::AttachedProcess> Processes() override;
  std::vector<chanpool::admin::v1::Pool> Pools() override;
  absl::optional<chanpool::admin::v1::Pool> FindPool(absl::string_view name) override;
  std::vector<chanpool::admin::v1::PoolStats> Stats() override;
  std::vector<chanpool::admin::v1::Operation> Operations() override;
  // A STALE process is not asked: what it is asked now it would do whenever it goes on.
  void Call(absl::string_view process, absl::string_view method, const google::protobuf::Message& request,
            const admin::Caller& caller, absl::Time deadline, google::protobuf::Message* response,
            std::function<void(absl::Status)> done) override;

 private:
  // Connected, and has not presented itself yet.
  struct Unpresented {
    int fd;
    UnixPeer peer;
    absl::Time since;
  };
  // One that is, or was, attached.
  struct Process {
    UnixPeer peer;
    attach::Hello hello;
    absl::Time attached_at;  // By Clock::Now().
    absl::Time wall_attached_at;
    std::unique_ptr<attach::ProcessLink> link;    // Null: LOST,
    absl::Time lost_at = absl::InfiniteFuture();  // since then,
    std::shared_ptr<const attach::Heard> heard;   // and this was heard last, by this link or the one before.
    std::string resume_token;                     // Where the events of the link before ended.
  };

  // --- On the thread ------------------------------------------------------------------------------------------------

  void Run();
  // Waits until there is something to do.
  void Await();
  bool stopping() const;
  absl::Time NextLook() const;
  void LookForEnds();
  void ReadHellos();
  // What becomes of `peer`: nothing yet, attached, or refused with an error.
  absl::StatusOr<bool> Hear(const Unpresented& peer);
  absl::Status Attach(const attach::Hello& hello, const Unpresented& peer);
  absl::StatusOr<std::string> NameFor(const attach::Hello& hello, const UnixPeer& peer);
  void Refuse(const Unpresented& peer, const absl::Status& why);
  void AskAll();
  // The process stays as LOST.
  void Lose(const std::string& name, absl::string_view why);
  // The process has said that it ends: forgotten.
  void Release(const std::string& name);
  // Ends the link of a process; its place stays.
  void Unlink(const std::string& name);
  void DestroyIdle();
  void Tell(chanpool::admin::v1::EventType type, chanpool::admin::v1::Severity severity, const std::string& name,
            const std::string& message);

  // --- Anywhere -----------------------------------------------------------------------------------------------------

  std::shared_ptr<const attach::Heard> HeardOf(const Process& process) const;
  chanpool::admin::v1::ProcessState StateOf(const Process& process) const;
  struct LastWords {
    std::shared_ptr<const attach::Heard> heard;
    bool stale;
  };
  // Null if nothing was.
  LastWords LastWordsOf(const Process& process) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of every process of which something was heard.
  std::vector<LastWords> AllHeard() const;

  const Options options_;
  Clock* const clock_;
  const std::function<void(absl::string_view)> log_;
  const std::shared_ptr<attach::WakeFd> wake_;
  const std::shared_ptr<std::atomic<bool>> ask_soon_ = std::make_shared<std::atomic<bool>>(false);
  const std::unique_ptr<Alarm> alarm_;

  mutable Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Unpresented> accepted_ ABSL_GUARDED_BY(mu_);                      // Not yet taken up by the thread.
  size_t unpresented_count_ ABSL_GUARDED_BY(mu_) = 0;                           // Those, and those of unpresented_.
  std::map<std::string, Process, std::less<>> processes_ ABSL_GUARDED_BY(mu_);  // By name. Changed by the thread only.

  // Of the thread alone.
  std::list<Unpresented> unpresented_;
  std::list<std::unique_ptr<attach::ProcessLink>> closing_;  // A channel must not be destroyed in a callback of gRPC.
  absl::Time next_asking_;
  std::string last_refusal_;

  std::thread thread_;
};

}  // namespace chanpool
#endif  // CHANPOOL_SERVER_ATTACH_ATTACHED_PROCESSES_H_
