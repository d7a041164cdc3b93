// A balancer of layer 4 before real servers: what a pool learns of where its connections are, and does about it.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"
#include "tests/fault/fault_proxy.h"

namespace chanpool {
namespace {

using ::chanpool::fault::FaultProxy;
using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::EchoServer;
using ::chanpool::testing::EchoServerOptions;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::testing::Each;
using ::testing::HasSubstr;

std::unique_ptr<EchoServer> NewBackend(const std::string& name) {
  EchoServerOptions options;
  options.backend = name;
  return std::make_unique<EchoServer>(options);
}

class DiversityTest : public ::testing::Test {
 protected:
  DiversityTest() : balancer_(backends_[0]->port()) {}

  // All of its connections land on b0; what comes later, on each in turn.
  void Start(DiversityOptions diversity) {
    ChannelPoolOptions options;
    options.target = balancer_.target();
    options.diversity = std::move(diversity);
    options.pool.min_connections = options.pool.max_connections = 3;
    options.pool.max_leases_per_connection = options.pool.target_leases_per_connection = 1;
    options.pool.max_idle = absl::Milliseconds(80);  // Housekeeping looks each 10 ms.
    pool_ = *ChannelPool::Create(std::move(options));
    ASSERT_THAT(pool_->WaitForReady(3, In(kLimit)), IsOk());
  }
  void Balance() { balancer_.DialInTurn({backends_[0]->port(), backends_[1]->port(), backends_[2]->port()}); }

  static DiversityOptions ByHeader(const std::string& header, int rerolls_per_minute) {
    DiversityOptions diversity;
    diversity.backend_header = header;
    diversity.rerolls_per_minute = rerolls_per_minute;
    return diversity;
  }

  grpc::Status Call() {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kLimit));
    EchoReply reply;
    return Echo::NewStub(pool_->channel())->Unary(&context, EchoRequest(), &reply);
  }
  // A call on each connection: one carries one lease.
  void CallOnEach() {
    std::vector<Lease> leases;
    for (int i = 0; i < 3; ++i) {
      auto lease = pool_->Acquire(In(kLimit));
      ASSERT_THAT(lease, IsOk());
      leases.push_back(*std::move(lease));
    }
    for (const Lease& lease : leases) {
      grpc::ClientContext context;
      context.set_deadline(DeadlineIn(kLimit));
      EchoReply reply;
      EXPECT_THAT(Echo::NewStub(lease.channel())->Unary(&context, EchoRequest(), &reply), IsOk());
    }
  }
  bool WasDecided(Limit limit, int64_t value) {
    for (const Decision& decision : pool_->Decisions()) {
      if (decision.limit == limit && decision.limit_value == value) return true;
    }
    return false;
  }
  std::vector<std::string> Backends() {
    std::vector<std::string> backends;
    for (const ConnectionStats& row : pool_->Connections()) backends.push_back(row.backend);
    return backends;
  }

  const std::vector<std::unique_ptr<EchoServer>> backends_ = [] {
    std::vector<std::unique_ptr<EchoServer>> backends;
    for (int i = 0; i < 3; ++i) backends.push_back(NewBackend(absl::StrCat("b", i)));
    return backends;
  }();
  FaultProxy balancer_;
  std::shared_ptr<ChannelPool> pool_;
};

TEST_F(DiversityTest, ConnectionsThatAllLandedOnOneBackendComeToThreeAndNoCallFails) {
  Start(ByHeader("x-backend", 60));
  Balance();
  std::atomic<bool> over{false};
  std::atomic<int> calls{0}, failed{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&] {
      while (!over) {
        failed += !Call().ok();
        ++calls;
      }
    });
  }
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().distinct_backends == 3; }));
  const int so_far = calls;
  EXPECT_TRUE(Eventually([&] { return calls >= so_far + 100; }));
  over = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failed, 0);
  const PoolStats stats = pool_->Stats();
  EXPECT_GE(stats.rerolls, 2u);
  EXPECT_EQ(stats.closed_by_reason[static_cast<int>(CloseReason::kRebalanced)], stats.rerolls);
}

TEST_F(DiversityTest, TheBudgetHolds) {
  Start(ByHeader("x-backend", 2));
  // Each new one lands on b0 again, as its first call tells.
  EXPECT_TRUE(Eventually([&] {
    CallOnEach();
    return WasDecided(Limit::kRerollBudget, 2);
  }));
  EXPECT_EQ(pool_->Stats().rerolls, 2u);
  EXPECT_EQ(balancer_.accepted(), 5);
}

