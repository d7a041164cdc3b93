#include "pool/grpc/calls_in_flight.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::EchoServer;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::Throughout;
using ::testing::HasSubstr;
using Hook = grpc::experimental::InterceptionHookPoints;
using Factory = grpc::experimental::ClientInterceptorFactoryInterface;

// A user's interceptor that counts calls by itself: the other opinion about how many there are.
class CountingFactory : public Factory {
 public:
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo*) override {
    return new Counting(this);
  }
  std::atomic<int> made{0};
  std::atomic<int> gone{0};

 private:
  class Counting : public grpc::experimental::Interceptor {
   public:
    explicit Counting(CountingFactory* factory) : factory_(factory) { ++factory_->made; }
    ~Counting() override { ++factory_->gone; }
    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override { methods->Proceed(); }

   private:
    CountingFactory* const factory_;
  };
};

// A user's interceptor that answers in the server's place: nothing of the call reaches a connection.
class HijackingFactory : public Factory {
 public:
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo*) override {
    return new Hijacking;
  }

 private:
  class Hijacking : public grpc::experimental::Interceptor {
   public:
    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
      if (methods->QueryInterceptionHookPoint(Hook::PRE_RECV_MESSAGE)) {
        static_cast<EchoReply*>(methods->GetRecvMessage())->set_payload("hijacked");
      }
      if (methods->QueryInterceptionHookPoint(Hook::PRE_RECV_STATUS)) *methods->GetRecvStatus() = grpc::Status::OK;
      if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_INITIAL_METADATA)) return methods->Hijack();
      methods->Proceed();
    }
  };
};

// --- The table: every way to make a call x every way in which it ends ---------------------------------------------

enum class Style {
  kBlocking,
  kPreCancelled,   // Blocking, on a context that was cancelled before.
  kQueueFinished,  // Completion queue, status received.
  kQueueDropped,   // Completion queue, on its way, and its status never asked for.
  kPreparedOnly,   // Prepared, never started.
  kCallback,
  kReactor,        // Unary, by a reactor.
  kStreamDropped,  // A stream that is used, and its status never asked for.
};

// Whether the user has interceptors. Unary callback calls without are followed instead of intercepted.
enum class Users { kNone, kInterceptor };

enum class Ending { kOk, kError, kDeadline, kCancelled, kChannelDies, kPoolDestroyed, kHijacked };

std::string ToString(Style style) {
  return std::vector<std::string>{
      "Blocking",     "PreCancelled", "QueueFinished", "QueueDropped",
      "PreparedOnly", "Callback",     "Reactor",       "StreamDropped"}[static_cast<int>(style)];
}

std::string ToString(Ending ending) {
  return std::vector<std::string>{
      "Ok", "Error", "Deadline", "Cancelled", "ChannelDies", "PoolDestroyed", "Hijacked"}[static_cast<int>(ending)];
}

