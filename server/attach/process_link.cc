#include "server/attach/process_link.h"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "google/rpc/error_details.pb.h"
#include "pool/core/check.h"
#include "server/admin/pool_name.h"
#include "server/admin/status_details.h"
#include "server/attach/caller_metadata.h"
#include "server/attach/process_names.h"

namespace chanpool::attach {
namespace {

using chanpool::admin::v1::Event;
using chanpool::admin::v1::EventType;
using chanpool::admin::v1::GetStatsRequest;
using chanpool::admin::v1::GetStatsResponse;
using chanpool::admin::v1::ListOperationsRequest;
using chanpool::admin::v1::ListOperationsResponse;
using chanpool::admin::v1::ListPoolsRequest;
using chanpool::admin::v1::ListPoolsResponse;
using chanpool::admin::v1::Operation;
using chanpool::admin::v1::Pool;
using chanpool::admin::v1::PoolStats;
using chanpool::admin::v1::Severity;
using chanpool::admin::v1::WatchEventsRequest;
using chanpool::admin::v1::WatchEventsResponse;
using google::protobuf::Message;

constexpr int kPageSize = 1'000;
constexpr absl::string_view kService = "/chanpool.admin.v1.PoolAdmin/";

// The sidecar itself, when nobody asks it.
const admin::Caller& Sidecar() {
  static const auto* caller = new admin::Caller{"chanpoold", admin::Role::ROLE_VIEWER};
  return *caller;
}

// A name that came from a process is believed only if it looks like one.
bool IsPoolResource(absl::string_view name) { return absl::ConsumePrefix(&name, "pools/") && admin::IsPoolName(name); }

bool IsOperationResource(absl::string_view name) {
  return absl::ConsumePrefix(&name, "operations/") && !name.empty() && name.size() <= 64 &&
         name.find('/') == absl::string_view::npos;
}

// An application that ends on purpose ends its watches so (see PoolAdmin::BeginShutdown), and keeps the connection
// until this has arrived. One that crashes can't.
bool IsGoodbye(const grpc::Status& status) {
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return false;
  const absl::optional<absl::Cord> detail =
      admin::FromGrpcStatus(status).GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  return detail.has_value() && info.ParseFromString(std::string(*detail)) && info.reason() == "SHUTTING_DOWN";
}

// Moves what looks right from `page` to the end of `all`, which holds at most `limit`.
template <typename Page, typename T>
void Collect(Page& page, bool (*valid)(absl::string_view), absl::string_view process, size_t limit,
             std::vector<T>& all) {
  for (T& item : page) {
    if (all.size() >= limit) return;
    if (!valid(item.name())) continue;
    FromProcess(process, item);
    all.push_back(std::move(item));
  }
}

}  // namespace

// A call of the link's own, kept until it has ended.
template <typename Request, typename Response>
struct ProcessLink::Step {
  grpc::ClientContext context;
  Request request;
  Response response;
  std::function<void(Response&)> next;
};

// A call of a client of the sidecar.
struct ProcessLink::PassedCall {
  grpc::ClientContext context;
  std::unique_ptr<Message> request;
  std::function<void(absl::Status)> done;
};

// Reads the process's events, one at a time. Its own hold on the call lets Tick() start a read.
class ProcessLink::EventReader : public grpc::ClientReadReactor<WatchEventsResponse> {
 public:
  explicit EventReader(ProcessLink* link) : link_(link) { SetCaller(Sidecar(), context_); }

  grpc::ClientContext* context() { return &context_; }

  void Begin(const std::string& resume_token) {
    request_.set_resume_token(resume_token);
    link_->stub_->async()->WatchEvents(&context_, &request_, this);
    AddHold();
    StartRead(&message_);
    StartCall();
  }

  void ReadOn() { StartRead(&message_); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) {
      RemoveHold();
    } else if (link_->TakeEvent(message_)) {
      StartRead(&message_);
    }
  }

  void OnDone(const grpc::Status& status) override {
    ProcessLink* const link = link_;
    link->EventsEnded(status);
    link->End(&context_);  // Destroys this.
  }

  ProcessLink* const link_;
  grpc::ClientContext context_;
  WatchEventsRequest request_;
  WatchEventsResponse message_;
};

