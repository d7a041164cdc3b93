// That gRPC does what RetryOptions say, call by call, and that nothing of it touches the pool's own probes.
#include "pool/grpc/retry_policy.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/sockets.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::EchoServer;
using ::chanpool::testing::EstablishedSocketsTo;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::Stopwatch;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Fails, or never answers, as many calls as it is told to; then answers each.
class FlakyServer {
 public:
  FlakyServer() : echo_(this), health_(this) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&echo_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
  }
  ~FlakyServer() { server_->Shutdown(DeadlineIn(absl::ZeroDuration())); }

  std::string target() const { return "ipv4:127.0.0.1:" + std::to_string(port_); }

  std::atomic<int> failures{0};  // Calls to fail yet.
  std::atomic<grpc::StatusCode> fails_with{grpc::StatusCode::UNAVAILABLE};
  std::atomic<int> silences{0};  // Calls to answer only when they are given up.
  std::atomic<int> calls{0};
  std::atomic<int> probes{0};

 private:
  class EchoService : public Echo::CallbackService {
   public:
    explicit EchoService(FlakyServer* server) : server_(server) {}

    grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext*, const EchoRequest*, EchoReply*) override {
      class Call : public grpc::ServerUnaryReactor {
       public:
        explicit Call(bool silent) : silent_(silent) {}
        void OnCancel() override {
          if (silent_) Finish(grpc::Status::CANCELLED);
        }
        void OnDone() override { delete this; }

       private:
        const bool silent_;
      };
      ++server_->calls;
      const bool silent = server_->silences > 0 && server_->silences-- > 0;
      auto* call = new Call(silent);
      if (!silent) call->Finish(server_->Next());
      return call;
    }
    // The same in another method.
    grpc::ServerReadReactor<EchoRequest>* ClientStream(grpc::CallbackServerContext*, EchoReply*) override {
      class Call : public grpc::ServerReadReactor<EchoRequest> {
       public:
        void OnDone() override { delete this; }
      };
      ++server_->calls;
      auto* call = new Call;
      call->Finish(server_->Next());
      return call;
    }

   private:
    FlakyServer* const server_;
  };

  class HealthService : public grpc::health::v1::Health::CallbackService {
   public:
    explicit HealthService(FlakyServer* server) : server_(server) {}
    grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest*,
                                    grpc::health::v1::HealthCheckResponse*) override {
      ++server_->probes;
      grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
      reactor->Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "as told"));
      return reactor;
    }

   private:
    FlakyServer* const server_;
  };

  grpc::Status Next() {
    if (failures <= 0 || failures-- <= 0) return grpc::Status::OK;
    return grpc::Status(fails_with, "as told");
  }

  EchoService echo_;
  HealthService health_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Tries each call so often, quickly.
CallPolicy Attempts(int most) {
  CallPolicy policy;
  policy.max_attempts = most;
  policy.initial_backoff = policy.max_backoff = absl::Milliseconds(1);
  return policy;
}

RetryOptions Only(CallPolicy policy) {
  RetryOptions options;
  options.calls.push_back(std::move(policy));
  return options;
}

class RetryPolicyTest : public ::testing::Test {
 protected:
  void Make(RetryOptions retry) { MakeFor(server_.target(), std::move(retry)); }

  void MakeFor(const std::string& target, RetryOptions retry) {
    ChannelPoolOptions options;
    options.name = "orders";
    options.target = target;
    options.retry = std::move(retry);
    absl::StatusOr<std::shared_ptr<ChannelPool>> pool = ChannelPool::Create(options);
    ASSERT_THAT(pool, IsOk());
    pool_ = *std::move(pool);
  }

  grpc::Status Call(const EchoRequest& request = EchoRequest()) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kLimit));
    EchoReply reply;
    return Echo::NewStub(pool_->channel())->Unary(&context, request, &reply);
  }

  grpc::Status CallOfAnotherMethod() {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kLimit));
    EchoReply reply;
    const auto stream = Echo::NewStub(pool_->channel())->ClientStream(&context, &reply);
    stream->WritesDone();
    return stream->Finish();
  }

  FlakyServer server_;
  std::shared_ptr<ChannelPool> pool_;
};

// --- What is tried again ------------------------------------------------------------------------------------------

TEST_F(RetryPolicyTest, WithoutOptionsNoCallIsTriedAgain) {
  Make(RetryOptions());
  server_.failures = 1;
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE, "as told"));
  EXPECT_EQ(server_.calls, 1);
}

