#include "tests/sim/script.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace chanpool {

std::string Print(const Script& script) {
  std::string text;
  for (const ScriptStep& step : script) {
    size_t shown = step.draws.size();
    while (shown > 0 && step.draws[shown - 1] == 0) --shown;
    absl::StrAppend(&text, step.name);
    for (size_t i = 0; i < shown; ++i) absl::StrAppend(&text, " ", step.draws[i]);
    absl::StrAppend(&text, "\n");
  }
  return text;
}

absl::StatusOr<Script> Parse(absl::string_view text) {
  Script script;
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line.substr(0, line.find('#')), absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    ScriptStep step;
    step.name = std::string(words[0]);
    for (size_t i = 1; i < words.size(); ++i) {
      uint64_t draw = 0;
      if (!absl::SimpleAtoi(words[i], &draw)) {
        return absl::InvalidArgumentError(absl::StrCat("line ", line_number, ": \"", words[i], "\" is no number"));
      }
      step.draws.push_back(draw);
    }
    script.push_back(std::move(step));
  }
  return script;
}

void Draws::BeginStream(uint64_t seed, uint64_t index, const ScriptWriter& record) {
  replays_ = false;
  record_ = record == nullptr ? nullptr : &record;
  // Neighbours in either number must not be neighbours here.
  stream_ = seed;
  stream_ = Next() ^ (index * 0xd1342543de82ef95ull);
  stream_ = Next();
}

void Draws::BeginReplay(std::vector<uint64_t> draws) {
  replays_ = true;
  replayed_ = std::move(draws);
  at_ = 0;
  record_ = nullptr;
}

uint64_t Draws::Below(uint64_t n) {
  if (replays_) return at_ < replayed_.size() ? replayed_[at_++] % n : 0;
  const uint64_t draw = Next() % n;
  if (record_ != nullptr) (*record_)(absl::StrCat(" ", draw));
  return draw;
}

uint64_t Draws::Next() {
  uint64_t z = stream_ += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace chanpool
