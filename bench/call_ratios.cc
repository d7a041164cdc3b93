// `make bench-calls`: calls through a pool, through plain channels, and through what one writes by hand, as a table of
// ratios; the last line says which bars held.
//
//   call_ratios [--rounds=N] [--only=NAME[,NAME...]] [--quick] [--help]
//
// Sides take turns as call_turns.h has it; servers are processes of their own. A bar that is missed is no failure of
// the program: what it says is what this machine, with what else it did meanwhile, was able to.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/bar_table.h"
#include "bench/call_sides.h"
#include "bench/call_turns.h"
#include "bench/connection_cost.h"
#include "examples/demo/report.h"
#include "examples/processes/program.h"
#include "pool/grpc/channel_pool.h"
#include "tests/fakes/test_certificates.h"

namespace chanpool::bench {
namespace {

struct Flags {
  int rounds = 0;  // 0: as each comparison needs.
  bool quick = false;
  std::vector<absl::string_view> only;  // Empty: all.

  int Rounds(int needed) const { return rounds > 0 ? rounds : needed; }
  absl::Duration Long(absl::Duration needed) const { return quick ? needed / 10 : needed; }
  Load Of(int callers, absl::Duration delay, absl::Duration measured) const {
    return {callers, delay, Long(absl::Milliseconds(500)), Long(measured)};
  }
};

std::string Ms(absl::Duration d) { return absl::StrCat(absl::ToInt64Milliseconds(d), " ms"); }

void Say(const std::string& what) { std::fprintf(stderr, "call_ratios: %s\n", what.c_str()); }

void RowOf(BarTable& table, const Side& side, Figure figure, const std::string& unit) {
  table.Row(side.name, OfTurns(side, figure), unit);
}

void RatioRow(BarTable& table, const Side& a, const Side& b, Figure figure) {
  table.Row(absl::StrCat(a.name, " / ", b.name), Ratios(a, b, figure), "times");
}

// Turns of something else than CallTurn.
template <typename Turn>
struct Taken {
  std::string name;
  std::vector<Turn> turns = {};
};

// Both, and their ratio unless some turn of `b` has nothing to divide by.
template <typename Turn>
void PairRows(BarTable& table, const Taken<Turn>& a, const Taken<Turn>& b, const std::string& what,
              double Turn::*figure, const std::string& unit) {
  std::vector<double> of_a, of_b, ratios;
  for (size_t i = 0; i < a.turns.size(); ++i) {
    of_a.push_back(a.turns[i].*figure);
    of_b.push_back(b.turns[i].*figure);
    if (of_b.back() > 0) ratios.push_back(of_a.back() / of_b.back());
  }
  table.Row(absl::StrCat(a.name, ", ", what), of_a, unit);
  table.Row(absl::StrCat(b.name, ", ", what), of_b, unit);
  if (ratios.size() == of_a.size()) table.Row(absl::StrCat(a.name, " / ", b.name, ", ", what), ratios, "times");
}

// --- More calls than one connection has streams -------------------------------------------------------------------

struct InFlight {
  int callers;
  absl::Duration delay;
  double bar;  // Of in-flight / delay; 0: none.
};

void CompareInFlight(const InFlight& what, const Flags& flags, BarTable& table) {
  constexpr int kStreams = 100;
  const int connections = what.callers / kStreams;
  const std::string title = absl::StrCat(demo::Count(what.callers), " calls of ", Ms(what.delay), " in flight, ",
                                         kStreams, " streams per connection");
  Say(title);
  const auto server = StartServer(kStreams);
  PoolOptions options = PoolOf(connections);
  options.max_leases_per_connection = kStreams;
  const auto pool = MakePool(server->target(), options);
  Side plain{"plain channel", PlainChannels(server->target(), 1)};
  Side robin{absl::StrCat("round robin over ", connections), PlainChannels(server->target(), connections)};
  Side pooled{absl::StrCat("pool of ", connections), {pool->channel()}};
  TakeTurns({&plain, &robin, &pooled}, flags.Rounds(5), flags.Of(what.callers, what.delay, absl::Milliseconds(1500)));

  table.Section(title);
  constexpr Figure kRate = &CallTurn::calls_per_second;
  for (const Side* side : {&plain, &robin, &pooled}) RowOf(table, *side, kRate, "calls/s");
  RatioRow(table, pooled, plain, kRate);
  RatioRow(table, pooled, robin, kRate);
  for (const Side* side : {&plain, &robin, &pooled}) {
    std::vector<double> of_limit = OfTurns(*side, kRate);
    for (double& rate : of_limit) rate /= what.callers / absl::ToDoubleSeconds(what.delay);
    std::optional<Bar> bar;
    if (side == &pooled && what.bar > 0) bar = {Ms(what.delay), Bar::Side::kAtLeast, what.bar};
    table.Row(absl::StrCat(side->name, " / (in flight / delay)"), of_limit, "times", bar);
  }
}

void InFlightCalls(const Flags& flags, BarTable& table) {
  const InFlight all[] = {{1000, absl::Milliseconds(100), 0.95},
                          {1000, absl::Milliseconds(50), 0.90},
                          {1000, absl::Milliseconds(20), 0},
                          {2000, absl::Milliseconds(100), 0}};
  for (const InFlight& what : all) CompareInFlight(what, flags, table);
}

// --- Processor time -----------------------------------------------------------------------------------------------

void CpuPerCall(const Flags& flags, BarTable& table) {
  const auto server = StartServer(/*max_streams=*/1000);
  for (const int callers : {1, 16, 128}) {
    const std::string title =
        absl::StrCat("Processor time of the client per call, one connection, ", callers, " in flight");
    Say(title);
    const CpuSides sides = CompareCpu(server->target(), callers, flags.Rounds(401));
    table.Section(title);
    constexpr Figure kCpu = &CallTurn::cpu_us_per_call;
    RowOf(table, sides.plain, kCpu, "us");
    RowOf(table, sides.pooled, kCpu, "us");
    table.Row("pool - plain channel", Differences(sides.pooled, sides.plain, kCpu), "us",
              Bar{absl::StrCat("CPU us at ", callers), Bar::Side::kAtMost, 1});
  }
}

// --- Large responses ----------------------------------------------------------------------------------------------

void Bulk(const Flags& flags, BarTable& table) {
  constexpr int kCallers = 16;
  constexpr int kConnections = 4;
  const std::string title = absl::StrCat("Responses of 1 MiB, ", kCallers, " callers");
  Say(title);
  const auto server = StartServer(/*max_streams=*/100);
  const auto pool = MakePool(server->target(), PoolOf(kConnections));
  Side plain{"plain channel", PlainChannels(server->target(), 1)};
  Side robin{"round robin over 4", PlainChannels(server->target(), kConnections)};
  Side pooled{"pool of 4", {pool->channel()}};
  Load load = flags.Of(kCallers, absl::ZeroDuration(), absl::Seconds(1));
  load.response_bytes = kMebibyte;
  TakeTurns({&plain, &robin, &pooled}, flags.Rounds(5), load);

  table.Section(title);
  for (const Side* side : {&plain, &robin, &pooled}) RowOf(table, *side, &CallTurn::calls_per_second, "MiB/s");
  RatioRow(table, pooled, plain, &CallTurn::calls_per_second);
  RatioRow(table, pooled, robin, &CallTurn::calls_per_second);
}

// Prints the latencies of small calls, or of calls of which some are slow.
void LatencyRows(BarTable& table, const std::vector<const Side*>& sides) {
  const std::pair<const char*, Figure> figures[] = {{"p50", &CallTurn::p50_ms}, {"p99", &CallTurn::p99_ms}};
  for (const auto& [name, figure] : figures) {
    for (const Side* side : sides) table.Row(absl::StrCat(side->name, ", ", name), OfTurns(*side, figure), "ms");
    for (size_t i = 1; i < sides.size(); ++i) {
      table.Row(absl::StrCat(sides[i]->name, " / ", sides[0]->name, ", ", name), Ratios(*sides[i], *sides[0], figure),
                "times");
    }
  }
}

void SmallBesideBulk(const Flags& flags, BarTable& table) {
  constexpr int kCallers = 8;
  const std::string title =
      absl::StrCat("Small calls of ", kCallers, " callers beside ", kCallers, " that fetch 1 MiB");
  Say(title);
  const auto server = StartServer(/*max_streams=*/100);
  const auto four = MakePool(server->target(), PoolOf(4));
  const auto sixteen = MakePool(server->target(), PoolOf(2 * kCallers));
  Side plain{"plain channel", PlainChannels(server->target(), 1)};
  Side pool_of_4{"pool of 4", {four->channel()}};
  Side pool_of_16{"pool of 16", {sixteen->channel()}};
  Load load = flags.Of(kCallers, absl::ZeroDuration(), absl::Seconds(1));
  load.bulk_callers = kCallers;
  TakeTurns({&plain, &pool_of_4, &pool_of_16}, flags.Rounds(5), load);

  table.Section(title);
  LatencyRows(table, {&plain, &pool_of_4, &pool_of_16});
  for (const Side* side : {&plain, &pool_of_4, &pool_of_16}) {
    table.Row(absl::StrCat(side->name, ", beside"), OfTurns(*side, &CallTurn::bulk_per_second), "MiB/s");
  }
}

// --- Connections that are not there yet ---------------------------------------------------------------------------

// What makes plain channels and a pool to one server.
struct ConnectionKind {
  const char* name;
  std::string target;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  ChannelPoolOptions pool;
};

using CompareKind = void (*)(const ConnectionKind& kind, const Flags& flags, BarTable& table);

// `compare` with a server without TLS, and one with it.
void InBothKinds(CompareKind compare, const Flags& flags, BarTable& table) {
  constexpr int kMaxStreams = 100;
  {
    const auto server = StartServer(kMaxStreams);
    ConnectionKind kind{"insecure", server->target(), grpc::InsecureChannelCredentials(), {}};
    kind.pool.target = kind.target;
    kind.pool.pool = PoolOf(4);
    compare(kind, flags, table);
  }
  const absl::Time now = absl::Now();
  const testing::TestAuthority authority("call_ratios", now + absl::Hours(1));
  const testing::TestPair pair = authority.Issue("localhost", now - absl::Hours(1), now + absl::Hours(1));
  const TemporaryFolder folder;
  const auto server =
      StartServer(kMaxStreams, {absl::StrCat("--certificate=", folder.Write("server.pem", pair.certificate)),
                                absl::StrCat("--key=", folder.Write("server.key", pair.key))});
  grpc::SslCredentialsOptions trusted;
  trusted.pem_root_certs = authority.certificate();
  ConnectionKind kind{"TLS", server->target(), grpc::SslCredentials(trusted), {}};
  kind.pool.target = kind.target;
  kind.pool.tls = TlsOptions();
  kind.pool.tls->ca_file = folder.Write("ca.pem", authority.certificate());
  kind.pool.tls->server_name = "localhost";
  kind.pool.pool = PoolOf(4);
  compare(kind, flags, table);
}

// Not connected, and sharing nothing.
std::shared_ptr<grpc::ChannelInterface> FreshChannel(const ConnectionKind& kind) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel(kind.target, kind.credentials, arguments);
}

void CompareFirstCall(const ConnectionKind& kind, const Flags& flags, BarTable& table) {
  const std::string title = absl::StrCat("The first call, ", kind.name);
  Say(title);
  std::vector<double> plain, cold, warm;
  Alternate(flags.Rounds(101), {[&] { plain.push_back(FirstCallMs(FreshChannel(kind))); },
                                [&] {
                                  ChannelPoolOptions options = kind.pool;
                                  options.pool.min_connections = 0;
                                  cold.push_back(FirstCallMs(MakePool(options)->channel()));
                                },
                                [&] { warm.push_back(FirstCallMs(MakePool(kind.pool)->channel())); }});
  const auto over_plain = [&plain](std::vector<double> values) {
    for (size_t i = 0; i < values.size(); ++i) values[i] /= plain[i];
    return values;
  };
  table.Section(title);
  table.Row("plain channel, cold", plain, "ms");
  table.Row("pool, cold (min_connections 0)", cold, "ms");
  table.Row("pool, warm (min_connections 4, open)", warm, "ms");
  table.Row("pool, cold / plain channel, cold", over_plain(cold), "times");
  table.Row("pool, warm / plain channel, cold", over_plain(warm), "times");
}

void FirstCall(const Flags& flags, BarTable& table) { InBothKinds(CompareFirstCall, flags, table); }

void CompareConnectionPerCall(const ConnectionKind& kind, const Flags& flags, BarTable& table) {
  constexpr int kCallers = 16;
  const std::string title = absl::StrCat("A connection for each call, ", kind.name, ", ", kCallers, " callers");
  Say(title);
  const auto pool = MakePool(kind.pool);
  const absl::Duration length = flags.Long(absl::Seconds(1));
  Taken<CostTurn> for_each{"one for each call"}, pooled{"pool of 4"};
  Alternate(flags.Rounds(5),
            {[&] { for_each.turns.push_back(TakeCostTurn([&kind] { return FreshChannel(kind); }, kCallers, length)); },
             [&] { pooled.turns.push_back(TakeCostTurn([&pool] { return pool->channel(); }, kCallers, length)); }});

  table.Section(title);
  PairRows(table, for_each, pooled, "time", &CostTurn::ms_per_call, "ms");
  PairRows(table, for_each, pooled, "processor time", &CostTurn::cpu_us_per_call, "us");
  PairRows(table, for_each, pooled, "dials for 1,000 calls", &CostTurn::dials_per_1000, "");
  PairRows(table, for_each, pooled, "memory at most", &CostTurn::memory_kib, "KiB");
}

void ConnectionPerCall(const Flags& flags, BarTable& table) { InBothKinds(CompareConnectionPerCall, flags, table); }

// --- One slow backend of four -------------------------------------------------------------------------------------

// Under `load` until the pool has ejected an endpoint: it looks at latencies every 10 s.
void AwaitEjection(ChannelPool& pool, const Load& load) {
  constexpr absl::Duration kLimit = absl::Seconds(25);
  const absl::Time limit = absl::Now() + kLimit;
  const auto ejected = [&pool] {
    const auto rows = pool.Endpoints();
    return std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.state == EndpointState::kEjected; });
  };
  while (!ejected()) {
    if (absl::Now() > limit) return Say("the pool has not ejected the slow backend; its turns say so");
    TakeCallTurn({pool.channel()}, load);
  }
}

