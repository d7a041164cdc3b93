#include "server/attach/attached_processes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "chanpool/admin/v1/annotations.pb.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "server/admin/nearest_name.h"
#include "server/admin/proto_time.h"
#include "server/admin/status_details.h"
#include "server/attach/process_names.h"

namespace chanpool {
namespace {

using admin::ErrorBuilder;
using attach::Heard;
using attach::Hello;
using attach::ProcessLink;
using chanpool::admin::v1::AttachedProcess;
using chanpool::admin::v1::Event;
using chanpool::admin::v1::EventType;
using chanpool::admin::v1::Operation;
using chanpool::admin::v1::OperationState;
using chanpool::admin::v1::Pool;
using chanpool::admin::v1::PoolStats;
using chanpool::admin::v1::ProcessState;
using chanpool::admin::v1::Severity;

// What a name may have at most; see admin::IsPoolName.
constexpr size_t kMaxName = 63;

void ToStderr(absl::string_view line) {
  std::fprintf(stderr, "chanpool: %.*s\n", static_cast<int>(line.size()), line.data());
}

bool IsGone(pid_t pid) { return pid > 0 && kill(pid, 0) != 0 && errno == ESRCH; }

absl::Status Unavailable(absl::string_view process, absl::string_view why) {
  return ErrorBuilder(absl::StatusCode::kUnavailable, "PROCESS_UNAVAILABLE", absl::StrCat(process, " ", why))
      .Resource("chanpool.admin.v1.AttachedProcess", absl::StrCat("processes/", process))
      .Build();
}

// For people: whole seconds.
std::string HowLong(absl::Duration duration) {
  return duration < absl::Seconds(1) ? "less than 1s" : absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

std::string Describe(const Hello& hello, const UnixPeer& peer) {
  return absl::StrCat("pid ", peer.pid, ", uid ", peer.uid, ", chanpool ", hello.version);
}

bool HasDetails(const absl::Status& status) {
  bool has = false;
  status.ForEachPayload([&has](absl::string_view, const absl::Cord&) { has = true; });
  return has;
}

template <typename T>
void SortByName(std::vector<T>& items) {
  std::sort(items.begin(), items.end(), [](const T& a, const T& b) { return a.name() < b.name(); });
}

// Whether a method of PoolAdmin changes anything.
bool Changes(absl::string_view method) {
  const auto* const service = chanpool::admin::v1::GetPoolRequest::descriptor()->file()->FindServiceByName("PoolAdmin");
  const auto* const found = service->FindMethodByName(std::string(method));
  return found != nullptr && found->options().GetExtension(chanpool::admin::v1::mutates);
}

bool TellsOfAnEnd(const google::protobuf::Message& response) {
  const auto* const got =
      google::protobuf::DynamicCastToGenerated<chanpool::admin::v1::GetOperationResponse>(&response);
  return got != nullptr && got->operation().has_end_time();
}

}  // namespace

AttachedProcesses::AttachedProcesses(Options options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? options_.clock : RealClock()),
      log_(options_.log != nullptr ? options_.log : ToStderr),
      wake_(std::make_shared<attach::WakeFd>()),
      alarm_(clock_->NewAlarm([wake = wake_] { wake->Wake(); })),
      next_asking_(clock_->Now() + kAskEvery),
      thread_([this] { Run(); }) {}

AttachedProcesses::~AttachedProcesses() { Stop(); }

void AttachedProcesses::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  wake_->Wake();
  thread_.join();
}

void AttachedProcesses::Accept(int fd, const UnixPeer& peer) {
  {
    MutexLock lock(&mu_);
    if (unpresented_count_ < kMaxUnpresented) {
      ++unpresented_count_;
      accepted_.push_back({fd, peer, clock_->Now()});
      wake_->Wake();
      return;
    }
  }
  [[maybe_unused]] const absl::Status told = attach::WriteLine(
      fd, attach::RefusedLine(absl::StrCat(kMaxUnpresented, " applications are attaching at this moment; try again")));
  close(fd);
}

// --- The thread ----------------------------------------------------------------------------------------------------

void AttachedProcesses::Run() {
  while (!stopping()) {
    Await();
    // Ends first: they make names free for who comes.
    LookForEnds();
    ReadHellos();
    if (ask_soon_->exchange(false) || clock_->Now() >= next_asking_) AskAll();
    DestroyIdle();
  }
  ReadHellos();
  for (const Unpresented& peer : unpresented_) close(peer.fd);
  std::vector<std::string> linked;
  {
    MutexLock lock(&mu_);
    for (const auto& [name, process] : processes_) {
      if (process.link != nullptr) linked.push_back(name);
    }
  }
  for (const std::string& name : linked) Unlink(name);
  for (DestroyIdle(); !closing_.empty(); DestroyIdle()) {
    pollfd watched = {wake_->fd(), POLLIN, 0};
    poll(&watched, 1, -1);
    wake_->Clear();
  }
}

void AttachedProcesses::Await() {
  std::vector<pollfd> watched = {{wake_->fd(), POLLIN, 0}};
  for (const Unpresented& peer : unpresented_) watched.push_back({peer.fd, POLLIN, 0});
  {
    MutexLock lock(&mu_);
    for (const auto& [name, process] : processes_) {
      if (process.link != nullptr) watched.push_back({process.link->watched_fd(), POLLRDHUP, 0});
    }
  }
  const absl::Time next = NextLook();
  alarm_->Set(next);
  // Time may have passed `next` before the alarm was set.
  if (clock_->Now() < next) poll(watched.data(), watched.size(), -1);
  wake_->Clear();
}

bool AttachedProcesses::stopping() const {
  MutexLock lock(&mu_);
  return stopping_;
}

absl::Time AttachedProcesses::NextLook() const {
  absl::Time next = absl::InfiniteFuture();
  for (const Unpresented& peer : unpresented_) next = std::min(next, peer.since + kHelloLimit);
  MutexLock lock(&mu_);
  if (!processes_.empty()) next = std::min(next, next_asking_);
  return next;
}

void AttachedProcesses::LookForEnds() {
  std::vector<std::string> ended, took_leave;
  {
    MutexLock lock(&mu_);
    for (const auto& [name, process] : processes_) {
      if (process.link == nullptr) continue;
      if (process.link->took_leave()) {
        took_leave.push_back(name);
      } else if (process.link->ended()) {
        ended.push_back(name);
      }
    }
  }
  for (const std::string& name : took_leave) Release(name);
  for (const std::string& name : ended) Lose(name, "its connection ended");
}

void AttachedProcesses::ReadHellos() {
  {
    MutexLock lock(&mu_);
    unpresented_.insert(unpresented_.end(), accepted_.begin(), accepted_.end());
    accepted_.clear();
  }
  for (auto peer = unpresented_.begin(); peer != unpresented_.end();) {
    const absl::StatusOr<bool> attached = Hear(*peer);
    if (attached.ok() && !*attached) {
      ++peer;
      continue;
    }
    if (!attached.ok()) Refuse(*peer, attached.status());
    peer = unpresented_.erase(peer);
    MutexLock lock(&mu_);
    --unpresented_count_;
  }
}

absl::StatusOr<bool> AttachedProcesses::Hear(const Unpresented& peer) {
  const uid_t uid = peer.peer.uid;
  const std::vector<uid_t>& allowed = options_.allow_uids;
  if (uid != 0 && uid != geteuid() && std::find(allowed.begin(), allowed.end(), uid) == allowed.end()) {
    return absl::PermissionDeniedError(absl::StrCat("applications of uid ", uid,
                                                    " may not attach here: root's, those of uid ", geteuid(),
                                                    " and of attach.uds.allow_uids may"));
  }
  const absl::StatusOr<absl::optional<std::string>> line = attach::ReadLine(peer.fd);
  if (!line.ok()) return line.status();
  if (!line->has_value()) {
    if (clock_->Now() < peer.since + kHelloLimit) return false;
    return absl::DeadlineExceededError(
        absl::StrCat("it did not present itself within ", absl::FormatDuration(kHelloLimit)));
  }
  const absl::StatusOr<Hello> hello = attach::ParseHello(**line);
  if (!hello.ok()) return hello.status();
  if (const absl::Status attached = Attach(*hello, peer); !attached.ok()) return attached;
  return true;
}

absl::Status AttachedProcesses::Attach(const Hello& hello, const Unpresented& peer) {
  const absl::StatusOr<std::string> name = NameFor(hello, peer.peer);
  if (!name.ok()) return name.status();
  // Before gRPC has the socket and speaks HTTP/2 on it.
  if (absl::Status told = attach::WriteLine(peer.fd, attach::AttachedLine(*name)); !told.ok()) return told;
  Process process;
  process.peer = peer.peer;
  process.hello = hello;
  process.attached_at = clock_->Now();
  process.wall_attached_at = clock_->WallNow();
  bool linked = false;
  {
    MutexLock lock(&mu_);
    const auto before = processes_.find(*name);
    linked = before != processes_.end() && before->second.link != nullptr;
  }
  if (linked) Lose(*name, "it attaches again");
  {
    MutexLock lock(&mu_);
    const auto before = processes_.find(*name);
    if (before != processes_.end()) {
      process.heard = before->second.heard;
      // Another start of the application counts its events anew.
      if (before->second.hello.nonce == hello.nonce) process.resume_token = before->second.resume_token;
    }
  }
  process.link = std::make_unique<ProcessLink>(
      ProcessLink::Options{*name, peer.fd, clock_, options_.events, process.resume_token, wake_});
  ProcessLink* const link = process.link.get();
  {
    MutexLock lock(&mu_);
    processes_[*name] = std::move(process);
  }
  Tell(EventType::EVENT_TYPE_PROCESS_ATTACHED, Severity::SEVERITY_INFO, *name,
       absl::StrCat("attached (", Describe(hello, peer.peer), ")"));
  link->Tick();
  return absl::OkStatus();
}

absl::StatusOr<std::string> AttachedProcesses::NameFor(const Hello& hello, const UnixPeer& peer) {
  MutexLock lock(&mu_);
  for (const auto& [name, process] : processes_) {
    // The same Attachment dials again, perhaps before the end of its last connection was noticed here.
    if (process.hello.nonce == hello.nonce && process.peer.uid == peer.uid) return name;
  }
  std::string name = hello.name;
  for (size_t n = 2;; ++n) {
    const auto holder = processes_.find(name);
    if (holder == processes_.end()) break;
    const Process& process = holder->second;
    const bool over = process.link == nullptr || process.link->ended() ||
                      (StateOf(process) == ProcessState::PROCESS_STATE_STALE && IsGone(process.peer.pid));
    if (over && process.peer.uid == peer.uid) return name;
    const std::string suffix = absl::StrCat("-", n);
    name = absl::StrCat(absl::string_view(hello.name).substr(0, kMaxName - suffix.size()), suffix);
  }
  if (processes_.size() < kMaxProcesses) return name;
  auto oldest = processes_.end();
  for (auto it = processes_.begin(); it != processes_.end(); ++it) {
    if (it->second.link != nullptr) continue;
    if (oldest == processes_.end() || it->second.lost_at < oldest->second.lost_at) oldest = it;
  }
  if (oldest == processes_.end()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMaxProcesses, " applications are attached, and there may be no more"));
  }
  processes_.erase(oldest);
  return name;
}

