// Where a test of real channels waits: for a condition, never for a time, and always with a limit.
//
//   EXPECT_TRUE(Eventually([&] { return pool->Stats().leases == 0; }));
//   Signal done;                                   // another thread calls done.Notify()
//   ASSERT_TRUE(done.Await());
//
// Nothing here is to be expected to take long: the limits are for machines that are very busy.
#ifndef CHANPOOL_TESTS_FAKES_EVENTUALLY_H_
#define CHANPOOL_TESTS_FAKES_EVENTUALLY_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "absl/time/time.h"

namespace chanpool::testing {

inline constexpr absl::Duration kLimit = absl::Seconds(20);

// True as soon as `condition` holds, looking every few milliseconds; false if it does not within `limit`.
bool Eventually(const std::function<bool()>& condition, absl::Duration limit = kLimit);

// For what must not happen: true if `condition` held each time that it was looked at, for `period`.
bool Throughout(const std::function<bool()>& condition, absl::Duration period);

// So far from now, on the wall: a deadline for Acquire, Drain...
absl::Time In(absl::Duration d);
// ... and for ClientContext::set_deadline.
std::chrono::system_clock::time_point DeadlineIn(absl::Duration d);

// How long ago, on a clock that never runs back.
class Stopwatch {
 public:
  Stopwatch();
  absl::Duration Elapsed() const;

 private:
  const std::chrono::steady_clock::time_point begun_;
};

// Something that happens once, told from one thread to others. Thread-safe.
class Signal {
 public:
  void Notify();
  // False if it has not happened within `limit`.
  bool Await(absl::Duration limit = kLimit);
  bool happened() const;

 private:
  mutable std::mutex mu_;
  std::condition_variable changed_;
  bool happened_ = false;
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_FAKES_EVENTUALLY_H_
