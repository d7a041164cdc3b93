// The demo's server, in a process of its own so that it can really be killed.
//
//   upstream [--port=N] [--max_streams=N]
//
// Prints its port as one line, then serves until its standard input ends: it never outlives whoever started it.
#include <grpc/grpc.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "examples/demo/demo.grpc.pb.h"

namespace chanpool::demo {
namespace {

// Takes no thread while it waits. Deletes itself at the end of the call.
class DelayedAnswer : public grpc::ServerUnaryReactor {
 public:
  explicit DelayedAnswer(std::chrono::milliseconds delay) {
    if (delay.count() <= 0) {
      Finish(grpc::Status::OK);
    } else {
      alarm_.Set(std::chrono::system_clock::now() + delay, [this](bool) { Finish(grpc::Status::OK); });
    }
  }

 private:
  void OnDone() override { delete this; }
  grpc::Alarm alarm_;
};

class OrdersService : public Orders::CallbackService {
  grpc::ServerUnaryReactor* GetOrder(grpc::CallbackServerContext*, const GetOrderRequest* request,
                                     Order* response) override {
    response->set_id(request->id());
    return new DelayedAnswer(std::chrono::milliseconds(request->delay_ms()));
  }
};

int Serve(int port, int max_streams) {
  OrdersService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, max_streams);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A port that is taken is an error, not a second server.
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("%d\n", port);
  std::fflush(stdout);
  char ignored[256];
  while (read(STDIN_FILENO, ignored, sizeof ignored) > 0) {
  }
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

}  // namespace
}  // namespace chanpool::demo

int main(int argc, char** argv) {
  int port = 0;
  int max_streams = 100;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    const bool known = (absl::ConsumePrefix(&argument, "--port=") && absl::SimpleAtoi(argument, &port)) ||
                       (absl::ConsumePrefix(&argument, "--max_streams=") && absl::SimpleAtoi(argument, &max_streams));
    if (!known) {
      std::fprintf(stderr, "upstream: %s is none of --port=N, --max_streams=N\n", argv[i]);
      return 2;
    }
  }
  return chanpool::demo::Serve(port, max_streams);
}
