// A table of figures, each with how often it was measured, its median, how far that may be trusted, and its spread; and
// which of them have a bar.
//
//   BarTable table;
//   table.Section("1,000 calls of 100 ms in flight");
//   table.Row("pool / limit", ratios, "times", Bar{"100 ms", Bar::Side::kAtLeast, 0.95});
//   std::puts(table.Summary("calls").c_str());     // "calls: 1 of 1 bars held: 100 ms = 0.977 (at least 0.95)"
#ifndef CHANPOOL_BENCH_BAR_TABLE_H_
#define CHANPOOL_BENCH_BAR_TABLE_H_

#include <optional>
#include <string>
#include <vector>

namespace chanpool::bench {

// What a median is held to.
struct Bar {
  enum class Side { kAtLeast, kAtMost };
  std::string name;  // In the summary.
  Side side;
  double value;

  bool Holds(double median) const { return side == Side::kAtLeast ? median >= value : median <= value; }
  std::string ToString() const;  // "at least 0.95"
};

// Prints each row as it comes, on standard output. One thread at a time.
class BarTable {
 public:
  void Section(const std::string& title);
  // `values` is not empty.
  void Row(const std::string& name, const std::vector<double>& values, const std::string& unit,
           const std::optional<Bar>& bar = std::nullopt);
  // How many bars held; each of them, with its median. The median decides; where the bar lies within its interval, it
  // says so: another run may decide otherwise.
  std::string Summary(const std::string& of) const;

 private:
  int bars_ = 0;
  int held_ = 0;
  std::vector<std::string> outcomes_;
};

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_BAR_TABLE_H_