void SlowBackend(const Flags& flags, BarTable& table) {
  constexpr int kBackends = 4;
  constexpr int kCallers = 32;
  constexpr int kSlowness = 20;
  constexpr absl::Duration kDelay = absl::Milliseconds(5);
  const std::string title = absl::StrCat("One backend of ", kBackends, " takes ", kSlowness, " times the others' ",
                                         Ms(kDelay), ", ", kCallers, " callers");
  Say(title);
  std::vector<std::unique_ptr<demo::UpstreamProcess>> servers;
  Side robin{"round robin over 4", {}};
  ChannelPoolOptions options;
  options.target = "orders:50051";
  options.pool = PoolOf(kBackends);
  for (int i = 0; i < kBackends; ++i) {
    servers.push_back(StartServer(/*max_streams=*/100, {absl::StrCat("--slowness=", i == 0 ? kSlowness : 1)}));
    robin.channels.push_back(PlainChannels(servers.back()->target(), 1).front());
    options.endpoints.push_back({servers.back()->target()});
  }
  const auto ejecting = MakePool(options);
  options.pool.max_ejected = 0;
  const auto balancing = MakePool(options);
  Side by_load{"pool, least loaded", {balancing->channel()}};
  Side pooled{"pool, slow one ejected", {ejecting->channel()}};
  std::vector<Side*> sides = {&robin, &by_load};
  const Load load = flags.Of(kCallers, kDelay, absl::Seconds(1));
  if (!flags.quick) {
    Say("until the pool has seen which one is slow");
    AwaitEjection(*ejecting, load);
    sides.push_back(&pooled);
  }
  TakeTurns(sides, flags.Rounds(5), load);

  table.Section(title);
  LatencyRows(table, {sides.begin(), sides.end()});
  for (const Side* side : sides) RowOf(table, *side, &CallTurn::calls_per_second, "calls/s");
  for (size_t i = 1; i < sides.size(); ++i) RatioRow(table, *sides[i], robin, &CallTurn::calls_per_second);
}

