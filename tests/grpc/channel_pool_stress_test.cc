// Everything at once, from four threads: calls of each style, leases, drain, resume, reconfigure, recycle, pools that
// are destroyed with calls and leases out, and a server that restarts. What counts is that nothing races, hangs or is
// lost. 30 s under sanitizers, else 5 s; CHANPOOL_SEED repeats a choice of actions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "pool/core/mutex.h"
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
using ::chanpool::testing::Throughout;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr absl::Duration kDuration = absl::Seconds(30);
#else
constexpr absl::Duration kDuration = absl::Seconds(5);
#endif
#else
constexpr absl::Duration kDuration = absl::Seconds(5);
#endif

constexpr int kThreads = 4;

class ChannelPoolStressTest : public ::testing::Test {
 protected:
  using Random = std::mt19937;

  std::shared_ptr<ChannelPool> NewPool() {
    ChannelPoolOptions options;
    options.name = "stressed";
    options.target = server_.target();
    options.pool = SomeOptions(4);
    return ChannelPool::Create(std::move(options)).value();
  }

  static PoolOptions SomeOptions(int connections) {
    PoolOptions pool;
    pool.min_connections = 1;
    pool.max_connections = connections;
    pool.max_leases_per_connection = 3;
    pool.target_leases_per_connection = 2;
    pool.max_surge = 1;
    pool.max_age = absl::Milliseconds(200);
    pool.max_idle = absl::Milliseconds(100);
    pool.backoff_initial = absl::Milliseconds(5);
    pool.backoff_max = absl::Milliseconds(50);
    pool.acquire_timeout = absl::Milliseconds(50);
    pool.overflow = connections % 2 == 0 ? OverflowPolicy::kOvercommit : OverflowPolicy::kReject;
    return pool;
  }

  std::shared_ptr<ChannelPool> Current() {
    MutexLock lock(&mu_);
    return pool_;
  }

  // --- Actions: none of them leaves a call behind, all of them end ---

  static EchoRequest SomeRequest(Random& random) {
    EchoRequest request;
    request.set_delay_ms(random() % 4 == 0 ? random() % 20 : 0);
    request.set_count(2);
    if (random() % 8 == 0) request.set_status_code(grpc::StatusCode::ABORTED);
    return request;
  }

  static void SetUp(grpc::ClientContext& context, Random& random) {
    context.set_deadline(DeadlineIn(random() % 8 == 0 ? absl::Milliseconds(1) : kLimit));
    context.set_wait_for_ready(random() % 2 == 0);
  }

  static void BlockingCall(const std::shared_ptr<grpc::ChannelInterface>& channel, Random& random) {
    grpc::ClientContext context;
    SetUp(context, random);
    EchoReply reply;
    Echo::NewStub(channel)->Unary(&context, SomeRequest(random), &reply);
  }

  static void Stream(const std::shared_ptr<grpc::ChannelInterface>& channel, Random& random) {
    grpc::ClientContext context;
    SetUp(context, random);
    const auto stream = Echo::NewStub(channel)->Bidi(&context);
    EchoReply reply;
    stream->Write(SomeRequest(random));
    stream->Read(&reply);
    if (random() % 2 == 0) return;  // Dropped half-way.
    stream->WritesDone();
    stream->Finish();
  }

  static void QueueCall(const std::shared_ptr<grpc::ChannelInterface>& channel, Random& random) {
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    SetUp(context, random);
    const auto stub = Echo::NewStub(channel);
    if (random() % 4 == 0) {
      stub->PrepareAsyncBidi(&context, &queue);  // Never started. A unary call's message would leak, inside gRPC.
      return;
    }
    const auto call = stub->AsyncUnary(&context, SomeRequest(random), &queue);
    EchoReply reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    if (random() % 4 == 0) context.TryCancel();
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
  }

  // A callback call that owns itself: its pool may be gone when it ends.
  struct CallbackCall {
    grpc::ClientContext context;
    EchoRequest request;
    EchoReply reply;
    std::unique_ptr<Echo::Stub> stub;
  };

  void BeginCallbackCall(const std::shared_ptr<grpc::ChannelInterface>& channel, Random& random) {
    auto* call = new CallbackCall;
    SetUp(call->context, random);
    call->request = SomeRequest(random);
    call->stub = Echo::NewStub(channel);
    ++callback_calls_;
    call->stub->async()->Unary(&call->context, &call->request, &call->reply, [this, call](const grpc::Status&) {
      delete call;
      --callback_calls_;
    });
  }

  void UseALease(const std::shared_ptr<ChannelPool>& pool, Random& random) {
    absl::StatusOr<Lease> lease = pool->Acquire(In(absl::Milliseconds(20)));
    if (!lease.ok()) return;
    BlockingCall(lease->channel(), random);
    if (random() % 8 == 0) lease->Suspect();
    if (random() % 2 == 0) {
      MutexLock lock(&mu_);
      kept_.push_back(*std::move(lease));  // Perhaps beyond the end of its pool.
    }
    if (random() % 2 == 0) {
      std::vector<Lease> given_back;
      MutexLock lock(&mu_);
      given_back.swap(kept_);
    }
  }