void AttachedProcesses::Refuse(const Unpresented& peer, const absl::Status& why) {
  [[maybe_unused]] const absl::Status told = attach::WriteLine(peer.fd, attach::RefusedLine(why.message()));
  close(peer.fd);
  const std::string line =
      absl::StrCat("attach: refused pid ", peer.peer.pid, " of uid ", peer.peer.uid, ": ", why.message());
  // It may well dial again every second or two.
  if (line == last_refusal_) return;
  last_refusal_ = line;
  log_(line);
}

void AttachedProcesses::AskAll() {
  const absl::Time now = clock_->Now();
  next_asking_ = now + kAskEvery;
  std::vector<std::string> hung;
  std::vector<ProcessLink*> links;
  {
    MutexLock lock(&mu_);
    for (auto it = processes_.begin(); it != processes_.end();) {
      const Process& process = it->second;
      if (process.link == nullptr && now - process.lost_at >= kForgetAfter) {
        it = processes_.erase(it);
        continue;
      }
      if (process.link != nullptr) {
        const std::shared_ptr<const Heard> heard = process.link->heard();
        const absl::Time last = heard != nullptr ? heard->at : process.attached_at;
        // Askings count as well: this process may itself have been stopped for a minute.
        const bool hangs = now - last >= kHungAfter && process.link->overdue() >= kHungAskings;
        if (hangs) {
          hung.push_back(it->first);
        } else {
          links.push_back(process.link.get());
        }
      }
      ++it;
    }
  }
  for (const std::string& name : hung) {
    Lose(name, absl::StrCat("it has not answered for ", absl::FormatDuration(kHungAfter)));
  }
  for (ProcessLink* const link : links) link->Tick();
}

