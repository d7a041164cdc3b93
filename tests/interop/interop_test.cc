// The cases of gRPC's interoperability test descriptions through channel(): against servers in other languages, by each
// kind of stub, on one connection and on three that are replaced all the while.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>

#include "pool/grpc/channel_pool.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"
#include "tests/interop/call_style.h"
#include "tests/interop/interop_server.h"

namespace chanpool {
namespace {

using ::chanpool::testing::Caller;
using ::chanpool::testing::CallStyle;
using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::In;
using ::chanpool::testing::InteropServer;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::NewCaller;
using ::chanpool::testing::ServerLanguage;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::Stopwatch;
using ::grpc::ClientContext;
using ::grpc::StatusCode;
using ::grpc::testing::Empty;
using ::grpc::testing::SimpleRequest;
using ::grpc::testing::SimpleResponse;
using ::grpc::testing::StreamingInputCallRequest;
using ::grpc::testing::StreamingInputCallResponse;
using ::grpc::testing::StreamingOutputCallRequest;
using ::grpc::testing::StreamingOutputCallResponse;
using ::testing::Eq;

// The sizes that the descriptions have.
constexpr int kLargeRequest = 271828;
constexpr int kLargeReply = 314159;
constexpr std::array<int, 4> kRequests = {27182, 8, 1828, 45904};
constexpr std::array<int, 4> kReplies = {31415, 9, 2653, 58979};

constexpr char kInitialKey[] = "x-grpc-test-echo-initial";
constexpr char kInitialValue[] = "test_initial_metadata_value";
constexpr char kTrailingKey[] = "x-grpc-test-echo-trailing-bin";
constexpr char kTrailingValue[] = "\xab\xab\xab";
// Every byte that percent-encoding must carry: control characters, Unicode of three and of four bytes.
constexpr char kSpecialMessage[] =
    "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n";

// How many connections the pool has, and whether they stay.
enum class Connections { kOne, kThreeRecycled };

constexpr int kRecycled = 3;

SimpleRequest LargeRequest() {
  SimpleRequest request;
  request.set_response_size(kLargeReply);
  request.mutable_payload()->set_body(std::string(kLargeRequest, '\0'));
  return request;
}

StreamingOutputCallRequest DuplexRequest(int request_size, int reply_size) {
  StreamingOutputCallRequest request;
  request.add_response_parameters()->set_size(reply_size);
  request.mutable_payload()->set_body(std::string(request_size, '\0'));
  return request;
}

template <typename Request>
Request AskingFor(StatusCode code, const std::string& message) {
  Request request;
  request.mutable_response_status()->set_code(code);
  request.mutable_response_status()->set_message(message);
  return request;
}

// So that what hangs fails.
void SetLimit(ClientContext& context) { context.set_deadline(DeadlineIn(kLimit)); }

void AddMetadata(ClientContext& context) {
  context.AddMetadata(kInitialKey, kInitialValue);
  context.AddMetadata(kTrailingKey, kTrailingValue);
}

std::string Value(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

class InteropTest : public ::testing::TestWithParam<std::tuple<ServerLanguage, CallStyle, Connections>> {
 protected:
  static void SetUpTestSuite() {
    for (const ServerLanguage language : {ServerLanguage::kGo, ServerLanguage::kPython}) {
      servers_[language] = std::make_unique<InteropServer>(language);
    }
  }
  static void TearDownTestSuite() { servers_.clear(); }

  InteropTest() {
    ChannelPoolOptions options;
    options.target = servers_.at(std::get<ServerLanguage>(GetParam()))->target();
    const int connections = recycles() ? kRecycled : 1;
    options.pool.min_connections = options.pool.max_connections = connections;
    pool_ = ChannelPool::Create(options).value();
    EXPECT_THAT(pool_->WaitForReady(connections, In(kLimit)), IsOk());
    caller_ = NewCaller(std::get<CallStyle>(GetParam()), pool_->channel());
  }

  // Each call gives its place back.
  ~InteropTest() override {
    EXPECT_TRUE(Eventually([&] { return pool_->Stats().leases == 0; }));
    EXPECT_EQ(pool_->Stats().acquired, pool_->Stats().released);
  }

  void ExpectAnswer() {
    ClientContext context;
    SetLimit(context);
    Empty reply;
    EXPECT_THAT(caller_->EmptyCall(&context, Empty(), &reply), IsOk());
  }

  // Once; where connections are recycled as often as it takes until as many as there are have been replaced.
  void Each(const std::function<void(Caller& caller)>& run) {
    if (!recycles()) return run(*caller_);
    const auto replaced = [&] { return pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kRecycled)]; };
    std::atomic<bool> over{false};
    std::thread recycles([&] {
      while (!over) {
        const uint64_t before = replaced();
        pool_->Recycle();
        Eventually([&] { return over || replaced() >= before + kRecycled; });
      }
    });
    const Stopwatch watch;
    do {
      run(*caller_);
      // Waits for the server, which is slower than we are at beginning calls that are cancelled at once: thousands of
      // them would leave it no time for new connections.
      ExpectAnswer();
    } while (!HasFailure() && replaced() < kRecycled && watch.Elapsed() < kLimit);
    over = true;
    recycles.join();
    EXPECT_GE(replaced(), kRecycled);
  }

