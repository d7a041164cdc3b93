#include "pool/grpc/channel_pool.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
using ::chanpool::testing::EchoServerOptions;
using ::chanpool::testing::EstablishedSocketsTo;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::Signal;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::Stopwatch;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Hook = grpc::experimental::InterceptionHookPoints;

EchoRequest Request(const std::string& payload = "hello", int delay_ms = 0) {
  EchoRequest request;
  request.set_payload(payload);
  request.set_delay_ms(delay_ms);
  return request;
}

// One unary call with a limit, so that what hangs fails.
grpc::Status Call(const std::shared_ptr<grpc::ChannelInterface>& channel, const EchoRequest& request = Request()) {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  EchoReply reply;
  return Echo::NewStub(channel)->Unary(&context, request, &reply);
}

// A callback call that stays on its way until it is told to end.
class OpenCall {
 public:
  explicit OpenCall(const std::shared_ptr<grpc::ChannelInterface>& channel, EchoRequest request = Request("", 60'000))
      : request_(std::move(request)), stub_(Echo::NewStub(channel)) {
    stub_->async()->Unary(&context_, &request_, &reply_, [this](grpc::Status status) {
      status_ = std::move(status);
      over_.Notify();
    });
  }
  ~OpenCall() { Cancel(); }

  grpc::Status Await() {
    EXPECT_TRUE(over_.Await());
    return status_;
  }
  void Cancel() {
    context_.TryCancel();
    Await();
  }
  bool over() const { return over_.happened(); }

 private:
  const EchoRequest request_;
  EchoReply reply_;
  grpc::Status status_;
  Signal over_;
  grpc::ClientContext context_;
  const std::unique_ptr<Echo::Stub> stub_;
};

class ChannelPoolTest : public ::testing::Test {
 protected:
  // Each test ends with everything given back.
  ~ChannelPoolTest() override {
    if (pool_ == nullptr) return;
    EXPECT_TRUE(Eventually([&] { return pool_->Stats().leases == 0; }));
    const PoolStats stats = pool_->Stats();
    EXPECT_EQ(stats.acquired, stats.released);
    EXPECT_EQ(stats.acquired, stats.hits + stats.misses);
    EXPECT_EQ(stats.waiters, 0);
  }

  ChannelPool* Make(PoolOptions pool = PoolOptions()) {
    options_.name = "orders";
    if (options_.target.empty()) options_.target = server_.target();
    options_.pool = pool;
    pool_ = ChannelPool::Create(options_).value();
    return pool_.get();
  }

  // A pool with `connections` open, each for at most `leases` calls.
  ChannelPool* MakeReady(int connections, int leases, OverflowPolicy overflow = OverflowPolicy::kOvercommit) {
    PoolOptions pool;
    pool.min_connections = pool.max_connections = connections;
    pool.max_leases_per_connection = leases;
    pool.overflow = overflow;
    Make(pool);
    EXPECT_THAT(pool_->WaitForReady(connections, In(kLimit)), IsOk());
    return pool_.get();
  }

  EchoServer server_;
  ChannelPoolOptions options_;
  std::shared_ptr<ChannelPool> pool_;
};

// --- Calls of every kind ------------------------------------------------------------------------------------------

TEST_F(ChannelPoolTest, CarriesBlockingCallsOfAllFourKinds) {
  Make();
  for (const auto& channel : {pool_->channel(), pool_->blocking_channel()}) {
    const auto stub = Echo::NewStub(channel);
    EchoReply reply;
    {
      grpc::ClientContext context;
      EXPECT_THAT(stub->Unary(&context, Request("one"), &reply), IsOk());
      EXPECT_EQ(reply.payload(), "one");
    }
    {
      grpc::ClientContext context;
      EchoRequest request = Request("many");
      request.set_count(3);
      const auto reader = stub->ServerStream(&context, request);
      int replies = 0;
      while (reader->Read(&reply)) EXPECT_EQ(reply.index(), replies++);
      EXPECT_EQ(replies, 3);
      EXPECT_THAT(reader->Finish(), IsOk());
    }
    {
      grpc::ClientContext context;
      const auto writer = stub->ClientStream(&context, &reply);
      EXPECT_TRUE(writer->Write(Request("first")));
      EXPECT_TRUE(writer->Write(Request("last")));
      EXPECT_TRUE(writer->WritesDone());
      EXPECT_THAT(writer->Finish(), IsOk());
      EXPECT_EQ(reply.payload(), "last");
    }
    {
      grpc::ClientContext context;
      const auto stream = stub->Bidi(&context);
      for (const char* payload : {"a", "b"}) {
        EXPECT_TRUE(stream->Write(Request(payload)));
        EXPECT_TRUE(stream->Read(&reply));
        EXPECT_EQ(reply.payload(), payload);
      }
      EXPECT_TRUE(stream->WritesDone());
      EXPECT_THAT(stream->Finish(), IsOk());
    }
  }
  EXPECT_EQ(pool_->Stats().acquired, 8);
}

// One reactor for every kind: reads until there is no more, writes `writes` requests.
template <typename Base>
class Reactor : public Base {
 public:
  void OnDone(const grpc::Status& s) override {
    status = s;
    done.Notify();
  }
  EchoRequest request = Request("stream");
  EchoReply reply;
  grpc::Status status;
  int replies = 0;
  Signal done;
};

struct ReadingReactor : Reactor<grpc::ClientReadReactor<EchoReply>> {
  void OnReadDone(bool ok) override {
    if (!ok) return;
    ++replies;
    StartRead(&reply);
  }
};
struct WritingReactor : Reactor<grpc::ClientWriteReactor<EchoRequest>> {
  void OnWriteDone(bool) override { StartWritesDone(); }
};
struct BidiReactor : Reactor<grpc::ClientBidiReactor<EchoRequest, EchoReply>> {
  void OnWriteDone(bool) override { StartRead(&reply); }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    ++replies;
    StartWritesDone();
  }
};

TEST_F(ChannelPoolTest, CarriesCallbackCallsOfAllFourKinds) {
  Make();
  const auto stub = Echo::NewStub(pool_->channel());
  EXPECT_THAT(OpenCall(pool_->channel(), Request()).Await(), IsOk());
  {
    grpc::ClientContext context;
    ReadingReactor reader;
    reader.request.set_count(3);
    stub->async()->ServerStream(&context, &reader.request, &reader);
    reader.StartRead(&reader.reply);
    reader.StartCall();
    ASSERT_TRUE(reader.done.Await());
    EXPECT_THAT(reader.status, IsOk());
    EXPECT_EQ(reader.replies, 3);
  }
  {
    grpc::ClientContext context;
    WritingReactor writer;
    stub->async()->ClientStream(&context, &writer.reply, &writer);
    writer.StartWrite(&writer.request);
    writer.StartCall();
    ASSERT_TRUE(writer.done.Await());
    EXPECT_THAT(writer.status, IsOk());
    EXPECT_EQ(writer.reply.payload(), "stream");
  }
  {
    grpc::ClientContext context;
    BidiReactor bidi;
    stub->async()->Bidi(&context, &bidi);
    bidi.StartWrite(&bidi.request);
    bidi.StartCall();
    ASSERT_TRUE(bidi.done.Await());
    EXPECT_THAT(bidi.status, IsOk());
    EXPECT_EQ(bidi.replies, 1);
  }
  EXPECT_EQ(pool_->Stats().acquired, 4);
}

// A corked stream sends its metadata with its first write: on a thread of the user's, perhaps after its end.
struct CorkedReactor : Reactor<grpc::ClientBidiReactor<EchoRequest, EchoReply>> {};

TEST_F(ChannelPoolTest, ACorkedStreamThatIsCancelledAsItStartsGivesItsLeaseBackOnce) {
  MakeReady(1, 100);
  const auto stub = Echo::NewStub(pool_->channel());
  for (int i = 0; i < 300; ++i) {
    grpc::ClientContext context;
    context.set_initial_metadata_corked(true);
    CorkedReactor stream;
    stub->async()->Bidi(&context, &stream);
    stream.AddHold();
    stream.StartCall();
    std::thread canceller([&] { context.TryCancel(); });
    stream.StartWrite(&stream.request);
    canceller.join();
    stream.RemoveHold();
    ASSERT_TRUE(stream.done.Await());
  }
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().leases == 0; }));
  EXPECT_EQ(pool_->Stats().released, 300u);
}

