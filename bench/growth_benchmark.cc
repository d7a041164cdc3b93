// How the engine's costs grow: with connections, with waiters, with pools in one process, and beside those who read
// its statistics. No network.
//
//   growth_benchmark [--rounds=N]
//
// Memory is what malloc counts as given out (mallinfo2), before and after. A connection here is the engine's part of
// one, and 64 bytes of the benchmark's own; a transport's is not in it.
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "bench/open_pool.h"
#include "bench/statistics.h"
#include "bench/turn.h"
#include "pool/core/check.h"
#include "pool/core/pool.h"

namespace chanpool::bench {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds kTurn(40);
constexpr int kLeases = 100;

double NanosecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::nano>(SteadyClock::now() - start).count();
}

// Given out by malloc now, its large blocks included.
int64_t BytesInUse() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

int Threads() {
  std::ifstream status("/proc/self/status");
  std::string line;
  int threads = 0;
  while (std::getline(status, line)) {
    absl::string_view value = line;
    if (absl::ConsumePrefix(&value, "Threads:")) CHANPOOL_CHECK(absl::SimpleAtoi(value, &threads));
  }
  return threads;
}

double CpuMilliseconds() {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) { return 1e3 * time.tv_sec + 1e-3 * time.tv_usec; };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

std::string MedianAndSpread(const std::vector<double>& values) {
  const Interval spread = Spread(values);
  return absl::StrFormat("%9.1f  (%.1f - %.1f)", Median(values), spread.low, spread.high);
}

Batch AcquireFrom(OpenPool& pool) {
  return [&pool](int) {
    for (int i = 0; i < kBatch; ++i) {
      const absl::StatusOr<Place> place = pool->Acquire(absl::InfiniteFuture());
      CHANPOOL_CHECK(place.ok());
    }
  };
}

// --- Connections ---------------------------------------------------------------------------------------------------

void OfConnections(int rounds) {
  const std::vector<int> sizes = {1, 16, 256, 4096};
  std::vector<std::unique_ptr<OpenPool>> pools;
  std::vector<double> bytes;
  for (const int size : sizes) {
    const int64_t before = BytesInUse();
    pools.push_back(std::make_unique<OpenPool>(size, kLeases));
    bytes.push_back(static_cast<double>(BytesInUse() - before));
  }
  std::vector<std::vector<double>> alone(sizes.size()), loaded(sizes.size()), stats(sizes.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      OpenPool& pool = *pools[i];
      alone[i].push_back(TakeTurn(AcquireFrom(pool), 1, kNoWarmUp, kTurn).NanosecondsOfOneCore());
      // With half of the connections in use, no caller finds its own one empty: two are compared at random.
      std::vector<Place> held;
      for (int n = 0; n < sizes[i]; ++n) held.push_back(pool->TryAcquire());
      loaded[i].push_back(TakeTurn(AcquireFrom(pool), 1, kNoWarmUp, kTurn).NanosecondsOfOneCore());
      const auto start = SteadyClock::now();
      constexpr int kReads = 20;
      for (int n = 0; n < kReads; ++n) CHANPOOL_CHECK(pool->Stats().connections_open == sizes[i]);
      stats[i].push_back(NanosecondsSince(start) / kReads / 1e3);
    }
  }
  std::printf("\nConnections in one pool: median (least - greatest), n=%d\n", rounds);
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::printf("  %5d  acquire + release alone      %s ns\n", sizes[i], MedianAndSpread(alone[i]).c_str());
    std::printf("         beside as many other leases  %s ns\n", MedianAndSpread(loaded[i]).c_str());
    std::printf("         Stats()                      %s us\n", MedianAndSpread(stats[i]).c_str());
    std::printf("         memory                       %9.0f bytes a connection, the pool's own part included\n",
                bytes[i] / sizes[i]);
  }
  std::printf("growth: acquire at 4096 connections / at 1: %.2f\n", Median(alone.back()) / Median(alone.front()));
}

// --- Waiters -------------------------------------------------------------------------------------------------------

struct Waiting {
  double queue_ns = 0, grant_ns = 0, cancel_ns = 0, bytes = 0;
};

// One place; `waiters` callers queue for it, get it one after the other and give it back. Then they queue again, and
// every one is cancelled, the first in line last.
Waiting Wait(OpenPool& pool, int waiters) {
  Waiting result;
  std::atomic<int> served{0};
  std::vector<AcquireHandle> handles(waiters);
  const auto queue = [&] {
    for (AcquireHandle& handle : handles) {
      handle = pool->AcquireAsync(absl::InfiniteFuture(), [&served](absl::StatusOr<Place> place) {
        if (place.ok()) place->Reset();
        served.fetch_add(1, std::memory_order_release);
      });
    }
  };
  const auto await_all = [&] {
    while (served.load(std::memory_order_acquire) < waiters) std::this_thread::yield();
    served = 0;
  };
  Place held = pool->TryAcquire();
  CHANPOOL_CHECK(static_cast<bool>(held));

  const int64_t before = BytesInUse();
  auto start = SteadyClock::now();
  queue();
  result.queue_ns = NanosecondsSince(start) / waiters;
  result.bytes = static_cast<double>(BytesInUse() - before) / waiters;
  start = SteadyClock::now();
  held.Reset();
  await_all();
  result.grant_ns = NanosecondsSince(start) / waiters;

  held = pool->TryAcquire();
  CHANPOOL_CHECK(static_cast<bool>(held));
  queue();
  start = SteadyClock::now();
  for (int i = waiters - 1; i >= 0; --i) handles[i].Cancel();
  await_all();
  result.cancel_ns = NanosecondsSince(start) / waiters;
  return result;
}