// --- Memory -------------------------------------------------------------------------------------------------------

void Memory(const Flags& flags, BarTable& table) {
  const std::string title = "Memory of the client for an open connection: of 100, less that of 1, by 99";
  Say(title);
  const auto server = StartServer(/*max_streams=*/100);
  const std::string target = server->target();
  const auto plain = [&target](int n) -> std::shared_ptr<void> {
    return std::make_shared<Channels>(PlainChannels(target, n));
  };
  const auto pooled = [&target](int n) -> std::shared_ptr<void> { return MakePool(target, PoolOf(n)); };
  Taken<ConnectionBytes> of_plain{"plain channels"}, of_pool{"pool"};
  Alternate(flags.Rounds(5), {[&] { of_plain.turns.push_back(BytesPerConnection(plain, server->port())); },
                              [&] { of_pool.turns.push_back(BytesPerConnection(pooled, server->port())); }});

  table.Section(title);
  PairRows(table, of_pool, of_plain, "allocated", &ConnectionBytes::allocated, "bytes");
  PairRows(table, of_pool, of_plain, "resident", &ConnectionBytes::resident, "bytes");
}

// --- The program --------------------------------------------------------------------------------------------------

struct Comparison {
  const char* name;
  const char* about;
  void (*run)(const Flags& flags, BarTable& table);
};

