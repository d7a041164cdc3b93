#include "client/cli/command_table.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/commands.h"

namespace chanpool::cli {
namespace {

constexpr char kSee[] = "See";
constexpr char kChange[] = "Change";
constexpr char kConfiguration[] = "Configuration";
constexpr char kOther[] = "Other";

constexpr char kLists[] = "table|wide|json|yaml|name";
constexpr char kMessages[] = "table|json|yaml";

const Flag& Reason() {
  static const auto* flag = new Flag{"reason", 0, "TEXT", "why; kept with the event for those who come after you"};
  return *flag;
}
const Flag& DryRun() {
  static const auto* flag = new Flag{"dry-run", 0, "", "check and show what would happen; change nothing"};
  return *flag;
}
const Flag& Detach() {
  static const auto* flag = new Flag{"detach", 0, "", "do not wait: print the operation's name and return"};
  return *flag;
}

std::vector<Command> MakeCommands() {
  std::vector<Command> commands;
  commands.push_back({"get pools",
                      kSee,
                      "[POOL...]",
                      0,
                      64,
                      Names::kPools,
                      "list the pools, all or those named",
                      "One line for each pool, those of attached applications included: what was decided (STATE), how\n"
                      "it is (HEALTH), connections and the most it may have (CONNS), connections with calls (BUSY),\n"
                      "calls and room for calls (LEASES), callers in line (WAITERS).",
                      kLists,
                      {},
                      {{"get pools", "the pools, one a line"},
                       {"get pool orders shop/orders", "two of them"},
                       {"get pools -o wide", "with connections by state and overrides"},
                       {"get pools -o name", "names only, for a shell loop"}},
                      {"show pools"},
                      &GetPools,
                      {"get pool"}});
  commands.push_back({"get connections",
                      kSee,
                      "[POOL]",
                      0,
                      1,
                      Names::kPools,
                      "list connections, of one pool or all",
                      "Without a pool: those of all pools, of attached applications too. Pools of an application that\n"
                      "does not answer are left out, and named on standard error.",
                      kLists,
                      {},
                      {{"get connections", "of every pool"},
                       {"get connections orders", "what each connection of orders does"},
                       {"get connections shop/orders", "of the pool of an attached application"}},
                      {"show connections"},
                      &GetConnections,
                      {"get connection"}});
  commands.push_back(
      {"get endpoints",
       kSee,
       "[POOL]",
       0,
       1,
       Names::kPools,
       "list the addresses of one pool's target, or of all",
       "What each address gets: connections open of those it has (CONNS), calls out now (LEASES), those\n"
       "that ended and those of them that were not answered, and dials that failed. Below, how the\n"
       "look-ups of a name go, where the pool resolves it.",
       kLists,
       {},
       {{"get endpoints orders", "what each server of orders gets"},
        {"get endpoints -o wide", "with weights, and why one is not used"}},
       {"show endpoints"},
       &GetEndpoints,
       {"get endpoint"}});
  commands.push_back({"get operations",
                      kSee,
                      "",
                      0,
                      0,
                      Names::kNone,
                      "list drains and recycles, newest first",
                      "Those that run, and those that ended within the hour.",
                      kLists,
                      {},
                      {{"get operations", "what runs, and what ended"}},
                      {},
                      &GetOperations,
                      {"get operation"}});
  commands.push_back({"get instance",
                      kSee,
                      "",
                      0,
                      0,
                      Names::kNone,
                      "show the process that answers",
                      "Its version, its configuration, where it listens, and the applications attached to it.",
                      kLists,
                      {},
                      {{"get instance", "version, configuration, attached applications"}},
                      {},
                      &GetInstance});
  commands.push_back({"describe pool",
                      kSee,
                      "POOL",
                      1,
                      1,
                      Names::kPools,
                      "show all about one pool",
                      "Options in force and which of them an operator has overridden, connections by state, counters.",
                      "table|json|yaml|name",
                      {},
                      {{"describe pool orders", "all about orders"}, {"describe orders", "the same"}},
                      {},
                      &DescribePool,
                      {"describe pools", "describe"}});
  commands.push_back({"stats",
                      kSee,
                      "[POOL...]",
                      0,
                      64,
                      Names::kPools,
                      "show counters and gauges",
                      "Counters only grow while the process lives. For rates: poolctl top. With --times: how long\n"
                      "acquires, holds and dials took. \"~\" before a count: estimated from a sample, 1 in 64. A\n"
                      "quantile is known to a bucket: \"<= 25ms\" is its upper bound. With --methods: the calls that\n"
                      "have ended, by method, each timed; an error is every end but OK, and its percentage is of the\n"
                      "requests beside it. Methods above 100 in a pool are one row, \"other\".",
                      kLists,
                      {{"times", 0, "", "show how long things took, instead of counters"},
                       {"methods", 0, "", "show what became of calls, by method, instead of counters"}},
                      {{"stats", "of all pools"},
                       {"stats orders --times", "means and quantiles of one"},
                       {"stats orders --methods", "requests, errors and latency of its methods"},
                       {"stats orders billing -o json", "of two, for a program"}},
                      {"show stats"},
                      &GetStats});
  commands.push_back(
      {"calls",
       kSee,
       "POOL",
       1,
       1,
       Names::kPools,
       "show the calls in flight, oldest first",
       "Which method, for how long, on which connection, and when their deadline is: what a drain waits\n"
       "for.",
       "table|json|yaml",
       {{"limit", 0, "N", "at most so many, 1 to 1000 (default 100)"}},
       {{"calls orders", "the oldest 100"}, {"calls orders --limit 5", "what hangs?"}},
       {},
       &Calls,
       {"get calls"}});
  commands.push_back(
      {"explain",
       kSee,
       "POOL",
       1,
       1,
       Names::kPools,
       "show which limit holds a pool back, and what to turn",
       "What binds most comes first, with the numbers that say so and since when. Sizing is rate x hold\n"
       "time of the last half minute or minute; saved are dials that were not made. Hot keys are affinity\n"
       "keys by their hash: their text stays in the process.",
       kMessages,
       {},
       {{"explain orders", "why do its callers wait?"}, {"explain shop/orders -o json", "for a program"}},
       {},
       &ExplainPool,
       {"explain pool"}});
  commands.push_back({"decisions",
                      kSee,
                      "POOL",
                      1,
                      1,
                      Names::kPools,
                      "show what a pool decided about its size and its callers",
                      "The last 512, newest first: from which numbers, with which outcome, and why not more. What\n"
                      "repeats is one line with how often (TIMES).",
                      "table|wide|json|yaml",
                      {},
                      {{"decisions orders", "why has it so many connections?"},
                       {"decisions orders -o wide", "with since when, and the limit"}},
                      {},
                      &Decisions,
                      {"get decisions"}});
  commands.push_back(
      {"events",
       kSee,
       "",
       0,
       0,
       Names::kNone,
       "show what happened, and follow what happens",
       "Without --follow it shows the last events and ends. With -o json each line is one message with its\n"
       "resumeToken: hand it to --since-token, and nothing is missed or repeated.",
       "table|json|yaml|name",
       {{"follow", 'f', "", "go on with what happens from now"},
        {"since-token", 0, "TOKEN", "go on where an earlier watch ended"},
        {"history", 0, "N", "begin with so many of the last events (default 20)"},
        {"resource", 0, "RESOURCE", "only of this resource and what is below it: pools/orders"},
        {"min-severity", 0, "info|warning|error", "leave out what matters less"}},
       {{"events", "the last 20"},
        {"events -f --min-severity warning", "follow what goes wrong"},
        {"events -f --resource pools/orders -o json", "one JSON object a line"}},
       {},
       &Events});
  commands.push_back(
      {"top",
       kSee,
       "[POOL...]",
       0,
       64,
       Names::kPools,
       "watch pools at work",
       "Numbers of every second. ACQ/s (places granted) and FAIL/s (refused, timed out, no way to the target)\n"
       "are computed from counters of successive ticks; \"-\" means that they are not known yet. LIMIT names the "
       "option that holds the pool back, or target if that cannot be reached.\n"
       "Keys: q quit, s sort by the next column, p pause, ? help.",
       "",
       {{"once", 0, "", "print one frame, after two ticks so that rates are known, and end"},
        {"batch", 'b', "", "print frames one after another, as scripts like it"},
        {"count", 'n', "N", "end after so many frames (with --batch)"}},
       {{"top", "on the whole screen"}, {"top --once", "one frame"}, {"top --batch -n 5 orders", "five, of one pool"}},
       {},
       &Top});

  commands.push_back(
      {"set",
       kChange,
       "POOL OPTION=VALUE... | OPTION-...",
       2,
       64,
       Names::kPoolAndSettings,
       "override options of a pool, or take overrides back",
       "Holds at once, on top of the owner's options, and survives reloads until it ends (--ttl) or is taken\n"
       "back (OPTION-). Durations are written 250ms, 30s, 5m or infinite.",
       "table|json|yaml|name",
       {{"ttl", 0, "DURATION", "the override ends by itself after this long (1s to 30d)"}, DryRun(), Reason()},
       {{"set orders max_connections=40 --ttl 30m", "40 connections for half an hour"},
        {"set pools/orders max_connections-", "back to what the owner says"},
        {"set orders max_idle=10m overflow=reject --dry-run", "would that be accepted?"}},
       {},
       &Set});
  commands.push_back(
      {"drain",
       kChange,
       "POOL",
       1,
       1,
       Names::kPools,
       "take a pool out of service, and wait until it is empty",
       "Refuses new callers, lets calls in flight finish, closes the connections; shows what it waits for.\n"
       "Ctrl-C stops looking, not the drain. Exit code 8: the deadline passed and calls are left.",
       "table|json|yaml|name",
       {{"deadline", 0, "DURATION", "how long calls in flight may take (default: as long as they like)"},
        {"cancel-calls", 0, "", "at the deadline cancel the calls that are left; without it they go on"},
        Detach(),
        {"supersede", 0, "", "take the place of a drain that runs with other parameters"},
        Reason(),
        DryRun()},
       {{"drain orders", "and wait for the last call"},
        {"drain orders --deadline 60s --cancel-calls", "for a minute at most, then cut"},
        {"drain orders --detach", "start it and return"}},
       {},
       &Drain});
  commands.push_back({"undrain",
                      kChange,
                      "POOL",
                      1,
                      1,
                      Names::kPools,
                      "put a drained pool back into service",
                      "Not an error when nothing was drained.",
                      kMessages,
                      {Reason(), DryRun()},
                      {{"undrain orders", "lend again"}},
                      {"resume"},
                      &Undrain});
  commands.push_back(
      {"recycle",
       kChange,
       "POOL",
       1,
       1,
       Names::kPools,
       "replace every connection of a pool, new before old",
       "Cuts no call: an old connection closes when its last call ends. Ctrl-C stops looking, not the recycle.",
       "table|json|yaml|name",
       {{"deadline", 0, "DURATION", "how long it may take (default: as long as calls on the old ones)"},
        Detach(),
        Reason(),
        DryRun()},
       {{"recycle orders", "after a deploy of the servers"}, {"recycle orders --detach", "start it and return"}},
       {"reconnect"},
       &Recycle});
  commands.push_back({"operation get",
                      kChange,
                      "OPERATION",
                      1,
                      1,
                      Names::kOperations,
                      "show a drain or recycle",
                      "",
                      kLists,
                      {},
                      {{"operation get 4", "how far operations/4 is"}},
                      {},
                      &OperationGet});
  commands.push_back({"operation wait",
                      kChange,
                      "OPERATION",
                      1,
                      1,
                      Names::kOperations,
                      "watch a drain or recycle until it ends",
                      "As if you had not detached: the same progress, the same exit code.",
                      "table|json|yaml|name",
                      {},
                      {{"operation wait 4", "come back to a drain that you detached from"}},
                      {},
                      &OperationWait});
  commands.push_back({"operation cancel",
                      kChange,
                      "OPERATION",
                      1,
                      1,
                      Names::kOperations,
                      "stop a drain or recycle",
                      "A drained pool lends again; a recycle replaces no further connection. Not an error when it has\n"
                      "ended.",
                      kLists,
                      {Reason()},
                      {{"operation cancel 4", "stop operations/4"}},
                      {"cancel"},
                      &OperationCancel});

  commands.push_back(
      {"reload",
       kConfiguration,
       "",
       0,
       0,
       Names::kNone,
       "read the configuration file again",
       "All of it comes into force, or nothing: a broken file is exit code 6 and every error with its line.",
       kMessages,
       {DryRun(),
        {"expected-generation", 0, "N", "only if this configuration still holds (exit code 7 otherwise)"},
        Reason()},
       {{"reload --dry-run", "what would change, and what it takes"}, {"reload", "make it so"}},
       {},
       &Reload});
  commands.push_back(
      {"config get",
       kConfiguration,
       "POOL [KEY...]",
       1,
       64,
       Names::kPoolAndKeys,
       "show what holds for a pool, and who says so",
       "Every key of the pool with its value and its source: the file, the file's defaults, built in, an\n"
       "earlier file (the pool is not in it any more, and drains), the application that has the pool, or an\n"
       "override with what it hides. KEY may be a group: retry. Keys without a value are shown to those\n"
       "who ask for them. What an application gave without its name, such as credentials, is not known.",
       kMessages,
       {},
       {{"config get orders", "all of them"},
        {"config get orders max_connections keepalive", "one option, and all about pings"},
        {"config get orders -o json", "for a program"}},
       {},
       &ConfigGet});
  commands.push_back(
      {"config view",
       kConfiguration,
       "",
       0,
       0,
       Names::kNone,
       "show the configuration",
       "As YAML, as a file would have it; -o json is the whole answer as ProtoJSON. Overrides are not in\n"
       "it: see config get.",
       "yaml|json",
       {{"file", 0, "", "what the file says now"}, {"defaults", 0, "", "what holds where nothing is said"}},
       {{"config view", "what holds"}, {"config view --defaults", "what may be left out"}},
       {"show config"},
       &ConfigView});
  commands.push_back({"config validate",
                      kConfiguration,
                      "",
                      0,
                      0,
                      Names::kNone,
                      "check the configuration file",
                      "The same check as reload, and nothing else: exit code 0 or 6.",
                      kMessages,
                      {},
                      {{"config validate", "would a reload be accepted?"}},
                      {},
                      &ConfigValidate});

  commands.push_back({"version",
                      kOther,
                      "",
                      0,
                      0,
                      Names::kNone,
                      "show the versions of poolctl and of the server",
                      "poolctl --version is poolctl version --client.",
                      kMessages,
                      {{"client", 0, "", "do not ask the server"}},
                      {{"version", "both"}, {"version --client", "of poolctl alone"}},
                      {"show version"},
                      &Version});
  commands.push_back({"completion",
                      kOther,
                      "bash|zsh|fish",
                      1,
                      1,
                      Names::kShells,
                      "print a shell's completion script",
                      "Completes commands, flags, and the names of pools and operations that are there.",
                      "",
                      {},
                      {{"completion bash > /etc/bash_completion.d/poolctl", "for everybody on this machine"},
                       {"completion zsh > ~/.zfunc/_poolctl", "for zsh, with ~/.zfunc in fpath"},
                       {"completion fish > ~/.config/fish/completions/poolctl.fish", "for fish"}},
                      {},
                      &Completion});
  return commands;
}

}  // namespace

const std::vector<Command>& Commands() {
  static const auto* commands = new std::vector<Command>(MakeCommands());
  return *commands;
}

const std::vector<Flag>& GlobalFlags() {
  static const auto* flags = new std::vector<Flag>{
      {"endpoint", 'e', "ENDPOINT", "whom to ask: unix:/path or host:port (default: the socket of this machine)"},
      {"output", 'o', "FORMAT", "how to print"},
      {"timeout", 0, "DURATION", "how long to wait for each answer (default 10s)"},
      {"no-headers", 0, "", "leave out the first line of tables"},
      {"color", 0, "auto|always|never", "colours (default auto: on a terminal, unless NO_COLOR is set)"},
      {"help", 'h', "", "this text"},
  };
  return *flags;
}

std::string VariableOf(const std::string& global_flag) {
  return absl::StrCat("POOLCTL_", absl::AsciiStrToUpper(absl::StrReplaceAll(global_flag, {{"-", "_"}})));
}

}  // namespace chanpool::cli
