// The shortest program that uses a pool: `upstream --port=50051` in one terminal, `quickstart` in another.
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/demo/demo.grpc.pb.h"
#include "pool/grpc/channel_pool.h"

namespace {

using chanpool::demo::GetOrderRequest;
using chanpool::demo::Order;
using chanpool::demo::Orders;

absl::Status GetOneOrder(const char* target) {
  chanpool::ChannelPoolOptions options;
  options.target = target;                       // any gRPC name: "dns:///orders:50051"
  options.pool.max_connections = 10;             // each is a TCP connection of its own
  options.pool.max_leases_per_connection = 100;  // the server's MAX_CONCURRENT_STREAMS
  auto pool = chanpool::ChannelPool::Create(options);
  if (!pool.ok()) return pool.status();

  auto orders = Orders::NewStub((*pool)->channel());  // any generated stub, every kind of call
  grpc::ClientContext context;
  GetOrderRequest request;
  Order order;
  grpc::Status status = orders->GetOrder(&context, request, &order);

  if (!status.ok()) return absl::UnavailableError(status.error_message());
  std::cout << "answered; connections open: " << (*pool)->Stats().connections_open << "\n";
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = GetOneOrder(argc > 1 ? argv[1] : "localhost:50051");
  if (status.ok()) return EXIT_SUCCESS;
  std::cerr << "quickstart: " << status << "\n";
  return EXIT_FAILURE;
}