 private:
  static bool recycles() { return std::get<Connections>(GetParam()) == Connections::kThreeRecycled; }

  static inline std::map<ServerLanguage, std::unique_ptr<InteropServer>> servers_;
  std::shared_ptr<ChannelPool> pool_;
  std::unique_ptr<Caller> caller_;
};

// empty_unary
TEST_P(InteropTest, AnEmptyCallIsAnswered) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    Empty reply;
    EXPECT_THAT(caller.EmptyCall(&context, Empty(), &reply), IsOk());
  });
}

// large_unary
TEST_P(InteropTest, LargeMessagesPassBothWays) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    SimpleResponse reply;
    EXPECT_THAT(caller.UnaryCall(&context, LargeRequest(), &reply), IsOk());
    EXPECT_EQ(reply.payload().body(), std::string(kLargeReply, '\0'));
  });
}

// client_streaming
TEST_P(InteropTest, AStreamOfRequestsArrivesWhole) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    StreamingInputCallResponse reply;
    const auto stream = caller.StreamingInputCall(&context, &reply);
    int sum = 0;
    for (const int size : kRequests) {
      StreamingInputCallRequest request;
      request.mutable_payload()->set_body(std::string(size, '\0'));
      EXPECT_TRUE(stream->Write(request));
      sum += size;
    }
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_THAT(stream->Finish(), IsOk());
    EXPECT_EQ(reply.aggregated_payload_size(), sum);
  });
}

// server_streaming
TEST_P(InteropTest, AStreamOfRepliesArrivesInOrder) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    StreamingOutputCallRequest request;
    for (const int size : kReplies) request.add_response_parameters()->set_size(size);
    const auto stream = caller.StreamingOutputCall(&context, request);
    StreamingOutputCallResponse reply;
    for (const int size : kReplies) {
      EXPECT_TRUE(stream->Read(&reply));
      EXPECT_EQ(reply.payload().body().size(), size);
    }
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_THAT(stream->Finish(), IsOk());
  });
}

// ping_pong
TEST_P(InteropTest, RequestsAndRepliesTakeTurnsOnOneStream) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    const auto stream = caller.FullDuplexCall(&context);
    StreamingOutputCallResponse reply;
    for (size_t i = 0; i < kRequests.size(); ++i) {
      EXPECT_TRUE(stream->Write(DuplexRequest(kRequests[i], kReplies[i])));
      EXPECT_TRUE(stream->Read(&reply));
      EXPECT_EQ(reply.payload().body().size(), kReplies[i]);
    }
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_THAT(stream->Finish(), IsOk());
  });
}

// empty_stream
TEST_P(InteropTest, AStreamMayCarryNothing) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    const auto stream = caller.FullDuplexCall(&context);
    EXPECT_TRUE(stream->WritesDone());
    StreamingOutputCallResponse reply;
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_THAT(stream->Finish(), IsOk());
  });
}

// cancel_after_begin
TEST_P(InteropTest, ACallIsCancelledBeforeItSendsAnything) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    StreamingInputCallResponse reply;
    const auto stream = caller.StreamingInputCall(&context, &reply);
    context.TryCancel();
    EXPECT_THAT(stream->Finish(), StatusIs(StatusCode::CANCELLED));
  });
}

// cancel_after_first_response
TEST_P(InteropTest, ACallIsCancelledAfterItsFirstReply) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    const auto stream = caller.FullDuplexCall(&context);
    EXPECT_TRUE(stream->Write(DuplexRequest(kRequests[0], kReplies[0])));
    StreamingOutputCallResponse reply;
    EXPECT_TRUE(stream->Read(&reply));
    context.TryCancel();
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_THAT(stream->Finish(), StatusIs(StatusCode::CANCELLED));
  });
}