// The next tag of `queue`, which must be there within the limit.
bool Next(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  EXPECT_EQ(queue.AsyncNext(&tag, &ok, DeadlineIn(kLimit)), grpc::CompletionQueue::GOT_EVENT);
  return ok;
}

TEST_F(ChannelPoolTest, CarriesCompletionQueueCallsOfAllFourKinds) {
  Make();
  const auto stub = Echo::NewStub(pool_->channel());
  grpc::CompletionQueue queue;
  EchoReply reply;
  grpc::Status status;
  {
    grpc::ClientContext context;
    const auto call = stub->AsyncUnary(&context, Request("one"), &queue);
    call->Finish(&reply, &status, nullptr);
    Next(queue);
    EXPECT_THAT(status, IsOk());
    EXPECT_EQ(reply.payload(), "one");
  }
  {
    grpc::ClientContext context;
    EchoRequest request = Request("many");
    request.set_count(3);
    const auto reader = stub->AsyncServerStream(&context, request, &queue, nullptr);
    Next(queue);
    int replies = 0;
    for (reader->Read(&reply, nullptr); Next(queue); reader->Read(&reply, nullptr)) ++replies;
    EXPECT_EQ(replies, 3);
    reader->Finish(&status, nullptr);
    Next(queue);
    EXPECT_THAT(status, IsOk());
  }
  {
    grpc::ClientContext context;
    const auto writer = stub->AsyncClientStream(&context, &reply, &queue, nullptr);
    Next(queue);
    writer->WriteLast(Request("last"), grpc::WriteOptions(), nullptr);
    EXPECT_TRUE(Next(queue));
    writer->Finish(&status, nullptr);
    Next(queue);
    EXPECT_THAT(status, IsOk());
    EXPECT_EQ(reply.payload(), "last");
  }
  {
    grpc::ClientContext context;
    const auto stream = stub->AsyncBidi(&context, &queue, nullptr);
    Next(queue);
    stream->Write(Request("both"), nullptr);
    EXPECT_TRUE(Next(queue));
    stream->Read(&reply, nullptr);
    EXPECT_TRUE(Next(queue));
    EXPECT_EQ(reply.payload(), "both");
    stream->WritesDone(nullptr);
    EXPECT_TRUE(Next(queue));
    stream->Finish(&status, nullptr);
    Next(queue);
    EXPECT_THAT(status, IsOk());
  }
  EXPECT_EQ(pool_->Stats().acquired, 4);
}

constexpr char kUnary[] = "/chanpool.testing.Echo/Unary";

TEST_F(ChannelPoolTest, CarriesGenericCalls) {
  Make();
  grpc::GenericStub stub(pool_->channel());
  grpc::ByteBuffer request, answer;
  bool own = false;
  ASSERT_THAT(grpc::SerializationTraits<EchoRequest>::Serialize(Request("generic"), &request, &own), IsOk());
  const auto payload = [&answer] {
    EchoReply reply;
    EXPECT_THAT(grpc::SerializationTraits<EchoReply>::Deserialize(&answer, &reply), IsOk());
    return reply.payload();
  };
  {
    grpc::ClientContext context;
    Signal over;
    grpc::Status status;
    stub.UnaryCall(&context, kUnary, grpc::StubOptions(), &request, &answer, [&](grpc::Status s) {
      status = std::move(s);
      over.Notify();
    });
    ASSERT_TRUE(over.Await());
    EXPECT_THAT(status, IsOk());
    EXPECT_EQ(payload(), "generic");
  }
  {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::Status status;
    const auto call = stub.PrepareUnaryCall(&context, kUnary, request, &queue);
    call->StartCall();
    call->Finish(&answer, &status, nullptr);
    Next(queue);
    EXPECT_THAT(status, IsOk());
    EXPECT_EQ(payload(), "generic");
  }
  EXPECT_EQ(pool_->Stats().acquired, 2);
}

// Notes which of a call's events it sees, under its name.
class NotingFactory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  NotingFactory(std::string name, std::vector<std::string>* notes) : name_(std::move(name)), notes_(notes) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* info) override {
    notes_->push_back(name_ + " " + info->method());
    return new Noting(this);
  }

 private:
  class Noting : public grpc::experimental::Interceptor {
   public:
    explicit Noting(NotingFactory* factory) : factory_(factory) {}
    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
      if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_INITIAL_METADATA)) Note("sends");
      if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_STATUS)) Note("ended");
      methods->Proceed();
    }

   private:
    void Note(const char* what) { factory_->notes_->push_back(factory_->name_ + " " + what); }
    NotingFactory* const factory_;
  };

  const std::string name_;
  std::vector<std::string>* const notes_;
};

TEST_F(ChannelPoolTest, RunsTheUsersInterceptorsInOrder) {
  std::vector<std::string> notes;  // A blocking call runs all of them on its own thread.
  options_.interceptors = {std::make_shared<NotingFactory>("first", &notes),
                           std::make_shared<NotingFactory>("second", &notes)};
  Make();
  EXPECT_THAT(Call(pool_->channel()), IsOk());
  EXPECT_THAT(notes, ElementsAre("first /chanpool.testing.Echo/Unary", "second /chanpool.testing.Echo/Unary",
                                 "first sends", "second sends", "second ended", "first ended"));
}