ProcessLink::ProcessLink(Options options)
    : options_(std::move(options)),
      prefix_(absl::StrCat("processes/", options_.name, "/")),
      watched_fd_(fcntl(options_.fd, F_DUPFD_CLOEXEC, 0)),
      channel_(grpc::CreateInsecureChannelFromFd(options_.name, options_.fd)),
      stub_(chanpool::admin::v1::PoolAdmin::NewStub(channel_)),
      generic_stub_(channel_),
      resume_token_(options_.resume_token) {}

ProcessLink::~ProcessLink() {
  CHANPOOL_CHECK(idle());
  if (watched_fd_ >= 0) close(watched_fd_);
}

void ProcessLink::Tick() {
  std::shared_ptr<grpc::ClientContext> give_up;
  EventReader* rested = nullptr;
  bool ask = false;
  bool follow = false;
  {
    MutexLock lock(&mu_);
    if (closed_) return;
    if (!asking_) {
      ask = asking_ = true;
      given_up_ = false;
      asked_at_ = options_.clock->Now();
    } else if (options_.clock->Now() - asked_at_ >= kAnswerLimit) {
      given_up_ = true;
      if (const auto step = calls_.find(step_); step != calls_.end()) give_up = step->second;
    }
    events_left_ = kMaxEventsPerTick;
    follow = reader_ == nullptr;
    if (reader_rests_) {
      reader_rests_ = false;
      rested = reader_;
    }
  }
  if (give_up != nullptr) give_up->TryCancel();
  if (rested != nullptr) rested->ReadOn();
  if (ask) AskForPools(std::make_shared<Heard>(), "");
  if (follow) FollowEvents();
}

void ProcessLink::Call(absl::string_view method, std::unique_ptr<Message> request, const admin::Caller& caller,
                       absl::Time wall_deadline, Message* response, std::function<void(absl::Status)> done) {
  const auto call = std::make_shared<PassedCall>();
  SetCaller(caller, call->context);
  if (wall_deadline != absl::InfiniteFuture()) call->context.set_deadline(absl::ToChronoTime(wall_deadline));
  call->request = std::move(request);
  call->done = std::move(done);
  if (!Begin(std::shared_ptr<grpc::ClientContext>(call, &call->context))) {
    call->done(absl::UnavailableError(absl::StrCat(options_.name, " is gone")));
    return;
  }
  // calls_ keeps the call until End, so nothing of it is left once the link is idle.
  generic_stub_.UnaryCall(&call->context, absl::StrCat(kService, method), grpc::StubOptions(), call->request.get(),
                          response, [this, call = call.get()](const grpc::Status& status) {
                            std::exchange(call->done, nullptr)(ResultOf(status));
                            End(&call->context);
                          });
}

absl::Status ProcessLink::ResultOf(const grpc::Status& status) const {
  MutexLock lock(&mu_);
  // By Close(), not by whoever waits for the result.
  if (closed_ && status.error_code() == grpc::StatusCode::CANCELLED) {
    return absl::UnavailableError("its connection ended");
  }
  return admin::FromGrpcStatus(status);
}

std::shared_ptr<const Heard> ProcessLink::heard() const {
  MutexLock lock(&mu_);
  return heard_;
}

int ProcessLink::overdue() const {
  MutexLock lock(&mu_);
  return overdue_;
}

absl::Status ProcessLink::last_failure() const {
  MutexLock lock(&mu_);
  return last_failure_;
}

std::string ProcessLink::resume_token() const {
  MutexLock lock(&mu_);
  return resume_token_;
}

bool ProcessLink::took_leave() const {
  MutexLock lock(&mu_);
  return took_leave_;
}

bool ProcessLink::ended() const {
  if (watched_fd_ < 0) return true;  // No descriptor was left: a link that cannot be watched is none.
  pollfd watched = {watched_fd_, POLLRDHUP, 0};
  return poll(&watched, 1, 0) > 0;
}

