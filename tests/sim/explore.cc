// Simulates one life after another, or replays one; what breaks a rule is made short and printed so that it replays.
//
//   explore --seconds=60                fresh seeds, for a minute
//   explore --seed=7                    the life of that seed
//   explore --script=FILE               a script that a failure printed, each step shown
//
// Each life has a process of its own: a crash and a hang are shrunk like a broken rule. Exit code 1: something broke,
// or there were fewer steps than --min-steps.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "examples/demo/report.h"
#include "pool/core/clock.h"
#include "tests/sim/contained.h"
#include "tests/sim/pool_view.h"
#include "tests/sim/script.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace chanpool {
namespace {

struct Options {
  std::optional<uint64_t> seed;
  std::string script;
  double seconds = 60;
  int steps = 50'000;          // In each life.
  uint64_t min_steps = 0;      // In all of them.
  bool fixed_first = false;    // Before the fresh seeds, 1, 2 and 3.
  double progress = 0;         // Seconds between two lines of progress; 0: none.
  double shrink_seconds = 30;  // 0: what fails is not shrunk.
  int max_life_seconds = 120;  // Longer, and it hangs.
};

std::optional<Options> ParseFlags(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::pair<std::string, std::string> flag = absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    const auto& [name, value] = flag;
    uint64_t seed = 0;
    bool good = false;
    if (name == "--seed") good = absl::SimpleAtoi(value, &seed), options.seed = seed;
    if (name == "--script") good = !value.empty(), options.script = value;
    if (name == "--seconds") good = absl::SimpleAtod(value, &options.seconds);
    if (name == "--steps") good = absl::SimpleAtoi(value, &options.steps);
    if (name == "--min-steps") good = absl::SimpleAtoi(value, &options.min_steps);
    if (name == "--fixed-first") good = options.fixed_first = value.empty();
    if (name == "--progress") good = absl::SimpleAtod(value, &options.progress);
    if (name == "--shrink-seconds") good = absl::SimpleAtod(value, &options.shrink_seconds);
    if (name == "--max-life-seconds") good = absl::SimpleAtoi(value, &options.max_life_seconds);
    if (good) continue;
    std::fprintf(stderr,
                 "explore: %s is not known; set --seed=, --script=, --seconds=, --steps=, --min-steps=, --fixed-first, "
                 "--progress=, --shrink-seconds=, --max-life-seconds=\n",
                 argv[i]);
    return std::nullopt;
  }
  return options;
}

// How one life went.
struct Life {
  std::string broken;
  int steps = 0;
  Tally tally;
};

// A life in a process of its own says its tally, an empty line, and what was broken.
template <typename Begin, typename Run>
Life Live(Begin begin, Run run, int max_seconds) {
  const Contained end = RunContained(
      [&](Outlet* out) {
        const auto simulation = begin();
        simulation->BeforeStep([out](int step) { out->step = step; });
        const std::string broken = run(*simulation);
        out->Say(absl::StrCat(simulation->tally().ToText(), "\n", broken));
      },
      max_seconds);
  Life life;
  life.steps = end.step + 1;
  const size_t middle = std::min(end.text.find("\n\n"), end.text.size());
  life.tally = Tally::FromText(end.text.substr(0, middle));
  if (!end.trouble.empty()) {
    life.broken = absl::StrCat("step ", end.step, ": ", end.trouble);
  } else if (middle < end.text.size()) {
    life.broken = end.text.substr(middle + 2);
  }
  return life;
}

Life LiveBySeed(uint64_t seed, int steps, int max_seconds) {
  return Live([seed] { return std::make_unique<Simulation>(seed); },
              [steps](Simulation& simulation) { return simulation.Run(steps); }, max_seconds);
}

Life LiveByScript(const Script& script, int max_seconds) {
  return Live([&script] { return std::make_unique<Simulation>(script); },
              [](Simulation& simulation) { return simulation.Replay(); }, max_seconds);
}

// The script of a life's first steps, also of those from which it does not come back.
Script Record(uint64_t seed, int steps, int max_seconds) {
  const Contained end = RunContained(
      [seed, steps](Outlet* out) {
        Simulation simulation(seed, [out](absl::string_view text) { out->Say(text); });
        (void)simulation.Run(steps);
      },
      max_seconds);
  const absl::StatusOr<Script> script = Parse(end.text);
  return script.ok() ? *script : Script();
}

// The rule that was broken: the message's first line without its step and without numbers.
std::string RuleOf(const std::string& broken) {
  std::string rule = broken.substr(0, broken.find('\n'));
  if (absl::StartsWith(rule, "step ")) rule = rule.substr(std::min(rule.find(": "), rule.size()));
  rule.erase(std::remove_if(rule.begin(), rule.end(), [](char c) { return c >= '0' && c <= '9'; }), rule.end());
  return rule;
}

