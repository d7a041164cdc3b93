// What a pool tells of calls: how many ended how, on which connection, and which are in flight.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "pool/grpc/call_ledger.h"
#include "pool/grpc/channel_pool.h"
#include "pool/testing/fake_clock.h"
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
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using InterceptorFactory = grpc::experimental::ClientInterceptorFactoryInterface;

constexpr char kUnary[] = "/chanpool.testing.Echo/Unary";
constexpr char kBidi[] = "/chanpool.testing.Echo/Bidi";
constexpr int kCancelled = static_cast<int>(absl::StatusCode::kCancelled);
constexpr int kAborted = static_cast<int>(absl::StatusCode::kAborted);

EchoRequest Request(int status_code = 0, int delay_ms = 0) {
  EchoRequest request;
  request.set_status_code(status_code);
  request.set_delay_ms(delay_ms);
  request.set_count(2);
  return request;
}

// A user's interceptor that does nothing: with one, no call is followed.
class IdleFactory : public InterceptorFactory {
 public:
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo*) override {
    return new Idle;
  }

  // What somebody would find who took this for a factory of ours.
  const void* const itself = this;

 private:
  class Idle : public grpc::experimental::Interceptor {
   public:
    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override { methods->Proceed(); }
  };
};

class CallStatsTest : public ::testing::Test {
 protected:
  void Make(ChannelPoolOptions options = ChannelPoolOptions()) {
    options.target = server_.target();
    pool_ = ChannelPool::Create(std::move(options)).value();
    stub_ = Echo::NewStub(pool_->channel());
  }
  // With one connection, which is open.
  void MakeOne(ChannelPoolOptions options = ChannelPoolOptions()) {
    options.pool.max_connections = 1;
    Make(std::move(options));
    ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  }

  grpc::Status Call(const EchoRequest& request = Request()) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kLimit));
    EchoReply reply;
    return stub_->Unary(&context, request, &reply);
  }

  // A call by name, through a generic stub.
  grpc::Status CallByName(const std::string& method, const EchoRequest& request = Request(),
                          grpc::ClientContext* context = nullptr) {
    grpc::ClientContext own;
    grpc::ByteBuffer sent, answer;
    bool own_buffer = false;
    EXPECT_THAT(grpc::SerializationTraits<EchoRequest>::Serialize(request, &sent, &own_buffer), IsOk());
    grpc::GenericStub stub(pool_->channel());
    Signal over;
    grpc::Status status;
    stub.UnaryCall(context != nullptr ? context : &own, method, grpc::StubOptions(), &sent, &answer,
                   [&](grpc::Status s) {
                     status = std::move(s);
                     over.Notify();
                   });
    EXPECT_TRUE(over.Await());
    return status;
  }

  CallTotals Method(const std::string& name) const {
    for (const MethodStats& row : pool_->Methods()) {
      if (row.method == name) return row.calls;
    }
    return CallTotals();
  }

  EchoServer server_;
  std::shared_ptr<ChannelPool> pool_;
  std::unique_ptr<Echo::Stub> stub_;
};

TEST_F(CallStatsTest, EachConnectionTellsItsRequestsAndErrors) {
  MakeOne();
  for (int i = 0; i < 90; ++i) EXPECT_THAT(Call(), IsOk());
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Call(Request(kAborted)), StatusIs(absl::StatusCode::kAborted));

  const std::vector<ConnectionStats> connections = pool_->Connections();
  ASSERT_THAT(connections, SizeIs(1));
  const CallTotals& calls = connections[0].calls;
  EXPECT_EQ(calls.requests(), 100u);
  EXPECT_EQ(calls.errors(), 10u);
  EXPECT_EQ(calls.ErrorRate().value(), 0.10);
  EXPECT_EQ(calls.by_code[0], 90u);
  EXPECT_EQ(calls.by_code[kAborted], 10u);
  EXPECT_EQ(calls.times.count(), 100u) << "every call is timed";
  EXPECT_GT(calls.times.sum(), absl::ZeroDuration());
}

// --- Every way to make a call ---------------------------------------------------------------------------------------

enum class Style {
  kBlocking,
  kClientStream,
  kServerStream,
  kBidi,
  kQueue,
  kCallback,
  kUnaryReactor,
  kBidiReactor,
  kByName
};
enum class Users { kNone, kInterceptor };