// A user's interceptor factory that makes a call of its own on the same pool, before the outer call exists.
class NestingFactory : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  std::shared_ptr<grpc::ChannelInterface> channel;
  int64_t leases = 0;
  std::function<int64_t()> count;
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo*) override {
    if (std::exchange(nested_, true)) return nullptr;
    EXPECT_THAT(Call(channel), IsOk());
    leases = count();
    return nullptr;
  }

 private:
  bool nested_ = false;
};

TEST_F(ChannelPoolTest, AnInterceptorThatMakesACallGetsALeaseOfItsOwn) {
  const auto nesting = std::make_shared<NestingFactory>();
  options_.interceptors = {nesting};
  Make();
  nesting->channel = pool_->channel();
  nesting->count = [this] { return pool_->Stats().leases; };
  EXPECT_THAT(Call(pool_->channel()), IsOk());
  EXPECT_EQ(nesting->leases, 1);  // The outer call's is out, the nested one's back.
  EXPECT_EQ(pool_->Stats().acquired, 2);
  nesting->channel = nullptr;
}

// --- Connections and places ---------------------------------------------------------------------------------------

TEST_F(ChannelPoolTest, GivesEachConnectionASocketOfItsOwn) {
  MakeReady(8, 100);
  EXPECT_EQ(EstablishedSocketsTo(server_.port()), 8);
  EXPECT_EQ(pool_->Stats().connections, 8);
}

TEST_F(ChannelPoolTest, SpreadsCallsUntilEveryConnectionIsFull) {
  MakeReady(4, 2);
  std::vector<std::unique_ptr<OpenCall>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(std::make_unique<OpenCall>(pool_->channel()));
  for (const ConnectionStats& connection : pool_->Connections()) EXPECT_EQ(connection.leases, 2);
  EXPECT_EQ(pool_->Stats().overcommitted, 0);
  EXPECT_EQ(pool_->Stats().free, 0);
  ASSERT_TRUE(Eventually([&] { return server_.in_progress() == 8; }));
  EXPECT_EQ(server_.peers(), 4);
}

TEST_F(ChannelPoolTest, CountsWhatItOvercommits) {
  MakeReady(2, 2);
  std::vector<std::unique_ptr<OpenCall>> calls;
  for (int i = 0; i < 7; ++i) calls.push_back(std::make_unique<OpenCall>(pool_->channel()));
  const PoolStats stats = pool_->Stats();
  EXPECT_EQ(stats.leases, 7);
  EXPECT_EQ(stats.overcommitted, 3);
  EXPECT_EQ(stats.leases_over_limit, 3);
  EXPECT_EQ(stats.leases + stats.free, stats.capacity + stats.leases_over_limit);
}

TEST_F(ChannelPoolTest, RejectsAtOnceWithItsNumbersWhenFull) {
  MakeReady(2, 1, OverflowPolicy::kReject);
  OpenCall one(pool_->channel()), two(pool_->channel());
  const Stopwatch watch;
  const auto refused =
      StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED,
               AllOf(HasSubstr("\"orders\""), HasSubstr("2/2 connections open"), HasSubstr("2/2 leases")));
  EXPECT_THAT(Call(pool_->channel()), refused);
  EXPECT_THAT(OpenCall(pool_->channel()).Await(), refused);
  EXPECT_LT(watch.Elapsed(), absl::Seconds(1));
  EXPECT_EQ(pool_->Stats().rejected, 2);
  EXPECT_EQ(pool_->Stats().leases, 2);
}

TEST_F(ChannelPoolTest, OpensMoreConnectionsForMoreCalls) {
  PoolOptions pool;
  pool.max_connections = 3;
  pool.max_leases_per_connection = 4;
  pool.target_leases_per_connection = 2;
  Make(pool);
  std::vector<std::unique_ptr<OpenCall>> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(std::make_unique<OpenCall>(pool_->channel()));
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server_.port()) == 3; }));
  EXPECT_EQ(pool_->Stats().connections, 3);
}

// --- blocking_channel() -------------------------------------------------------------------------------------------

TEST_F(ChannelPoolTest, ABlockingCallWaitsForAPlace) {
  MakeReady(1, 1);
  auto in_the_way = std::make_unique<OpenCall>(pool_->channel());
  grpc::Status status;
  std::thread waits([&] { status = Call(pool_->blocking_channel()); });
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().waiters == 1; }));
  in_the_way = nullptr;
  waits.join();
  EXPECT_THAT(status, IsOk());
  EXPECT_EQ(pool_->Stats().overcommitted, 0);
}

TEST_F(ChannelPoolTest, ABlockingCallWaitsNoLongerThanItsDeadline) {
  MakeReady(1, 1);
  OpenCall in_the_way(pool_->channel());
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(absl::Milliseconds(50)));
  EchoReply reply;
  const Stopwatch watch;
  EXPECT_THAT(Echo::NewStub(pool_->blocking_channel())->Unary(&context, Request(), &reply),
              StatusIs(grpc::StatusCode::DEADLINE_EXCEEDED, HasSubstr("\"orders\"")));
  EXPECT_LT(watch.Elapsed(), absl::Seconds(10));
  EXPECT_EQ(pool_->Stats().timed_out, 1);
}

TEST_F(ChannelPoolTest, ABlockingCallWithoutDeadlineWaitsForAcquireTimeout) {
  MakeReady(1, 1);
  PoolOptions impatient = pool_->options();
  impatient.acquire_timeout = absl::Milliseconds(30);
  ASSERT_THAT(pool_->Reconfigure(impatient), IsOk());
  OpenCall in_the_way(pool_->channel());
  grpc::ClientContext context;
  EchoReply reply;
  EXPECT_THAT(Echo::NewStub(pool_->blocking_channel())->Unary(&context, Request(), &reply),
              StatusIs(grpc::StatusCode::DEADLINE_EXCEEDED,
                       AllOf(HasSubstr("no place within"), HasSubstr("1/1 leases"), HasSubstr("1/1 connections"))));
}

TEST_F(ChannelPoolTest, TheBlockingChannelRefusesCallbackCalls) {
  Make();
  EXPECT_THAT(OpenCall(pool_->blocking_channel()).Await(),
              StatusIs(grpc::StatusCode::FAILED_PRECONDITION, HasSubstr("blocking stubs only")));
  EXPECT_EQ(pool_->Stats().acquired, 0);
}

// --- Leases -------------------------------------------------------------------------------------------------------

TEST_F(ChannelPoolTest, CallsOnALeasesChannelTakeNoFurtherLease) {
  MakeReady(1, 1, OverflowPolicy::kReject);
  const absl::StatusOr<Lease> lease = pool_->Acquire(In(kLimit));
  ASSERT_THAT(lease, IsOk());
  OpenCall one(lease->channel()), two(lease->channel());
  EXPECT_THAT(Call(lease->channel()), IsOk());
  EXPECT_EQ(pool_->Stats().leases, 1);
  EXPECT_EQ(pool_->Stats().acquired, 1);
}

