#include "examples/demo/report.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace chanpool::demo {
namespace {

constexpr char kBold[] = "1", kDim[] = "2", kRed[] = "31", kGreen[] = "32";

// As it comes, also into a pipe: each act takes seconds.
void Print(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace

std::string Count(int64_t n) {
  std::string digits = absl::StrCat(n);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return digits;
}

std::string Milliseconds(absl::Duration d) { return absl::StrFormat("%.0f ms", absl::ToDoubleMilliseconds(d)); }

std::string Report::Coloured(const char* code, const std::string& text) const {
  return colours_ ? absl::StrCat("\x1b[", code, "m", text, "\x1b[0m") : text;
}

void Report::Act(const std::string& title, const std::string& load) {
  Print("");
  Print(absl::StrCat(Coloured(kBold, absl::StrCat(++acts_, "  ", title)), "  ", Coloured(kDim, load)));
}

void Report::Note(const std::string& text) { Print(absl::StrCat("   ", text)); }

void Report::Table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> lines = rows;
  lines.insert(lines.begin(), header);
  for (size_t n = 0; n < lines.size(); ++n) {
    std::string line = "  ";
    for (size_t column = 0; column < lines[n].size(); ++column) {
      size_t width = 0;
      for (const auto& other : lines) width = std::max(width, other[column].size());
      const std::string& cell = lines[n][column];
      const std::string space(width - cell.size(), ' ');
      absl::StrAppend(&line, column == 0 ? absl::StrCat(" ", cell, space) : absl::StrCat("   ", space, cell));
    }
    Print(n == 0 ? Coloured(kDim, line) : line);
  }
}

void Report::Promise(bool kept, const std::string& what) {
  ++(kept ? kept_ : broken_);
  Print(absl::StrCat("   ", kept ? Coloured(kGreen, "kept  ") : Coloured(kRed, "BROKEN"), "  ", what));
}

void Report::End(absl::Duration took) {
  Print("");
  const std::string sum =
      absl::StrFormat("%d promises kept, %d broken in %.0f s", kept_, broken_, absl::ToDoubleSeconds(took));
  Print(Coloured(broken_ == 0 ? kGreen : kRed, sum));
}

}  // namespace chanpool::demo