void ProcessLink::Close() {
  std::vector<std::shared_ptr<grpc::ClientContext>> calls;
  EventReader* rested = nullptr;
  {
    MutexLock lock(&mu_);
    if (closed_) return;
    closed_ = true;
    for (const auto& [context, keep] : calls_) calls.push_back(keep);
    if (reader_rests_) rested = reader_;
    reader_rests_ = false;
  }
  // Of the connection, not of one descriptor: gRPC's ends too.
  shutdown(watched_fd_, SHUT_RDWR);
  for (const auto& context : calls) context->TryCancel();
  if (rested != nullptr) rested->ReadOn();  // It learns of the end only by reading.
}

bool ProcessLink::idle() const {
  MutexLock lock(&mu_);
  return closed_ && running_ == 0;
}

bool ProcessLink::Begin(std::shared_ptr<grpc::ClientContext> context) {
  grpc::ClientContext* const key = context.get();
  MutexLock lock(&mu_);
  if (closed_) return false;
  calls_.emplace(key, std::move(context));
  ++running_;
  return true;
}

void ProcessLink::End(grpc::ClientContext* context) {
  std::shared_ptr<grpc::ClientContext> ended;
  {
    MutexLock lock(&mu_);
    const auto call = calls_.find(context);
    ended = std::move(call->second);
    calls_.erase(call);
  }
  // A context holds the channel, which must not be destroyed on this thread: so before the link knows of the end.
  ended.reset();
  Leave();
}

void ProcessLink::Enter() {
  MutexLock lock(&mu_);
  ++running_;
}

void ProcessLink::Leave() {
  MutexLock lock(&mu_);
  if (--running_ == 0 && closed_) options_.wake->Wake();
}

template <typename Request, typename Response, typename Start>
void ProcessLink::Ask(const Request& request, Start start, std::function<void(Response&)> next) {
  auto step = std::make_shared<Step<Request, Response>>();
  SetCaller(Sidecar(), step->context);
  step->request = request;
  step->next = std::move(next);
  if (!Begin(std::shared_ptr<grpc::ClientContext>(step, &step->context))) {
    return FinishAsking(absl::UnavailableError("closed"), nullptr);
  }
  bool too_late = false;
  {
    MutexLock lock(&mu_);
    step_ = &step->context;
    too_late = given_up_;
  }
  start(&step->context, &step->request, &step->response, [this, step = step.get()](const grpc::Status& status) {
    {
      MutexLock lock(&mu_);
      step_ = nullptr;
    }
    if (status.ok()) {
      step->next(step->response);
    } else {
      FinishAsking(admin::FromGrpcStatus(status), nullptr);
    }
    End(&step->context);
  });
  if (too_late) step->context.TryCancel();
}

bool ProcessLink::Count(size_t bytes, Heard& so_far) {
  so_far.bytes += bytes;
  if (so_far.bytes <= kMaxHeardBytes) return true;
  FinishAsking(absl::ResourceExhaustedError(
                   absl::StrCat("it says more than ", kMaxHeardBytes >> 20, " MiB of itself at one time")),
               nullptr);
  return false;
}

void ProcessLink::AskForPools(std::shared_ptr<Heard> so_far, const std::string& page_token) {
  ListPoolsRequest request;
  request.set_page_size(kPageSize);
  request.set_page_token(page_token);
  Ask<ListPoolsRequest, ListPoolsResponse>(
      request, [this](auto... call) { stub_->async()->ListPools(call...); },
      [this, so_far](ListPoolsResponse& page) {
        if (!Count(page.SpaceUsedLong(), *so_far)) return;
        Collect(*page.mutable_pools(), IsPoolResource, options_.name, kMaxPools, so_far->pools);
        if (page.pools_size() > 0 && !page.next_page_token().empty() && so_far->pools.size() < kMaxPools) {
          AskForPools(so_far, page.next_page_token());
        } else {
          AskForStats(so_far);
        }
      });
}

void ProcessLink::AskForStats(std::shared_ptr<Heard> so_far) {
  GetStatsRequest request;
  request.set_include_histograms(true);  // For /metrics, as the methods.
  request.set_include_methods(true);
  Ask<GetStatsRequest, GetStatsResponse>(
      request, [this](auto... call) { stub_->async()->GetStats(call...); },
      [this, so_far](GetStatsResponse& all) {
        if (!Count(all.SpaceUsedLong(), *so_far)) return;
        Collect(*all.mutable_stats(), IsPoolResource, options_.name, kMaxPools, so_far->stats);
        AskForOperations(so_far, "");
      });
}