TEST_F(ChannelPoolTest, ALeaseIsGivenBackOnceHoweverOftenItMoves) {
  MakeReady(1, 3);
  {
    Lease first = pool_->Acquire(In(kLimit)).value();
    Lease second = std::move(first);
    EXPECT_EQ(first.channel(), nullptr);  // NOLINT(bugprone-use-after-move): what is left is the claim.
    first.Suspect();                      // No effect.
    EXPECT_EQ(first.connection(), ConnectionId());
    EXPECT_NE(second.channel(), nullptr);
    EXPECT_EQ(pool_->Stats().leases, 1);

    Lease third = pool_->Acquire(In(kLimit)).value();
    EXPECT_EQ(pool_->Stats().leases, 2);
    third = std::move(second);  // Gives back what it held.
    EXPECT_EQ(pool_->Stats().leases, 1);
  }
  EXPECT_EQ(pool_->Stats().leases, 0);
  EXPECT_EQ(pool_->Stats().released, 2);
}

TEST_F(ChannelPoolTest, ALeaseNamesItsConnection) {
  MakeReady(1, 3);
  const Lease lease = pool_->Acquire(In(kLimit)).value();
  EXPECT_EQ(lease.connection(), pool_->Connections().at(0).id);
}

TEST_F(ChannelPoolTest, ALeaseByKeyComesBackToItsConnectionAndAFreshOneToNone) {
  PoolOptions options;
  options.min_connections = 3;
  Make(options);
  ASSERT_THAT(pool_->WaitForReady(3, In(kLimit)), IsOk());
  LeaseOptions keyed, fresh;
  keyed.affinity_key = "session 7";
  fresh.fresh = true;
  const ConnectionId first = pool_->Acquire(In(kLimit), keyed).value().connection();
  EXPECT_EQ(pool_->TryAcquire(keyed).value().connection(), first);
  const Lease unused = pool_->Acquire(In(kLimit), fresh).value();
  EXPECT_NE(unused.connection(), first);
  EXPECT_THAT(Call(unused.channel()), IsOk());
}

TEST_F(ChannelPoolTest, ADiscardedLeaseHearsThatItDrainsAndItsCallsGoOn) {
  Make();
  Lease lease = pool_->Acquire(In(kLimit)).value();
  Signal told;
  lease.OnDraining([&](absl::Duration grace) {
    EXPECT_LE(grace, PoolOptions().drain_grace);
    EXPECT_GT(grace, absl::ZeroDuration());
    told.Notify();
  });
  lease.Discard();
  EXPECT_TRUE(lease.draining());
  EXPECT_TRUE(told.Await());
  EXPECT_THAT(Call(lease.channel()), IsOk());
  EXPECT_NE(pool_->Acquire(In(kLimit)).value().connection(), lease.connection());
}

TEST_F(ChannelPoolTest, ALeaseThatIsOutForTooLongIsListedWithTheLineThatBorrowedIt) {
  PoolOptions options;
  options.leak_after = absl::Milliseconds(1);
  Make(options);
  const Lease lease = pool_->Acquire(In(kLimit)).value();
  const int line = __LINE__ - 1;
  ASSERT_TRUE(Eventually([&] { return pool_->Stats().leaks_out == 1; }));
  const std::vector<LongLease> leases = pool_->LongLeases();
  ASSERT_EQ(leases.size(), 1u);
  EXPECT_EQ(leases[0].site.line(), line);
  EXPECT_EQ(leases[0].connection, lease.connection());
}

TEST_F(ChannelPoolTest, AFullPoolExplainsItselfAndTellsWhatItDecided) {
  PoolOptions options;
  options.max_connections = options.max_leases_per_connection = 1;
  options.overflow = OverflowPolicy::kReject;
  Make(options);
  LeaseOptions by_key;
  by_key.affinity_key = "customer 7";
  const Lease lease = pool_->Acquire(In(kLimit), by_key).value();
  EXPECT_THAT(Call(pool_->channel()), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_EQ(pool_->Explain().findings[0].limit, Limit::kMaxConnections);
  EXPECT_EQ(pool_->Explain().findings[0].value, "2");
  const std::vector<Decision> decisions = pool_->Decisions();
  ASSERT_FALSE(decisions.empty());
  EXPECT_EQ(decisions.back().limit, Limit::kMaxLeasesPerConnection) << decisions.back().ToString();
  EXPECT_EQ(decisions.back().kind, Decision::Kind::kRefused);
  for (int i = 0; i < 4'000; ++i) (void)pool_->TryAcquire(by_key);
  ASSERT_EQ(pool_->Keys().size(), 1u);
  EXPECT_EQ(pool_->Keys()[0].text, "customer 7");
}

TEST_F(ChannelPoolTest, TheTimesOfCallsAreInTheStatistics) {
  Make(PoolOptions());
  ASSERT_THAT(Call(pool_->channel()), IsOk());
  const PoolStats before = pool_->Stats();
  EXPECT_EQ(before.connects.count(), 1u);
  for (int i = 0; i < 2'000; ++i) ASSERT_THAT(Call(pool_->channel()), IsOk());
  const PoolStats stats = pool_->Stats();
  EXPECT_GT(stats.holds.histogram.count(), 0u);
  EXPECT_GT(stats.holds.histogram.Mean(), absl::Microseconds(1)) << "a call's lease is held until its status";
  uint64_t timed = stats.fast_hits;
  for (const Histogram& waits : stats.slow_waits) timed += waits.count();
  EXPECT_EQ(timed, stats.acquired);
}

TEST_F(ChannelPoolTest, ALeaseOutlivesItsPool) {
  MakeReady(1, 3);
  auto lease = std::make_unique<Lease>(pool_->Acquire(In(kLimit)).value());
  pool_ = nullptr;
  EXPECT_THAT(Call(lease->channel()), IsOk());
  lease = nullptr;
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server_.port()) == 0; }));
}

TEST_F(ChannelPoolTest, ASuspectThatAnswersLendsAgain) {
  MakeReady(1, 3);
  Lease lease = pool_->Acquire(In(kLimit)).value();
  OpenCall not_cut(pool_->channel());
  const ConnectionId id = lease.connection();
  lease.Suspect();
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().connections_open == 1; }));
  EXPECT_EQ(pool_->Connections().at(0).id, id);
  EXPECT_THAT(Call(pool_->channel()), IsOk());
  EXPECT_FALSE(not_cut.over());
}