// timeout_on_sleeping_server
TEST_P(InteropTest, ADeadlineEndsACallToASleepingServer) {
  Each([](Caller& caller) {
    ClientContext context;
    context.set_deadline(DeadlineIn(absl::Milliseconds(1)));
    const auto stream = caller.FullDuplexCall(&context);
    StreamingOutputCallRequest request;
    request.mutable_payload()->set_body(std::string(kRequests[0], '\0'));
    stream->Write(request);  // May come too late.
    StreamingOutputCallResponse reply;
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_THAT(stream->Finish(), StatusIs(StatusCode::DEADLINE_EXCEEDED));
  });
}

// custom_metadata
TEST_P(InteropTest, AUnaryCallHasItsMetadataBothWays) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    AddMetadata(context);
    SimpleResponse reply;
    EXPECT_THAT(caller.UnaryCall(&context, LargeRequest(), &reply), IsOk());
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), kInitialKey), kInitialValue);
    EXPECT_EQ(Value(context.GetServerTrailingMetadata(), kTrailingKey), kTrailingValue);
  });
}

// custom_metadata
TEST_P(InteropTest, AStreamHasItsMetadataBothWays) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    AddMetadata(context);
    const auto stream = caller.FullDuplexCall(&context);
    EXPECT_TRUE(stream->Write(DuplexRequest(kLargeRequest, kLargeReply)));
    StreamingOutputCallResponse reply;
    EXPECT_TRUE(stream->Read(&reply));
    // Before the call has ended.
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), kInitialKey), kInitialValue);
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_THAT(stream->Finish(), IsOk());
    EXPECT_EQ(Value(context.GetServerTrailingMetadata(), kTrailingKey), kTrailingValue);
  });
}

// status_code_and_message
TEST_P(InteropTest, ACallEndsWithTheServersCodeAndMessage) {
  Each([](Caller& caller) {
    {
      ClientContext context;
      SetLimit(context);
      SimpleResponse reply;
      const auto request = AskingFor<SimpleRequest>(StatusCode::UNKNOWN, "test status message");
      EXPECT_THAT(caller.UnaryCall(&context, request, &reply),
                  StatusIs(StatusCode::UNKNOWN, Eq("test status message")));
    }
    ClientContext context;
    SetLimit(context);
    const auto stream = caller.FullDuplexCall(&context);
    const auto request = AskingFor<StreamingOutputCallRequest>(StatusCode::UNKNOWN, "test status message");
    EXPECT_TRUE(stream->Write(request));
    stream->WritesDone();  // May come too late.
    StreamingOutputCallResponse reply;
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_THAT(stream->Finish(), StatusIs(StatusCode::UNKNOWN, Eq("test status message")));
  });
}

// special_status_message
TEST_P(InteropTest, AStatusMessageMayHaveWhitespaceAndUnicode) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    SimpleResponse reply;
    EXPECT_THAT(caller.UnaryCall(&context, AskingFor<SimpleRequest>(StatusCode::UNKNOWN, kSpecialMessage), &reply),
                StatusIs(StatusCode::UNKNOWN, Eq(kSpecialMessage)));
  });
}

// unimplemented_method
TEST_P(InteropTest, AMethodThatTheServerLacksIsUnimplemented) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    EXPECT_THAT(caller.UnimplementedMethod(&context), StatusIs(StatusCode::UNIMPLEMENTED));
  });
}

// unimplemented_service
TEST_P(InteropTest, AServiceThatTheServerLacksIsUnimplemented) {
  Each([](Caller& caller) {
    ClientContext context;
    SetLimit(context);
    EXPECT_THAT(caller.UnimplementedService(&context), StatusIs(StatusCode::UNIMPLEMENTED));
  });
}

INSTANTIATE_TEST_SUITE_P(
    Servers, InteropTest,
    ::testing::Combine(::testing::Values(ServerLanguage::kGo, ServerLanguage::kPython),
                       ::testing::Values(CallStyle::kBlocking, CallStyle::kCallback, CallStyle::kCompletionQueue),
                       ::testing::Values(Connections::kOne, Connections::kThreeRecycled)),
    [](const auto& test) {
      return std::string(ToString(std::get<ServerLanguage>(test.param))) + ToString(std::get<CallStyle>(test.param)) +
             (std::get<Connections>(test.param) == Connections::kOne ? "OneConnection" : "ThreeRecycled");
    });

}  // namespace
}  // namespace chanpool
