#include "tests/attach/fake_application.h"

#include <fcntl.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/admin/status_details.h"
#include "server/attach/attach_line.h"
#include "tests/fakes/eventually.h"

namespace chanpool::testing {
namespace {

using namespace chanpool::admin::v1;  // Every message of the service.
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

std::string Metadata(CallbackServerContext* context, const std::string& key) {
  const auto found = context->client_metadata().find(key);
  return found == context->client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

}  // namespace

class FakeApplication::Service : public PoolAdmin::CallbackService {
 public:
  void Change(const std::function<void(Service&)>& change) {
    MutexLock lock(&mu_);
    change(*this);
  }

  void Answer() {
    std::vector<std::function<void()>> held;
    {
      MutexLock lock(&mu_);
      hanging_ = false;
      held = std::exchange(held_, {});
    }
    for (const auto& finish : held) finish();
  }

  void Emit(const WatchEventsResponse& message) {
    std::vector<Watch*> watches;
    {
      MutexLock lock(&mu_);
      watches.assign(watches_.begin(), watches_.end());
    }
    for (Watch* const watch : watches) watch->Send(message);
  }

  mutable Mutex mu_;
  bool hanging_ = false;
  int asked_ = 0;
  ListPoolsResponse pools_;
  GetStatsResponse stats_;
  ListOperationsResponse operations_;
  std::vector<DrainPoolRequest> drains_;
  std::vector<std::string> callers_;
  std::string last_token_;
  std::vector<std::function<void()>> held_;

  class Watch : public grpc::ServerWriteReactor<WatchEventsResponse> {
   public:
    explicit Watch(Service* service) : service_(service) {
      MutexLock lock(&service_->mu_);
      service_->watches_.insert(this);
    }
    void Send(const WatchEventsResponse& message) {
      MutexLock lock(&mu_);
      queue_.push_back(message);
      if (queue_.size() == 1) StartWrite(&queue_.front());
    }

   private:
    void OnWriteDone(bool ok) override {
      MutexLock lock(&mu_);
      queue_.pop_front();
      if (ok && !queue_.empty()) StartWrite(&queue_.front());
    }
    void OnCancel() override {
      {
        MutexLock lock(&service_->mu_);
        service_->watches_.erase(this);
      }
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

    Service* const service_;
    Mutex mu_;
    std::deque<WatchEventsResponse> queue_ ABSL_GUARDED_BY(mu_);
  };
  std::set<Watch*> watches_;

 private:
  // Finishes now, or when Answer() is called.
  template <typename Response>
  ServerUnaryReactor* Reply(CallbackServerContext* context, Response* response, const Response& what,
                            const grpc::Status& status = grpc::Status::OK) {
    ServerUnaryReactor* const reactor = context->DefaultReactor();
    *response = what;
    MutexLock lock(&mu_);
    callers_.push_back(absl::StrCat(Metadata(context, "chanpool-caller"), " ", Metadata(context, "chanpool-role")));
    if (hanging_) {
      held_.push_back([reactor, status] { reactor->Finish(status); });
    } else {
      reactor->Finish(status);
    }
    return reactor;
  }

