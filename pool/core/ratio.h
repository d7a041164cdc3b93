// A part of a whole, as numbers that somebody may check.
//
//   const Ratio errors = totals.ErrorRate();
//   if (errors.value()) absl::StrFormat("%.1f %% of %d", 100 * *errors.value(), errors.whole);
#ifndef CHANPOOL_POOL_CORE_RATIO_H_
#define CHANPOOL_POOL_CORE_RATIO_H_

#include <cstdint>
#include <optional>

namespace chanpool {

// A part of a whole that are both known: never a percentage without a count. A plain value.
struct Ratio {
  uint64_t part = 0;
  uint64_t whole = 0;

  // Nothing when there is no whole.
  std::optional<double> value() const {
    if (whole == 0) return std::nullopt;
    return static_cast<double>(part) / static_cast<double>(whole);
  }
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_RATIO_H_
