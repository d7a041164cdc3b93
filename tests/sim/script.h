// One life of a simulation as a list of steps, each with what it drew by chance: what a failure prints, and what is
// replayed.
//
//   Script script = *Parse("create 1 3\nacquire_now 0 2\nlose_all\n");
//   std::string broken = Simulation(script).Replay();
//
// A step has a list of draws of its own, so to drop one step leaves all others as they were. A draw that the list does
// not have is 0, and one that is too large is taken modulo: every list fits every step.
#ifndef CHANPOOL_TESTS_SIM_SCRIPT_H_
#define CHANPOOL_TESTS_SIM_SCRIPT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace chanpool {

struct ScriptStep {
  std::string name;
  std::vector<uint64_t> draws;

  friend bool operator==(const ScriptStep& a, const ScriptStep& b) { return a.name == b.name && a.draws == b.draws; }
};

using Script = std::vector<ScriptStep>;

// Takes the text of a script piece by piece, each draw as it is drawn: what is written when a step crashes has the
// step.
using ScriptWriter = std::function<void(absl::string_view)>;

// One step a line: its name, then its draws but for the zeros at the end.
std::string Print(const Script& script);
// The reverse; empty lines and what follows a '#' are skipped. kInvalidArgument names the line.
absl::StatusOr<Script> Parse(absl::string_view text);

// The draws of one step after another. One thread at a time.
class Draws {
 public:
  // The next step's draws come from a stream of its own, which `seed` and `index` name, and are told to `record` unless
  // it is null. `record` lives as long as this.
  void BeginStream(uint64_t seed, uint64_t index, const ScriptWriter& record);
  // The next step's draws are these.
  void BeginReplay(std::vector<uint64_t> draws);

  // 0 to n - 1. n is not 0.
  uint64_t Below(uint64_t n);

 private:
  uint64_t Next();

  bool replays_ = false;
  uint64_t stream_ = 0;
  std::vector<uint64_t> replayed_;
  size_t at_ = 0;
  const ScriptWriter* record_ = nullptr;
};

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_SIM_SCRIPT_H_