  void BeginAcquire(const std::shared_ptr<ChannelPool>& pool, Random& random) {
    ++acquires_;
    AcquireHandle handle = pool->AcquireAsync(In(absl::Milliseconds(random() % 20)),
                                              [this](const absl::StatusOr<Lease>&) { --acquires_; });
    if (random() % 2 == 0) handle.Cancel();
  }

  void Steer(const std::shared_ptr<ChannelPool>& pool, Random& random) {
    switch (random() % 8) {
      case 0:
        (void)pool->Drain(In(absl::Milliseconds(random() % 20)), OnDeadline::kCancelCalls);
        (void)pool->Resume();
        break;
      case 1:
        (void)pool->Drain(In(absl::Milliseconds(random() % 20)));
        (void)pool->Resume();
        break;
      case 2:
      case 3:
        EXPECT_THAT(pool->Reconfigure(SomeOptions(1 + random() % 6)), IsOk());
        break;
      case 4:
        pool->Recycle();
        break;
      case 5:
        (void)pool->WaitForReady(1, In(absl::Milliseconds(20)));
        break;
      case 6:
        pool->channel()->WaitForStateChange(pool->channel()->GetState(true), DeadlineIn(absl::Milliseconds(5)));
        break;
      case 7: {
        std::shared_ptr<ChannelPool> fresh = NewPool();
        MutexLock lock(&mu_);
        pool_.swap(fresh);
        break;  // The old one dies with whoever uses it last, its calls and leases out.
      }
    }
    pool->Stats();
    pool->Connections();
    pool->Methods();
    pool->Calls(5);
  }

  void Run(unsigned seed) {
    Random random(seed);
    while (!stop_) {
      const std::shared_ptr<ChannelPool> pool = Current();
      const auto channel = random() % 4 == 0 ? pool->blocking_channel() : pool->channel();
      switch (random() % 16) {
        case 0:
          Steer(pool, random);
          break;
        case 1:
        case 2:
          UseALease(pool, random);
          break;
        case 3:
        case 4:
          BeginAcquire(pool, random);
          break;
        case 5:
        case 6:
          Stream(channel, random);
          break;
        case 7:
        case 8:
        case 9:
          QueueCall(channel, random);
          break;
        case 10:
        case 11:
        case 12:
          if (callback_calls_ < 50) BeginCallbackCall(channel, random);
          break;
        default:
          BlockingCall(channel, random);
          break;
      }
      ++actions_;
    }
  }

  static testing::EchoServerOptions AnswersProbes() {
    testing::EchoServerOptions options;
    options.serves_health = true;
    return options;
  }

  EchoServer server_{AnswersProbes()};
  Mutex mu_;
  std::shared_ptr<ChannelPool> pool_ ABSL_GUARDED_BY(mu_);
  std::vector<Lease> kept_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> stop_{false};
  std::atomic<int> callback_calls_{0};
  std::atomic<int> acquires_{0};
  std::atomic<int64_t> actions_{0};
};

TEST_F(ChannelPoolStressTest, LosesNothingWhateverHappensAtOnce) {
  const char* const given = std::getenv("CHANPOOL_SEED");
  const unsigned seed = given != nullptr ? std::strtoul(given, nullptr, 10) : std::random_device()();
  std::printf("CHANPOOL_SEED=%u\n", seed);
  {
    std::shared_ptr<ChannelPool> first = NewPool();
    MutexLock lock(&mu_);
    pool_.swap(first);
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([this, seed, i] { Run(seed + i); });
  const testing::Stopwatch watch;
  while (watch.Elapsed() < kDuration) {
    Throughout([] { return true; }, absl::Milliseconds(900));
    server_.Restart();
  }
  stop_ = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Eventually([&] { return callback_calls_ == 0 && acquires_ == 0; }));

  const std::shared_ptr<ChannelPool> last = Current();
  {
    std::vector<Lease> given_back;
    MutexLock lock(&mu_);
    given_back.swap(kept_);
    pool_ = nullptr;
  }
  EXPECT_THAT(last->Drain(In(kLimit)), IsOk());
  EXPECT_TRUE(Eventually([&] { return last->Stats().connections == 0; }));
  const PoolStats stats = last->Stats();
  EXPECT_EQ(stats.leases, 0);
  EXPECT_EQ(stats.acquired, stats.released);
  EXPECT_EQ(stats.opened, stats.closed);
  EXPECT_TRUE(last->Calls().empty());
  std::printf("%lld actions, %lld calls at the server\n", static_cast<long long>(actions_),
              static_cast<long long>(server_.calls()));
}

}  // namespace
}  // namespace chanpool