void AttachedProcesses::Lose(const std::string& name, absl::string_view why) {
  Unlink(name);
  Tell(EventType::EVENT_TYPE_PROCESS_LOST, Severity::SEVERITY_WARNING, name, absl::StrCat("lost: ", why));
}

void AttachedProcesses::Release(const std::string& name) {
  Unlink(name);
  {
    MutexLock lock(&mu_);
    processes_.erase(name);
  }
  Tell(EventType::EVENT_TYPE_PROCESS_LOST, Severity::SEVERITY_INFO, name, "ended, and said so");
}

void AttachedProcesses::Unlink(const std::string& name) {
  std::unique_ptr<ProcessLink> link;
  {
    MutexLock lock(&mu_);
    Process& process = processes_.find(name)->second;
    process.heard = HeardOf(process);
    process.resume_token = process.link->resume_token();
    process.lost_at = clock_->Now();
    link = std::move(process.link);
  }
  link->Close();
  closing_.push_back(std::move(link));
}

void AttachedProcesses::DestroyIdle() {
  closing_.remove_if([](const std::unique_ptr<ProcessLink>& link) { return link->idle(); });
}

void AttachedProcesses::Tell(EventType type, Severity severity, const std::string& name, const std::string& message) {
  Event event;
  event.set_type(type);
  event.set_severity(severity);
  event.set_resource(absl::StrCat("processes/", name));
  event.set_message(message);
  options_.events->Append(std::move(event));
  const std::string line = absl::StrCat("attach: ", name, ": ", message);
  log_(line);
}

