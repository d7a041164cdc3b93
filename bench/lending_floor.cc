#include "bench/lending_floor.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace chanpool::bench {
namespace {

struct alignas(64) Word {
  std::atomic<uint64_t> leases{0};
};

}  // namespace

Batch LendingFloor() {
  auto words = std::make_shared<std::array<Word, 16>>();
  return [words](int thread) {
    std::atomic<uint64_t>& word = (*words)[static_cast<size_t>(thread) % words->size()].leases;
    for (int i = 0; i < kBatch; ++i) {
      uint64_t seen = word.load(std::memory_order_relaxed);
      while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      }
      word.fetch_sub(1, std::memory_order_acq_rel);
    }
  };
}

}  // namespace chanpool::bench