  ServerUnaryReactor* ListPools(CallbackServerContext* context, const ListPoolsRequest*,
                                ListPoolsResponse* response) override {
    ListPoolsResponse pools;
    Change([&pools](Service& self) {
      ++self.asked_;
      pools = self.pools_;
    });
    return Reply(context, response, pools);
  }
  ServerUnaryReactor* GetStats(CallbackServerContext* context, const GetStatsRequest*,
                               GetStatsResponse* response) override {
    GetStatsResponse stats;
    Change([&stats](Service& self) { stats = self.stats_; });
    return Reply(context, response, stats);
  }
  ServerUnaryReactor* ListOperations(CallbackServerContext* context, const ListOperationsRequest*,
                                     ListOperationsResponse* response) override {
    ListOperationsResponse operations;
    Change([&operations](Service& self) { operations = self.operations_; });
    return Reply(context, response, operations);
  }
  ServerUnaryReactor* GetOperation(CallbackServerContext* context, const GetOperationRequest* request,
                                   GetOperationResponse* response) override {
    GetOperationResponse found;
    Change([&](Service& self) {
      for (const Operation& operation : self.operations_.operations()) {
        if (operation.name() == request->name()) *found.mutable_operation() = operation;
      }
    });
    return Reply(context, response, found);
  }
  ServerUnaryReactor* DrainPool(CallbackServerContext* context, const DrainPoolRequest* request,
                                DrainPoolResponse* response) override {
    Change([request](Service& self) { self.drains_.push_back(*request); });
    DrainPoolResponse drain;
    drain.mutable_operation()->set_name("operations/1");
    drain.mutable_operation()->set_target(request->name());
    if (request->name() == "pools/none") {
      return Reply(context, response, drain,
                   admin::ToGrpcStatus(admin::ErrorBuilder(absl::StatusCode::kNotFound, "POOL_NOT_FOUND", "no pool")
                                           .Resource("chanpool.admin.v1.Pool", "pools/none")
                                           .Build()));
    }
    return Reply(context, response, drain);
  }
  grpc::ServerWriteReactor<WatchEventsResponse>* WatchEvents(CallbackServerContext*,
                                                             const WatchEventsRequest* request) override {
    Change([request](Service& self) { self.last_token_ = request->resume_token(); });
    return new Watch(this);
  }
};

FakeApplication::FakeApplication(std::string name, std::string nonce)
    : name_(std::move(name)), nonce_(std::move(nonce)), service_(std::make_unique<Service>()), server_([this] {
        grpc::ServerBuilder builder;
        builder.RegisterService(service_.get());
        return builder.BuildAndStart();
      }()) {}

FakeApplication::~FakeApplication() {
  Answer();
  End();
  server_->Shutdown(gpr_inf_past(GPR_CLOCK_REALTIME));
}

int FakeApplication::Dial() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  End();
  fd_ = ends[0];
  watched_ = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  attach::WriteLine(fd_, attach::HelloLine({name_, "1.0.0", nonce_})).IgnoreError();
  return ends[1];
}

absl::StatusOr<std::string> FakeApplication::Serve() {
  absl::StatusOr<absl::optional<std::string>> line;
  if (!Eventually([&] {
        line = attach::ReadLine(fd_);
        return !line.ok() || line->has_value();
      })) {
    return absl::DeadlineExceededError("no answer");
  }
  if (!line.ok()) return line.status();
  absl::StatusOr<std::string> as = attach::ParseAnswer(**line);
  if (as.ok()) {
    grpc::AddInsecureChannelFromFd(server_.get(), fd_);
    fd_ = -1;
  }
  return as;
}

void FakeApplication::End() {
  if (watched_ < 0) return;
  shutdown(watched_, SHUT_RDWR);
  close(watched_);
  if (fd_ >= 0) close(fd_);
  watched_ = fd_ = -1;
}

void FakeApplication::AddPool(const std::string& name) {
  service_->Change([&name](Service& service) {
    service.pools_.add_pools()->set_name(absl::StrCat("pools/", name));
    service.stats_.add_stats()->set_name(absl::StrCat("pools/", name));
  });
}

void FakeApplication::AddOperation(const std::string& id, const std::string& pool) {
  service_->Change([&](Service& service) {
    Operation& operation = *service.operations_.add_operations();
    operation.set_name(absl::StrCat("operations/", id));
    operation.set_target(absl::StrCat("pools/", pool));
    operation.set_state(chanpool::admin::v1::OPERATION_STATE_RUNNING);
  });
}

void FakeApplication::EndOperation(const std::string& id) {
  service_->Change([&](Service& service) {
    for (Operation& operation : *service.operations_.mutable_operations()) {
      if (operation.name() != absl::StrCat("operations/", id)) continue;
      operation.set_state(chanpool::admin::v1::OPERATION_STATE_SUCCEEDED);
      operation.mutable_end_time()->set_seconds(1);
    }
  });
}

void FakeApplication::Hang() {
  service_->Change([](Service& service) { service.hanging_ = true; });
}

void FakeApplication::Answer() { service_->Answer(); }

size_t FakeApplication::hanging() const {
  MutexLock lock(&service_->mu_);
  return service_->held_.size();
}

void FakeApplication::Emit(Event event, const std::string& token) {
  WatchEventsResponse message;
  *message.mutable_event() = std::move(event);
  message.set_resume_token(token);
  service_->Emit(message);
}

size_t FakeApplication::watchers() const {
  MutexLock lock(&service_->mu_);
  return service_->watches_.size();
}

std::string FakeApplication::last_token() const {
  MutexLock lock(&service_->mu_);
  return service_->last_token_;
}

std::vector<DrainPoolRequest> FakeApplication::drains() const {
  MutexLock lock(&service_->mu_);
  return service_->drains_;
}

std::vector<std::string> FakeApplication::callers() const {
  MutexLock lock(&service_->mu_);
  return service_->callers_;
}

int FakeApplication::asked() const {
  MutexLock lock(&service_->mu_);
  return service_->asked_;
}

}  // namespace chanpool::testing
