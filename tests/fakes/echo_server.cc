#include "tests/fakes/echo_server.h"

#include <arpa/inet.h>
#include <grpcpp/alarm.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_callback.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "pool/core/check.h"
#include "tests/fakes/echo.grpc.pb.h"

namespace chanpool::testing {
namespace {

int Milliseconds(absl::Duration d) {
  return static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(d), INT_MAX));
}

grpc::Status StatusOf(int code) {
  if (code == 0) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(code), "as the request asked");
}

// One wait at a time, of one call. Thread-safe.
class Delay {
 public:
  // gRPC lets Cancel end before. By a count that ThreadSanitizer does not see: the lock says it again.
  ~Delay() {
    MutexLock lock(&mu_);
    alarm_ = nullptr;
  }

  // Runs `then` after so long, or as soon as the call is cancelled.
  void Then(int milliseconds, std::function<void()> then) {
    if (milliseconds <= 0) return then();
    MutexLock lock(&mu_);
    // A new one each time: the last one's callback may be what runs us.
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(absl::ToChronoTime(absl::Now() + absl::Milliseconds(milliseconds)),
                [then = std::move(then)](bool) { then(); });
    if (cancelled_) alarm_->Cancel();
  }
  void Cancel() {
    MutexLock lock(&mu_);
    cancelled_ = true;
    if (alarm_ != nullptr) alarm_->Cancel();
  }

 private:
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

class EchoServer::Service : public Echo::CallbackService {
 public:
  explicit Service(std::string backend) : backend_(std::move(backend)) {}

  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const EchoRequest* request,
                                  EchoReply* reply) override {
    return new UnaryCall(this, context, request, reply);
  }
  grpc::ServerWriteReactor<EchoReply>* ServerStream(grpc::CallbackServerContext* context,
                                                    const EchoRequest* request) override {
    return new ServerStreamCall(this, context, request);
  }
  grpc::ServerReadReactor<EchoRequest>* ClientStream(grpc::CallbackServerContext* context, EchoReply* reply) override {
    return new ClientStreamCall(this, context, reply);
  }
  grpc::ServerBidiReactor<EchoRequest, EchoReply>* Bidi(grpc::CallbackServerContext* context) override {
    return new BidiCall(this, context);
  }

  mutable Mutex mu;
  int64_t calls ABSL_GUARDED_BY(mu) = 0;
  int64_t in_progress ABSL_GUARDED_BY(mu) = 0;
  std::set<std::string> peers ABSL_GUARDED_BY(mu);

 private:
  // Counts one call, from its arrival until nothing of it is left.
  class Counted {
   public:
    Counted(Service* service, grpc::CallbackServerContext* context) : service_(service) {
      if (!service->backend_.empty()) {
        context->AddInitialMetadata("x-backend", service->backend_);
        context->AddTrailingMetadata("x-backend-last", service->backend_);
      }
      MutexLock lock(&service_->mu);
      ++service_->calls;
      ++service_->in_progress;
      service_->peers.insert(context->peer());
    }
    ~Counted() {
      MutexLock lock(&service_->mu);
      --service_->in_progress;
    }

   private:
    Service* const service_;
  };

  class UnaryCall : public grpc::ServerUnaryReactor {
   public:
    UnaryCall(Service* service, grpc::CallbackServerContext* context, const EchoRequest* request, EchoReply* reply)
        : counted_(service, context) {
      reply->set_payload(request->payload());
      reply->set_authority(
          std::string(context->ExperimentalGetAuthority().data(), context->ExperimentalGetAuthority().size()));
      delay_.Then(request->delay_ms(), [this, code = request->status_code()] { Finish(StatusOf(code)); });
    }
    void OnCancel() override { delay_.Cancel(); }
    void OnDone() override { delete this; }

   private:
    const Counted counted_;
    Delay delay_;
  };