TEST_F(ChannelPoolTest, ASuspectWithoutAFreeStreamIsReplacedAndKeepsItsCalls) {
  EchoServerOptions one_stream;
  one_stream.max_concurrent_streams = 1;
  EchoServer server(one_stream);
  options_.target = server.target();
  PoolOptions pool;
  pool.min_connections = pool.max_connections = 1;
  pool.probe_timeout = absl::Milliseconds(500);
  Make(pool);
  ASSERT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  OpenCall not_cut(pool_->channel());
  ASSERT_TRUE(Eventually([&] { return server.in_progress() == 1; }));
  pool_->Acquire(In(kLimit)).value().Suspect();
  ASSERT_TRUE(Eventually([&] { return pool_->Stats().connections_draining == 1; }));
  EXPECT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  EXPECT_THAT(Call(pool_->channel()), IsOk());
  EXPECT_FALSE(not_cut.over());
}

TEST_F(ChannelPoolTest, AcquireWaitsInVainUntilItsDeadline) {
  MakeReady(1, 1);
  const absl::StatusOr<Lease> held = pool_->Acquire(In(kLimit));
  EXPECT_THAT(pool_->Acquire(In(absl::Milliseconds(20))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("1/1 leases")));
}

TEST_F(ChannelPoolTest, AcquireAsyncCallsBackOnceOnAnotherThread) {
  MakeReady(1, 1);
  std::atomic<int> calls{0};
  Signal granted, cancelled, timed_out;
  std::thread::id thread;
  auto lease = std::make_shared<absl::StatusOr<Lease>>(absl::UnknownError("none yet"));
  pool_->AcquireAsync(In(kLimit), [&](absl::StatusOr<Lease> result) {
    thread = std::this_thread::get_id();
    *lease = std::move(result);
    ++calls;
    granted.Notify();
  });
  ASSERT_TRUE(granted.Await());
  ASSERT_THAT(*lease, IsOk());
  EXPECT_NE(thread, std::this_thread::get_id());

  // The place is taken: these wait.
  AcquireHandle handle = pool_->AcquireAsync(In(kLimit), [&](absl::StatusOr<Lease> result) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
    ++calls;
    cancelled.Notify();
  });
  EXPECT_EQ(pool_->Stats().waiters, 1);
  handle.Cancel();
  handle.Cancel();
  ASSERT_TRUE(cancelled.Await());
  pool_->AcquireAsync(In(absl::Milliseconds(20)), [&](absl::StatusOr<Lease> result) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kDeadlineExceeded));
    ++calls;
    timed_out.Notify();
  });
  ASSERT_TRUE(timed_out.Await());
  EXPECT_EQ(calls, 3);
  lease = nullptr;
}

TEST_F(ChannelPoolTest, AcquireAsyncNeverCallsBackInsideTheCall) {
  MakeReady(1, 1);
  Signal called;
  bool returned = false;
  {
    // The closer is one thread: while it is held here, no callback can run.
    Signal hold, holds;
    pool_->AcquireAsync(In(kLimit), [&](const absl::StatusOr<Lease>&) {
      holds.Notify();
      hold.Await();
    });
    ASSERT_TRUE(holds.Await());
    pool_->AcquireAsync(In(kLimit), [&](const absl::StatusOr<Lease>&) { called.Notify(); });
    returned = true;
    EXPECT_FALSE(called.happened());
    hold.Notify();
    ASSERT_TRUE(called.Await());
  }
  EXPECT_TRUE(returned);
}

TEST_F(ChannelPoolTest, WaitForReadyOpensWhatIsMissing) {
  PoolOptions pool;
  pool.min_connections = 0;
  pool.max_connections = 5;
  Make(pool);
  EXPECT_EQ(pool_->Stats().connections, 0);
  EXPECT_THAT(pool_->WaitForReady(5, In(kLimit)), IsOk());
  EXPECT_EQ(EstablishedSocketsTo(server_.port()), 5);
  EXPECT_THAT(pool_->WaitForReady(6, In(kLimit)), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("5")));
}

// --- Drain, resume, reconfigure -----------------------------------------------------------------------------------

TEST_F(ChannelPoolTest, DrainRefusesNewCallsAndLetsThoseOutEnd) {
  MakeReady(2, 10);
  auto call = std::make_unique<OpenCall>(pool_->channel(), Request("", 100));
  absl::Status drained;
  std::thread drains([&] { drained = pool_->Drain(In(kLimit)); });
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().state == PoolAdminState::kDraining; }));
  const auto draining = StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("draining"));
  EXPECT_THAT(Call(pool_->channel()), draining);
  EXPECT_THAT(Call(pool_->blocking_channel()), draining);
  EXPECT_THAT(pool_->Acquire(In(kLimit)), draining);
  EXPECT_THAT(call->Await(), IsOk());
  drains.join();
  EXPECT_THAT(drained, IsOk());
  EXPECT_THAT(Call(pool_->channel()), StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_THAT(pool_->Drain(In(absl::ZeroDuration())), IsOk());  // Again.
  call = nullptr;
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server_.port()) == 0; }));
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().connections == 0; }));
}

TEST_F(ChannelPoolTest, DrainLeavesWhatIsOutAtItsDeadlineAndSaysWho) {
  MakeReady(1, 10);
  OpenCall call(pool_->channel());
  const std::string id = pool_->Connections().at(0).id.ToString();
  EXPECT_THAT(pool_->Drain(In(absl::Milliseconds(20))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, AllOf(HasSubstr("1 leases"), HasSubstr(id + ": 1"))));
  EXPECT_FALSE(call.over());
}

TEST_F(ChannelPoolTest, DrainCancelsAtItsDeadlineIfAsked) {
  MakeReady(1, 10);
  OpenCall one(pool_->channel()), two(pool_->channel());
  ASSERT_TRUE(Eventually([&] { return server_.in_progress() == 2; }));
  EXPECT_THAT(pool_->Drain(In(absl::Milliseconds(20)), OnDeadline::kCancelCalls), IsOk());
  EXPECT_THAT(one.Await(), StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("pool is draining: pool \"orders\"")));
  EXPECT_THAT(two.Await(), StatusIs(grpc::StatusCode::UNAVAILABLE));
}

TEST_F(ChannelPoolTest, TwoDrainsWaitForTheSameEnd) {
  MakeReady(1, 10);
  OpenCall call(pool_->channel(), Request("", 100));
  absl::Status first, second;
  std::thread one([&] { first = pool_->Drain(In(kLimit)); });
  std::thread two([&] { second = pool_->Drain(In(kLimit)); });
  one.join();
  two.join();
  EXPECT_THAT(first, IsOk());
  EXPECT_THAT(second, IsOk());
}

TEST_F(ChannelPoolTest, ResumeLendsOverNewConnections) {
  MakeReady(1, 10);
  const ConnectionId before = pool_->Connections().at(0).id;
  EXPECT_THAT(pool_->Drain(In(kLimit)), IsOk());
  EXPECT_THAT(pool_->Resume(), IsOk());
  EXPECT_THAT(pool_->Resume(), IsOk());
  EXPECT_THAT(Call(pool_->channel()), IsOk());
  EXPECT_NE(pool_->Connections().at(0).id, before);
}

