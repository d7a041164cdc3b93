// Runs a piece of a test in a process of its own, so that a crash and a hang are results like any other.
//
//   Contained end = RunContained([](Outlet* out) { out->Say("found"); }, /*max_seconds=*/10);
//   // end.text == "found", and end.trouble == "", or == "crashed (Aborted): pool.cc:9: check failed: ..."
//
// The caller has one thread: a fork copies no other.
#ifndef CHANPOOL_TESTS_SIM_CONTAINED_H_
#define CHANPOOL_TESTS_SIM_CONTAINED_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace chanpool {

// What is known of the process after its end, however it ended.
class Outlet {
 public:
  explicit Outlet(int file) : file_(file) {}
  void Say(absl::string_view text);

  std::atomic<int> step{0};  // How far it came.

 private:
  const int file_;
};

struct Contained {
  std::string text;     // All that it said.
  std::string trouble;  // Empty, or how it ended otherwise, with the last line that it wrote to stderr.
  int step = 0;
};

Contained RunContained(const std::function<void(Outlet*)>& piece, int max_seconds);

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_SIM_CONTAINED_H_