class CallTableTest : public ::testing::TestWithParam<std::tuple<Style, Ending, Users>> {
 protected:
  CallTableTest() : style_(std::get<0>(GetParam())), ending_(std::get<1>(GetParam())), users_(std::get<2>(GetParam())) {
    ChannelPoolOptions options;
    options.target = server_.target();
    options.pool.max_connections = 1;
    if (users_ == Users::kInterceptor) options.interceptors.push_back(counting_);
    if (ending_ == Ending::kHijacked) options.interceptors.push_back(std::make_shared<HijackingFactory>());
    pool_ = ChannelPool::Create(std::move(options)).value();
    events_ = pool_->Subscribe([this](const PoolEvent& event) {
      closed_ += event.kind == PoolEvent::Kind::kClosed;
      connecting_ += event.kind == PoolEvent::Kind::kConnecting;
    });
    EXPECT_THAT(pool_->WaitForReady(1, testing::In(kLimit)), IsOk());
    connecting_ = 1;  // The one before the subscription.
    stub_ = Echo::NewStub(pool_->channel());

    const bool waits = ending_ == Ending::kDeadline || ending_ == Ending::kCancelled || ending_ == Ending::kChannelDies;
    request_.set_delay_ms(waits ? 60'000 : ending_ == Ending::kPoolDestroyed ? 200 : 0);
    if (ending_ == Ending::kError) request_.set_status_code(grpc::StatusCode::ABORTED);
    if (ending_ == Ending::kDeadline) context_->set_deadline(DeadlineIn(absl::Milliseconds(50)));
  }

  // What the ending does from outside, once the call is on its way or over.
  void Interfere(const std::function<bool()>& over) {
    if (ending_ != Ending::kCancelled && ending_ != Ending::kChannelDies && ending_ != Ending::kPoolDestroyed) return;
    ASSERT_TRUE(Eventually([&] { return over() || server_.in_progress() > 0; }));
    if (!over() && ending_ != Ending::kPoolDestroyed) {
      EXPECT_EQ(pool_->Stats().leases, 1);
    }
    if (ending_ == Ending::kCancelled) context_->TryCancel();
    if (ending_ == Ending::kChannelDies) server_.Stop();
    if (ending_ == Ending::kPoolDestroyed) pool_ = nullptr;
  }

  void ExpectStatus(const grpc::Status& status) {
    if (ending_ == Ending::kHijacked) {
      EXPECT_THAT(status, IsOk());
    } else if (style_ == Style::kPreCancelled) {
      EXPECT_THAT(status, StatusIs(grpc::StatusCode::CANCELLED));
    } else if (ending_ == Ending::kOk || ending_ == Ending::kPoolDestroyed) {
      EXPECT_THAT(status, IsOk());
    } else if (ending_ == Ending::kError) {
      EXPECT_THAT(status, StatusIs(grpc::StatusCode::ABORTED));
    } else if (ending_ == Ending::kDeadline) {
      EXPECT_THAT(status, StatusIs(grpc::StatusCode::DEADLINE_EXCEEDED));
    } else if (ending_ == Ending::kCancelled) {
      EXPECT_THAT(status, StatusIs(grpc::StatusCode::CANCELLED));
    } else {
      EXPECT_THAT(status, ::testing::Not(IsOk()));  // The server had time to say which, or not.
    }
  }

  void Blocking() {
    Signal over;
    grpc::Status status;
    std::thread caller([&] {
      status = stub_->Unary(context_.get(), request_, &reply_);
      over.Notify();
    });
    Interfere([&] { return over.happened(); });
    caller.join();
    ExpectStatus(status);
  }

  void QueueFinished() {
    grpc::CompletionQueue queue;
    grpc::Status status;
    const auto call = stub_->AsyncUnary(context_.get(), request_, &queue);
    call->Finish(&reply_, &status, this);
    Interfere([] { return false; });
    AwaitTag(queue);
    ExpectStatus(status);
  }

  void QueueDropped() {
    grpc::CompletionQueue queue;
    auto call = stub_->AsyncUnary(context_.get(), request_, &queue);
    call->ReadInitialMetadata(this);
    Interfere([] { return false; });
    AwaitTag(queue);
    call = nullptr;  // Lives in the context's call.
    context_ = nullptr;
  }

  void PreparedOnly() {
    grpc::CompletionQueue queue;
    // A stream: of a unary call that never starts gRPC loses the message, 320 bytes, on any channel.
    auto call = stub_->PrepareAsyncBidi(context_.get(), &queue);
    Interfere([] { return true; });
    if (pool_ != nullptr) {
      EXPECT_TRUE(Throughout([&] { return pool_->Stats().leases == 1; }, absl::Milliseconds(60)));
    } else {
      EXPECT_TRUE(Throughout([&] { return closed_ == 0; }, absl::Milliseconds(60)));
    }
    call = nullptr;  // Lives in the context's call.
    context_ = nullptr;
  }

  void Callback() {
    Signal over;
    grpc::Status status;
    stub_->async()->Unary(context_.get(), &request_, &reply_, [&](grpc::Status s) {
      status = std::move(s);
      over.Notify();
    });
    Interfere([&] { return over.happened(); });
    ASSERT_TRUE(over.Await());
    ExpectStatus(status);
  }

  void Reactor() {
    struct Noting : grpc::ClientUnaryReactor {
      void OnDone(const grpc::Status& s) override {
        status = s;
        over.Notify();
      }
      Signal over;
      grpc::Status status;
    };
    Noting reactor;
    stub_->async()->Unary(context_.get(), &request_, &reply_, &reactor);
    reactor.StartCall();
    Interfere([&] { return reactor.over.happened(); });
    ASSERT_TRUE(reactor.over.Await());
    ExpectStatus(reactor.status);
  }

  void StreamDropped() {
    auto stream = stub_->Bidi(context_.get());
    stream->Write(request_);
    Interfere([] { return false; });
    EchoReply reply;
    const bool answered = ending_ == Ending::kOk || ending_ == Ending::kError || ending_ == Ending::kPoolDestroyed ||
                          ending_ == Ending::kHijacked;
    EXPECT_EQ(stream->Read(&reply), answered);
    stream = nullptr;
    context_ = nullptr;
  }

  static void AwaitTag(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_EQ(queue.AsyncNext(&tag, &ok, DeadlineIn(kLimit)), grpc::CompletionQueue::GOT_EVENT);
  }

  const Style style_;
  const Ending ending_;
  const Users users_;
  EchoServer server_;
  const std::shared_ptr<CountingFactory> counting_ = std::make_shared<CountingFactory>();
  std::atomic<int> connecting_{0};
  std::atomic<int> closed_{0};
  Subscription events_;
  std::shared_ptr<ChannelPool> pool_;
  std::unique_ptr<Echo::Stub> stub_;
  EchoRequest request_;
  EchoReply reply_;
  std::unique_ptr<grpc::ClientContext> context_ = std::make_unique<grpc::ClientContext>();
};

TEST_P(CallTableTest, GivesItsLeaseBackOnce) {
  switch (style_) {
    case Style::kPreCancelled:
      context_->TryCancel();
      Blocking();
      break;
    case Style::kBlocking:
      Blocking();
      break;
    case Style::kQueueFinished:
      QueueFinished();
      break;
    case Style::kQueueDropped:
      QueueDropped();
      break;
    case Style::kPreparedOnly:
      PreparedOnly();
      break;
    case Style::kCallback:
      Callback();
      break;
    case Style::kReactor:
      Reactor();
      break;
    case Style::kStreamDropped:
      StreamDropped();
      break;
  }

  if (pool_ != nullptr) {
    // Before the context goes: whoever got a status has given the lease back.
    const PoolStats stats = pool_->Stats();
    EXPECT_EQ(stats.leases, 0);
    EXPECT_EQ(stats.acquired, 1);
    EXPECT_EQ(stats.released, 1);
  }
  context_ = nullptr;
  const int seen = users_ == Users::kInterceptor ? 1 : 0;
  EXPECT_EQ(counting_->made, seen);
  EXPECT_TRUE(Eventually([&] { return counting_->gone == seen; }));
  if (pool_ != nullptr) {
    EXPECT_EQ(pool_->Stats().released, 1);  // Not twice.
    EXPECT_THAT(pool_->Drain(testing::In(kLimit)), IsOk());
  } else {
    // A connection closes when its last lease is back: a lease that stayed out would hold it, one given back twice
    // would stop the process.
    EXPECT_TRUE(Eventually([&] { return closed_ == connecting_; }));
  }
}

constexpr auto kEveryStyle = {Style::kBlocking,     Style::kPreCancelled, Style::kQueueFinished, Style::kQueueDropped,
                              Style::kPreparedOnly, Style::kCallback,     Style::kReactor,       Style::kStreamDropped};

std::string CellName(const ::testing::TestParamInfo<CallTableTest::ParamType>& cell) {
  return ToString(std::get<0>(cell.param)) + ToString(std::get<1>(cell.param));
}

INSTANTIATE_TEST_SUITE_P(EveryStyleAndEnding, CallTableTest,
                         ::testing::Combine(::testing::ValuesIn(kEveryStyle),
                                            ::testing::Values(Ending::kOk, Ending::kError, Ending::kDeadline,
                                                              Ending::kCancelled, Ending::kChannelDies,
                                                              Ending::kPoolDestroyed, Ending::kHijacked),
                                            ::testing::Values(Users::kInterceptor)),
                         CellName);

// It takes an interceptor to hijack.
INSTANTIATE_TEST_SUITE_P(WithoutInterceptors, CallTableTest,
                         ::testing::Combine(::testing::ValuesIn(kEveryStyle),
                                            ::testing::Values(Ending::kOk, Ending::kError, Ending::kDeadline,
                                                              Ending::kCancelled, Ending::kChannelDies,
                                                              Ending::kPoolDestroyed),
                                            ::testing::Values(Users::kNone)),
                         CellName);

// --- The list of calls, without a pool ----------------------------------------------------------------------------

class CallsInFlightTest : public ::testing::Test {
 protected:
  CallsInFlightTest() {
    std::vector<std::unique_ptr<Factory>> factories;
    factories.push_back(CallsInFlight::NewInterceptorFactory(calls_));
    stub_ = Echo::NewStub(grpc::experimental::CreateCustomChannelWithInterceptors(
        server_.target(), grpc::InsecureChannelCredentials(), grpc::ChannelArguments(), std::move(factories)));
  }

