// chanpool as another project uses it: its own workspace, its own .proto, only public targets.
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "greeter.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "pool/grpc/channel_pool.h"

namespace downstream {
namespace {

class GreeterService : public Greeter::Service {
  grpc::Status SayHello(grpc::ServerContext*, const SayHelloRequest* request, SayHelloResponse* response) override {
    response->set_text("Hello, " + request->name());
    return grpc::Status::OK;
  }
};

TEST(DownstreamTest, CallsThroughAPooledChannel) {
  GreeterService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);

  chanpool::ChannelPoolOptions options;
  options.name = "greeter";
  options.target = "ipv4:127.0.0.1:" + std::to_string(port);
  options.credentials = grpc::InsecureChannelCredentials();
  const absl::StatusOr<std::shared_ptr<chanpool::ChannelPool>> pool = chanpool::ChannelPool::Create(options);
  ASSERT_TRUE(pool.ok()) << pool.status();

  const std::unique_ptr<Greeter::Stub> stub = Greeter::NewStub((*pool)->channel());
  grpc::ClientContext context;
  context.set_wait_for_ready(true);  // The first connection may still be on its way.
  SayHelloRequest request;
  request.set_name("pool");
  SayHelloResponse response;
  const grpc::Status status = stub->SayHello(&context, request, &response);

  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.text(), "Hello, pool");
  const chanpool::PoolStats stats = (*pool)->Stats();
  EXPECT_EQ(stats.connections, 1);
  EXPECT_EQ(stats.acquired, 1u);
  EXPECT_EQ(stats.leases, 0);  // The call gave its lease back when it ended.
}

}  // namespace
}  // namespace downstream