// --- What is known of them -----------------------------------------------------------------------------------------

std::shared_ptr<const Heard> AttachedProcesses::HeardOf(const Process& process) const {
  if (process.link != nullptr) {
    if (std::shared_ptr<const Heard> heard = process.link->heard(); heard != nullptr) return heard;
  }
  return process.heard;
}

ProcessState AttachedProcesses::StateOf(const Process& process) const {
  if (process.link == nullptr) return ProcessState::PROCESS_STATE_LOST;
  const std::shared_ptr<const Heard> heard = process.link->heard();
  const absl::Time last = heard != nullptr ? heard->at : process.attached_at;
  return clock_->Now() - last >= kStaleAfter ? ProcessState::PROCESS_STATE_STALE : ProcessState::PROCESS_STATE_LIVE;
}

AttachedProcesses::LastWords AttachedProcesses::LastWordsOf(const Process& process) const {
  // What the link before had heard is old, however live the new one is.
  const bool of_this_link = process.link != nullptr && process.link->heard() != nullptr;
  return {HeardOf(process), !of_this_link || StateOf(process) != ProcessState::PROCESS_STATE_LIVE};
}

std::vector<AttachedProcesses::LastWords> AttachedProcesses::AllHeard() const {
  std::vector<LastWords> all;
  MutexLock lock(&mu_);
  for (const auto& [name, process] : processes_) {
    LastWords words = LastWordsOf(process);
    if (words.heard != nullptr) all.push_back(std::move(words));
  }
  return all;
}

std::vector<AttachedProcess> AttachedProcesses::Processes() {
  std::vector<AttachedProcess> all;
  MutexLock lock(&mu_);
  for (const auto& [name, process] : processes_) {
    const std::shared_ptr<const Heard> heard = HeardOf(process);
    AttachedProcess& one = all.emplace_back();
    one.set_name(absl::StrCat("processes/", name));
    one.set_pid(static_cast<uint32_t>(process.peer.pid));
    one.set_uid(process.peer.uid);
    one.set_version(process.hello.version);
    one.set_state(StateOf(process));
    *one.mutable_attach_time() = admin::ToProto(process.wall_attached_at);
    *one.mutable_last_seen() = admin::ToProto(heard != nullptr ? std::max(heard->wall_at, process.wall_attached_at)
                                                               : process.wall_attached_at);
    one.set_pools(heard != nullptr ? static_cast<uint32_t>(heard->pools.size()) : 0);
  }
  return all;
}

std::vector<Pool> AttachedProcesses::Pools() {
  std::vector<Pool> all;
  for (const LastWords& words : AllHeard()) {
    for (const Pool& pool : words.heard->pools) {
      all.push_back(pool);
      all.back().set_stale(words.stale);
    }
  }
  SortByName(all);
  return all;
}

