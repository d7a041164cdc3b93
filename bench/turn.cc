#include "bench/turn.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

namespace chanpool::bench {

int64_t Turn::total() const { return std::accumulate(operations.begin(), operations.end(), int64_t{0}); }

double Turn::NanosecondsOfOneCore() const {
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const double wall_ns = std::chrono::duration<double, std::nano>(wall).count();
  return wall_ns * static_cast<double>(std::min(operations.size(), cores)) / static_cast<double>(total());
}

Turn TakeTurn(const Batch& batch, int threads, std::chrono::milliseconds warm_up, std::chrono::milliseconds length) {
  Turn turn;
  turn.operations.resize(threads);
  std::atomic<int> ready{0};
  std::atomic<bool> begin{false};
  std::atomic<bool> over{false};
  std::vector<std::thread> workers;
  for (int thread = 0; thread < threads; ++thread) {
    workers.emplace_back([&, thread] {
      batch(thread);
      ++ready;
      while (!begin.load(std::memory_order_acquire)) batch(thread);
      int64_t mine = 0;
      while (!over.load(std::memory_order_relaxed)) {
        batch(thread);
        mine += kBatch;
      }
      turn.operations[thread] = mine;
    });
  }
  while (ready < threads) std::this_thread::yield();
  std::this_thread::sleep_for(warm_up);
  const auto start = std::chrono::steady_clock::now();
  begin.store(true, std::memory_order_release);
  std::this_thread::sleep_for(length);
  over.store(true, std::memory_order_relaxed);
  for (std::thread& worker : workers) worker.join();
  turn.wall = std::chrono::steady_clock::now() - start;
  return turn;
}

}  // namespace chanpool::bench
