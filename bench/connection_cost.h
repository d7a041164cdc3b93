// What connections cost: one for each call, one that is open, and one that the first call has to wait for.
//
//   CostTurn turn = TakeCostTurn([&] { return pool->channel(); }, /*callers=*/16, absl::Seconds(1));
//   double ms = FirstCallMs(pool->channel());
//   double bytes = BytesPerConnection([&](int n) { return Open(n); }, port).allocated;
#ifndef CHANPOOL_BENCH_CONNECTION_COST_H_
#define CHANPOOL_BENCH_CONNECTION_COST_H_

#include <grpcpp/impl/channel_interface.h>

#include <functional>
#include <memory>

#include "absl/time/time.h"

namespace chanpool::bench {

struct CostTurn {
  double ms_per_call = 0;      // As its caller sees it.
  double cpu_us_per_call = 0;  // Of this process.
  // Connections that were dialled for 1,000 calls. The kernel counts for the whole machine, so what others dial
  // meanwhile is in it.
  double dials_per_1000 = 0;
  double memory_kib = 0;  // The most that was resident at one time, above what was before the turn.
};

// So many threads, each of which asks for a channel and makes a call on it, again and again. A failed call ends the
// program.
CostTurn TakeCostTurn(const std::function<std::shared_ptr<grpc::ChannelInterface>()>& channel_for_call, int callers,
                      absl::Duration length);

// How long one call takes, as its caller sees it. If it fails, it ends the program.
double FirstCallMs(const std::shared_ptr<grpc::ChannelInterface>& channel);

struct ConnectionBytes {
  double allocated = 0;  // Of the heap.
  double resident = 0;   // Of memory: less where the heap has room from before.
};

// Of this process with 100 connections, less those with one, by 99. `open` returns, when they are open, what keeps so
// many connections to `port`, and nobody else has any.
ConnectionBytes BytesPerConnection(const std::function<std::shared_ptr<void>(int connections)>& open, int port);

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_CONNECTION_COST_H_