absl::optional<Pool> AttachedProcesses::FindPool(absl::string_view name) {
  absl::string_view process = name;
  if (!absl::ConsumePrefix(&process, "processes/")) return absl::nullopt;
  process = process.substr(0, process.find('/'));
  LastWords words;
  {
    MutexLock lock(&mu_);
    const auto found = processes_.find(process);
    if (found != processes_.end()) words = LastWordsOf(found->second);
  }
  if (words.heard == nullptr) return absl::nullopt;
  for (const Pool& pool : words.heard->pools) {
    if (pool.name() != name) continue;
    absl::optional<Pool> copy = pool;
    copy->set_stale(words.stale);
    return copy;
  }
  return absl::nullopt;
}

std::vector<PoolStats> AttachedProcesses::Stats() {
  std::vector<PoolStats> all;
  for (const LastWords& words : AllHeard()) {
    for (const PoolStats& stats : words.heard->stats) {
      all.push_back(stats);
      all.back().set_stale(words.stale);
    }
  }
  SortByName(all);
  return all;
}

std::vector<Operation> AttachedProcesses::Operations() {
  std::vector<Operation> all;
  for (const LastWords& words : AllHeard()) {
    for (const Operation& operation : words.heard->operations) {
      all.push_back(operation);
      if (words.stale && operation.state() == OperationState::OPERATION_STATE_RUNNING) all.back().set_stale(true);
    }
  }
  return all;
}

void AttachedProcesses::Call(absl::string_view process, absl::string_view method,
                             const google::protobuf::Message& request, const admin::Caller& caller, absl::Time deadline,
                             google::protobuf::Message* response, std::function<void(absl::Status)> done) {
  const std::string name(process);
  std::unique_ptr<google::protobuf::Message> own(request.New());
  own->CopyFrom(request);
  if (absl::Status ours = attach::ToProcess(name, *own); !ours.ok()) return done(std::move(ours));

  ProcessLink* link = nullptr;
  absl::Status refused;
  {
    MutexLock lock(&mu_);
    const auto found = processes_.find(name);
    if (found == processes_.end()) {
      std::vector<std::string> names;
      for (const auto& [known, ignored] : processes_) names.push_back(known);
      const std::string closest = admin::NearestName(name, names);
      refused = ErrorBuilder(absl::StatusCode::kNotFound, "PROCESS_NOT_FOUND",
                             absl::StrCat("no application \"", name, "\" is attached",
                                          closest.empty() ? "" : absl::StrCat("; did you mean \"", closest, "\"?")))
                    .Fact("closest", closest)
                    .Resource("chanpool.admin.v1.AttachedProcess", absl::StrCat("processes/", name))
                    .Build();
    } else if (found->second.link == nullptr) {
      refused = Unavailable(name, absl::StrCat("is gone for ", HowLong(clock_->Now() - found->second.lost_at)));
    } else if (StateOf(found->second) == ProcessState::PROCESS_STATE_STALE) {
      const std::shared_ptr<const Heard> heard = found->second.link->heard();
      const absl::Time last = heard != nullptr ? heard->at : found->second.attached_at;
      const absl::Status failure = found->second.link->last_failure();
      refused = Unavailable(name, absl::StrCat("has not answered for ", HowLong(clock_->Now() - last),
                                               failure.ok() ? "" : ": ", failure.message()));
    } else {
      link = found->second.link.get();
      link->Enter();
    }
  }
  if (link == nullptr) return done(std::move(refused));
  link->Call(method, std::move(own), caller, deadline, response,
             [name, response, done = std::move(done), changes = Changes(method), ask_soon = ask_soon_,
              wake = wake_](const absl::Status& status) {
               if (status.ok()) {
                 attach::FromProcess(name, *response);
                 // Whoever has just changed something, or hears that a drain has ended, looks at the list next.
                 if (changes || TellsOfAnEnd(*response)) {
                   ask_soon->store(true);
                   wake->Wake();
                 }
                 done(absl::OkStatus());
               } else if (status.code() == absl::StatusCode::kUnavailable && !HasDetails(status)) {
                 // Of the connection, not of the process.
                 done(Unavailable(name, absl::StrCat("did not answer: ", status.message())));
               } else {
                 done(attach::FromProcess(name, status));
               }
             });
  link->Leave();
}

}  // namespace chanpool
