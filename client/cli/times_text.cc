#include "client/cli/times_text.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cli/units.h"

namespace chanpool::cli {

TimesText::TimesText(const chanpool::admin::v1::Histogram& histogram) : histogram_(histogram) {
  const auto& bounds = histogram.explicit_bounds();
  valid_ = bounds.size() > 0 && histogram.bucket_counts_size() == bounds.size() + 1 &&
           std::is_sorted(bounds.begin(), bounds.end());
  for (const uint64_t count : histogram.bucket_counts()) timed_ += count;
}

std::string TimesText::count() const {
  if (!valid_) return "";
  const bool sampled = histogram_.one_in() > 1;
  return absl::StrCat(sampled && timed_ > 0 ? "~" : "", timed_ * std::max<uint64_t>(1, histogram_.one_in()));
}

std::string TimesText::mean() const {
  if (!valid_ || timed_ == 0) return "";
  return Elapsed(FromProto(histogram_.sum()) / static_cast<double>(timed_));
}

std::string TimesText::AtMost(double quantile) const {
  if (!valid_ || timed_ == 0) return "";
  const auto wanted = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(timed_)));
  uint64_t below = 0;
  for (int i = 0; i < histogram_.explicit_bounds_size(); ++i) {
    below += histogram_.bucket_counts(i);
    if (below >= wanted) return absl::StrCat("<= ", Elapsed(absl::Seconds(histogram_.explicit_bounds(i))));
  }
  return absl::StrCat("> ", Elapsed(absl::Seconds(histogram_.explicit_bounds(histogram_.explicit_bounds_size() - 1))));
}

}  // namespace chanpool::cli
