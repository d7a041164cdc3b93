// The fakes themselves: a test that relies on them must not wonder.
#include "tests/fakes/echo_server.h"

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/sockets.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::testing {
namespace {

std::shared_ptr<grpc::Channel> OwnSocket(const EchoServer& server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server.target(), grpc::InsecureChannelCredentials(), arguments);
}

grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const EchoRequest& request) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(DeadlineIn(kLimit));
  EchoReply reply;
  return Echo::NewStub(channel)->Unary(&context, request, &reply);
}

TEST(EchoServerTest, EndsACallAsTheRequestAsks) {
  EchoServer server;
  EchoRequest request;
  request.set_status_code(grpc::StatusCode::ABORTED);
  request.set_delay_ms(1);
  EXPECT_THAT(Call(OwnSocket(server), request), StatusIs(grpc::StatusCode::ABORTED));
  EXPECT_EQ(server.calls(), 1);
}

TEST(EchoServerTest, ServesAgainOnTheSamePort) {
  EchoServer server;
  const int port = server.port();
  const auto channel = OwnSocket(server);
  EXPECT_THAT(Call(channel, EchoRequest()), IsOk());
  server.Restart();
  EXPECT_EQ(server.port(), port);
  // The first call may still go to the old socket.
  EXPECT_TRUE(Eventually([&] { return Call(channel, EchoRequest()).ok(); }));
  EXPECT_EQ(server.peers(), 2);
}

TEST(EchoServerTest, StopsWhileACallIsDelayed) {
  EchoServer server;
  EchoRequest request;
  request.set_delay_ms(60'000);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  EchoReply reply;
  grpc::Status status;
  const auto stub = Echo::NewStub(OwnSocket(server));
  auto call = stub->AsyncUnary(&context, request, &queue);
  call->Finish(&reply, &status, &call);
  ASSERT_TRUE(Eventually([&] { return server.in_progress() == 1; }));
  server.Stop();
  void* tag = nullptr;
  bool ok = false;
  ASSERT_EQ(queue.AsyncNext(&tag, &ok, DeadlineIn(kLimit)), grpc::CompletionQueue::GOT_EVENT);
  EXPECT_THAT(status, ::testing::Not(IsOk()));
  EXPECT_EQ(server.in_progress(), 0);
}

TEST(SocketsTest, CountsEachChannelOfThisProcessOnce) {
  EchoServer server;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(EstablishedSocketsTo(server.port()), i);
    channels.push_back(OwnSocket(server));
    EXPECT_THAT(Call(channels.back(), EchoRequest()), IsOk());
  }
  EXPECT_EQ(EstablishedSocketsTo(server.port()), 3);
  channels.clear();
  EXPECT_TRUE(Eventually([&] { return EstablishedSocketsTo(server.port()) == 0; }));
}

}  // namespace
}  // namespace chanpool::testing