void ProcessLink::AskForOperations(std::shared_ptr<Heard> so_far, const std::string& page_token) {
  ListOperationsRequest request;
  request.set_page_size(kPageSize);
  request.set_page_token(page_token);
  Ask<ListOperationsRequest, ListOperationsResponse>(
      request, [this](auto... call) { stub_->async()->ListOperations(call...); },
      [this, so_far](ListOperationsResponse& page) {
        if (!Count(page.SpaceUsedLong(), *so_far)) return;
        Collect(*page.mutable_operations(), IsOperationResource, options_.name, kMaxOperations, so_far->operations);
        if (page.operations_size() > 0 && !page.next_page_token().empty() &&
            so_far->operations.size() < kMaxOperations) {
          AskForOperations(so_far, page.next_page_token());
        } else {
          FinishAsking(absl::OkStatus(), so_far);
        }
      });
}

void ProcessLink::FinishAsking(absl::Status status, std::shared_ptr<Heard> heard) {
  if (heard != nullptr) {
    heard->at = options_.clock->Now();
    heard->wall_at = options_.clock->WallNow();
  }
  std::shared_ptr<const Heard> before;  // Destroyed when the lock is not held any more.
  MutexLock lock(&mu_);
  asking_ = false;
  const bool overdue = given_up_ && heard == nullptr;
  overdue_ = overdue ? overdue_ + 1 : 0;
  last_failure_ =
      overdue ? absl::DeadlineExceededError(absl::StrCat("no answer within ", absl::FormatDuration(kAnswerLimit)))
              : status;
  if (heard == nullptr) return;
  before = std::exchange(heard_, std::move(heard));
}

void ProcessLink::FollowEvents() {
  auto reader = std::make_shared<EventReader>(this);
  EventReader* const borrowed = reader.get();
  if (!Begin(std::shared_ptr<grpc::ClientContext>(std::move(reader), borrowed->context()))) return;
  std::string resume_token;
  {
    MutexLock lock(&mu_);
    reader_ = borrowed;
    resume_token = resume_token_;
  }
  borrowed->Begin(resume_token);
}

bool ProcessLink::TakeEvent(const WatchEventsResponse& message) {
  Event event;
  {
    MutexLock lock(&mu_);
    if (closed_) return true;  // The next link begins where this one was closed.
  }
  if (message.has_event()) {
    event = message.event();
    if (event.ByteSizeLong() > kMaxEventBytes) {
      event.clear_resource();
      event.clear_operation();
      event.clear_actor();
      event.set_message(absl::StrCat("(an event of more than ", kMaxEventBytes, " bytes)"));
    }
    FromProcess(options_.name, event);
    if (!absl::StartsWith(event.resource(), prefix_)) event.set_resource(absl::StrCat("processes/", options_.name));
  } else if (message.has_gap()) {
    event.set_severity(Severity::SEVERITY_WARNING);
    event.set_resource(absl::StrCat("processes/", options_.name));
    event.set_message(absl::StrCat(message.gap().count(), " events of ", options_.name,
                                   " were missed: there were more than could be passed on"));
  }
  if (!event.resource().empty()) {
    event.clear_seq();
    options_.events->Append(std::move(event));
  }
  MutexLock lock(&mu_);
  if (!message.resume_token().empty() && message.resume_token().size() <= kMaxEventBytes) {
    resume_token_ = message.resume_token();
  }
  if (--events_left_ > 0 || closed_) return true;
  reader_rests_ = true;
  return false;
}

void ProcessLink::EventsEnded(const grpc::Status& status) {
  const bool goodbye = IsGoodbye(status);
  {
    MutexLock lock(&mu_);
    took_leave_ = took_leave_ || goodbye;
  }
  if (goodbye) options_.wake->Wake();
  MutexLock lock(&mu_);
  reader_ = nullptr;  // The next tick begins again.
  reader_rests_ = false;
  // The place is not known there (any more): from now, then.
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ||
      status.error_code() == grpc::StatusCode::OUT_OF_RANGE || status.error_code() == grpc::StatusCode::NOT_FOUND) {
    resume_token_.clear();
  }
}

}  // namespace chanpool::attach