  EchoServer server_;
  const std::shared_ptr<CallsInFlight> calls_ = std::make_shared<CallsInFlight>(CallsInFlight::Setup());
  std::unique_ptr<Echo::Stub> stub_;
};

TEST_F(CallsInFlightTest, ListsACallFromItsStartToItsStatus) {
  grpc::ClientContext context;
  EchoReply reply;
  const auto stream = stub_->Bidi(&context);
  EXPECT_EQ(calls_->in_flight(), 1);
  stream->WritesDone();
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_EQ(calls_->in_flight(), 0);
}

TEST_F(CallsInFlightTest, EndsEveryCallWithTheGivenReason) {
  constexpr int kCalls = 10;
  EchoRequest request;
  request.set_delay_ms(60'000);
  std::vector<grpc::ClientContext> contexts(kCalls);
  std::vector<EchoReply> replies(kCalls);
  std::vector<grpc::Status> statuses(kCalls);
  std::vector<Signal> over(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    stub_->async()->Unary(&contexts[i], &request, &replies[i], [&, i](grpc::Status status) {
      statuses[i] = std::move(status);
      over[i].Notify();
    });
  }
  ASSERT_TRUE(Eventually([&] { return server_.in_progress() == kCalls; }));
  EXPECT_EQ(calls_->in_flight(), kCalls);

  calls_->CancelAll(absl::UnavailableError("drained by force"));

  for (int i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(over[i].Await());
    EXPECT_THAT(statuses[i], StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("drained by force")));
  }
  EXPECT_EQ(calls_->in_flight(), 0);
}

TEST_F(CallsInFlightTest, EndsCallsThatStartAfterwards) {
  calls_->CancelAll(absl::UnavailableError("drained by force"));
  grpc::ClientContext context;
  EchoReply reply;
  EXPECT_THAT(stub_->Unary(&context, EchoRequest(), &reply),
              StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("drained by force")));
  EXPECT_EQ(calls_->in_flight(), 0);
}

