#include "server/attach/attachment.h"

#include <fcntl.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "chanpool/admin/v1/version.h"
#include "pool/core/fork_epoch.h"
#include "pool/core/mutex.h"
#include "server/admin/event_log.h"
#include "server/admin/pool_admin.h"
#include "server/admin/pool_admin_service.h"
#include "server/admin/pool_name.h"
#include "server/attach/attach_line.h"
#include "server/attach/caller_metadata.h"
#include "server/attach/sidecar_dial.h"
#include "server/attach/wake_fd.h"
#include "server/socket/unix_listener.h"

namespace chanpool {
namespace {

// A sidecar that has not answered for so long gets a line in the log. It is waited for all the same: dialling again
// would only lengthen its queue.
constexpr absl::Duration kSlowAnswer = absl::Seconds(5);
// For the sidecar to hear that this application ends. Then it is LOST there, which is no harm.
constexpr absl::Duration kGoodbyeLimit = absl::Seconds(1);
// Requests of operators are small.
constexpr int kMaxRequestBytes = 1 << 20;

void ToStderr(absl::string_view line) {
  std::fprintf(stderr, "chanpool: %.*s\n", static_cast<int>(line.size()), line.data());
}

std::string NewNonce() {
  std::random_device random;
  return absl::StrCat(absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8),
                      absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

absl::Status Forked(absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot ", what, " after fork(): the attachment is the parent's; start one in this process"));
}

}  // namespace

// The gRPC server, and the thread that finds it a client.
class Attachment::Server {
 public:
  explicit Server(AttachOptions options)
      : options_(std::move(options)),
        clock_(options_.clock != nullptr ? options_.clock : RealClock()),
        log_(options_.log != nullptr ? options_.log : ToStderr),
        wake_(std::make_shared<attach::WakeFd>()),
        alarm_(clock_->NewAlarm([wake = wake_] { wake->Wake(); })),
        nonce_(NewNonce()),
        jitter_(std::random_device()()),
        events_(clock_),
        registry_(clock_, &events_),
        admin_(std::make_shared<admin::PoolAdmin>(
            admin::PoolAdmin::Options{&registry_, &events_, nullptr, nullptr, clock_, options_.name})),
        service_(admin_, {attach::CallerFromMetadata}) {}

  ~Server() {
    if (!thread_.joinable()) return;
    {
      MutexLock lock(&mu_);
      stopping_ = true;
    }
    wake_->Wake();
    thread_.join();
    admin_->BeginShutdown();
    server_->Shutdown(gpr_inf_past(GPR_CLOCK_REALTIME));
  }

  void Begin() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
    server_ = builder.BuildAndStart();
    // The application's signal handlers are not to run here.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { Run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  admin::PoolRegistry& registry() { return registry_; }

  std::string attached_as() const {
    MutexLock lock(&mu_);
    return attached_as_;
  }

 private:
  void Run() {
    while (!stopping()) {
      const absl::Status ended = AttachOnce();
      if (stopping()) return;
      Tell(absl::StrCat("not attached: ", ended.message(), "; the pools work without, and it is tried again"),
           ended.code());
      const absl::Time again = clock_->Now() + pause_.Next(uniform_(jitter_));
      while (!stopping() && clock_->Now() < again) Await(-1, 0, again);
    }
  }

  // Dials, and serves until the connection ends. Says why it ended, or never came to be.
  absl::Status AttachOnce() {
    const absl::StatusOr<int> fd = attach::DialFirst(attach::SocketsToTry(options_.socket));
    if (!fd.ok()) return fd.status();
    const absl::StatusOr<UnixPeer> sidecar = PeerOf(*fd);
    const absl::StatusOr<std::string> name = Introduce(*fd);
    if (!name.ok()) {
      close(*fd);
      return name.status();
    }
    // A duplicate, to notice the end and to bring it about: the other is gRPC's from here on.
    const int watched = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
    if (watched < 0) {
      close(*fd);
      return absl::UnavailableError("no file descriptor is left");
    }
    grpc::AddInsecureChannelFromFd(server_.get(), *fd);
    SetAttachedAs(*name);
    Tell(absl::StrCat("attached as ", *name, " to pid ", sidecar.ok() ? sidecar->pid : 0), absl::StatusCode::kOk);
    const absl::Time since = clock_->Now();
    while (!stopping() && !Await(watched, POLLRDHUP, absl::InfiniteFuture())) {
    }
    // One that ends as soon as it begins is no reason to dial in haste.
    if (clock_->Now() - since >= attach::RedialPause::kLongest) pause_.Reset();
    SetAttachedAs("");
    if (stopping()) SayGoodbye(watched);
    shutdown(watched, SHUT_RDWR);
    close(watched);
    return absl::UnavailableError("the sidecar ended the connection");
  }

