// What calls report of the connection that served them, counted without a lock until housekeeping takes it.
//
//   slot->tally->calls.Report(CallOutcome::kAnswered, latency);   // while the lease is held
//   CallCounts counts = slot->tally->calls.Take();                // since the last Take
//
// A call that is answered costs one addition: its count and its latency share one word. The line is not the slot's: who
// acquires does not wait for who reports.
#ifndef CHANPOOL_POOL_CORE_SLOT_CALLS_H_
#define CHANPOOL_POOL_CORE_SLOT_CALLS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "pool/core/endpoint.h"

namespace chanpool {

// Report: any thread. Take: one at a time.
class alignas(64) SlotCalls {
 public:
  // True: the first since the last Take that found no server, or none with room.
  bool Report(CallOutcome outcome, absl::Duration latency) {
    switch (outcome) {
      case CallOutcome::kAnswered: {
        const int64_t us = std::clamp<int64_t>(absl::ToInt64Microseconds(latency), 0, kLongestUs);
        answered_.fetch_add((uint64_t{1} << kLatencyBits) | static_cast<uint64_t>(us), std::memory_order_relaxed);
        if (in_row_.load(std::memory_order_relaxed) != 0) in_row_.store(0, std::memory_order_relaxed);
        return false;
      }
      case CallOutcome::kFailed:
        failed_.fetch_add(1, std::memory_order_relaxed);
        in_row_.fetch_add(1, std::memory_order_relaxed);
        return false;
      case CallOutcome::kUnavailable:
        failed_.fetch_add(1, std::memory_order_relaxed);
        in_row_.fetch_add(1, std::memory_order_relaxed);
        break;
      case CallOutcome::kOverloaded:
        overloaded_.fetch_add(1, std::memory_order_relaxed);
        break;
      case CallOutcome::kUnknown:
        return false;
    }
    return !penalised_.load(std::memory_order_relaxed) && !penalised_.exchange(true, std::memory_order_relaxed);
  }

  // The row of failures goes on; everything else begins anew.
  CallCounts Take() {
    CallCounts counts;
    const uint64_t answered = TakeFrom(answered_);
    counts.answered = answered >> kLatencyBits;
    counts.latency_us = answered & ((uint64_t{1} << kLatencyBits) - 1);
    counts.failed = TakeFrom(failed_);
    counts.overloaded = TakeFrom(overloaded_);
    counts.failed_in_row = in_row_.load(std::memory_order_relaxed);
    counts.penalised = TakeFrom(penalised_);
    return counts;
  }

  // Another connection.
  void Reset() {
    Take();
    in_row_.store(0, std::memory_order_relaxed);
  }

 private:
  // Housekeeping takes from every connection, and most have nothing: a look costs less than an exchange.
  template <typename T>
  static T TakeFrom(std::atomic<T>& count) {
    return count.load(std::memory_order_relaxed) == T() ? T() : count.exchange(T(), std::memory_order_relaxed);
  }

  // 2^20 calls of at most 2^24 us (17 s; what takes longer counts as that) between two looks, which are a second apart.
  static constexpr int kLatencyBits = 44;
  static constexpr int64_t kLongestUs = (int64_t{1} << 24) - 1;

  std::atomic<uint64_t> answered_{0};
  std::atomic<uint32_t> failed_{0}, overloaded_{0}, in_row_{0};
  std::atomic<bool> penalised_{false};
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_SLOT_CALLS_H_
