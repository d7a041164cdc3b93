#include "tests/interop/call_style.h"

#include <grpcpp/completion_queue.h>

#include <future>
#include <type_traits>
#include <utility>

#include "grpc/testing/test.grpc.pb.h"
#include "pool/core/check.h"

namespace chanpool::testing {
namespace {

using ::grpc::ClientContext;
using ::grpc::Status;
using ::grpc::testing::Empty;
using ::grpc::testing::SimpleRequest;
using ::grpc::testing::SimpleResponse;
using ::grpc::testing::StreamingInputCallRequest;
using ::grpc::testing::StreamingInputCallResponse;
using ::grpc::testing::StreamingOutputCallRequest;
using ::grpc::testing::StreamingOutputCallResponse;
using ::grpc::testing::TestService;
using ::grpc::testing::UnimplementedService;

template <typename Message>
inline constexpr bool kCarried = !std::is_same_v<Message, Nothing>;

class StubCaller : public Caller {
 public:
  explicit StubCaller(const std::shared_ptr<grpc::ChannelInterface>& channel)
      : stub_(TestService::NewStub(channel)), other_(UnimplementedService::NewStub(channel)) {}

 protected:
  const std::unique_ptr<TestService::Stub> stub_;
  const std::unique_ptr<UnimplementedService::Stub> other_;
};

// --- Blocking -----------------------------------------------------------------------------------------------------

// `Call` is grpc::ClientWriter, ClientReader or ClientReaderWriter.
template <typename Request, typename Reply, typename Call>
class BlockingStream : public Stream<Request, Reply> {
 public:
  explicit BlockingStream(std::unique_ptr<Call> call) : call_(std::move(call)) {}

  bool Write(const Request& request) override {
    if constexpr (kCarried<Request>) return call_->Write(request);
    CHANPOOL_CHECK(kCarried<Request>);
    return false;
  }
  bool WritesDone() override {
    if constexpr (kCarried<Request>) return call_->WritesDone();
    CHANPOOL_CHECK(kCarried<Request>);
    return false;
  }
  bool Read(Reply* reply) override {
    if constexpr (kCarried<Reply>) return call_->Read(reply);
    CHANPOOL_CHECK(kCarried<Reply>);
    return false;
  }
  Status Finish() override { return call_->Finish(); }

 private:
  const std::unique_ptr<Call> call_;
};

template <typename Request, typename Reply, typename Call>
std::unique_ptr<Stream<Request, Reply>> Blocking(std::unique_ptr<Call> call) {
  return std::make_unique<BlockingStream<Request, Reply, Call>>(std::move(call));
}

class BlockingCaller : public StubCaller {
 public:
  using StubCaller::StubCaller;

  Status EmptyCall(ClientContext* context, const Empty& request, Empty* reply) override {
    return stub_->EmptyCall(context, request, reply);
  }
  Status UnaryCall(ClientContext* context, const SimpleRequest& request, SimpleResponse* reply) override {
    return stub_->UnaryCall(context, request, reply);
  }
  Status UnimplementedMethod(ClientContext* context) override {
    Empty reply;
    return stub_->UnimplementedCall(context, Empty(), &reply);
  }
  Status UnimplementedService(ClientContext* context) override {
    Empty reply;
    return other_->UnimplementedCall(context, Empty(), &reply);
  }
  std::unique_ptr<InputStream> StreamingInputCall(ClientContext* context, StreamingInputCallResponse* reply) override {
    return Blocking<StreamingInputCallRequest, Nothing>(stub_->StreamingInputCall(context, reply));
  }
  std::unique_ptr<OutputStream> StreamingOutputCall(ClientContext* context,
                                                    const StreamingOutputCallRequest& request) override {
    return Blocking<Nothing, StreamingOutputCallResponse>(stub_->StreamingOutputCall(context, request));
  }
  std::unique_ptr<DuplexStream> FullDuplexCall(ClientContext* context) override {
    return Blocking<StreamingOutputCallRequest, StreamingOutputCallResponse>(stub_->FullDuplexCall(context));
  }
};

// --- Callback -----------------------------------------------------------------------------------------------------

// `Reactor` is grpc::ClientWriteReactor, ClientReadReactor or ClientBidiReactor. Each overrides those of these
// functions that it has.
template <typename Request, typename Reply, typename Reactor>
class CallbackStream : public Stream<Request, Reply>, public Reactor {
 public:
  // `start` hands the reactor to a stub.
  template <typename Start>
  CallbackStream(ClientContext* context, Start start) : context_(context) {
    start(this);
    this->AddHold();  // Operations begin on the test's thread: the call must not be done between two of them.
    this->StartCall();
  }
  // Whoever leaves early: the reactor lives until the call has ended.
  ~CallbackStream() override {
    if (finished_) return;
    context_->TryCancel();
    Finish();
  }

