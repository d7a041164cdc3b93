// `make fault`: every case of FaultCases() in turn, and a table of what was lost, and for how long.
//
//   fault_runner [--case=NAME[,NAME...]] [--strikes=N] [--calls=N] [--reasons] [--list] [--help]
//
// Exit code 1 if a promise is broken, 2 if a case cannot be run.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "examples/demo/report.h"
#include "tests/fault/case_run.h"
#include "tests/fault/fault_cases.h"

namespace chanpool::fault {
namespace {

using demo::Count;
using demo::Milliseconds;

constexpr char kUsage[] =
    "usage: fault_runner [--case=NAME[,NAME...]] [--strikes=N] [--calls=N] [--reasons] [--list]\n"
    "  --case     only these; --list says which there are\n"
    "  --strikes  faults in each case, at least; 20 if left out\n"
    "  --calls    calls in each case, at least; 10000 if left out\n"
    "  --reasons  also why calls were lost\n"
    "Each case has four loads of 8 callers at once: a pool and a plain channel, each with a retry policy of 5 "
    "attempts\n"
    "and without one. A call is lost when it does not end OK.\n";

struct Flags {
  std::vector<const FaultCaseInfo*> cases;
  CaseSize size;
  bool reasons = false;
};

void List() {
  for (const FaultCaseInfo& info : FaultCases()) std::printf("  %-18s %s\n", info.name.c_str(), info.about.c_str());
}

// False, and it has said so, for what is no case.
bool Choose(absl::string_view names, std::vector<const FaultCaseInfo*>& cases) {
  for (const absl::string_view name : absl::StrSplit(names, ',')) {
    const auto& all = FaultCases();
    const auto found = std::find_if(all.begin(), all.end(), [name](const auto& info) { return info.name == name; });
    if (found == all.end()) {
      std::fprintf(stderr, "fault_runner: --case=%s is no case; there are\n", std::string(name).c_str());
      List();
      return false;
    }
    cases.push_back(&*found);
  }
  return true;
}

std::string OfTwo(bool there, const LoadResult& with_retry, const LoadResult& without) {
  return there ? absl::StrCat(Count(with_retry.lost), " / ", Count(without.lost)) : "-";
}

std::vector<std::string> Row(const FaultCaseInfo& info, const CaseResult& result) {
  const LoadResult& pool = result.pool;
  return {info.name,
          Count(result.pool_with_retry.calls),
          Count(result.strikes),
          Count(result.pool_with_retry.lost),
          Count(pool.lost),
          OfTwo(info.plain, result.plain_with_retry, result.plain),
          Milliseconds(pool.recovery_median),
          Milliseconds(pool.recovery_max),
          Milliseconds(pool.gap),
          info.plain ? Milliseconds(result.plain.gap) : "-"};
}

void PrintReasons(const CaseResult& result) {
  const std::pair<const char*, const LoadResult*> loads[] = {{"pool, with retry", &result.pool_with_retry},
                                                             {"pool, without", &result.pool},
                                                             {"plain, with retry", &result.plain_with_retry},
                                                             {"plain, without", &result.plain}};
  for (const auto& [name, load] : loads) {
    for (const std::string& reason : load->reasons) std::printf("  %-17s  %s\n", name, reason.c_str());
  }
}

int Run(const Flags& flags) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  demo::Report report(/*colours=*/false);
  std::vector<std::vector<std::string>> rows;
  int64_t lost = 0;
  bool kept = true;
  for (const FaultCaseInfo* info : flags.cases) {
    std::printf("%s: %s%s", info->name.c_str(), info->about.c_str(), terminal ? " " : "\n");
    std::fflush(stdout);
    const auto progress = [terminal](int) {
      if (terminal) std::fputc('.', stdout);
      std::fflush(stdout);
    };
    const absl::StatusOr<CaseResult> result = RunCase(*info, flags.size, progress);
    if (terminal) std::fputc('\n', stdout);
    if (!result.ok()) {
      std::fprintf(stderr, "fault_runner: case %s: %s\n", info->name.c_str(), result.status().ToString().c_str());
      return 2;
    }
    for (const std::string& broken : result->broken) std::printf("  BROKEN  %s\n", broken.c_str());
    if (flags.reasons) PrintReasons(*result);
    kept = kept && result->broken.empty();
    lost += result->lost_where_none_was_promised;
    rows.push_back(Row(*info, *result));
  }
  std::printf("\n");
  report.Table({"case", "calls", "faults", "lost: with retry", "without", "plain, with / without", "recovery", "max",
                "gap", "plain gap"},
               rows);
  std::printf("calls: of the pool with a retry policy. recovery, gap: without one.\n\n");
  std::printf("faults: %d cases, %lld calls lost where 0 was promised\n", static_cast<int>(rows.size()),
              static_cast<long long>(lost));
  return kept ? 0 : 1;
}

}  // namespace
}  // namespace chanpool::fault

int main(int argc, char** argv) {
  using namespace chanpool::fault;
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);  // It would log each fault; --reasons says why calls were lost.
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--help" || argument == "--list") {
      if (argument == "--help") std::fputs(kUsage, stdout);
      if (argument == "--list") List();
      return 0;
    }
    if (argument == "--reasons") {
      flags.reasons = true;
    } else if (absl::ConsumePrefix(&argument, "--case=")) {
      if (!Choose(argument, flags.cases)) return 2;
    } else if (!(absl::ConsumePrefix(&argument, "--strikes=") && absl::SimpleAtoi(argument, &flags.size.strikes)) &&
               !(absl::ConsumePrefix(&argument, "--calls=") && absl::SimpleAtoi(argument, &flags.size.calls))) {
      std::fprintf(stderr, "fault_runner: %s is no argument\n%s", argv[i], kUsage);
      return 2;
    }
  }
  if (flags.cases.empty()) {
    for (const FaultCaseInfo& info : FaultCases()) flags.cases.push_back(&info);
  }
  return Run(flags);
}