  class ServerStreamCall : public grpc::ServerWriteReactor<EchoReply> {
   public:
    ServerStreamCall(Service* service, grpc::CallbackServerContext* context, const EchoRequest* request)
        : counted_(service, context), request_(*request) {
      reply_.set_payload(request_.payload());
      Next();
    }
    void OnWriteDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::CANCELLED);
      ++written_;
      Next();
    }
    void OnCancel() override { delay_.Cancel(); }
    void OnDone() override { delete this; }

   private:
    void Next() {
      if (written_ >= request_.count()) return Finish(StatusOf(request_.status_code()));
      reply_.set_index(written_);
      delay_.Then(request_.delay_ms(), [this] { StartWrite(&reply_); });
    }

    const Counted counted_;
    const EchoRequest request_;
    EchoReply reply_;
    int written_ = 0;
    Delay delay_;
  };

  class ClientStreamCall : public grpc::ServerReadReactor<EchoRequest> {
   public:
    ClientStreamCall(Service* service, grpc::CallbackServerContext* context, EchoReply* reply)
        : counted_(service, context), reply_(reply) {
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (ok) return StartRead(&request_);
      reply_->set_payload(request_.payload());
      delay_.Then(request_.delay_ms(), [this] { Finish(StatusOf(request_.status_code())); });
    }
    void OnCancel() override { delay_.Cancel(); }
    void OnDone() override { delete this; }

   private:
    const Counted counted_;
    EchoReply* const reply_;
    EchoRequest request_;
    Delay delay_;
  };

  class BidiCall : public grpc::ServerBidiReactor<EchoRequest, EchoReply> {
   public:
    BidiCall(Service* service, grpc::CallbackServerContext* context) : counted_(service, context) {
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return Finish(StatusOf(request_.status_code()));
      reply_.set_payload(request_.payload());
      reply_.set_index(written_);
      delay_.Then(request_.delay_ms(), [this] { StartWrite(&reply_); });
    }
    void OnWriteDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::CANCELLED);
      ++written_;
      StartRead(&request_);
    }
    void OnCancel() override { delay_.Cancel(); }
    void OnDone() override { delete this; }

   private:
    const Counted counted_;
    EchoRequest request_;
    EchoReply reply_;
    int written_ = 0;
    Delay delay_;
  };

  const std::string backend_;
};

class EchoServer::Health : public grpc::health::v1::Health::CallbackService {
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest*,
                                  grpc::health::v1::HealthCheckResponse* response) override {
    response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

EchoServer::EchoServer(EchoServerOptions options)
    : options_(options), service_(std::make_unique<Service>(options_.backend)), health_(std::make_unique<Health>()) {
  sockaddr_in6 v6 = {};
  sockaddr_in v4 = {};
  v6.sin6_family = AF_INET6;
  v4.sin_family = AF_INET;
  v4.sin_port = v6.sin6_port = htons(static_cast<uint16_t>(options_.port));
  const bool is_v6 = inet_pton(AF_INET6, options_.host.c_str(), &v6.sin6_addr) == 1;
  CHANPOOL_CHECK(is_v6 || inet_pton(AF_INET, options_.host.c_str(), &v4.sin_addr) == 1);
  auto* const address = is_v6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  socklen_t size = is_v6 ? sizeof(v6) : sizeof(v4);
  port_holder_ = socket(address->sa_family, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(port_holder_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));  // gRPC sets it too, and so may join us.
  CHANPOOL_CHECK(bind(port_holder_, address, size) == 0);
  CHANPOOL_CHECK(getsockname(port_holder_, address, &size) == 0);
  port_ = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
  Start();
}

EchoServer::~EchoServer() {
  Stop();
  close(port_holder_);
}

std::string EchoServer::target() const {
  const bool is_v6 = absl::StrContains(options_.host, ':');
  return is_v6 ? absl::StrCat("ipv6:[", options_.host, "]:", port_) : absl::StrCat("ipv4:", options_.host, ":", port_);
}

void EchoServer::Stop(absl::Duration grace) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  server_->Wait();
  server_ = nullptr;
}

void EchoServer::Start() {
  grpc::ServerBuilder builder;
  int bound = 0;
  const std::string address = target().substr(5);
  builder.AddListeningPort(
      address, options_.credentials != nullptr ? options_.credentials : grpc::InsecureServerCredentials(), &bound);
  builder.RegisterService(service_.get());
  if (options_.serves_health) builder.RegisterService(health_.get());
  if (options_.max_concurrent_streams > 0) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.max_concurrent_streams);
  }
  const auto set = [&builder](const char* argument, absl::Duration value) {
    if (value != absl::InfiniteDuration()) builder.AddChannelArgument(argument, Milliseconds(value));
  };
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, options_.max_connection_age);
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options_.max_connection_age_grace);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, options_.min_ping_interval);
  if (options_.min_ping_interval != absl::InfiniteDuration()) {
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  }
  server_ = builder.BuildAndStart();
  CHANPOOL_CHECK(server_ != nullptr && bound == port_);
}

void EchoServer::Restart(absl::Duration grace) {
  Stop(grace);
  Start();
}

int64_t EchoServer::calls() const {
  MutexLock lock(&service_->mu);
  return service_->calls;
}

int64_t EchoServer::in_progress() const {
  MutexLock lock(&service_->mu);
  return service_->in_progress;
}

int EchoServer::peers() const {
  MutexLock lock(&service_->mu);
  return static_cast<int>(service_->peers.size());
}

}  // namespace chanpool::testing