std::string ToString(Style style) {
  return std::vector<std::string>{"Blocking", "ClientStream", "ServerStream", "Bidi",  "Queue",
                                  "Callback", "UnaryReactor", "BidiReactor",  "ByName"}[static_cast<int>(style)];
}

template <typename Reactor>
class Finishing : public Reactor {
 public:
  void OnDone(const grpc::Status& s) override {
    status = s;
    over.Notify();
  }
  grpc::Status Await() {
    EXPECT_TRUE(over.Await());
    return status;
  }
  Signal over;
  grpc::Status status;
};

class CallStyleTest : public CallStatsTest, public ::testing::WithParamInterface<std::tuple<Style, int, Users>> {
 protected:
  grpc::Status Make(grpc::ClientContext* context, const EchoRequest& request, std::string* method) {
    EchoReply reply;
    switch (std::get<0>(GetParam())) {
      case Style::kBlocking:
        *method = kUnary;
        return stub_->Unary(context, request, &reply);
      case Style::kClientStream: {
        *method = "/chanpool.testing.Echo/ClientStream";
        const auto stream = stub_->ClientStream(context, &reply);
        stream->Write(request);
        stream->WritesDone();
        return stream->Finish();
      }
      case Style::kServerStream: {
        *method = "/chanpool.testing.Echo/ServerStream";
        const auto stream = stub_->ServerStream(context, request);
        while (stream->Read(&reply)) {
        }
        return stream->Finish();
      }
      case Style::kBidi: {
        *method = kBidi;
        const auto stream = stub_->Bidi(context);
        stream->Write(request);
        EXPECT_TRUE(stream->Read(&reply));
        stream->WritesDone();
        return stream->Finish();
      }
      case Style::kQueue: {
        *method = kUnary;
        grpc::CompletionQueue queue;
        grpc::Status status;
        const auto call = stub_->AsyncUnary(context, request, &queue);
        call->Finish(&reply, &status, this);
        void* tag = nullptr;
        bool ok = false;
        EXPECT_EQ(queue.AsyncNext(&tag, &ok, DeadlineIn(kLimit)), grpc::CompletionQueue::GOT_EVENT);
        return status;
      }
      case Style::kCallback: {
        *method = kUnary;
        Signal over;
        grpc::Status status;
        stub_->async()->Unary(context, &request, &reply, [&](grpc::Status s) {
          status = std::move(s);
          over.Notify();
        });
        EXPECT_TRUE(over.Await());
        return status;
      }
      case Style::kUnaryReactor: {
        *method = kUnary;
        Finishing<grpc::ClientUnaryReactor> reactor;
        stub_->async()->Unary(context, &request, &reply, &reactor);
        reactor.StartCall();
        return reactor.Await();
      }
      case Style::kBidiReactor: {
        *method = kBidi;
        Finishing<grpc::ClientBidiReactor<EchoRequest, EchoReply>> reactor;
        stub_->async()->Bidi(context, &reactor);
        reactor.StartWriteLast(&request, grpc::WriteOptions());
        reactor.StartRead(&reply);
        reactor.StartCall();
        return reactor.Await();
      }
      case Style::kByName:
        *method = kUnary;
        return CallByName(kUnary, request, context);
    }
    return grpc::Status::OK;
  }
};

TEST_P(CallStyleTest, CountsUnderItsMethodWithItsStatusAndNamesItsConnection) {
  ChannelPoolOptions options;
  if (std::get<2>(GetParam()) == Users::kInterceptor) options.interceptors.push_back(std::make_shared<IdleFactory>());
  MakeOne(std::move(options));
  const int code = std::get<1>(GetParam());
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  EXPECT_EQ(ConnectionOf(context), std::nullopt);
  std::string method;

  EXPECT_THAT(Make(&context, Request(code), &method), StatusIs(static_cast<grpc::StatusCode>(code)));

  // Without waiting: who has the status finds it counted.
  const std::vector<MethodStats> methods = pool_->Methods();
  ASSERT_THAT(methods, SizeIs(1));
  EXPECT_EQ(methods[0].method, method);
  EXPECT_EQ(methods[0].calls.requests(), 1u);
  EXPECT_EQ(methods[0].calls.by_code[code], 1u);
  EXPECT_EQ(methods[0].calls.times.count(), 1u);
  EXPECT_THAT(pool_->Calls(), SizeIs(0));
  EXPECT_EQ(ConnectionOf(context), pool_->Connections()[0].id);
  EXPECT_THAT(context.peer(), HasSubstr(std::to_string(server_.port())));
}