TEST_F(RetryPolicyTest, TriesAsOftenAsItSaysAndNoMore) {
  Make(Only(Attempts(4)));
  server_.failures = 3;
  EXPECT_THAT(Call(), IsOk());
  EXPECT_EQ(server_.calls, 4);
  server_.failures = 4;
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE, "as told"));
  EXPECT_EQ(server_.calls, 8);
}

TEST_F(RetryPolicyTest, TriesAgainAfterTheStatusesNamedAndNoOther) {
  CallPolicy policy = Attempts(2);
  policy.codes = {grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::ABORTED};
  Make(Only(policy));
  const std::pair<grpc::StatusCode, bool> rows[] = {{grpc::StatusCode::RESOURCE_EXHAUSTED, true},
                                                    {grpc::StatusCode::ABORTED, true},
                                                    {grpc::StatusCode::UNAVAILABLE, false},
                                                    {grpc::StatusCode::INTERNAL, false}};
  for (const auto& [code, again] : rows) {
    server_.fails_with = code;
    server_.failures = 1;
    EXPECT_EQ(Call().ok(), again) << code;
  }
}

TEST_F(RetryPolicyTest, ThePolicyOfAMethodHoldsBeforeThatOfItsServiceAndThatForAll) {
  RetryOptions options;
  CallPolicy unary = Attempts(4), service = Attempts(3);
  unary.methods = {"chanpool.testing.Echo/Unary"};
  service.methods = {"chanpool.testing.Echo"};
  options.calls = {Attempts(2), service, unary};
  Make(options);
  server_.failures = 10;
  EXPECT_FALSE(Call().ok());
  EXPECT_EQ(server_.calls, 4);
  EXPECT_FALSE(CallOfAnotherMethod().ok());
  EXPECT_EQ(server_.calls, 4 + 3);
  options.calls = {Attempts(2), unary};
  Make(options);
  EXPECT_FALSE(CallOfAnotherMethod().ok());
  EXPECT_EQ(server_.calls, 4 + 3 + 2);
  options.calls = {unary};
  Make(options);
  EXPECT_FALSE(CallOfAnotherMethod().ok());
  EXPECT_EQ(server_.calls, 4 + 3 + 2 + 1);
}

TEST_F(RetryPolicyTest, WaitsBetweenAttempts) {
  CallPolicy policy = Attempts(3);
  policy.initial_backoff = absl::Milliseconds(100);
  policy.max_backoff = absl::Seconds(1);
  policy.backoff_multiplier = 2;
  Make(Only(policy));
  ASSERT_THAT(Call(), IsOk());
  server_.failures = 2;
  const Stopwatch watch;
  EXPECT_THAT(Call(), IsOk());
  EXPECT_GE(watch.Elapsed(), absl::Milliseconds(80 + 160));  // 100 and 200 ms, less 20 %.
}

TEST_F(RetryPolicyTest, ACallWithMoreThanTheBufferIsNotTriedAgain) {
  RetryOptions options = Only(Attempts(5));
  options.buffer_bytes = 1000;
  Make(options);
  EchoRequest request;
  request.set_payload(std::string(500, 'x'));
  server_.failures = 1;
  EXPECT_THAT(Call(request), IsOk());
  request.set_payload(std::string(2000, 'x'));
  server_.failures = 1;
  EXPECT_THAT(Call(request), StatusIs(grpc::StatusCode::UNAVAILABLE, "as told"));
}

TEST_F(RetryPolicyTest, NoCallIsTriedAgainWhileHalfTheTokensAreGone) {
  RetryOptions options = Only(Attempts(5));
  options.max_tokens = 10;
  options.token_ratio = 0.5;
  Make(options);
  server_.failures = 1'000'000;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(Call().ok());
  // Fewer than six attempts take half of ten tokens; from then on each call is sent once.
  EXPECT_LE(server_.calls, 10 + 5);
  server_.failures = 0;
  for (int i = 0; i < 20; ++i) EXPECT_THAT(Call(), IsOk());
  server_.failures = 1;
  EXPECT_THAT(Call(), IsOk()) << "no token came back";
}

TEST_F(RetryPolicyTest, AnAttemptWithoutAnAnswerIsGivenUpAndMadeAgain) {
  CallPolicy policy = Attempts(3);
  policy.attempt_timeout = absl::Milliseconds(50);
  Make(Only(policy));
  ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  server_.silences = 2;
  const Stopwatch watch;
  EXPECT_THAT(Call(), IsOk());
  EXPECT_LT(watch.Elapsed(), kLimit / 2);
  EXPECT_EQ(server_.calls, 3);
}

// --- Where it is tried again --------------------------------------------------------------------------------------