  bool Write(const Request& request) override {
    if constexpr (kCarried<Request>) return Await([&] { this->StartWrite(&request); });
    CHANPOOL_CHECK(kCarried<Request>);
    return false;
  }
  bool WritesDone() override {
    if constexpr (kCarried<Request>) return Await([&] { this->StartWritesDone(); });
    CHANPOOL_CHECK(kCarried<Request>);
    return false;
  }
  bool Read(Reply* reply) override {
    if constexpr (kCarried<Reply>) return Await([&] { this->StartRead(reply); });
    CHANPOOL_CHECK(kCarried<Reply>);
    return false;
  }
  Status Finish() override {
    finished_ = true;
    this->RemoveHold();
    return done_->get_future().get();
  }

#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winconsistent-missing-override"  // Not each reactor has each of these.
#endif
  void OnWriteDone(bool ok) { Tell(ended_, ok); }
  void OnWritesDoneDone(bool ok) { Tell(ended_, ok); }
  void OnReadDone(bool ok) { Tell(ended_, ok); }
#ifdef __clang__
#pragma clang diagnostic pop
#endif
  void OnDone(const Status& status) override { Tell(done_, status); }

 private:
  template <typename Result>
  using Promise = std::shared_ptr<std::promise<Result>>;

  // A reference of its own: whoever waits may go on, and replace or destroy the promise, before this has returned.
  template <typename Result>
  static void Tell(Promise<Result> promise, const Result& result) {
    promise->set_value(result);
  }

  template <typename Begin>
  bool Await(Begin begin) {
    ended_ = std::make_shared<std::promise<bool>>();
    std::future<bool> ended = ended_->get_future();
    begin();
    return ended.get();
  }

  ClientContext* const context_;
  bool finished_ = false;
  Promise<bool> ended_;
  const Promise<Status> done_ = std::make_shared<std::promise<Status>>();
};

// `begin` gets the callback.
template <typename Begin>
Status AwaitCallback(Begin begin) {
  const auto done = std::make_shared<std::promise<Status>>();
  begin([done](Status status) { done->set_value(std::move(status)); });
  return done->get_future().get();
}

class CallbackCaller : public StubCaller {
 public:
  using StubCaller::StubCaller;

  Status EmptyCall(ClientContext* context, const Empty& request, Empty* reply) override {
    return AwaitCallback([&](auto done) { stub_->async()->EmptyCall(context, &request, reply, done); });
  }
  Status UnaryCall(ClientContext* context, const SimpleRequest& request, SimpleResponse* reply) override {
    return AwaitCallback([&](auto done) { stub_->async()->UnaryCall(context, &request, reply, done); });
  }
  Status UnimplementedMethod(ClientContext* context) override {
    Empty request, reply;
    return AwaitCallback([&](auto done) { stub_->async()->UnimplementedCall(context, &request, &reply, done); });
  }
  Status UnimplementedService(ClientContext* context) override {
    Empty request, reply;
    return AwaitCallback([&](auto done) { other_->async()->UnimplementedCall(context, &request, &reply, done); });
  }
  std::unique_ptr<InputStream> StreamingInputCall(ClientContext* context, StreamingInputCallResponse* reply) override {
    using Reactor = grpc::ClientWriteReactor<StreamingInputCallRequest>;
    return std::make_unique<CallbackStream<StreamingInputCallRequest, Nothing, Reactor>>(
        context, [&](Reactor* reactor) { stub_->async()->StreamingInputCall(context, reply, reactor); });
  }
  std::unique_ptr<OutputStream> StreamingOutputCall(ClientContext* context,
                                                    const StreamingOutputCallRequest& request) override {
    using Reactor = grpc::ClientReadReactor<StreamingOutputCallResponse>;
    return std::make_unique<CallbackStream<Nothing, StreamingOutputCallResponse, Reactor>>(
        context, [&](Reactor* reactor) { stub_->async()->StreamingOutputCall(context, &request, reactor); });
  }
  std::unique_ptr<DuplexStream> FullDuplexCall(ClientContext* context) override {
    using Reactor = grpc::ClientBidiReactor<StreamingOutputCallRequest, StreamingOutputCallResponse>;
    return std::make_unique<CallbackStream<StreamingOutputCallRequest, StreamingOutputCallResponse, Reactor>>(
        context, [&](Reactor* reactor) { stub_->async()->FullDuplexCall(context, reactor); });
  }
};

// --- Completion queue ---------------------------------------------------------------------------------------------

// The outcome of the one operation that is on the queue.
bool AwaitNext(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  CHANPOOL_CHECK(queue.Next(&tag, &ok));
  return ok;
}

// `Call` is grpc::ClientAsyncWriter, ClientAsyncReader or ClientAsyncReaderWriter.
template <typename Request, typename Reply, typename Call>
class QueuedStream : public Stream<Request, Reply> {
 public:
  // `start` begins the call on a queue.
  template <typename Start>
  QueuedStream(ClientContext* context, Start start) : context_(context), call_(start(&queue_)) {
    AwaitNext(queue_);
  }
  // Whoever leaves early: the call must have ended before its queue does.
  ~QueuedStream() override {
    if (finished_) return;
    context_->TryCancel();
    Finish();
  }