INSTANTIATE_TEST_SUITE_P(
    EveryStyle, CallStyleTest,
    ::testing::Combine(::testing::Values(Style::kBlocking, Style::kClientStream, Style::kServerStream, Style::kBidi,
                                         Style::kQueue, Style::kCallback, Style::kUnaryReactor, Style::kBidiReactor,
                                         Style::kByName),
                       ::testing::Values(0, kAborted), ::testing::Values(Users::kNone, Users::kInterceptor)),
    [](const auto& cell) {
      return ToString(std::get<0>(cell.param)) + (std::get<1>(cell.param) == 0 ? "Ok" : "Aborted") +
             (std::get<2>(cell.param) == Users::kNone ? "" : "Intercepted");
    });

// --- Calls that end otherwise ---------------------------------------------------------------------------------------

TEST_F(CallStatsTest, ACallThatItsCallerCancelsCountsAsCancelledAndSpeaksAgainstNobody) {
  MakeOne();
  grpc::ClientContext context;
  Signal over;
  const EchoRequest request = Request(0, 60'000);
  EchoReply reply;
  stub_->async()->Unary(&context, &request, &reply, [&](const grpc::Status&) { over.Notify(); });
  ASSERT_TRUE(Eventually([&] { return server_.in_progress() == 1; }));
  context.TryCancel();
  ASSERT_TRUE(over.Await());

  EXPECT_EQ(Method(kUnary).by_code[kCancelled], 1u);
  ASSERT_THAT(pool_->Drain(In(kLimit)), IsOk());  // What a closed connection has reported is exact.
  EXPECT_EQ(pool_->engine()->Endpoints()[0].failures, 0u);
}

TEST_F(CallStatsTest, AStreamThatItsCallerDropsCountsAsCancelled) {
  MakeOne();
  {
    grpc::ClientContext context;
    const auto stream = stub_->Bidi(&context);
    stream->Write(Request());
    EchoReply reply;
    EXPECT_TRUE(stream->Read(&reply));
  }
  EXPECT_EQ(Method(kBidi).requests(), 1u);
  EXPECT_EQ(Method(kBidi).by_code[kCancelled], 1u);
}

TEST_F(CallStatsTest, ACodeThatItsServerHasMadeUpCountsAsUnknown) {
  MakeOne();
  Call(Request(/*status_code=*/31));  // The largest that the enumeration can hold.
  EXPECT_EQ(Method(kUnary).by_code[static_cast<int>(absl::StatusCode::kUnknown)], 1u);
  EXPECT_EQ(Method(kUnary).requests(), 1u);
}

TEST_F(CallStatsTest, ACallThatIsNeverStartedDoesNotCount) {
  MakeOne();
  {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto call = stub_->PrepareAsyncBidi(&context, &queue);
    EXPECT_THAT(pool_->Calls(), SizeIs(0));
  }
  EXPECT_THAT(pool_->Methods(), SizeIs(0));
}

TEST_F(CallStatsTest, ACallOnALeaseCounts) {
  MakeOne();
  const Lease lease = pool_->Acquire(In(kLimit)).value();
  grpc::ClientContext context;
  EchoReply reply;
  EXPECT_THAT(Echo::NewStub(lease.channel())->Unary(&context, Request(), &reply), IsOk());
  EXPECT_EQ(Method(kUnary).requests(), 1u);
  EXPECT_EQ(pool_->Connections()[0].calls.requests(), 1u);
  EXPECT_EQ(ConnectionOf(context), lease.connection());
}

TEST_F(CallStatsTest, WhatNoConnectionServedHasNoneAndDoesNotCount) {
  MakeOne();
  ASSERT_THAT(pool_->Drain(In(kLimit)), IsOk());
  grpc::ClientContext refused;
  EchoReply reply;
  EXPECT_THAT(stub_->Unary(&refused, Request(), &reply), StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(ConnectionOf(refused), std::nullopt);
  EXPECT_THAT(pool_->Methods(), SizeIs(0));

  grpc::ClientContext plain;
  EXPECT_THAT(Echo::NewStub(grpc::CreateChannel(server_.target(), grpc::InsecureChannelCredentials()))
                  ->Unary(&plain, Request(), &reply),
              IsOk());
  EXPECT_EQ(ConnectionOf(plain), std::nullopt);

  std::vector<std::unique_ptr<InterceptorFactory>> users;
  users.push_back(std::make_unique<IdleFactory>());
  grpc::ClientContext intercepted;
  EXPECT_THAT(Echo::NewStub(
                  grpc::experimental::CreateCustomChannelWithInterceptors(
                      server_.target(), grpc::InsecureChannelCredentials(), grpc::ChannelArguments(), std::move(users)))
                  ->Unary(&intercepted, Request(), &reply),
              IsOk());
  EXPECT_EQ(ConnectionOf(intercepted), std::nullopt);
}

// --- What the engine hears ------------------------------------------------------------------------------------------

TEST_F(CallStatsTest, TheEndpointHearsOfEachCallAndOnlyTheServersOwnFailuresSpeakAgainstIt) {
  MakeOne();
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Call(), IsOk());
  for (int i = 0; i < 3; ++i) Call(Request(static_cast<int>(absl::StatusCode::kNotFound)));
  for (int i = 0; i < 2; ++i) CallByName(kUnary, Request(static_cast<int>(absl::StatusCode::kInternal)));
  {
    const Lease lease = pool_->Acquire(In(kLimit)).value();
    const auto stub = Echo::NewStub(lease.channel());
    for (const int code : {0, static_cast<int>(absl::StatusCode::kDataLoss)}) {
      grpc::ClientContext context;
      EchoReply reply;
      stub->Unary(&context, Request(code), &reply);
    }
  }

  ASSERT_THAT(pool_->Drain(In(kLimit)), IsOk());  // What a closed connection has reported is exact.
  const EndpointStats endpoint = pool_->engine()->Endpoints()[0];
  EXPECT_EQ(endpoint.calls, 12u);
  EXPECT_EQ(endpoint.failures, 3u);
  EXPECT_GT(endpoint.time_of_answered, absl::ZeroDuration());
}

// --- Calls in flight ------------------------------------------------------------------------------------------------

TEST_F(CallStatsTest, CallsInFlightAreListedOldestFirstWithMethodAgeDeadlineAndConnection) {
  static FakeClock* const clock = new FakeClock;  // The engine ends after this test, on the closer's thread.
  ChannelPoolOptions options;
  options.clock = clock;
  MakeOne(std::move(options));
  grpc::ClientContext old_context, middle_context, young_context;
  const auto deadline = DeadlineIn(absl::Hours(1));
  old_context.set_deadline(deadline);
  const auto oldest = stub_->Bidi(&old_context);
  clock->Advance(absl::Milliseconds(300));
  const auto middle = stub_->Bidi(&middle_context);
  clock->Advance(absl::Milliseconds(200));
  Signal over;
  const EchoRequest request = Request(0, 60'000);
  EchoReply reply;
  stub_->async()->Unary(&young_context, &request, &reply, [&](const grpc::Status&) { over.Notify(); });

  const std::vector<CallInFlight> calls = pool_->Calls();
  ASSERT_THAT(calls, SizeIs(3));
  EXPECT_EQ(calls[0].method, kBidi);
  EXPECT_EQ(calls[0].age, absl::Milliseconds(500));
  EXPECT_LT(absl::AbsDuration(calls[0].deadline - absl::FromChrono(deadline)), absl::Microseconds(1));
  EXPECT_EQ(calls[0].connection, pool_->Connections()[0].id);
  EXPECT_EQ(calls[1].age, absl::Milliseconds(200));
  EXPECT_EQ(calls[1].deadline, absl::InfiniteFuture());
  EXPECT_EQ(calls[2].method, kUnary);
  EXPECT_EQ(calls[2].age, absl::ZeroDuration());
  ASSERT_THAT(pool_->Calls(1), SizeIs(1));
  EXPECT_EQ(pool_->Calls(1)[0].age, absl::Milliseconds(500));

  middle_context.TryCancel();
  EXPECT_THAT(middle->Finish(), StatusIs(grpc::StatusCode::CANCELLED));
  EXPECT_THAT(pool_->Calls(), SizeIs(2));
  EXPECT_EQ(Method(kBidi).times.sum(), absl::Milliseconds(200)) << "timed from its start to its status";
  old_context.TryCancel();
  EXPECT_THAT(oldest->Finish(), StatusIs(grpc::StatusCode::CANCELLED));
  young_context.TryCancel();
  ASSERT_TRUE(over.Await());
}

TEST_F(CallStatsTest, AForcedDrainListsTheCallsCancelsThemAndBlamesNoEndpoint) {
  constexpr int kCalls = 5;
  MakeOne();
  std::vector<grpc::ClientContext> contexts(kCalls);
  std::vector<EchoReply> replies(kCalls);
  std::vector<Signal> over(kCalls);
  const EchoRequest request = Request(0, 60'000);
  for (int i = 0; i < kCalls; ++i) {
    stub_->async()->Unary(&contexts[i], &request, &replies[i], [&, i](const grpc::Status&) { over[i].Notify(); });
  }
  ASSERT_TRUE(Eventually([&] { return server_.in_progress() == kCalls; }));
  pool_->engine()->BeginDrain();
  EXPECT_THAT(pool_->Calls(), SizeIs(kCalls));
  EXPECT_THAT(pool_->engine()->CallsOn(pool_->Connections()[0].id, 3), SizeIs(3));

  EXPECT_THAT(pool_->Drain(absl::InfinitePast(), OnDeadline::kCancelCalls), IsOk());

  for (Signal& signal : over) ASSERT_TRUE(signal.Await());
  EXPECT_THAT(pool_->Calls(), SizeIs(0));
  EXPECT_EQ(Method(kUnary).by_code[static_cast<int>(absl::StatusCode::kUnavailable)], uint64_t{kCalls});
  EXPECT_EQ(pool_->engine()->Endpoints()[0].calls, 0u);
}

// --- Limits and sums ------------------------------------------------------------------------------------------------

TEST_F(CallStatsTest, MethodsAboveTheMaximumShareOneRow) {
  MakeOne();
  constexpr int kBeyond = 7;
  for (int i = 0; i < CallLedger::kMaxMethods + kBeyond; ++i) {
    EXPECT_THAT(CallByName("/chanpool.Many/M" + std::to_string(i)), StatusIs(grpc::StatusCode::UNIMPLEMENTED));
  }
  EXPECT_THAT(pool_->Methods(), SizeIs(CallLedger::kMaxMethods + 1));
  EXPECT_EQ(Method("/chanpool.Many/M0").requests(), 1u);
  EXPECT_EQ(Method(kOtherMethods).requests(), uint64_t{kBeyond});
  EXPECT_EQ(Total(pool_->Methods()).requests(), uint64_t{CallLedger::kMaxMethods + kBeyond});
}

TEST_F(CallStatsTest, SumsAreExactUnderThreadsAndOverClosedConnections) {
  ChannelPoolOptions options;
  options.pool.max_connections = 3;
  Make(std::move(options));
  constexpr int kThreads = 4, kCalls = 200;
  std::atomic<int> ok{0}, aborted{0}, other{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCalls; ++i) {
        if (i % 50 == 0 && t == 0) pool_->Recycle();
        const grpc::Status status = Call(Request(i % 10 == 0 ? kAborted : 0));
        (status.ok() ? ok : status.error_code() == grpc::StatusCode::ABORTED ? aborted : other) += 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ok + aborted + other, kThreads * kCalls);
  ASSERT_GT(pool_->Stats().closed, 0u);
  const CallTotals calls = Method(kUnary);
  EXPECT_EQ(calls.by_code[0], static_cast<uint64_t>(ok));
  EXPECT_EQ(calls.by_code[kAborted], static_cast<uint64_t>(aborted));
  EXPECT_EQ(calls.requests(), uint64_t{kThreads * kCalls});
  EXPECT_EQ(calls.times.count(), calls.requests());

  ASSERT_THAT(pool_->Drain(In(kLimit)), IsOk());
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().connections == 0; }));
  EXPECT_EQ(Method(kUnary).requests(), calls.requests()) << "closed connections stay in the sums";
}

}  // namespace
}  // namespace chanpool
