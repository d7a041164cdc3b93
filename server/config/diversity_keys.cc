#include "server/config/diversity_keys.h"

#include <algorithm>
#include <climits>

namespace chanpool::config {

DiversityOptions ToDiversityOptions(const chanpool::config::v1::Diversity& diversity) {
  DiversityOptions options;
  options.backend_header = diversity.backend_header();
  if (diversity.has_rerolls_per_minute()) {
    options.rerolls_per_minute = static_cast<int>(std::min<uint32_t>(diversity.rerolls_per_minute(), INT_MAX));
  }
  return options;
}

chanpool::config::v1::Diversity ToProto(const DiversityOptions& options) {
  chanpool::config::v1::Diversity diversity;
  diversity.set_backend_header(options.backend_header);
  if (options.rerolls_per_minute != DiversityOptions().rerolls_per_minute) {
    diversity.set_rerolls_per_minute(options.rerolls_per_minute);
  }
  return diversity;
}

}  // namespace chanpool::config
