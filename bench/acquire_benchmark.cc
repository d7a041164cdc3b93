// What it costs to take a place and give it back, without any network: the engine beside what one would write by hand.
//
//   acquire_benchmark [--rounds=N] [--only=NAME]
//
// One operation is acquire and release. A figure is the nanoseconds that one core spends on it:
// wall time x min(threads, cores) / operations. In each round every contender runs once, in turn, so that a machine
// that slows down slows all of them. The last line is the pool's figure for one thread.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "bench/lending_floor.h"
#include "bench/open_pool.h"
#include "bench/statistics.h"
#include "bench/turn.h"
#include "pool/core/check.h"
#include "pool/core/pool.h"

namespace chanpool::bench {
namespace {

// How long one contender runs in one round.
constexpr std::chrono::milliseconds kTurn(40);

// What is lent where there is no pool.
struct alignas(64) Resource {
  std::atomic<uint64_t> used{0};
};

struct Contender {
  std::string name;
  Batch batch;
};

// --- Contenders ----------------------------------------------------------------------------------------------------

// Exactly what channel() and Acquire() do, over connections that open at once. Statistics are always on.
Batch OfPool(int connections, int leases, absl::Duration leak_after = absl::InfiniteDuration()) {
  auto pool = std::make_shared<OpenPool>(connections, leases);
  PoolOptions options = (*pool)->options();
  options.leak_after = leak_after;
  CHANPOOL_CHECK((*pool)->Reconfigure(options).ok());
  return [pool](int) {
    for (int i = 0; i < kBatch; ++i) {
      const absl::StatusOr<Place> place = (*pool)->Acquire(absl::InfiniteFuture());
      CHANPOOL_CHECK(place.ok());
    }
  };
}

// The same, each thread with a key of its own.
Batch OfPoolByKey(int connections, int leases) {
  auto pool = std::make_shared<OpenPool>(connections, leases);
  return [pool](int thread) {
    const std::string key = std::to_string(thread);
    LeaseOptions options;
    options.affinity_key = key;
    for (int i = 0; i < kBatch; ++i) {
      const absl::StatusOr<Place> place = (*pool)->Acquire(absl::InfiniteFuture(), options);
      CHANPOOL_CHECK(place.ok());
    }
  };
}

// What most programs have: idle objects in a queue under a mutex.
Batch OfMutexAndDeque(int size) {
  struct Fixture {
    std::mutex mu;
    std::deque<std::shared_ptr<Resource>> idle;
  };
  auto fixture = std::make_shared<Fixture>();
  for (int i = 0; i < size; ++i) fixture->idle.push_back(std::make_shared<Resource>());
  return [fixture](int) {
    for (int i = 0; i < kBatch; ++i) {
      std::shared_ptr<Resource> taken;
      {
        const std::lock_guard<std::mutex> lock(fixture->mu);
        taken = std::move(fixture->idle.front());
        fixture->idle.pop_front();
      }
      const std::lock_guard<std::mutex> lock(fixture->mu);
      fixture->idle.push_back(std::move(taken));
    }
  };
}

// A flag for each object, searched from where this thread last found one: no waiters, no limits, no statistics.
Batch OfFlags(int size) {
  auto flags = std::make_shared<std::vector<Resource>>(size);
  return [flags](int thread) {
    const auto at = [&flags](size_t i) -> std::atomic<uint64_t>& { return (*flags)[i % flags->size()].used; };
    thread_local size_t hint = 0;
    if (hint == 0) hint = static_cast<size_t>(thread) + flags->size();
    for (int i = 0; i < kBatch; ++i) {
      uint64_t is_free = 0;
      while (!at(hint).compare_exchange_weak(is_free, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        is_free = 0;
        ++hint;
      }
      at(hint).store(0, std::memory_order_release);
    }
  };
}

void Run(int rounds, absl::string_view only) {
  std::vector<Contender> contenders = {
      {"pool, 10 connections x 100 leases", OfPool(10, 100)},
      {"pool, 100 connections x 1 lease", OfPool(100, 1)},
      {"pool, 10 x 100, by key", OfPoolByKey(10, 100)},
      {"pool, 100 x 1, by key", OfPoolByKey(100, 1)},
      {"pool, 10 x 100, watched for leaks", OfPool(10, 100, /*leak_after=*/absl::Minutes(1))},
      {"mutex and deque, 10 objects", OfMutexAndDeque(10)},
      {"mutex and deque, 100 objects", OfMutexAndDeque(100)},
      {"atomic flags, 10 objects", OfFlags(10)},
      {"atomic flags, 100 objects", OfFlags(100)},
      {"floor: compare-and-swap + subtract", LendingFloor()},
  };
  if (!only.empty()) {
    contenders.erase(std::remove_if(contenders.begin(), contenders.end(),
                                    [only](const Contender& contender) { return contender.name != only; }),
                     contenders.end());
    if (contenders.empty()) {
      std::fprintf(stderr, "acquire_benchmark: there is no \"%s\"; without --only all are named\n",
                   std::string(only).c_str());
      std::exit(2);
    }
  }
  std::printf("Acquire + release, ns of one core: median (least - greatest) of %d alternating rounds.\n", rounds);
  double of_pool = 0;
  for (const int threads : {1, 2, 8}) {
    std::vector<std::vector<double>> figures(contenders.size());
    for (int round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < contenders.size(); ++i) {
        figures[i].push_back(TakeTurn(contenders[i].batch, threads, kNoWarmUp, kTurn).NanosecondsOfOneCore());
      }
    }
    std::printf("\n%d thread%s\n", threads, threads == 1 ? "" : "s");
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Interval spread = Spread(figures[i]);
      std::printf("  %-36s %8.1f  (%.1f - %.1f)\n", contenders[i].name.c_str(), Median(figures[i]), spread.low,
                  spread.high);
    }
    if (threads == 1) of_pool = Median(figures[0]);
  }
  std::printf("\nacquire: %.1f ns\n", of_pool);
}

}  // namespace
}  // namespace chanpool::bench

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // Into a pipe too: some figures take a minute.
  int rounds = 15;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--only=")) {
      only = std::string(argument);
    } else if (!absl::ConsumePrefix(&argument, "--rounds=") || !absl::SimpleAtoi(argument, &rounds) || rounds < 1) {
      std::fprintf(stderr, "acquire_benchmark: %s is not --rounds=N or --only=NAME\n", argv[i]);
      return 2;
    }
  }
  chanpool::bench::Run(rounds, only);
  return 0;
}