// Memory first: later the process keeps some from the others.
constexpr Comparison kComparisons[] = {
    {"memory", "of an open connection", Memory},
    {"in-flight", "more calls than one connection has streams; two bars", InFlightCalls},
    {"cpu", "processor time of a call; three bars", CpuPerCall},
    {"bulk", "responses of 1 MiB", Bulk},
    {"mixed", "small calls beside responses of 1 MiB", SmallBesideBulk},
    {"first-call", "on what is not connected yet and what is, insecure and TLS", FirstCall},
    {"per-call", "a connection for each call, insecure and TLS", ConnectionPerCall},
    {"slow", "one slow backend of four", SlowBackend},
};

std::string Usage() {
  std::string usage =
      "usage: call_ratios [--rounds=N] [--only=NAME[,NAME...]] [--quick]\n"
      "  --rounds  turns of each side; as many as each comparison needs if left out\n"
      "  --quick   turns of a tenth of the time: shows that all runs, and no figure is worth anything\n"
      "  --only    of\n";
  for (const Comparison& comparison : kComparisons) {
    absl::StrAppend(&usage, "    ", comparison.name, ": ", comparison.about, "\n");
  }
  return usage;
}

bool IsComparison(absl::string_view name) {
  return std::any_of(std::begin(kComparisons), std::end(kComparisons),
                     [name](const Comparison& comparison) { return name == comparison.name; });
}

