// Each piece of code in docs/guide.md builds, and does what it is there for, against servers that serve.
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/demo/demo.grpc.pb.h"
#include "gtest/gtest.h"
#include "pool/grpc/channel_pool.h"

namespace chanpool {
namespace {

using demo::GetOrderRequest;
using demo::Order;
using demo::Orders;

using Piece = absl::Status (*)(const std::string& target, const std::string& second_target);
#include "tests/docs/guide_snippets.inc"

class OrdersServer : public Orders::Service {
 public:
  OrdersServer() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.RegisterService(this);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    server_ = builder.BuildAndStart();
  }
  ~OrdersServer() override { server_->Shutdown(); }
  std::string target() const { return absl::StrCat("ipv4:127.0.0.1:", port_); }

 private:
  grpc::Status GetOrder(grpc::ServerContext*, const GetOrderRequest*, Order*) override { return grpc::Status::OK; }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST(GuideTest, EachPieceOfItsCodeWorks) {
  const OrdersServer first, second;
  int number = 0;
  for (const Piece piece : kPieces) EXPECT_EQ(piece(first.target(), second.target()), absl::OkStatus()) << ++number;
  EXPECT_GE(std::size(kPieces), 10u);
}

}  // namespace
}  // namespace chanpool