void OfWaiters(int rounds) {
  const std::vector<int> sizes = {1, 100, 10'000, 100'000};
  OpenPool pool(1, 1);
  PoolOptions options = pool->options();
  options.max_waiters = sizes.back();
  CHANPOOL_CHECK(pool->Reconfigure(options).ok());
  std::vector<std::vector<double>> queued(sizes.size()), granted(sizes.size()), cancelled(sizes.size()),
      bytes(sizes.size());
  Wait(pool, sizes.back());  // Memory is warm.
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      // A mean of as many for each.
      Waiting sum;
      const int times = std::min(1000, sizes.back() / sizes[i]);
      for (int n = 0; n < times; ++n) {
        const Waiting one = Wait(pool, sizes[i]);
        sum = {sum.queue_ns + one.queue_ns, sum.grant_ns + one.grant_ns, sum.cancel_ns + one.cancel_ns,
               sum.bytes + one.bytes};
      }
      queued[i].push_back(sum.queue_ns / times);
      granted[i].push_back(sum.grant_ns / times);
      cancelled[i].push_back(sum.cancel_ns / times);
      bytes[i].push_back(sum.bytes / times);
    }
  }
  std::printf("\nWaiters on one place, for each of them: median (least - greatest), n=%d\n", rounds);
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::printf("  %6d  to queue              %s ns\n", sizes[i], MedianAndSpread(queued[i]).c_str());
    std::printf("          to be served in turn  %s ns\n", MedianAndSpread(granted[i]).c_str());
    std::printf("          to be cancelled       %s ns\n", MedianAndSpread(cancelled[i]).c_str());
    std::printf("          memory                %9.0f bytes\n", Median(bytes[i]));
  }
  std::printf("growth: to serve one of 100000 waiters / one of 100: %.2f\n",
              Median(granted.back()) / Median(granted[1]));
}

// --- Pools ---------------------------------------------------------------------------------------------------------

void OfPools(int rounds) {
  const std::vector<int> sizes = {1, 100, 10'000};
  std::vector<std::vector<double>> acquire(sizes.size()), bytes(sizes.size()), idle(sizes.size());
  int most_threads = 0;
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      const int64_t before = BytesInUse();
      std::vector<std::unique_ptr<OpenPool>> pools;
      for (int n = 0; n < sizes[i]; ++n) pools.push_back(std::make_unique<OpenPool>(1, kLeases));
      bytes[i].push_back(static_cast<double>(BytesInUse() - before) / sizes[i]);
      most_threads = std::max(most_threads, Threads());
      size_t next = 0;
      const auto batch = [&](int) {
        for (int n = 0; n < kBatch; ++n) {
          const Place place = (*pools[next])->TryAcquire();
          CHANPOOL_CHECK(static_cast<bool>(place));
          if (++next == pools.size()) next = 0;
        }
      };
      acquire[i].push_back(TakeTurn(batch, 1, kNoWarmUp, kTurn).NanosecondsOfOneCore());
      constexpr milliseconds kIdle(1000);
      const double cpu = CpuMilliseconds();
      std::this_thread::sleep_for(kIdle);
      idle[i].push_back((CpuMilliseconds() - cpu) / kIdle.count() * 100);
    }
  }
  std::printf("\nPools in one process, one open connection each: median (least - greatest), n=%d\n", rounds);
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::printf("  %6d  acquire + release, each pool in turn  %s ns\n", sizes[i], MedianAndSpread(acquire[i]).c_str());
    std::printf("          memory                             %9.0f bytes a pool\n", Median(bytes[i]));
    std::printf("          housekeeping while nothing is done %s %% of a core\n", MedianAndSpread(idle[i]).c_str());
  }
  std::printf("growth: threads with 10000 pools, the main one and the benchmark's closer included: %d\n", most_threads);
}

// --- Readers -------------------------------------------------------------------------------------------------------

void OfReaders(int rounds) {
  OpenPool pool(100, kLeases);
  std::vector<double> without, with, ratios;
  for (int round = 0; round < rounds; ++round) {
    without.push_back(TakeTurn(AcquireFrom(pool), 1, kNoWarmUp, kTurn).NanosecondsOfOneCore());
    std::atomic<bool> over{false};
    std::thread reader([&] {
      while (!over.load(std::memory_order_relaxed)) CHANPOOL_CHECK(pool->Stats().connections_open == 100);
    });
    with.push_back(TakeTurn(AcquireFrom(pool), 1, kNoWarmUp, kTurn).NanosecondsOfOneCore());
    over = true;
    reader.join();
    ratios.push_back(with.back() / without.back());
  }
  std::printf("\nOne caller of a pool of 100 connections, while another thread reads Stats() without pause, n=%d\n",
              rounds);
  std::printf("  acquire + release, nobody reads  %s ns\n", MedianAndSpread(without).c_str());
  std::printf("  acquire + release, one reads     %s ns\n", MedianAndSpread(with).c_str());
  std::printf("growth: acquire beside a reader / without: %.2f\n", Median(ratios));
}

}  // namespace
}  // namespace chanpool::bench

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // Into a pipe too: some figures take a minute.
  int rounds = 7;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (!absl::ConsumePrefix(&argument, "--rounds=") || !absl::SimpleAtoi(argument, &rounds) || rounds < 1) {
      std::fprintf(stderr, "growth_benchmark: %s is not --rounds=N\n", argv[i]);
      return 2;
    }
  }
  chanpool::bench::OfConnections(rounds);
  chanpool::bench::OfWaiters(rounds);
  chanpool::bench::OfPools(rounds);
  chanpool::bench::OfReaders(rounds);
  return 0;
}
