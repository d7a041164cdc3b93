#include "tests/sim/shrink.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace chanpool {
namespace {

// One attempt after another at a simpler script, each kept if it still fails.
class Shrinking {
 public:
  Shrinking(Script failing, const std::function<bool(const Script&)>& still_fails,
            const std::function<bool()>& may_go_on)
      : best_(std::move(failing)), still_fails_(still_fails), may_go_on_(may_go_on) {}

  Script Run() {
    for (bool better = true; better && may_go_on_();) {
      better = DropSteps();
      better |= SimplifyDraws();
    }
    return std::move(best_);
  }

 private:
  bool Try(Script simpler) {
    if (!may_go_on_() || !still_fails_(simpler)) return false;
    best_ = std::move(simpler);
    return true;
  }

  // From the end, where a failure has fewest reasons: what comes before it made it possible.
  bool DropSteps() {
    bool dropped = false;
    for (size_t chunk = std::max<size_t>(best_.size() / 2, 1); chunk > 0; chunk /= 2) {
      for (size_t end = best_.size(); end > 0;) {
        const size_t begin = end > chunk ? end - chunk : 0;
        Script without(best_.begin(), best_.begin() + static_cast<ptrdiff_t>(begin));
        without.insert(without.end(), best_.begin() + static_cast<ptrdiff_t>(end), best_.end());
        dropped |= Try(std::move(without));
        end = begin;
        if (!may_go_on_()) return dropped;
      }
    }
    return dropped;
  }

  bool SimplifyDraws() {
    bool simpler = false;
    for (size_t i = 0; i < best_.size(); ++i) {
      if (best_[i].draws.empty()) continue;
      Script bare = best_;
      bare[i].draws.clear();
      if (Try(std::move(bare))) {
        simpler = true;
        continue;
      }
      for (size_t j = 0; j < best_[i].draws.size(); ++j) simpler |= SimplifyDraw(i, j);
    }
    return simpler;
  }

  // To 0, or else by halves.
  bool SimplifyDraw(size_t step, size_t draw) {
    bool simpler = false;
    for (uint64_t to = 0; best_[step].draws[draw] > to;) {
      const uint64_t was = best_[step].draws[draw];
      Script smaller = best_;
      smaller[step].draws[draw] = to;
      if (Try(std::move(smaller))) {
        simpler = true;
      } else {
        to += std::max<uint64_t>((was - to) / 2, 1);
      }
    }
    return simpler;
  }

  Script best_;
  const std::function<bool(const Script&)>& still_fails_;
  const std::function<bool()>& may_go_on_;
};

}  // namespace

Script Shrink(Script failing, const std::function<bool(const Script&)>& still_fails,
              const std::function<bool()>& may_go_on) {
  return Shrinking(std::move(failing), still_fails, may_go_on).Run();
}

}  // namespace chanpool