TEST_F(DiversityTest, WithoutABudgetTheBackendsAreOnlyShown) {
  Start(ByHeader("x-backend", 0));
  CallOnEach();
  EXPECT_THAT(Backends(), Each("b0"));
  EXPECT_EQ(pool_->Stats().distinct_backends, 1);
  EXPECT_TRUE(Eventually([&] { return WasDecided(Limit::kRerollBudget, 0); }));
  EXPECT_EQ(pool_->Stats().rerolls, 0u);
  EXPECT_EQ(balancer_.accepted(), 3);
}

TEST_F(DiversityTest, AKeyOfTheTrailingMetadataWillDo) {
  Start(ByHeader("x-backend-last", 0));
  CallOnEach();
  EXPECT_THAT(Backends(), Each("b0"));
}

TEST_F(DiversityTest, AFunctionOfTheUsersIsAskedUntilItKnowsAndThenNoMore) {
  std::atomic<int> asked{0};
  DiversityOptions diversity;
  diversity.rerolls_per_minute = 0;
  diversity.backend_of = [&asked](const grpc::ClientContext& context) -> std::string {
    if (++asked <= 2) return "";
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto found = trailing.find("x-backend-last");
    return found == trailing.end() ? "?" : std::string(found->second.data(), found->second.size());
  };
  Start(diversity);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Call().ok());  // Alone, all on one connection.
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(pool_->Stats().distinct_backends, 1);
}

TEST_F(DiversityTest, EveryKindOfCallTells) {
  using Kind = std::function<void(Echo::Stub*, grpc::ClientContext*)>;
  const std::vector<std::pair<std::string, Kind>> kinds = {
      {"callback",
       [](Echo::Stub* stub, grpc::ClientContext* context) {
         EchoRequest request;
         EchoReply reply;
         Signal over;
         stub->async()->Unary(context, &request, &reply, [&](grpc::Status) { over.Notify(); });
         EXPECT_TRUE(over.Await());
       }},
      {"completion queue",
       [](Echo::Stub* stub, grpc::ClientContext* context) {
         grpc::CompletionQueue queue;
         EchoReply reply;
         grpc::Status status;
         const auto call = stub->AsyncUnary(context, EchoRequest(), &queue);
         call->Finish(&reply, &status, nullptr);
         void* tag = nullptr;
         bool ok = false;
         EXPECT_TRUE(queue.Next(&tag, &ok));
       }},
      {"server stream",
       [](Echo::Stub* stub, grpc::ClientContext* context) {
         EchoRequest request;
         request.set_count(3);
         EchoReply reply;
         const auto reader = stub->ServerStream(context, request);
         while (reader->Read(&reply)) {
         }
         EXPECT_TRUE(reader->Finish().ok());
       }},
      {"both ways",
       [](Echo::Stub* stub, grpc::ClientContext* context) {
         EchoReply reply;
         const auto stream = stub->Bidi(context);
         EXPECT_TRUE(stream->Write(EchoRequest()));
         EXPECT_TRUE(stream->Read(&reply));
         EXPECT_TRUE(stream->WritesDone());
         EXPECT_TRUE(stream->Finish().ok());
       }},
  };
  for (const char* header : {"x-backend", "x-backend-last"}) {
    for (const auto& [name, call] : kinds) {
      SCOPED_TRACE(absl::StrCat(name, ", ", header));
      Start(ByHeader(header, 0));
      const auto stub = Echo::NewStub(pool_->channel());
      grpc::ClientContext context;
      context.set_deadline(DeadlineIn(kLimit));
      call(stub.get(), &context);
      EXPECT_EQ(pool_->Stats().distinct_backends, 1);
      // What was read of the metadata is the user's as ever.
      EXPECT_EQ(context.GetServerInitialMetadata().count("x-backend"), 1u);
      EXPECT_EQ(context.GetServerTrailingMetadata().count("x-backend-last"), 1u);
    }
  }
}

TEST_F(DiversityTest, ARedirectBringsItsOwnHeaderAndBudget) {
  Start(DiversityOptions());
  CallOnEach();
  EXPECT_THAT(Backends(), Each(""));
  ChannelPoolOptions options = pool_->channel_options();
  options.diversity = ByHeader("x-backend", 3);
  ASSERT_THAT(pool_->Redirect(options), IsOk());
  EXPECT_TRUE(Eventually([&] {
    CallOnEach();
    return WasDecided(Limit::kRerollBudget, 3);
  }));

  options.diversity.rerolls_per_minute = 61;
  EXPECT_THAT(pool_->Redirect(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rerolls_per_minute")));
}

}  // namespace
}  // namespace chanpool
