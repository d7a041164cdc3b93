#include "tests/fakes/eventually.h"

#include "absl/time/clock.h"

namespace chanpool::testing {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(2);

// True if `condition` became `wanted` before the end.
bool Becomes(const std::function<bool()>& condition, bool wanted, absl::Duration limit) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
  std::mutex mu;
  std::condition_variable never;
  std::unique_lock<std::mutex> lock(mu);
  for (;;) {
    if (condition() == wanted) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    never.wait_for(lock, kLookAgain);
  }
}

}  // namespace

bool Eventually(const std::function<bool()>& condition, absl::Duration limit) {
  return Becomes(condition, true, limit);
}

bool Throughout(const std::function<bool()>& condition, absl::Duration period) {
  return !Becomes(condition, false, period);
}

absl::Time In(absl::Duration d) { return absl::Now() + d; }

std::chrono::system_clock::time_point DeadlineIn(absl::Duration d) { return absl::ToChronoTime(In(d)); }

Stopwatch::Stopwatch() : begun_(std::chrono::steady_clock::now()) {}

absl::Duration Stopwatch::Elapsed() const { return absl::FromChrono(std::chrono::steady_clock::now() - begun_); }

void Signal::Notify() {
  // Under the lock: who waits may destroy this object as soon as it can take it.
  std::lock_guard<std::mutex> lock(mu_);
  happened_ = true;
  changed_.notify_all();
}

bool Signal::Await(absl::Duration limit) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
  std::unique_lock<std::mutex> lock(mu_);
  return changed_.wait_until(lock, end, [this] { return happened_; });
}

bool Signal::happened() const {
  std::lock_guard<std::mutex> lock(mu_);
  return happened_;
}

}  // namespace chanpool::testing
