// The demo's server, in a process of its own so that it can really be killed.
//
//   upstream [--port=N] [--max_streams=N] [--grace_ms=N] [--max_connection_age_ms=N] [--max_connection_age_grace_ms=N]
//            [--min_ping_interval_ms=N] [--slowness=N] [--certificate=FILE --key=FILE]
//
// Prints its port as one line, then serves until its standard input ends: it never outlives whoever started it. Then
// the calls in progress have the grace to end. With --slowness each call takes N times what it asks for; with a
// certificate and its key, as PEM, it serves TLS. The others are gRPC's settings of a server, and its defaults.
#include <grpc/grpc.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "examples/demo/demo.grpc.pb.h"

namespace chanpool::demo {
namespace {

constexpr int kMaxResponseBytes = 4'000'000;  // With the id below 4 MiB, gRPC's limit of a message.

// Takes no thread while it waits. Deletes itself at the end of the call.
class DelayedAnswer : public grpc::ServerUnaryReactor {
 public:
  DelayedAnswer(std::chrono::milliseconds delay, const grpc::Status& status) {
    if (delay.count() <= 0) {
      Finish(status);
    } else {
      alarm_.Set(std::chrono::system_clock::now() + delay, [this, status](bool) { Finish(status); });
    }
  }

 private:
  void OnDone() override { delete this; }
  grpc::Alarm alarm_;
};

class OrdersService : public Orders::CallbackService {
 public:
  explicit OrdersService(int slowness) : slowness_(slowness) {}

 private:
  grpc::ServerUnaryReactor* GetOrder(grpc::CallbackServerContext*, const GetOrderRequest* request,
                                     Order* response) override {
    response->set_id(request->id());
    const int bytes = request->response_bytes();
    grpc::Status status;
    if (bytes < 0 || bytes > kMaxResponseBytes) {
      status = {grpc::StatusCode::INVALID_ARGUMENT,
                absl::StrCat("response_bytes ", bytes, ": set it to 0 to ", kMaxResponseBytes)};
    } else {
      response->mutable_notes()->resize(bytes);
    }
    return new DelayedAnswer(std::chrono::milliseconds(int64_t{request->delay_ms()} * slowness_), status);
  }

  const int slowness_;
};

struct Flags {
  int port = 0;
  int max_streams = 100;
  int grace_ms = 0;
  int max_connection_age_ms = 0;
  int max_connection_age_grace_ms = 0;
  int min_ping_interval_ms = 0;
  int slowness = 1;
  std::string certificate;
  std::string key;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const Flags& flags) {
  if (flags.certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({ReadFile(flags.key), ReadFile(flags.certificate)});
  return grpc::SslServerCredentials(tls);
}

int Serve(Flags flags) {
  OrdersService service(flags.slowness);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", flags.port), Credentials(flags), &flags.port);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, flags.max_streams);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A port that is taken is an error, not a second server.
  const auto set = [&builder](const char* argument, int value) {
    if (value > 0) builder.AddChannelArgument(argument, value);
  };
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, flags.max_connection_age_ms);
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, flags.max_connection_age_grace_ms);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, flags.min_ping_interval_ms);
  if (flags.min_ping_interval_ms > 0) builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("%d\n", flags.port);
  std::fflush(stdout);
  char ignored[256];
  while (read(STDIN_FILENO, ignored, sizeof ignored) > 0) {
  }
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(flags.grace_ms));
  return 0;
}

}  // namespace
}  // namespace chanpool::demo

int main(int argc, char** argv) {
  chanpool::demo::Flags flags;
  const std::pair<absl::string_view, int*> known[] = {
      {"--port=", &flags.port},
      {"--max_streams=", &flags.max_streams},
      {"--grace_ms=", &flags.grace_ms},
      {"--max_connection_age_ms=", &flags.max_connection_age_ms},
      {"--max_connection_age_grace_ms=", &flags.max_connection_age_grace_ms},
      {"--min_ping_interval_ms=", &flags.min_ping_interval_ms},
      {"--slowness=", &flags.slowness}};
  const std::pair<absl::string_view, std::string*> files[] = {{"--certificate=", &flags.certificate},
                                                              {"--key=", &flags.key}};
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    const bool read = std::any_of(std::begin(known), std::end(known), [&argument](const auto& flag) {
      return absl::ConsumePrefix(&argument, flag.first) && absl::SimpleAtoi(argument, flag.second);
    });
    const bool file = std::any_of(std::begin(files), std::end(files), [&argument](const auto& flag) {
      if (!absl::ConsumePrefix(&argument, flag.first)) return false;
      *flag.second = std::string(argument);
      return true;
    });
    if (!read && !file) {
      std::fprintf(stderr, "upstream: %s is none of --port=N, --max_streams=N and the others in upstream.cc\n",
                   argv[i]);
      return 2;
    }
  }
  return chanpool::demo::Serve(flags);
}
