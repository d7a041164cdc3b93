// The engine's side of bench/peers/compare.py: does as told, a line at a time, until the end of its input.
//
//   echo 'ops 10 8 100 400' | engine_peer
//
// Requests and answers are those of every peer; bench/peers/README.md lists them. `floor` is this one's alone.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/lending_floor.h"
#include "bench/open_pool.h"
#include "bench/turn.h"
#include "pool/core/check.h"
#include "pool/core/pool.h"

namespace chanpool::bench {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using SteadyClock = std::chrono::steady_clock;

// What is held for less is held by a loop: no timer is that exact.
constexpr microseconds kShortestSleep(1000);

// Pools by their number of places, each on a connection of its own; made once, as in the other peers.
OpenPool& PoolOf(int places) {
  static auto* pools = new std::map<int, std::unique_ptr<OpenPool>>;
  std::unique_ptr<OpenPool>& pool = (*pools)[places];
  if (pool == nullptr) pool = std::make_unique<OpenPool>(places, /*leases_per_connection=*/1);
  return *pool;
}

std::string OfTurn(const Turn& turn) {
  return absl::StrCat("wall_ns=", turn.wall.count(), " operations=", absl::StrJoin(turn.operations, ","));
}

std::string Operations(int places, int threads, milliseconds warm_up, milliseconds length) {
  OpenPool& pool = PoolOf(places);
  const auto batch = [&pool](int) {
    for (int i = 0; i < kBatch; ++i) {
      const absl::StatusOr<Place> place = pool->Acquire(absl::InfiniteFuture());
      CHANPOOL_CHECK(place.ok());
      CountUse(*place);
    }
  };
  return absl::StrCat("ops ", OfTurn(TakeTurn(batch, threads, warm_up, length)));
}

void HoldFor(microseconds time) {
  if (time >= kShortestSleep) {
    std::this_thread::sleep_for(time);
    return;
  }
  const auto end = SteadyClock::now() + time;
  while (SteadyClock::now() < end) {
  }
}

std::string Hold(int places, int threads, microseconds time, milliseconds length) {
  OpenPool& pool = PoolOf(places);
  Turn turn;
  turn.operations.resize(threads);
  std::vector<nanoseconds> held(threads);
  std::vector<std::thread> workers;
  const auto start = SteadyClock::now();
  const auto end = start + length;
  for (int thread = 0; thread < threads; ++thread) {
    workers.emplace_back([&, thread] {
      int64_t mine = 0;
      nanoseconds held_by_me{0};
      while (SteadyClock::now() < end) {
        const absl::StatusOr<Place> place = pool->Acquire(absl::InfiniteFuture());
        CHANPOOL_CHECK(place.ok());
        const auto since = SteadyClock::now();
        HoldFor(time);
        CountUse(*place);
        held_by_me += SteadyClock::now() - since;
        ++mine;
      }
      turn.operations[thread] = mine;
      held[thread] = held_by_me;
    });
  }
  for (std::thread& worker : workers) worker.join();
  turn.wall = SteadyClock::now() - start;
  nanoseconds sum{0};
  for (const nanoseconds part : held) sum += part;
  return absl::StrCat("hold ", OfTurn(turn), " held_ns=", sum.count());
}

std::string Lateness(int places, milliseconds time_out, int times) {
  OpenPool& pool = PoolOf(places);
  std::vector<absl::StatusOr<Place>> held;
  for (int i = 0; i < places; ++i) held.push_back(pool->Acquire(absl::InfiniteFuture()));
  std::vector<int64_t> late_ns;
  for (int i = 0; i < times; ++i) {
    const auto start = SteadyClock::now();
    const absl::StatusOr<Place> place = pool->Acquire(absl::Now() + absl::FromChrono(time_out));
    const nanoseconds waited = SteadyClock::now() - start;
    CHANPOOL_CHECK(absl::IsDeadlineExceeded(place.status()));
    late_ns.push_back((waited - time_out).count());
  }
  return absl::StrCat("timeout late_ns=", absl::StrJoin(late_ns, ","));
}

std::string Floor(milliseconds warm_up, milliseconds length) {
  return absl::StrCat("floor ", OfTurn(TakeTurn(LendingFloor(), 1, warm_up, length)));
}

std::string Answer(const std::string& request) {
  const std::vector<std::string> words = absl::StrSplit(request, ' ');
  std::vector<int> numbers;
  for (size_t i = 1; i < words.size(); ++i) {
    int number = 0;
    if (!absl::SimpleAtoi(words[i], &number) || number < 0) return absl::StrCat("error not a number: ", words[i]);
    numbers.push_back(number);
  }
  const auto asks = [&](const char* what, size_t arguments) { return words[0] == what && numbers.size() == arguments; };
  if (asks("about", 0)) return absl::StrCat("about chanpool C++ ", __VERSION__);
  if (asks("ops", 4)) return Operations(numbers[0], numbers[1], milliseconds(numbers[2]), milliseconds(numbers[3]));
  if (asks("hold", 4)) return Hold(numbers[0], numbers[1], microseconds(numbers[2]), milliseconds(numbers[3]));
  if (asks("timeout", 3)) return Lateness(numbers[0], milliseconds(numbers[1]), numbers[2]);
  if (asks("floor", 2)) return Floor(milliseconds(numbers[0]), milliseconds(numbers[1]));
  return absl::StrCat("error cannot do: ", request);
}

}  // namespace
}  // namespace chanpool::bench

int main() {
  std::string request;
  while (std::getline(std::cin, request)) {
    std::printf("%s\n", chanpool::bench::Answer(request).c_str());
    std::fflush(stdout);
  }
  return 0;
}