  // The sidecar's watch of our events ends with the reason that this process ends. The connection stays until the
  // sidecar has read that and ends it, for the end of a socket may be noticed before what was sent on it.
  void SayGoodbye(int watched) {
    admin_->BeginShutdown();
    const absl::Time until = clock_->Now() + kGoodbyeLimit;
    while (clock_->Now() < until && !Await(watched, POLLRDHUP, until)) {
    }
  }

  // What the sidecar calls us.
  absl::StatusOr<std::string> Introduce(int fd) {
    const absl::Status sent = attach::WriteLine(fd, attach::HelloLine({options_.name, admin::kVersion, nonce_}));
    if (!sent.ok()) return sent;
    const absl::Time slow = clock_->Now() + kSlowAnswer;
    while (!stopping()) {
      const absl::StatusOr<absl::optional<std::string>> line = attach::ReadLine(fd);
      if (!line.ok()) return line.status();
      if (line->has_value()) return attach::ParseAnswer(**line);
      const bool is_slow = clock_->Now() >= slow;
      if (is_slow) {
        Tell("not attached: the sidecar takes the connection and does not answer; waiting for it",
             absl::StatusCode::kDeadlineExceeded);
      }
      Await(fd, POLLIN, is_slow ? absl::InfiniteFuture() : slow);
    }
    return absl::CancelledError("the application ends");
  }

  // Waits until `fd` has one of `events` (true), the attachment is to end, or `until`. May return early.
  bool Await(int fd, short events, absl::Time until) {
    alarm_->Set(until);
    pollfd watched[] = {{wake_->fd(), POLLIN, 0}, {fd, events, 0}};
    // Time may have passed `until` before the alarm was set.
    if (clock_->Now() < until) poll(watched, 2, -1);
    wake_->Clear();
    return watched[1].revents != 0;
  }

  bool stopping() const {
    MutexLock lock(&mu_);
    return stopping_;
  }

  void SetAttachedAs(const std::string& name) {
    MutexLock lock(&mu_);
    attached_as_ = name;
  }

  // One line for each change, not for each attempt.
  void Tell(const std::string& line, absl::StatusCode state) {
    if (told_ == state) return;
    told_ = state;
    log_(absl::StrCat("attach: ", options_.name, ": ", line));
  }

  const AttachOptions options_;
  Clock* const clock_;
  const std::function<void(absl::string_view)> log_;
  const std::shared_ptr<attach::WakeFd> wake_;
  const std::unique_ptr<Alarm> alarm_;
  const std::string nonce_;  // The same for each dial, so that the sidecar knows who comes back.

  // Of the thread alone.
  std::minstd_rand jitter_;
  std::uniform_real_distribution<double> uniform_;
  attach::RedialPause pause_;
  absl::optional<absl::StatusCode> told_;

  admin::EventLog events_;
  admin::PoolRegistry registry_;
  const std::shared_ptr<admin::PoolAdmin> admin_;
  admin::PoolAdminService service_;
  std::unique_ptr<grpc::Server> server_;

  mutable Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::string attached_as_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<Attachment>> Attachment::Start(AttachOptions options,
                                                              std::vector<admin::PoolRegistry::Registration> pools) {
  if (!admin::IsPoolName(options.name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", options.name, "\" is no name for an application: it takes a lower-case letter, then up to 62 lower-case ",
        "letters, digits or hyphens, like \"shop\""));
  }
  auto server = std::make_unique<Server>(std::move(options));
  for (admin::PoolRegistry::Registration& pool : pools) {
    const absl::Status added = server->registry().Add(std::move(pool));
    if (!added.ok()) return added;
  }
  server->Begin();
  return std::unique_ptr<Attachment>(new Attachment(std::move(server)));
}

Attachment::Attachment(std::unique_ptr<Server> server) : born_(CountForks()), server_(std::move(server)) {}

Attachment::~Attachment() {
  // Neither its thread nor gRPC's are in a child: whoever waited for them would wait for ever.
  if (ForkEpoch() != born_) server_.release();
}

absl::Status Attachment::Add(admin::PoolRegistry::Registration pool) {
  if (ForkEpoch() != born_) return Forked(absl::StrCat("add pool \"", pool.name, "\""));
  return server_->registry().Add(std::move(pool));
}

absl::Status Attachment::Update(const admin::PoolRegistry::Registration& pool) {
  if (ForkEpoch() != born_) return Forked(absl::StrCat("update pool \"", pool.name, "\""));
  return server_->registry().SetTarget(pool.name, pool.target, pool.channel);
}

absl::Status Attachment::Remove(absl::string_view name) {
  if (ForkEpoch() != born_) return Forked(absl::StrCat("remove pool \"", name, "\""));
  return server_->registry().Remove(name);
}

std::string Attachment::attached_as() const { return ForkEpoch() == born_ ? server_->attached_as() : ""; }

}  // namespace chanpool