TEST_F(CallsInFlightTest, SurvivesACancelWhileCallsEndAndContextsGo) {
  constexpr int kCalls = 300;
  std::atomic<bool> stop{false};
  std::thread canceller([&] {
    while (!stop) calls_->CancelAll(absl::UnavailableError("drained by force"));
  });
  for (int i = 0; i < kCalls; ++i) {
    grpc::ClientContext context;
    EchoReply reply;
    stub_->Unary(&context, EchoRequest(), &reply);
  }
  stop = true;
  canceller.join();
  EXPECT_EQ(calls_->in_flight(), 0);
}

// --- Unary callback calls of a pool, which are followed without interception ----------------------------------------

TEST(FollowedCallsTest, SurviveForcedDrainsWhileTheyEnd) {
  constexpr int kCalls = 20;
  EchoServer server;
  ChannelPoolOptions options;
  options.target = server.target();
  const std::shared_ptr<ChannelPool> pool = ChannelPool::Create(options).value();
  const std::unique_ptr<Echo::Stub> stub = Echo::NewStub(pool->channel());
  for (int round = 0; round < 30; ++round) {
    ASSERT_THAT(pool->WaitForReady(1, testing::In(kLimit)), IsOk());
    std::vector<grpc::ClientContext> contexts(kCalls);
    std::vector<EchoReply> replies(kCalls);
    std::vector<Signal> over(kCalls);
    const EchoRequest request;
    for (int i = 0; i < kCalls; ++i) {
      stub->async()->Unary(&contexts[i], &request, &replies[i], [&, i](const grpc::Status&) { over[i].Notify(); });
    }
    EXPECT_THAT(pool->Drain(absl::InfinitePast(), OnDeadline::kCancelCalls), IsOk());
    for (Signal& signal : over) ASSERT_TRUE(signal.Await());
    EXPECT_EQ(pool->Stats().leases, 0);
    ASSERT_THAT(pool->Resume(), IsOk());
  }
}

}  // namespace
}  // namespace chanpool
