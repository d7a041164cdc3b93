#include "tests/fault/process_usage.h"

#include <dirent.h>
#include <malloc.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace chanpool::fault {
namespace {

// Entries of a folder, without "." and "..".
int CountEntries(const char* folder) {
  DIR* const open = opendir(folder);
  if (open == nullptr) return 0;
  int entries = -2;
  while (readdir(open) != nullptr) ++entries;
  closedir(open);
  return entries;
}

int64_t ResidentKib() {
  std::ifstream status("/proc/self/status");
  std::string key;
  int64_t value = 0;
  while (status >> key) {
    if (key == "VmRSS:" && status >> value) return value;
  }
  return 0;
}

}  // namespace

ProcessUsage UsageNow() {
  malloc_trim(0);
  const struct mallinfo2 heap = mallinfo2();  // Of all arenas, whatever its manual page says.
  return {ResidentKib(), CountEntries("/proc/self/fd"), CountEntries("/proc/self/task"),
          static_cast<int64_t>((heap.uordblks + heap.hblkhd) / 1024)};
}

ProcessUsage Max(const ProcessUsage& a, const ProcessUsage& b) {
  return {std::max(a.memory_kib, b.memory_kib), std::max(a.descriptors, b.descriptors), std::max(a.threads, b.threads),
          std::max(a.heap_kib, b.heap_kib)};
}

std::vector<std::string> Growth(const ProcessUsage& first, const ProcessUsage& last) {
  std::vector<std::string> grown;
  const auto check = [&grown](const char* what, int64_t before, int64_t after, int64_t slack) {
    if (after > before + slack) grown.push_back(absl::StrCat(what, ": ", before, " -> ", after));
  };
  check("memory (KiB)", first.memory_kib, last.memory_kib, first.memory_kib / 10 + 4096);
  check("file descriptors", first.descriptors, last.descriptors, 4);
  check("threads", first.threads, last.threads, 4);
  return grown;
}

}  // namespace chanpool::fault
