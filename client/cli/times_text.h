// How long things took, of histograms as they come from a server: their mean and quantiles, for people.
//
//   TimesText times(stats.holds());
//   row.push_back({times.count()}), row.push_back({times.AtMost(0.99)});     // "1.2M", "<= 25ms"
//
// A quantile is known to a bucket only: what is told is its upper bound. A server may say anything: what is no
// histogram has no count.
#ifndef CHANPOOL_CLIENT_CLI_TIMES_TEXT_H_
#define CHANPOOL_CLIENT_CLI_TIMES_TEXT_H_

#include <cstdint>
#include <string>

#include "chanpool/admin/v1/stats.pb.h"

namespace chanpool::cli {

// Used by one thread.
class TimesText {
 public:
  // `histogram` outlives it.
  explicit TimesText(const chanpool::admin::v1::Histogram& histogram);

  // Of how many; with "~" before it if that is estimated from a sample. Empty for no histogram.
  std::string count() const;
  // Empty when nothing was timed.
  std::string mean() const;
  // "<= 25ms", or "> 10s" for more than the last bound; empty when nothing was timed.
  std::string AtMost(double quantile) const;

 private:
  const chanpool::admin::v1::Histogram& histogram_;
  bool valid_ = false;
  uint64_t timed_ = 0;
};

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_TIMES_TEXT_H_
