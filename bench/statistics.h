// Medians and how far they may be trusted, without assuming how measurements are distributed.
//
//   double middle = Median(values);
//   Interval interval = MedianInterval(values);    // holds the true median with 95 % confidence
#ifndef CHANPOOL_BENCH_STATISTICS_H_
#define CHANPOOL_BENCH_STATISTICS_H_

#include <vector>

namespace chanpool::bench {

struct Interval {
  double low = 0;
  double high = 0;
};

// The mean of the two middle values of an even number. `values` is not empty.
double Median(std::vector<double> values);

// From the least to the greatest. `values` is not empty.
Interval Spread(const std::vector<double>& values);

// By order statistics: the narrowest pair of ranks between which the median of what was sampled lies with a probability
// of at least 95 %. Fewer than 6 values cannot say that much: then it is Spread(). `values` is not empty.
Interval MedianInterval(std::vector<double> values);

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_STATISTICS_H_