  bool Write(const Request& request) override {
    if constexpr (kCarried<Request>) {
      call_->Write(request, nullptr);
      return AwaitNext(queue_);
    }
    CHANPOOL_CHECK(kCarried<Request>);
    return false;
  }
  bool WritesDone() override {
    if constexpr (kCarried<Request>) {
      call_->WritesDone(nullptr);
      return AwaitNext(queue_);
    }
    CHANPOOL_CHECK(kCarried<Request>);
    return false;
  }
  bool Read(Reply* reply) override {
    if constexpr (kCarried<Reply>) {
      call_->Read(reply, nullptr);
      return AwaitNext(queue_);
    }
    CHANPOOL_CHECK(kCarried<Reply>);
    return false;
  }
  Status Finish() override {
    finished_ = true;
    Status status;
    call_->Finish(&status, nullptr);
    AwaitNext(queue_);
    return status;
  }

 private:
  ClientContext* const context_;
  bool finished_ = false;
  grpc::CompletionQueue queue_;
  const std::unique_ptr<Call> call_;
};

// `begin` makes the call on a queue.
template <typename Reply, typename Begin>
Status AwaitQueued(Reply* reply, Begin begin) {
  grpc::CompletionQueue queue;
  const auto call = begin(&queue);
  Status status;
  call->Finish(reply, &status, nullptr);
  AwaitNext(queue);
  return status;
}

class QueueCaller : public StubCaller {
 public:
  using StubCaller::StubCaller;
  using Queue = grpc::CompletionQueue*;

  Status EmptyCall(ClientContext* context, const Empty& request, Empty* reply) override {
    return AwaitQueued(reply, [&](Queue queue) { return stub_->AsyncEmptyCall(context, request, queue); });
  }
  Status UnaryCall(ClientContext* context, const SimpleRequest& request, SimpleResponse* reply) override {
    return AwaitQueued(reply, [&](Queue queue) { return stub_->AsyncUnaryCall(context, request, queue); });
  }
  Status UnimplementedMethod(ClientContext* context) override {
    Empty reply;
    return AwaitQueued(&reply, [&](Queue queue) { return stub_->AsyncUnimplementedCall(context, Empty(), queue); });
  }
  Status UnimplementedService(ClientContext* context) override {
    Empty reply;
    return AwaitQueued(&reply, [&](Queue queue) { return other_->AsyncUnimplementedCall(context, Empty(), queue); });
  }
  std::unique_ptr<InputStream> StreamingInputCall(ClientContext* context, StreamingInputCallResponse* reply) override {
    using Call = grpc::ClientAsyncWriter<StreamingInputCallRequest>;
    return std::make_unique<QueuedStream<StreamingInputCallRequest, Nothing, Call>>(
        context, [&](Queue queue) { return stub_->AsyncStreamingInputCall(context, reply, queue, nullptr); });
  }
  std::unique_ptr<OutputStream> StreamingOutputCall(ClientContext* context,
                                                    const StreamingOutputCallRequest& request) override {
    using Call = grpc::ClientAsyncReader<StreamingOutputCallResponse>;
    return std::make_unique<QueuedStream<Nothing, StreamingOutputCallResponse, Call>>(
        context, [&](Queue queue) { return stub_->AsyncStreamingOutputCall(context, request, queue, nullptr); });
  }
  std::unique_ptr<DuplexStream> FullDuplexCall(ClientContext* context) override {
    using Call = grpc::ClientAsyncReaderWriter<StreamingOutputCallRequest, StreamingOutputCallResponse>;
    return std::make_unique<QueuedStream<StreamingOutputCallRequest, StreamingOutputCallResponse, Call>>(
        context, [&](Queue queue) { return stub_->AsyncFullDuplexCall(context, queue, nullptr); });
  }
};

}  // namespace

const char* ToString(CallStyle style) {
  switch (style) {
    case CallStyle::kBlocking:
      return "Blocking";
    case CallStyle::kCallback:
      return "Callback";
    case CallStyle::kCompletionQueue:
      return "CompletionQueue";
  }
  return "Unknown";
}

std::unique_ptr<Caller> NewCaller(CallStyle style, const std::shared_ptr<grpc::ChannelInterface>& channel) {
  switch (style) {
    case CallStyle::kBlocking:
      return std::make_unique<BlockingCaller>(channel);
    case CallStyle::kCallback:
      return std::make_unique<CallbackCaller>(channel);
    case CallStyle::kCompletionQueue:
      return std::make_unique<QueueCaller>(channel);
  }
  return nullptr;
}

}  // namespace chanpool::testing