// Two servers, and a pool that knows both.
class TwoServersTest : public RetryPolicyTest {
 protected:
  void MakeForBoth(RetryOptions retry) {
    ChannelPoolOptions options;
    options.target = a_.target() + "," + b_.target().substr(std::string("ipv4:").size());
    options.retry = std::move(retry);
    options.pool.min_connections = options.pool.max_connections = 2;
    absl::StatusOr<std::shared_ptr<ChannelPool>> pool = ChannelPool::Create(options);
    ASSERT_THAT(pool, IsOk());
    pool_ = *std::move(pool);
  }

  EchoServer a_, b_;
};

TEST_F(TwoServersTest, ACallWhoseServerDiesIsAnsweredByAnother) {
  MakeForBoth(Only(Attempts(2)));
  ASSERT_THAT(pool_->WaitForReady(2, In(kLimit)), IsOk());
  std::vector<grpc::Status> statuses(2);
  std::vector<std::thread> callers;
  EchoRequest request;
  request.set_delay_ms(500);
  for (grpc::Status& status : statuses) callers.emplace_back([&] { status = Call(request); });
  EXPECT_TRUE(Eventually([&] { return a_.in_progress() == 1 && b_.in_progress() == 1; }));
  a_.Stop();  // For good.
  for (std::thread& caller : callers) caller.join();
  for (const grpc::Status& status : statuses) EXPECT_THAT(status, IsOk());
  EXPECT_EQ(a_.calls(), 1);
  EXPECT_EQ(b_.calls(), 2);
}

TEST_F(TwoServersTest, AConnectionThatCameToBeAtAnotherServerCountsAsAFailedDial) {
  a_.Stop();
  MakeForBoth(Only(Attempts(2)));
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().dial_failures > 0 && pool_->Stats().connections_open > 0; }));
  EXPECT_THAT(Call(), IsOk());
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(b_.port()) == 2; }));
  a_.Start();
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(a_.port()) == 1 && EstablishedSocketsTo(b_.port()) == 1; }));
}

TEST_F(TwoServersTest, WithoutARetryPolicyAChannelHasOneAddress) {
  MakeForBoth(RetryOptions());
  ASSERT_THAT(pool_->WaitForReady(2, In(kLimit)), IsOk());
  a_.Stop();
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().dial_failures > 0; }));
  EXPECT_EQ(b_.peers(), 0) << "a look at where a connection is costs a call";
}

// --- Deadlines, and whether a call waits --------------------------------------------------------------------------

TEST_F(RetryPolicyTest, ACallWithoutADeadlineHasTheOneOfItsPolicy) {
  CallPolicy policy;
  policy.timeout = absl::Milliseconds(50);
  Make(Only(policy));
  ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  server_.silences = 1;
  grpc::ClientContext context;
  EchoReply reply;
  EXPECT_THAT(Echo::NewStub(pool_->channel())->Unary(&context, EchoRequest(), &reply),
              StatusIs(grpc::StatusCode::DEADLINE_EXCEEDED));
}

TEST_F(RetryPolicyTest, ACallWaitsForAConnectionIfItsPolicySaysSo) {
  EchoServer server;
  server.Stop();
  CallPolicy policy;
  policy.wait_for_ready = true;
  MakeFor(server.target(), Only(policy));
  // Known to be down: what does not wait fails now.
  ASSERT_TRUE(Eventually([&] { return pool_->Stats().connections_backoff == 1; }));
  std::atomic<bool> over{false};
  grpc::Status status;
  std::thread caller([&] {
    status = Call();
    over = true;
  });
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().leases == 1; }));
  const uint64_t failures = pool_->Stats().dial_failures;
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().dial_failures > failures + 1; }));
  EXPECT_FALSE(over) << status.error_message();
  server.Start();
  caller.join();
  EXPECT_THAT(status, IsOk());
}

// --- The pool's own probes ----------------------------------------------------------------------------------------

TEST_F(RetryPolicyTest, AProbeIsSentOnce) {
  Make(Only(Attempts(5)));
  ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  pool_->Acquire(In(kLimit))->Suspect();
  EXPECT_TRUE(Eventually([&] { return server_.probes > 0 && pool_->Stats().connections_open == 1; }));
  EXPECT_EQ(server_.probes, 1);
}

TEST_F(RetryPolicyTest, WhyADialFailedIsToldAtOnce) {
  EchoServer server;
  server.Stop();
  CallPolicy policy = Attempts(5);
  policy.wait_for_ready = true;
  policy.initial_backoff = policy.max_backoff = absl::Hours(1);
  MakeFor(server.target(), Only(policy));
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().dial_failures > 0; }));
  EXPECT_THAT(pool_->WaitForReady(1, In(absl::ZeroDuration())),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("refused")));
}

