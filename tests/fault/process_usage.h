// What this process holds of the machine, as the kernel sees it: for soaks, in which it must not grow.
//
//   const ProcessUsage first = UsageNow();
//   ...
//   std::vector<std::string> grown = Growth(first, UsageNow());
#ifndef CHANPOOL_TESTS_FAULT_PROCESS_USAGE_H_
#define CHANPOOL_TESTS_FAULT_PROCESS_USAGE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace chanpool::fault {

struct ProcessUsage {
  int64_t memory_kib = 0;  // Resident.
  int descriptors = 0;
  int threads = 0;
  // Of the memory what somebody has allocated and not freed: what the rest is made of lies fallow between.
  int64_t heap_kib = 0;
};

// Memory after the allocator has given back what it keeps for later.
ProcessUsage UsageNow();

// Of each the larger one.
ProcessUsage Max(const ProcessUsage& a, const ProcessUsage& b);

// Each of the three that is more in `last` than in `first` by more than what differs from one moment to the next: 10 %
// and 4 MiB of memory, 4 descriptors, 4 threads. Empty: it is flat.
std::vector<std::string> Growth(const ProcessUsage& first, const ProcessUsage& last);

}  // namespace chanpool::fault
#endif  // CHANPOOL_TESTS_FAULT_PROCESS_USAGE_H_
