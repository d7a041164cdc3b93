#include "pool/core/call_stats.h"

#include <algorithm>
#include <numeric>

namespace chanpool {

uint64_t CallTotals::requests() const { return std::accumulate(by_code.begin(), by_code.end(), uint64_t{0}); }

CallTotals& CallTotals::operator+=(const CallTotals& other) {
  for (int code = 0; code < kStatusCodes; ++code) by_code[code] += other.by_code[code];
  times += other.times;
  return *this;
}

CallTotals Total(const std::vector<MethodStats>& methods) {
  CallTotals total;
  for (const MethodStats& row : methods) total += row.calls;
  return total;
}

void KeepOldest(size_t most, std::vector<CallInFlight>* calls) {
  std::stable_sort(calls->begin(), calls->end(),
                   [](const CallInFlight& a, const CallInFlight& b) { return a.age > b.age; });
  if (calls->size() > most) calls->resize(most);
}

}  // namespace chanpool