TEST_F(ChannelPoolTest, ResumeAbortsADrainThatWaits) {
  MakeReady(1, 10);
  OpenCall call(pool_->channel());
  absl::Status drained;
  std::thread drains([&] { drained = pool_->Drain(In(kLimit)); });
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().state == PoolAdminState::kDraining; }));
  EXPECT_THAT(pool_->Resume(), IsOk());
  drains.join();
  EXPECT_THAT(drained, StatusIs(absl::StatusCode::kAborted));
  EXPECT_FALSE(call.over());
}

TEST_F(ChannelPoolTest, ReconfigureChangesEverythingOrNothing) {
  MakeReady(1, 1, OverflowPolicy::kReject);
  OpenCall one(pool_->channel());
  PoolOptions wrong = pool_->options();
  wrong.max_leases_per_connection = 2;
  wrong.max_connections = 0;
  EXPECT_THAT(pool_->Reconfigure(wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_connections: 0")));
  EXPECT_THAT(Call(pool_->channel()), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
  PoolOptions right = wrong;
  right.max_connections = 1;
  EXPECT_THAT(pool_->Reconfigure(right), IsOk());
  EXPECT_THAT(Call(pool_->channel()), IsOk());
  EXPECT_EQ(pool_->options(), right);
}

TEST_F(ChannelPoolTest, ItsEngineIsForTheAdminSideAndOutlivesIt) {
  MakeReady(1, 1);
  EXPECT_EQ(pool_->target(), server_.target());
  const std::shared_ptr<Pool> engine = pool_->engine();
  EXPECT_THAT(engine->Override([](PoolOptions& options) { options.max_leases_per_connection = 2; }), IsOk());
  EXPECT_EQ(pool_->options().max_leases_per_connection, 2);
  pool_ = nullptr;
  EXPECT_EQ(engine->Stats().state, PoolAdminState::kDestroyed);
}

TEST_F(ChannelPoolTest, ReconfigureOpensAndDrainsConnectionsWithoutCuttingCalls) {
  MakeReady(1, 2);
  PoolOptions wide = pool_->options();
  wide.min_connections = wide.max_connections = 4;
  EXPECT_THAT(pool_->Reconfigure(wide), IsOk());
  EXPECT_THAT(pool_->WaitForReady(4, In(kLimit)), IsOk());
  EXPECT_EQ(EstablishedSocketsTo(server_.port()), 4);
  std::vector<std::unique_ptr<OpenCall>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(std::make_unique<OpenCall>(pool_->channel()));
  PoolOptions narrow = wide;
  narrow.min_connections = narrow.max_connections = 1;
  narrow.max_surge = 0;
  EXPECT_THAT(pool_->Reconfigure(narrow), IsOk());
  EXPECT_EQ(pool_->Stats().connections_open, 1);
  EXPECT_EQ(pool_->Stats().connections_draining, 3);
  for (const auto& call : calls) EXPECT_FALSE(call->over());
  calls.clear();
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server_.port()) == 1; }));
}

TEST_F(ChannelPoolTest, RecycleReplacesEveryConnection) {
  MakeReady(3, 10);
  const auto ids = [this] {
    std::set<std::string> all;
    for (const ConnectionStats& connection : pool_->Connections()) {
      if (connection.state == SlotState::kOpen) all.insert(connection.id.ToString());
    }
    return all;
  };
  const std::set<std::string> before = ids();
  pool_->Recycle();
  EXPECT_TRUE(Eventually([&] {
    const std::set<std::string> now = ids();
    return now.size() == 3 && std::none_of(now.begin(), now.end(), [&](const auto& id) { return before.count(id); });
  }));
  EXPECT_THAT(Call(pool_->channel()), IsOk());
}

absl::Status Redirect(ChannelPool& pool, std::string target, KeepaliveOptions keepalive = KeepaliveOptions()) {
  ChannelPoolOptions options = pool.channel_options();
  options.target = std::move(target);
  options.keepalive = keepalive;
  return pool.Redirect(std::move(options));
}

TEST_F(ChannelPoolTest, RedirectMovesEveryCallToTheNewTargetAndLosesNone) {
  EchoServer other;
  MakeReady(2, 10);
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0}, answered{0};
  std::thread caller([&] {
    while (!stop.load()) (Call(pool_->channel()).ok() ? answered : failed).fetch_add(1);
  });
  ASSERT_TRUE(Eventually([&] { return answered.load() > 10; }));
  EXPECT_THAT(Redirect(*pool_, other.target()), IsOk());
  EXPECT_EQ(pool_->target(), other.target());
  EXPECT_TRUE(
      Eventually([&] { return EstablishedSocketsTo(server_.port()) == 0 && EstablishedSocketsTo(other.port()) == 2; }));
  const int before = answered.load();
  EXPECT_TRUE(Eventually([&] { return answered.load() > before + 10; }));
  stop = true;
  caller.join();
  EXPECT_EQ(failed.load(), 0);
}

TEST_F(ChannelPoolTest, RedirectFromADeadTargetDialsTheNewOneAtOnce) {
  ChannelPoolOptions options;
  options.target = "ipv4:127.0.0.1:1";
  options.pool.backoff_initial = options.pool.backoff_max = absl::Hours(1);
  const auto pool = ChannelPool::Create(options);
  ASSERT_TRUE(pool.ok()) << pool.status();
  ASSERT_TRUE(Eventually([&] { return (*pool)->Stats().connections_backoff == 1; }));
  EXPECT_THAT(Redirect(**pool, server_.target()), IsOk());
  EXPECT_THAT((*pool)->WaitForReady(1, In(kLimit)), IsOk());
  EXPECT_THAT(Call((*pool)->channel()), IsOk());
}

TEST_F(ChannelPoolTest, RedirectToNonsenseChangesNothing) {
  MakeReady(1, 10);
  const std::string before = pool_->target();
  EXPECT_THAT(Redirect(*pool_, "ipv4:nonsense"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":")));
  EXPECT_THAT(Redirect(*pool_, ""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":")));
  KeepaliveOptions never;
  never.timeout = absl::ZeroDuration();
  never.time = absl::Minutes(5);
  EXPECT_THAT(Redirect(*pool_, before, never), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":")));
  EXPECT_EQ(pool_->target(), before);
  EXPECT_THAT(Call(pool_->channel()), IsOk());
}

// --- The end of the pool ------------------------------------------------------------------------------------------