// --- What is refused ----------------------------------------------------------------------------------------------

TEST_F(RetryPolicyTest, NamesWhatIsWrongAndTheNearestThatIsRight) {
  struct Row {
    void (*spoil)(RetryOptions&);
    const char* message;
  };
  const auto expect = [](const Row& row) {
    RetryOptions options = Only(Attempts(2));
    row.spoil(options);
    ChannelPoolOptions all;
    all.target = "ipv4:127.0.0.1:1";
    all.retry = options;
    EXPECT_THAT(ChannelPool::Validate(all), StatusIs(absl::StatusCode::kInvalidArgument, row.message));
    EXPECT_THAT(RetryProblems(options), SizeIs(1)) << row.message;
  };
  const Row rows[] = {
      {[](RetryOptions& o) { o.calls[0].max_attempts = 0; }, "retry.calls[0].max_attempts: 0 is below 1; set 1"},
      {[](RetryOptions& o) { o.calls[0].max_attempts = 6; }, "retry.calls[0].max_attempts: 6 is above 5; set 5"},
      {[](RetryOptions& o) { o.calls[0].codes = {}; },
       "retry.calls[0].codes: has none, so nothing would be tried again; set UNAVAILABLE"},
      {[](RetryOptions& o) { o.calls[0].codes = {grpc::StatusCode::OK}; },
       "retry.calls[0].codes: 0 is no code of a call that failed; set UNAVAILABLE (14)"},
      {[](RetryOptions& o) { o.calls[0].codes = {static_cast<grpc::StatusCode>(17)}; },
       "retry.calls[0].codes: 17 is no code of a call that failed; set UNAVAILABLE (14)"},
      {[](RetryOptions& o) { o.calls[0].initial_backoff = absl::ZeroDuration(); },
       "retry.calls[0].initial_backoff: 0 is shorter than 1ms; set 1ms"},
      {[](RetryOptions& o) { o.calls[0].max_backoff = absl::InfiniteDuration(); },
       "retry.calls[0].max_backoff: inf is longer than 24h; set 24h"},
      {[](RetryOptions& o) { o.calls[0].initial_backoff = absl::Seconds(1); },
       "retry.calls[0].max_backoff: 1ms is shorter than initial_backoff, 1s; set 1s"},
      {[](RetryOptions& o) { o.calls[0].backoff_multiplier = 0.5; },
       "retry.calls[0].backoff_multiplier: 0.5 is below 1; set 1"},
      {[](RetryOptions& o) { o.calls[0].backoff_multiplier = std::numeric_limits<double>::quiet_NaN(); },
       "retry.calls[0].backoff_multiplier: nan is below 1; set 1"},
      {[](RetryOptions& o) { o.calls[0].backoff_multiplier = 101; },
       "retry.calls[0].backoff_multiplier: 101 is above 100; set 100"},
      {[](RetryOptions& o) { o.calls[0].attempt_timeout = absl::Microseconds(1); },
       "retry.calls[0].attempt_timeout: 1us is shorter than 1ms; set 1ms"},
      {[](RetryOptions& o) {
         o.calls[0].attempt_timeout = absl::Seconds(1);
         o.calls[0].max_attempts = 1;
       },
       "retry.calls[0].attempt_timeout: there is one attempt only, which `timeout` ends; set max_attempts 2, or leave "
       "it "
       "out"},
      {[](RetryOptions& o) { o.calls[0].timeout = absl::Hours(25); },
       "retry.calls[0].timeout: 25h is longer than 24h; set 24h"},
      {[](RetryOptions& o) { o.calls[0].methods = {"Echo/Unary\"}"}; },
       "retry.calls[0].methods: \"Echo/Unary\"}\" is no name of a method; set one such as shop.Orders/GetOrder, or "
       "shop.Orders for the whole service"},
      {[](RetryOptions& o) { o.calls[0].methods = {"/shop.Orders/GetOrder"}; },
       "retry.calls[0].methods: \"/shop.Orders/GetOrder\" is no name of a method; set one such as "
       "shop.Orders/GetOrder, "
       "or shop.Orders for the whole service"},
      {[](RetryOptions& o) { o.calls[0].methods = {"shop.Orders/"}; },
       "retry.calls[0].methods: \"shop.Orders/\" is no name of a method; set one such as shop.Orders/GetOrder, or "
       "shop.Orders for the whole service"},
      {[](RetryOptions& o) { o.calls[0].methods = {"grpc.health.v1.Health/Check"}; },
       "retry.calls[0].methods: \"grpc.health.v1.Health/Check\" is what the pool's own probes call; leave it out"},
      {[](RetryOptions& o) { o.calls.push_back(o.calls[0]); },
       "retry.calls[1].methods: every call already has a policy, retry.calls[0]; name the methods that one of them is "
       "for"},
      {[](RetryOptions& o) { o.calls.resize(101); },
       "retry.calls: 101 policies are more than 100; set 100, by service rather than by method"},
      {[](RetryOptions& o) { o.max_tokens = -1; }, "retry.max_tokens: -1 is below 0; set 0"},
      {[](RetryOptions& o) { o.max_tokens = 1001; }, "retry.max_tokens: 1001 is above 1000; set 1000"},
      {[](RetryOptions& o) {
         o.max_tokens = 10;
         o.calls[0].max_attempts = 1;
       },
       "retry.max_tokens: no call is tried again that it could limit; set max_attempts of one of retry.calls to 2 or "
       "more"},
      {[](RetryOptions& o) { o.token_ratio = 0; }, "retry.token_ratio: 0 is below 0.001; set 0.001"},
      {[](RetryOptions& o) { o.buffer_bytes = -1; }, "retry.buffer_bytes: -1 is below 0; set 0"},
  };
  for (const Row& row : rows) expect(row);
}