bool Read(absl::string_view argument, Flags& flags) {
  if (argument == "--quick") return flags.quick = true;
  if (absl::ConsumePrefix(&argument, "--rounds=")) return absl::SimpleAtoi(argument, &flags.rounds) && flags.rounds > 0;
  if (!absl::ConsumePrefix(&argument, "--only=")) return false;
  flags.only = absl::StrSplit(argument, ',');
  return std::all_of(flags.only.begin(), flags.only.end(), IsComparison);
}

void Run(const Flags& flags) {
  BarTable table;
  for (const Comparison& comparison : kComparisons) {
    const auto& only = flags.only;
    const bool wanted = only.empty() || std::find(only.begin(), only.end(), comparison.name) != only.end();
    if (wanted) comparison.run(flags, table);
  }
  std::printf("\n%s\n", table.Summary("calls").c_str());
}

}  // namespace
}  // namespace chanpool::bench

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // Into a pipe too: some figures take a minute.
  chanpool::bench::Flags flags;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--help") {
      std::fputs(chanpool::bench::Usage().c_str(), stdout);
      return 0;
    }
    if (!chanpool::bench::Read(argument, flags)) {
      std::fprintf(stderr, "call_ratios: %s is no argument\n%s", argv[i], chanpool::bench::Usage().c_str());
      return 2;
    }
  }
  chanpool::bench::Run(flags);
  return 0;
}