TEST_F(ChannelPoolTest, ItsChannelIsSafeAfterThePool) {
  MakeReady(1, 10);
  const auto channel = pool_->channel();
  const auto blocking = pool_->blocking_channel();
  const auto stub = Echo::NewStub(channel);
  OpenCall call(channel, Request("", 100));
  ASSERT_TRUE(Eventually([&] { return server_.in_progress() == 1; }));
  pool_ = nullptr;
  const auto destroyed = StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("\"orders\" was destroyed"));
  EXPECT_THAT(Call(channel), destroyed);
  EXPECT_THAT(Call(blocking), destroyed);
  EXPECT_THAT(OpenCall(channel).Await(), destroyed);
  grpc::ClientContext context;
  EchoReply reply;
  EXPECT_THAT(stub->Unary(&context, Request(), &reply), destroyed);
  EXPECT_EQ(channel->GetState(true), GRPC_CHANNEL_SHUTDOWN);
  EXPECT_THAT(call.Await(), IsOk());
}

TEST_F(ChannelPoolTest, RefusesWhoeverWaitsWhenItIsDestroyed) {
  MakeReady(1, 1);
  OpenCall in_the_way(pool_->channel());
  Signal called;
  absl::Status refusal;
  pool_->AcquireAsync(In(kLimit), [&](const absl::StatusOr<Lease>& result) {
    refusal = result.status();
    called.Notify();
  });
  grpc::Status status;
  std::thread waits([&, channel = pool_->blocking_channel()] { status = Call(channel); });
  EXPECT_TRUE(Eventually([&] { return pool_->Stats().waiters == 2; }));
  pool_ = nullptr;
  waits.join();
  EXPECT_THAT(status, StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("destroyed")));
  ASSERT_TRUE(called.Await());
  EXPECT_THAT(refusal, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("destroyed")));
}

TEST_F(ChannelPoolTest, MayBeDestroyedInsideACompletionCallback) {
  MakeReady(1, 10);
  const auto stub = Echo::NewStub(pool_->channel());
  const EchoRequest request = Request();
  auto context = std::make_unique<grpc::ClientContext>();
  EchoReply reply;
  Signal over;
  stub->async()->Unary(context.get(), &request, &reply, [&](const grpc::Status& status) {
    EXPECT_THAT(status, IsOk());
    context = nullptr;
    pool_ = nullptr;
    over.Notify();
  });
  ASSERT_TRUE(over.Await());
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server_.port()) == 0; }));
}

TEST_F(ChannelPoolTest, MayBeDestroyedInsideAnAcquireAsyncCallback) {
  MakeReady(1, 10);
  Signal over;
  pool_->AcquireAsync(In(kLimit), [&](const absl::StatusOr<Lease>&) {
    pool_ = nullptr;
    over.Notify();
  });
  ASSERT_TRUE(over.Await());
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server_.port()) == 0; }));
}

// --- Connectivity, as a channel tells it --------------------------------------------------------------------------

TEST_F(ChannelPoolTest, ReportsTheStateOfItsBestConnection) {
  PoolOptions lazy;
  lazy.min_connections = 0;
  Make(lazy);
  const auto channel = pool_->channel();
  EXPECT_EQ(channel->GetState(false), GRPC_CHANNEL_IDLE);
  EXPECT_EQ(channel->GetState(true), GRPC_CHANNEL_IDLE);  // And begins to connect.
  EXPECT_TRUE(Eventually([&] { return channel->GetState(false) == GRPC_CHANNEL_READY; }));
  EXPECT_TRUE(channel->WaitForConnected(DeadlineIn(kLimit)));
}

TEST_F(ChannelPoolTest, WaitForStateChangeEndsWithTheChangeOrTheDeadline) {
  MakeReady(1, 10);
  const auto channel = pool_->channel();
  EXPECT_TRUE(channel->WaitForStateChange(GRPC_CHANNEL_IDLE, DeadlineIn(kLimit)));  // It is another one already.
  const Stopwatch watch;
  EXPECT_FALSE(channel->WaitForStateChange(GRPC_CHANNEL_READY, DeadlineIn(absl::Milliseconds(50))));
  EXPECT_GE(watch.Elapsed(), absl::Milliseconds(45));
  bool changed = false;
  std::thread watches([&] { changed = channel->WaitForStateChange(GRPC_CHANNEL_READY, DeadlineIn(kLimit)); });
  EXPECT_THAT(pool_->Drain(In(kLimit)), IsOk());
  watches.join();
  EXPECT_TRUE(changed);
}

TEST_F(ChannelPoolTest, NotifyOnStateChangeUsesTheUsersQueue) {
  MakeReady(1, 10);
  grpc::CompletionQueue queue;
  int soon = 0, late = 0;
  pool_->channel()->NotifyOnStateChange(GRPC_CHANNEL_READY, DeadlineIn(absl::Milliseconds(30)), &queue, &late);
  void* tag = nullptr;
  bool ok = true;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(tag, &late);
  EXPECT_FALSE(ok);
  pool_->channel()->NotifyOnStateChange(GRPC_CHANNEL_READY, DeadlineIn(kLimit), &queue, &soon);
  pool_ = nullptr;  // Is a change too.
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(tag, &soon);
  EXPECT_TRUE(ok);
  queue.Shutdown();
  EXPECT_FALSE(queue.Next(&tag, &ok));
}

// --- A target that does not answer --------------------------------------------------------------------------------

TEST_F(ChannelPoolTest, AnUnreachableTargetIsNoErrorUntilTheFirstCall) {
  server_.Stop();
  Make();
  EXPECT_THAT(Call(pool_->channel()),
              StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr(std::to_string(server_.port()))));
  EXPECT_THAT(pool_->Acquire(In(absl::Milliseconds(100))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("last dial error: ")));
  EXPECT_THAT(pool_->WaitForReady(1, In(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("last dial error: ")));
  EXPECT_THAT(pool_->Stats().last_dial_error, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("refused")));
  EXPECT_NE(pool_->channel()->GetState(false), GRPC_CHANNEL_READY);

  server_.Start();

  EXPECT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
  EXPECT_THAT(Call(pool_->channel()), IsOk());
}

// --- What Create refuses, and what it warns of --------------------------------------------------------------------

TEST_F(ChannelPoolTest, ALowerBackOffReachesAConnectionThatBacksOff) {
  server_.Stop();
  PoolOptions pool;
  pool.backoff_initial = pool.backoff_max = absl::Hours(1);
  Make(pool);
  ASSERT_TRUE(Eventually([&] { return pool_->Stats().connections_backoff == 1; }));
  server_.Start();
  pool.backoff_initial = pool.backoff_max = absl::Milliseconds(100);
  EXPECT_THAT(pool_->Reconfigure(pool), IsOk());
  EXPECT_THAT(pool_->WaitForReady(1, In(kLimit)), IsOk());
}

