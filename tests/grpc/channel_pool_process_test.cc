// The pool and the life of its process: exit with calls on their way, static destruction, fork.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

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
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::testing::HasSubstr;

EchoRequest Delayed(int delay_ms) {
  EchoRequest request;
  request.set_delay_ms(delay_ms);
  return request;
}

grpc::Status Call(const std::shared_ptr<grpc::ChannelInterface>& channel) {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  EchoReply reply;
  return Echo::NewStub(channel)->Unary(&context, EchoRequest(), &reply);
}

// --- exit ---------------------------------------------------------------------------------------------------------

// What a process that does not care leaves behind when it exits.
struct Careless {
  EchoServer server;
  std::shared_ptr<ChannelPool> pool;
  grpc::ClientContext callback_context, blocking_context;
  const EchoRequest request = Delayed(60'000);
  EchoReply callback_reply, blocking_reply;
  std::unique_ptr<Echo::Stub> stub;
  std::unique_ptr<Lease> lease;
  std::shared_ptr<Subscription> subscription;

  // One callback call, one blocking call in a thread that never ends, one lease and one AcquireAsync out.
  void Begin() {
    ChannelPoolOptions options;
    options.target = server.target();
    options.pool.min_connections = 3;
    pool = ChannelPool::Create(std::move(options)).value();
    stub = Echo::NewStub(pool->channel());
    subscription = std::make_shared<Subscription>(pool->Subscribe([](const PoolEvent&) {}));
    stub->async()->Unary(&callback_context, &request, &callback_reply, [](const grpc::Status&) {});
    std::thread([this] { stub->Unary(&blocking_context, request, &blocking_reply); }).detach();
    lease = std::make_unique<Lease>(pool->Acquire(In(kLimit)).value());
    pool->AcquireAsync(In(kLimit), [](const absl::StatusOr<Lease>&) {});
    EXPECT_TRUE(Eventually([&] { return server.in_progress() == 2; }));
  }
};

class ChannelPoolExitTest : public ::testing::Test {
 protected:
  // Each death test is a process of its own from its first instruction on.
  ChannelPoolExitTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(ChannelPoolExitTest, IsSafeWithCallsAndLeasesOut) {
  EXPECT_EXIT(
      {
        alarm(20);
        (new Careless)->Begin();
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(ChannelPoolExitTest, IsSafeWhenThePoolDiesAmongStatics) {
  EXPECT_EXIT(
      {
        alarm(20);
        static std::shared_ptr<ChannelPool> pool;
        static std::shared_ptr<grpc::ChannelInterface> channel;
        static std::unique_ptr<Echo::Stub> stub;
        static std::unique_ptr<Lease> lease;
        auto* careless = new Careless;
        careless->Begin();
        pool = std::move(careless->pool);
        channel = pool->channel();
        stub = Echo::NewStub(channel);
        lease = std::move(careless->lease);
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(ChannelPoolExitTest, IsSafeWhenTheFirstPoolIsMadeAfterOtherStatics) {
  EXPECT_EXIT(
      {
        alarm(20);
        // Destroyed after everything that was made later, gRPC's own statics included.
        static struct UsesThePoolAtTheVeryEnd {
          std::shared_ptr<grpc::ChannelInterface> channel;
          std::shared_ptr<ChannelPool> pool;
          ~UsesThePoolAtTheVeryEnd() {
            if (channel->GetState(false) != GRPC_CHANNEL_READY) _exit(3);
            pool = nullptr;
            if (channel->GetState(false) != GRPC_CHANNEL_SHUTDOWN) _exit(4);
          }
        } last;
        auto* careless = new Careless;
        careless->Begin();
        last.pool = std::move(careless->pool);
        last.channel = last.pool->channel();
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

// --- fork ---------------------------------------------------------------------------------------------------------

// Runs `child` in a child process that may take 2 s; what it returns is what it complains of.
std::string InChild(const std::function<std::string()>& child) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(2);
    const std::string complaint = child();
    const bool written = write(pipe_ends[1], complaint.data(), complaint.size()) >= 0;
    _exit(written && complaint.empty() ? 0 : 1);
  }
  close(pipe_ends[1]);
  std::string complaint(4096, '\0');
  const ssize_t n = read(pipe_ends[0], complaint.data(), complaint.size());
  complaint.resize(n > 0 ? n : 0);
  close(pipe_ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  if (WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status)) + " " + complaint;
  return complaint;
}

class ChannelPoolForkTest : public ::testing::Test {
 protected:
  ChannelPoolForkTest() {
    ChannelPoolOptions options;
    options.name = "orders";
    options.target = server_.target();
    options.pool.min_connections = 2;
    pool_ = ChannelPool::Create(std::move(options)).value();
    EXPECT_THAT(Call(pool_->channel()), IsOk());
    EXPECT_THAT(pool_->WaitForReady(2, In(kLimit)), IsOk());
  }
  ~ChannelPoolForkTest() override { EXPECT_THAT(Call(pool_->channel()), IsOk()); }  // The parent goes on.

  // Empty if it says what it should.
  template <typename Status>
  static std::string Complaint(const Status& status) {
    const auto wanted = StatusIs(absl::StatusCode::kFailedPrecondition,
                                 ::testing::AllOf(HasSubstr("\"orders\""), HasSubstr("before fork()")));
    return ::testing::Value(status, wanted) ? "" : ::testing::DescribeMatcher<Status>(wanted) + " does not hold; ";
  }

  EchoServer server_;
  std::shared_ptr<ChannelPool> pool_;
};

TEST_F(ChannelPoolForkTest, ABlockingCallInTheChildSaysWhyItFails) {
  EXPECT_EQ(InChild([&] { return Complaint(Call(pool_->channel())) + Complaint(Call(pool_->blocking_channel())); }),
            "");
}

TEST_F(ChannelPoolForkTest, ACompletionQueueCallInTheChildSaysWhyItFails) {
  EXPECT_EQ(InChild([&]() -> std::string {
              grpc::CompletionQueue queue;
              grpc::ClientContext context;
              EchoReply reply;
              grpc::Status status;
              const auto call = Echo::NewStub(pool_->channel())->AsyncUnary(&context, EchoRequest(), &queue);
              call->Finish(&reply, &status, nullptr);
              void* tag = nullptr;
              bool ok = false;
              queue.Next(&tag, &ok);
              return Complaint(status);
            }),
            "");
}

TEST_F(ChannelPoolForkTest, ACallbackCallInTheChildSaysWhyItFails) {
  EXPECT_EQ(InChild([&]() -> std::string {
              Signal over;
              const EchoRequest request;
              grpc::ClientContext context;
              EchoReply reply;
              grpc::Status status;
              Echo::NewStub(pool_->channel())->async()->Unary(&context, &request, &reply, [&](grpc::Status s) {
                status = std::move(s);
                over.Notify();
              });
              if (!over.Await(absl::Seconds(1))) return "no callback";
              return Complaint(status);
            }),
            "");
}

TEST_F(ChannelPoolForkTest, EveryOtherFunctionInTheChildFailsOrDoesNothing) {
  const Lease lease = pool_->Acquire(In(kLimit)).value();
  EXPECT_EQ(InChild([&] {
              std::string complaint = Complaint(pool_->Acquire(In(kLimit))) +
                                      Complaint(pool_->WaitForReady(1, In(kLimit))) +
                                      Complaint(pool_->Drain(In(kLimit))) + Complaint(pool_->Resume()) +
                                      Complaint(pool_->Reconfigure(PoolOptions()));
              pool_->Recycle();
              const_cast<Lease&>(lease).Suspect();
              { const Lease given_back = std::move(const_cast<Lease&>(lease)); }
              pool_ = nullptr;
              return complaint;
            }),
            "");
}

TEST_F(ChannelPoolForkTest, AcquireAsyncInTheChildCallsBackWithTheReason) {
  EXPECT_EQ(InChild([&]() -> std::string {
              Signal called;
              absl::Status refusal;
              pool_->AcquireAsync(In(kLimit), [&](const absl::StatusOr<Lease>& result) {
                refusal = result.status();
                called.Notify();
              });
              return called.Await(absl::Seconds(1)) ? Complaint(refusal) : "no callback";
            }),
            "");
}

TEST_F(ChannelPoolForkTest, ANewPoolInTheChildIsRefusedWithTheReason) {
  EXPECT_EQ(InChild([&]() -> std::string {
              ChannelPoolOptions options;
              options.name = "orders";
              options.target = server_.target();
              const absl::Status refusal = ChannelPool::Create(std::move(options)).status();
              const auto wanted = StatusIs(absl::StatusCode::kFailedPrecondition,
                                           ::testing::AllOf(HasSubstr("\"orders\""), HasSubstr("was fork()ed")));
              return ::testing::Value(refusal, wanted) ? "" : refusal.ToString();
            }),
            "");
}

// In a process that has made no pool: the test runs itself anew for it.
TEST_F(ChannelPoolExitTest, AChildForkedBeforeTheFirstPoolMakesItsOwn) {
  EXPECT_EXIT(
      {
        const pid_t child = fork();
        if (child == 0) {
          alarm(10);
          EchoServer server;
          ChannelPoolOptions options;
          options.target = server.target();
          const auto pool = ChannelPool::Create(std::move(options));
          _exit(pool.ok() && Call((*pool)->channel()).ok() ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        std::exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(ChannelPoolForkTest, TheChannelInTheChildIsShutDown) {
  EXPECT_EQ(InChild([&]() -> std::string {
              const auto channel = pool_->channel();
              if (channel->GetState(true) != GRPC_CHANNEL_SHUTDOWN) return "not SHUTDOWN";
              if (!channel->WaitForStateChange(GRPC_CHANNEL_READY, DeadlineIn(kLimit))) return "no change";
              if (pool_->Stats().state != PoolAdminState::kDestroyed) return "not destroyed";
              return pool_->Connections().empty() ? "" : "has connections";
            }),
            "");
}

TEST_F(ChannelPoolForkTest, NothingHangsInTheChildOfABusyParent) {
  // Whatever lock a thread of the parent holds when it forks is held for ever in the child.
  Signal stop;
  std::thread busy([&] {
    while (!stop.happened()) {
      Call(pool_->channel());
      pool_->Recycle();
      pool_->Stats();
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(InChild([&] {
                const std::string complaint =
                    Complaint(pool_->Acquire(In(kLimit))) + Complaint(pool_->Drain(In(kLimit)));
                pool_ = nullptr;
                return complaint;
              }),
              "");
  }
  stop.Notify();
  busy.join();
}

}  // namespace
}  // namespace chanpool
