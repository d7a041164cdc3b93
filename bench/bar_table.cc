#include "bench/bar_table.h"

#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bench/statistics.h"
#include "examples/demo/report.h"

namespace chanpool::bench {
namespace {

// As many digits as such figures are worth.
std::string Digits(double value) {
  const double size = std::fabs(value);
  if (size >= 1000) return demo::Count(std::llround(value));
  return absl::StrFormat("%.*f", size >= 100 ? 0 : size >= 10 ? 1 : 3, value);
}

}  // namespace

std::string Bar::ToString() const {
  return absl::StrFormat("%s %g", side == Side::kAtLeast ? "at least" : "at most", value);
}

void BarTable::Section(const std::string& title) {
  std::printf("\n%s\n  %-48s %4s %8s   %-18s %-18s\n", title.c_str(), "", "n", "median", "95 %", "least - most");
}

void BarTable::Row(const std::string& name, const std::vector<double>& values, const std::string& unit,
                   const std::optional<Bar>& bar) {
  const double median = Median(values);
  const Interval trusted = MedianInterval(values), spread = Spread(values);
  std::string verdict;
  if (bar.has_value()) {
    const bool held = bar->Holds(median);
    const bool sure = bar->Holds(trusted.low) == bar->Holds(trusted.high);
    const char* const doubt = sure ? "" : ", within the noise";
    verdict = absl::StrCat("   ", bar->ToString(), held ? ": held" : ": MISSED", doubt);
    ++bars_;
    held_ += held;
    outcomes_.push_back(
        absl::StrCat(bar->name, " = ", Digits(median), " (", bar->ToString(), held ? "" : ", MISSED", doubt, ")"));
  }
  const auto both = [](const Interval& ends) { return absl::StrCat(Digits(ends.low), " - ", Digits(ends.high)); };
  std::printf("  %-48s %4d %8s   %-18s %-18s %s%s\n", name.c_str(), static_cast<int>(values.size()),
              Digits(median).c_str(), both(trusted).c_str(), both(spread).c_str(), unit.c_str(), verdict.c_str());
}

std::string BarTable::Summary(const std::string& of) const {
  if (bars_ == 0) return absl::StrCat(of, ": no bar among these");
  return absl::StrCat(of, ": ", held_, " of ", bars_, " bars held: ", absl::StrJoin(outcomes_, ", "));
}

}  // namespace chanpool::bench
