// What the demo prints: acts, tables that line up, and promises that were kept or broken.
//
//   Report report(/*colours=*/true);
//   report.Act("A drain under load", "200 calls in flight, 300 ms each");
//   report.Table({"", "calls/s"}, {{"plain channel", "992"}, {"pool", "9,806"}});
//   report.Promise(failed == 0, "no call failed");
//   return report.broken() == 0 ? 0 : 1;
#ifndef CHANPOOL_EXAMPLES_DEMO_REPORT_H_
#define CHANPOOL_EXAMPLES_DEMO_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace chanpool::demo {

// "12,345".
std::string Count(int64_t n);
// "102 ms".
std::string Milliseconds(absl::Duration d);

// Writes to standard output. One thread at a time.
class Report {
 public:
  explicit Report(bool colours) : colours_(colours) {}

  // A new heading; acts are numbered from 1.
  void Act(const std::string& title, const std::string& load);
  // One line of explanation.
  void Note(const std::string& text);
  // The first column is to the left, the others to the right, each as wide as its widest cell.
  void Table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);
  void Promise(bool kept, const std::string& what);
  // The last line: how many promises were kept.
  void End(absl::Duration took);

  int broken() const { return broken_; }

 private:
  std::string Coloured(const char* code, const std::string& text) const;

  const bool colours_;
  int acts_ = 0;
  int kept_ = 0;
  int broken_ = 0;
};

}  // namespace chanpool::demo
#endif  // CHANPOOL_EXAMPLES_DEMO_REPORT_H_