TEST_F(ChannelPoolTest, RefusesAnEmptyTarget) {
  EXPECT_THAT(ChannelPool::Create({}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target: ")));
}

TEST_F(ChannelPoolTest, RefusesATargetThatGrpcCannotRead) {
  for (const std::string target : {"ipv4:nonsense", "ipv4:127.0.0.1", "ipv6:[::1", "dns://only.authority"}) {
    options_.target = target;
    EXPECT_THAT(ChannelPool::Create(options_).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target: \"" + target + "\"")));
  }
}

TEST_F(ChannelPoolTest, BlamesAServiceConfigThatGrpcCannotReadNotTheTarget) {
  for (const char* config : {"{", "[]", R"({"methodConfig": 1})", R"({"methodConfig": [{"timeout": "soon"}]})"}) {
    ChannelPoolOptions options;
    options.target = server_.target();
    options.channel_arguments.SetServiceConfigJSON(config);
    EXPECT_THAT(ChannelPool::Create(options).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("channel_arguments: "), HasSubstr(GRPC_ARG_SERVICE_CONFIG),
                               Not(HasSubstr("target: ")))))
        << config;
    options.target = "ipv4:nonsense";
    EXPECT_THAT(ChannelPool::Create(options).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target: \"ipv4:nonsense\"")))
        << config;
  }
}

TEST_F(ChannelPoolTest, AcceptsEveryKindOfTargetThatGrpcKnows) {
  for (const char* target : {"localhost:1", "dns:///localhost:1", "dns:localhost:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1",
                             "unix:/nowhere", "unix:///nowhere", "unix-abstract:nowhere", "nonsense"}) {
    options_.target = target;
    options_.pool.min_connections = 0;
    EXPECT_THAT(ChannelPool::Create(options_).status(), IsOk()) << target;
  }
}

TEST_F(ChannelPoolTest, RefusesANullInterceptor) {
  options_.target = server_.target();
  options_.interceptors = {nullptr};
  EXPECT_THAT(ChannelPool::Create(options_), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("interceptors: ")));
}

TEST_F(ChannelPoolTest, RefusesEachArgumentThatFightsThePoolByName) {
  struct Row {
    const char* key;
    const char* text;  // Null: the number 1.
    bool only_with_keepalive;
  };
  for (const Row& row : std::vector<Row>{
           {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, nullptr, false},
           {GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, nullptr, false},
           {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, nullptr, false},
           {GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, nullptr, false},
           {GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, nullptr, false},
           {GRPC_ARG_KEEPALIVE_TIME_MS, nullptr, true},
           {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, nullptr, true},
           {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, nullptr, true},
           {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, nullptr, true},
           {GRPC_ARG_LB_POLICY_NAME, "round_robin", false},
           {GRPC_ARG_SERVICE_CONFIG, R"({"loadBalancingConfig": [{"round_robin": {}}]})", false},
           {GRPC_ARG_SERVICE_CONFIG, R"({"loadBalancingPolicy": "round_robin"})", false},
           {GRPC_ARG_SERVICE_CONFIG, R"({"loadBalancingConfig": [{"round_robin": {}}, {"pick_first": {}}]})", false},
       }) {
    ChannelPoolOptions options;
    options.target = server_.target();
    if (row.text == nullptr) options.channel_arguments.SetInt(row.key, 1);
    if (row.text != nullptr) options.channel_arguments.SetString(row.key, row.text);
    if (row.only_with_keepalive) {
      EXPECT_THAT(ChannelPool::Create(options), IsOk()) << row.key;
      options.keepalive.time = absl::Minutes(6);
    }
    EXPECT_THAT(ChannelPool::Create(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(row.key)));
  }
}

TEST_F(ChannelPoolTest, AcceptsArgumentsThatDoNotFightIt) {
  options_.channel_arguments.SetLoadBalancingPolicyName("pick_first");
  options_.channel_arguments.SetServiceConfigJSON(
      R"({"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 2, "initialBackoff": "0.1s",
          "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]})");
  options_.channel_arguments.SetMaxReceiveMessageSize(1 << 20);
  Make();
  EXPECT_THAT(Call(pool_->channel()), IsOk());
}

TEST_F(ChannelPoolTest, NamesABadOptionAndTheNearestGoodValue) {
  struct Row {
    std::function<void(PoolOptions&)> spoil;
    const char* name;
    const char* nearest;
  };
  for (const Row& row : std::vector<Row>{
           {[](PoolOptions& o) { o.max_connections = 0; }, "max_connections: 0", "at least 1"},
           {[](PoolOptions& o) { o.max_connections = 5000; }, "max_connections: 5000", "at most 4096"},
           {[](PoolOptions& o) { o.min_connections = 11; }, "min_connections: 11", "at most 10"},
           {[](PoolOptions& o) { o.max_leases_per_connection = 0; }, "max_leases_per_connection: 0", "at least 1"},
           {[](PoolOptions& o) { o.max_surge = -1; }, "max_surge: -1", "at least 0"},
           {[](PoolOptions& o) { o.max_waiters = -1; }, "max_waiters: -1", "at least 0"},
           {[](PoolOptions& o) { o.connect_timeout = absl::ZeroDuration(); }, "connect_timeout: 0", "at least 1ms"},
           {[](PoolOptions& o) { o.backoff_max = absl::Milliseconds(1); }, "backoff_max: 1ms", "at least 100ms"},
           {[](PoolOptions& o) { o.max_age_jitter = 2; }, "max_age_jitter: 2", "at most 1"},
       }) {
    options_.target = server_.target();
    options_.pool = PoolOptions();
    row.spoil(options_.pool);
    EXPECT_THAT(ChannelPool::Create(options_),
                StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(row.name), HasSubstr(row.nearest))));
  }
}

TEST_F(ChannelPoolTest, RefusesAKeepaliveThatCannotBe) {
  options_.target = server_.target();
  options_.keepalive.time = absl::ZeroDuration();
  EXPECT_THAT(ChannelPool::Create(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("keepalive.time: 0")));
  options_.keepalive.time = absl::Minutes(6);
  options_.keepalive.timeout = absl::ZeroDuration();
  EXPECT_THAT(ChannelPool::Create(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("keepalive.timeout: 0")));
}

TEST_F(ChannelPoolTest, WarnsOfPingsThatStockServersPunish) {
  EXPECT_THAT(Make()->warnings(), ElementsAre());
  options_.keepalive.time = absl::Minutes(6);
  EXPECT_THAT(Make()->warnings(), ElementsAre());
  options_.keepalive.time = absl::Seconds(30);
  EXPECT_THAT(Make()->warnings(), ElementsAre(HasSubstr("keepalive.time (30s)")));
  options_.keepalive.permit_without_calls = true;
  EXPECT_THAT(Make()->warnings(),
              ElementsAre(HasSubstr("keepalive.time"), HasSubstr("keepalive.permit_without_calls")));
}

}  // namespace
}  // namespace chanpool
