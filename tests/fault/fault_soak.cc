// The second part of `make soak`: every case of FaultCases() again and again, and whether this process grows meanwhile.
//
//   fault_soak [--minutes=N] [--help]
//
// Exit code 1 if it has grown or a promise is broken, 2 if a case cannot be run.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/fault/case_run.h"
#include "tests/fault/fault_cases.h"
#include "tests/fault/process_usage.h"

namespace chanpool::fault {
namespace {

constexpr char kUsage[] =
    "usage: fault_soak [--minutes=N]\n"
    "  --minutes  how long, at least; 10 if left out. Two rounds of all cases are run in any case: the last one is\n"
    "             compared with the first third of them\n";

std::string Text(const ProcessUsage& usage) {
  return absl::StrFormat("%6.1f MiB (heap %5.1f)  %3d descriptors  %3d threads",
                         static_cast<double>(usage.memory_kib) / 1024, static_cast<double>(usage.heap_kib) / 1024,
                         usage.descriptors, usage.threads);
}

int Soak(absl::Duration least) {
  CaseSize size;
  size.strikes = 5;
  size.calls = 0;
  int64_t calls = 0, strikes = 0, lost = 0;
  bool kept = true;
  std::vector<ProcessUsage> rounds;  // The most of each.
  const absl::Time begun = absl::Now();
  while (rounds.size() < 2 || absl::Now() < begun + least) {
    rounds.emplace_back();
    for (const FaultCaseInfo& info : FaultCases()) {
      const absl::StatusOr<CaseResult> result = RunCase(info, size, [](int) {});
      if (!result.ok()) {
        std::fprintf(stderr, "fault_soak: case %s: %s\n", info.name.c_str(), result.status().ToString().c_str());
        return 2;
      }
      calls += result->pool.calls + result->pool_with_retry.calls;
      strikes += result->strikes;
      lost += result->lost_where_none_was_promised;
      for (const std::string& broken : result->broken)
        std::printf("  BROKEN  %s: %s\n", info.name.c_str(), broken.c_str());
      kept = kept && result->broken.empty();
      absl::SleepFor(absl::Milliseconds(500));  // For channels to die.
      rounds.back() = Max(rounds.back(), UsageNow());
    }
    std::printf("%5.1f min  round %2zu  %s\n", absl::ToDoubleMinutes(absl::Now() - begun), rounds.size(),
                Text(rounds.back()).c_str());
    std::fflush(stdout);
  }
  // gRPC starts threads, and keeps what it has allocated, as its first busy minutes ask for.
  const size_t warm_up = std::max<size_t>(1, rounds.size() / 3);
  ProcessUsage warm;
  for (size_t i = 0; i < warm_up; ++i) warm = Max(warm, rounds[i]);
  std::printf("first third  %s\nlast round   %s\n", Text(warm).c_str(), Text(rounds.back()).c_str());
  const std::vector<std::string> grown = Growth(warm, rounds.back());
  for (const std::string& what : grown) std::printf("GROWN  %s\n", what.c_str());
  std::printf("soak: %lld calls, %lld faults, %lld calls lost where 0 was promised, %s\n",
              static_cast<long long>(calls), static_cast<long long>(strikes), static_cast<long long>(lost),
              grown.empty() ? "nothing has grown" : "it has grown");
  return kept && grown.empty() ? 0 : 1;
}

}  // namespace
}  // namespace chanpool::fault

int main(int argc, char** argv) {
  using namespace chanpool::fault;
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);  // It would log each fault.
  double minutes = 10;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    }
    if (absl::ConsumePrefix(&argument, "--minutes=") && absl::SimpleAtod(argument, &minutes)) continue;
    std::fprintf(stderr, "fault_soak: %s is no argument\n%s", argv[i], kUsage);
    return 2;
  }
  return Soak(absl::Minutes(minutes));
}
