#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace chanpool::bench {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

Interval Spread(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

Interval MedianInterval(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  // Each value falls below the true median with probability 1/2, so the number below is binomial. Outside the `cut`-th
  // from either end the median lies with twice the probability that fewer than `cut` fall below; a side may have 2.5 %.
  size_t cut = 0;
  double probability = std::pow(0.5, static_cast<double>(n));  // Of exactly `cut` below.
  for (double below = 0; below + probability <= 0.025; ++cut) {
    below += probability;
    probability *= static_cast<double>(n - cut) / static_cast<double>(cut + 1);
  }
  if (cut == 0) return {values.front(), values.back()};
  return {values[cut - 1], values[n - cut]};
}

}  // namespace chanpool::bench
