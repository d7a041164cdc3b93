// What each thread gets done when several repeat something for a while.
//
//   const Turn turn = TakeTurn(batch, /*threads=*/8, kNoWarmUp, std::chrono::milliseconds(40));
//   turn.NanosecondsOfOneCore();    // for one operation
#ifndef CHANPOOL_BENCH_TURN_H_
#define CHANPOOL_BENCH_TURN_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace chanpool::bench {

// Operations between two looks at whether the turn is over.
constexpr int kBatch = 64;

// Runs kBatch operations in thread `thread`, which counts from 0.
using Batch = std::function<void(int thread)>;

// No more than one batch for each thread: its caches and thread-locals.
constexpr std::chrono::milliseconds kNoWarmUp(0);

struct Turn {
  std::chrono::nanoseconds wall{0};
  std::vector<int64_t> operations;  // By thread.

  int64_t total() const;
  // Wall time x min(threads, cores) / operations.
  double NanosecondsOfOneCore() const;
};

// Runs `batch` again and again in each of `threads` new threads: for `warm_up` without counting, then for `length`.
Turn TakeTurn(const Batch& batch, int threads, std::chrono::milliseconds warm_up, std::chrono::milliseconds length);

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_TURN_H_
