#include "bench/connection_cost.h"

#include <grpcpp/client_context.h>
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/call_sides.h"
#include "bench/call_turns.h"
#include "examples/demo/demo.grpc.pb.h"
#include "examples/demo/tcp_connections.h"
#include "tests/fault/process_usage.h"

namespace chanpool::bench {
namespace {

constexpr int kOpen = 100;
constexpr absl::Duration kCallLimit = absl::Seconds(10);
constexpr absl::Duration kCloseLimit = absl::Seconds(10);

// Connections that this machine has dialled since it was started.
int64_t Dials() {
  std::ifstream file("/proc/net/snmp");
  std::string line, name;
  int64_t dials = 0;
  while (std::getline(file, line)) {
    std::istringstream words(
        line);  // "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens ...", first names, then values.
    std::string ignored;
    words >> name >> ignored >> ignored >> ignored >> ignored;
    if (name == "Tcp:" && words >> dials) return dials;
  }
  return 0;
}

int64_t MostResidentKib() {
  std::ifstream status("/proc/self/status");
  std::string key;
  int64_t kib = 0;
  while (status >> key) {
    if (key == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

void ForgetMostResident() { std::ofstream("/proc/self/clear_refs") << "5\n"; }

void Call(const std::shared_ptr<grpc::ChannelInterface>& channel) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallLimit));
  demo::GetOrderRequest request;
  demo::Order order;
  const grpc::Status status = demo::Orders::NewStub(channel)->GetOrder(&context, request, &order);
  if (!status.ok()) GiveUp(absl::InternalError(absl::StrCat("a call failed: ", status.error_message())));
}

void AwaitNoConnection(int port) {
  const absl::Time limit = absl::Now() + kCloseLimit;
  while (demo::CountTcpConnections(port) > 0) {
    if (absl::Now() > limit) GiveUp(absl::DeadlineExceededError("connections did not close"));
    absl::SleepFor(absl::Milliseconds(5));
  }
}

}  // namespace

CostTurn TakeCostTurn(const std::function<std::shared_ptr<grpc::ChannelInterface>()>& channel_for_call, int callers,
                      absl::Duration length) {
  const int64_t resident = fault::UsageNow().memory_kib;
  ForgetMostResident();
  const int64_t dials = Dials();
  const absl::Duration cpu = CpuOfThisProcess();
  const absl::Time begun = absl::Now();
  std::atomic<int64_t> calls{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i) {
    threads.emplace_back([&] {
      do {
        Call(channel_for_call());
        calls.fetch_add(1, std::memory_order_relaxed);
      } while (absl::Now() < begun + length);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto made = static_cast<double>(calls.load());
  CostTurn turn;
  turn.ms_per_call = absl::ToDoubleMilliseconds(absl::Now() - begun) * callers / made;
  turn.cpu_us_per_call = absl::ToDoubleMicroseconds(CpuOfThisProcess() - cpu) / made;
  turn.dials_per_1000 = 1000 * static_cast<double>(Dials() - dials) / made;
  turn.memory_kib = static_cast<double>(MostResidentKib() - resident);
  return turn;
}

double FirstCallMs(const std::shared_ptr<grpc::ChannelInterface>& channel) {
  const absl::Time begun = absl::Now();
  Call(channel);
  return absl::ToDoubleMilliseconds(absl::Now() - begun);
}

ConnectionBytes BytesPerConnection(const std::function<std::shared_ptr<void>(int connections)>& open, int port) {
  const auto with = [&](int connections) -> ConnectionBytes {
    AwaitNoConnection(port);
    const std::shared_ptr<void> kept = open(connections);
    const struct mallinfo2 heap = mallinfo2();
    return {static_cast<double>(heap.uordblks + heap.hblkhd), 1024 * static_cast<double>(fault::UsageNow().memory_kib)};
  };
  const ConnectionBytes one = with(1);
  const ConnectionBytes all = with(kOpen);
  return {(all.allocated - one.allocated) / (kOpen - 1), (all.resident - one.resident) / (kOpen - 1)};
}

}  // namespace chanpool::bench