void PrintShrunk(uint64_t seed, const Life& life, const Options& options) {
  const Script whole = Record(seed, life.steps, options.max_life_seconds);
  // A hang is told from a slow life by its limit; one that is shrunk is much shorter than the whole.
  const int limit = absl::StrContains(life.broken, "hung: ") ? 3 : options.max_life_seconds;
  const std::string rule = RuleOf(life.broken);
  const auto still_fails = [&](const Script& script) { return RuleOf(LiveByScript(script, limit).broken) == rule; };
  if (!still_fails(whole)) {
    std::printf("its script of %zu steps does not fail in the same way: replay the seed\n", whole.size());
    return;
  }
  std::printf("shrinking %zu steps, for %g s at most\n", whole.size(), options.shrink_seconds);
  std::fflush(stdout);
  const absl::Time until = RealClock()->Now() + absl::Seconds(options.shrink_seconds);
  const Script shortest = Shrink(whole, still_fails, [until] { return RealClock()->Now() < until; });
  std::printf("%zu steps are enough; in a file, they replay with: make sim SCRIPT=file\n# %s\n%s\n", shortest.size(),
              std::string(life.broken.substr(0, life.broken.find('\n'))).c_str(), Print(shortest).c_str());
}

int ReplayScript(const Options& options) {
  std::ifstream file(options.script);
  const absl::StatusOr<Script> script = Parse(std::string(std::istreambuf_iterator<char>(file), {}));
  if (!file || !script.ok()) {
    std::fprintf(stderr, "explore: cannot read %s %s\n", options.script.c_str(),
                 std::string(script.status().message()).c_str());
    return 2;
  }
  constexpr size_t kShown = 200;  // Steps: more is for no reader.
  Simulation simulation(*script);
  if (script->size() <= kShown) {
    simulation.BeforeStep([](int step) { std::printf("%d ", step), std::fflush(stdout); });
    simulation.OnStep(
        [](int, const char* name, const PoolView& view) { std::printf("%s: %s\n", name, Describe(view).c_str()); });
  }
  const std::string broken = simulation.Replay();
  std::printf("script of %zu steps: %s\n", script->size(), broken.empty() ? "keeps every rule" : broken.c_str());
  return broken.empty() ? 0 : 1;
}

int Explore(const Options& options) {
  const absl::Time begun = RealClock()->Now();
  const uint64_t fresh = (static_cast<uint64_t>(std::random_device()()) << 20) + 1000;
  std::vector<uint64_t> fixed;
  if (options.fixed_first) fixed = {1, 2, 3};
  if (options.seed.has_value()) fixed = {*options.seed};
  std::printf("simulating for %g s: lives of %s steps, seeds %s%s\n", options.seconds,
              demo::Count(options.steps).c_str(), absl::StrJoin(fixed, ", ").c_str(),
              options.seed.has_value() ? "" : absl::StrCat(fixed.empty() ? "" : ", ", "from ", fresh, " on").c_str());
  std::fflush(stdout);
  Tally tally;
  uint64_t steps = 0, lives = 0, broken = 0;
  absl::Time next_line = begun + absl::Seconds(options.progress);
  const auto summary = [&] {
    const double seconds = absl::ToDoubleSeconds(RealClock()->Now() - begun);
    return absl::StrCat(demo::Count(static_cast<int64_t>(steps)), " steps in ", static_cast<int>(seconds), " s (",
                        demo::Count(static_cast<int64_t>(static_cast<double>(steps) / std::max(seconds, 0.001))),
                        " a second), ", lives, lives == 1 ? " life" : " lives");
  };
  for (;;) {
    const uint64_t seed = lives < fixed.size() ? fixed[lives] : fresh + lives;
    const Life life = LiveBySeed(seed, options.steps, options.max_life_seconds);
    ++lives;
    steps += static_cast<uint64_t>(life.steps);
    tally.Add(life.tally);
    if (!life.broken.empty()) {
      ++broken;
      std::printf("broken: seed %llu, %s\n", static_cast<unsigned long long>(seed), life.broken.c_str());
      std::fflush(stdout);
      if (options.shrink_seconds > 0) PrintShrunk(seed, life, options);
      break;
    }
    const absl::Time now = RealClock()->Now();
    if (options.seed.has_value()) break;
    if (lives >= fixed.size() && now - begun >= absl::Seconds(options.seconds)) break;
    if (options.progress > 0 && now >= next_line) {
      std::printf("%s, nothing broken\n", summary().c_str());
      std::fflush(stdout);
      next_line = now + absl::Seconds(options.progress);
    }
  }
  tally.Print();
  for (const std::string& name : EverythingThatCanHappen()) {
    if (broken == 0 && tally.of(name) == 0) std::printf("never seen: %s\n", name.c_str());
  }
  const bool few = broken == 0 && steps < options.min_steps;
  if (few) std::printf("fewer than %s steps\n", demo::Count(static_cast<int64_t>(options.min_steps)).c_str());
  std::printf("sim: %s, %s\n", summary().c_str(), broken == 0 ? "nothing broken" : "a rule is broken");
  return broken > 0 || few ? 1 : 0;
}

}  // namespace
}  // namespace chanpool

int main(int argc, char** argv) {
  const std::optional<chanpool::Options> options = chanpool::ParseFlags(argc, argv);
  if (!options.has_value()) return 2;
  return options->script.empty() ? chanpool::Explore(*options) : chanpool::ReplayScript(*options);
}