TEST_F(RetryPolicyTest, SaysAllThatIsWrongAtOnce) {
  RetryOptions options = Only(Attempts(9));
  options.calls[0].timeout = absl::ZeroDuration();
  options.token_ratio = 5000;
  EXPECT_THAT(RetryProblems(options), SizeIs(3));
  EXPECT_THAT(RetryProblems(RetryOptions()), IsEmpty());
}

TEST_F(RetryPolicyTest, RefusesEachArgumentThatItSetsItselfByName) {
  for (const char* key : {GRPC_ARG_SERVICE_CONFIG, GRPC_ARG_ENABLE_RETRIES, GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE,
                          GRPC_ARG_EXPERIMENTAL_ENABLE_HEDGING}) {
    ChannelPoolOptions options;
    options.target = server_.target();
    if (std::string(key) == GRPC_ARG_SERVICE_CONFIG) {
      options.channel_arguments.SetString(key, "{}");
    } else {
      options.channel_arguments.SetInt(key, 1);
    }
    EXPECT_THAT(ChannelPool::Validate(options), IsOk()) << key;
    options.retry = Only(Attempts(2));
    EXPECT_THAT(ChannelPool::Validate(options),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("channel_arguments: "), HasSubstr(key), HasSubstr("retry alone"))));
  }
}

TEST_F(RetryPolicyTest, ARedirectChangesWhatIsTriedAgain) {
  Make(RetryOptions());
  ChannelPoolOptions options = pool_->channel_options();
  options.retry = Only(Attempts(2));
  ASSERT_THAT(pool_->Redirect(options), IsOk());
  EXPECT_TRUE(Eventually([&] {
    server_.failures = 1;
    return Call().ok();
  }));
}

// --- What gRPC reads ----------------------------------------------------------------------------------------------

TEST_F(RetryPolicyTest, IsWrittenAsGrpcReadsIt) {
  RetryOptions options;
  CallPolicy reads = Attempts(3);
  reads.methods = {"shop.Orders/GetOrder", "shop.Stock"};
  reads.codes = {grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::ABORTED};
  reads.initial_backoff = absl::Milliseconds(20);
  reads.max_backoff = absl::Milliseconds(1500);
  reads.backoff_multiplier = 1.6;
  reads.attempt_timeout = absl::Seconds(2);
  reads.timeout = absl::Minutes(5);
  CallPolicy others;
  others.wait_for_ready = true;
  options.calls = {reads, others};
  options.max_tokens = 100;
  options.token_ratio = 0.25;
  EXPECT_EQ(ServiceConfigJson(options),
            R"({"methodConfig":[{"name":[{"service":"grpc.health.v1.Health"}]},)"
            R"({"name":[{"service":"shop.Orders","method":"GetOrder"},{"service":"shop.Stock"}],"timeout":"300.000s",)"
            R"("retryPolicy":{"maxAttempts":3,"initialBackoff":"0.020s","maxBackoff":"1.500s","backoffMultiplier":1.6,)"
            R"("retryableStatusCodes":["UNAVAILABLE","ABORTED"],"perAttemptRecvTimeout":"2.000s"}},)"
            R"({"name":[{}],"waitForReady":true}],"retryThrottling":{"maxTokens":100,"tokenRatio":0.250}})");
}

}  // namespace
}  // namespace chanpool
