// What a pool of connections does that one channel cannot, and what its operators see and do, against real processes,
// in under 90 seconds.
//
//   demo [--keep]       --keep: leave everything running at the end, and say what to try
//
// Seven acts; each ends with promises that are checked. Exit code 1 if one is broken, 2 if something does not start.
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/demo/closed_loop.h"
#include "examples/demo/operators.h"
#include "examples/demo/outage.h"
#include "examples/demo/report.h"
#include "examples/demo/tcp_connections.h"
#include "examples/demo/upstream_process.h"
#include "pool/grpc/channel_pool.h"

namespace chanpool::demo {
namespace {

constexpr int kStreamsPerConnection = 100;
const absl::Duration kSettle = absl::Seconds(1);  // For connections to open and queues to empty, before figures count.

std::shared_ptr<ChannelPool> MakePool(const UpstreamProcess& upstream, const PoolOptions& options) {
  ChannelPoolOptions all;
  all.name = "orders";
  all.target = upstream.target();
  all.pool = options;
  absl::StatusOr<std::shared_ptr<ChannelPool>> pool = ChannelPool::Create(all);
  if (!pool.ok()) {
    std::fprintf(stderr, "demo: %s\n", pool.status().ToString().c_str());
    std::exit(2);
  }
  return *std::move(pool);
}

PoolOptions FixedSize(int connections) {
  PoolOptions options;
  options.min_connections = connections;
  options.max_connections = connections;
  options.max_leases_per_connection = kStreamsPerConnection;
  return options;
}

std::string Load(int callers, absl::Duration delay) {
  return absl::StrCat(Count(callers), " calls in flight, ", Milliseconds(delay), " each");
}

// --- 1: more calls than one connection has streams -----------------------------------------------------------------

struct Carried {
  LoadFigures figures;
  int sockets = 0;
};

Carried Carry(const std::shared_ptr<grpc::ChannelInterface>& channel, int callers, absl::Duration delay, int port) {
  ClosedLoop load({channel}, callers, delay);
  absl::SleepFor(kSettle);
  const absl::Time from = absl::Now();
  absl::SleepFor(absl::Seconds(4));
  const absl::Time to = absl::Now();
  const int sockets = CountTcpConnections(port);
  return {Figures(load.Stop(), from, to), sockets};
}

std::vector<std::string> Row(const std::string& name, const Carried& carried) {
  return {name,
          Count(static_cast<int64_t>(carried.figures.per_second)),
          Milliseconds(carried.figures.p50),
          Milliseconds(carried.figures.p99),
          Count(carried.figures.failed),
          Count(carried.sockets)};
}

void MoreCallsThanStreams(const UpstreamProcess& upstream, Report& report) {
  constexpr int kCallers = 1000;
  constexpr double kTimesMore = 5;  // 10 is the limit; a busy machine reaches less.
  const absl::Duration delay = absl::Milliseconds(100);
  report.Act("One plain channel against the pool", Load(kCallers, delay));
  report.Note("The server allows 100 streams per connection: on one channel the other 900 calls wait unseen.");

  const auto plain_channel = grpc::CreateChannel(upstream.target(), grpc::InsecureChannelCredentials());
  const Carried plain = Carry(plain_channel, kCallers, delay, upstream.port());
  const int sockets_of_plain = CountTcpConnections(upstream.port());
  PoolOptions options;
  options.max_connections = 10;
  options.max_leases_per_connection = kStreamsPerConnection;
  const auto pool = MakePool(upstream, options);
  Carried pooled = Carry(pool->channel(), kCallers, delay, upstream.port());
  pooled.sockets -= sockets_of_plain;  // The plain channel is still open.

  report.Table({"", "calls/s", "p50", "p99", "failed", "TCP connections"},
               {Row("plain channel", plain), Row("pool", pooled)});
  const double times = pooled.figures.per_second / std::max(1.0, plain.figures.per_second);
  report.Promise(times >= kTimesMore,
                 absl::StrFormat("the pool carries at least %.0f times as many calls: %.1f", kTimesMore, times));
  report.Promise(pooled.figures.failed == 0 && pooled.figures.calls > 0, "no call fails");
  report.Promise(pooled.sockets > 1 && pooled.sockets <= options.max_connections,
                 absl::StrCat("more than one TCP connection, and no more than max_connections: ", pooled.sockets,
                              " of ", options.max_connections));
}

// --- 2: rotation ---------------------------------------------------------------------------------------------------

void RotationByAge(const UpstreamProcess& upstream, Report& report) {
  constexpr int kCallers = 100;
  constexpr int kConnections = 4;
  const absl::Duration delay = absl::Milliseconds(20);
  report.Act("Connections are replaced by age", Load(kCallers, delay));
  report.Note("max_age is 1 s here, so that a minute shows what an hour would; new before old, one at a time.");

  PoolOptions options = FixedSize(kConnections);
  options.max_age = absl::Seconds(1);
  const auto pool = MakePool(upstream, options);
  const absl::Time from = absl::Now();
  ClosedLoop load({pool->channel()}, kCallers, delay);
  int most_sockets = 0;
  while (absl::Now() < from + absl::Seconds(6)) {
    most_sockets = std::max(most_sockets, CountTcpConnections(upstream.port()));
    absl::SleepFor(absl::Milliseconds(10));
  }
  const LoadFigures figures = Figures(load.Stop(), from, absl::InfiniteFuture());
  const PoolStats stats = pool->Stats();
  const auto replaced = static_cast<int64_t>(stats.closed_by_reason[static_cast<int>(CloseReason::kMaxAge)]);

  report.Table({"", "calls", "p50", "p99", "failed", "replaced by age", "TCP connections at most"},
               {{"pool", Count(figures.calls), Milliseconds(figures.p50), Milliseconds(figures.p99),
                 Count(figures.failed), Count(replaced), Count(most_sockets)}});
  report.Promise(
      replaced >= 2 * kConnections,
      absl::StrCat("each of the ", kConnections, " places was renewed at least twice: ", replaced, " in all"));
  report.Promise(figures.failed == 0 && figures.calls > 0, "no call fails");
}

// --- 3: drain ------------------------------------------------------------------------------------------------------

// What channel() answers while its pool drains.
bool RefusedByDrain(const CallRecord& call) {
  return call.code == grpc::StatusCode::UNAVAILABLE && absl::StrContains(call.error, "is draining");
}

void DrainUnderLoad(const UpstreamProcess& upstream, Report& report) {
  constexpr int kCallers = 200;
  const absl::Duration delay = absl::Milliseconds(300);
  report.Act("The pool is drained under load, and resumed", Load(kCallers, delay));
  report.Note("New calls are refused at once; what is in flight is finished; then the connections close.");

  const auto pool = MakePool(upstream, FixedSize(4));
  ClosedLoop load({pool->channel()}, kCallers, delay);
  absl::SleepFor(kSettle);
  const int64_t in_flight = pool->Stats().leases;
  const absl::Time drain_begins = absl::Now();
  const absl::Status drained = pool->Drain(drain_begins + absl::Seconds(10));
  const absl::Duration drain_took = absl::Now() - drain_begins;
  absl::SleepFor(absl::Milliseconds(300));
  const int sockets_when_drained = CountTcpConnections(upstream.port());
  const absl::Time resumed_at = absl::Now();
  const absl::Status resumed = pool->Resume();
  absl::SleepFor(kSettle);
  const std::vector<CallRecord> calls = load.Stop();

  int64_t finished = 0, refused = 0, failed = 0, after = 0;
  for (const CallRecord& call : calls) {
    if (call.code == grpc::StatusCode::OK) {
      ++finished;
      after += call.start >= resumed_at;
    } else if (RefusedByDrain(call)) {
      ++refused;
    } else {
      ++failed;
    }
  }
  const auto refused_by_pool = static_cast<int64_t>(pool->Stats().unavailable);

  report.Table({"", "in flight at the drain", "drained in", "accepted and finished", "accepted and failed", "refused",
                "TCP connections then"},
               {{"pool", Count(in_flight), Milliseconds(drain_took), Count(finished), Count(failed), Count(refused),
                 Count(sockets_when_drained)}});
  report.Promise(drained.ok() && in_flight > 0, absl::StrCat("the drain waits for the calls in flight and ends: ",
                                                             drained.ok() ? "OK" : drained.ToString()));
  report.Promise(failed == 0, "no call that was accepted fails");
  report.Promise(refused == refused_by_pool,
                 absl::StrCat("the refused are those that the pool counts: ", Count(refused_by_pool)));
  report.Promise(resumed.ok() && after > 0, absl::StrCat("after Resume it serves again: ", Count(after), " calls"));
}

// --- 4: a backend dies ---------------------------------------------------------------------------------------------

void BackendKilled(UpstreamProcess& upstream, Report& report) {
  constexpr int kCallersOfEachKind = 50;
  const absl::Duration delay = absl::Milliseconds(20);
  report.Act("The backend is killed and comes back a second later", Load(2 * kCallersOfEachKind, delay));
  const pid_t killed_pid = upstream.pid();

  const auto pool = MakePool(upstream, FixedSize(4));
  ClosedLoop patient({pool->channel()}, kCallersOfEachKind, delay, Patience::kWaitForReady);
  ClosedLoop impatient({pool->channel()}, kCallersOfEachKind, delay, Patience::kFailFast);
  absl::SleepFor(kSettle);
  Outage outage;
  outage.killed = absl::Now();
  upstream.Kill();
  while (pool->Stats().connections_open > 0 && absl::Now() - outage.killed < absl::Seconds(5)) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  outage.noticed = absl::Now();
  absl::SleepFor(absl::Seconds(1));
  const absl::Status restarted = upstream.Restart();
  outage.listening_again = absl::Now();
  absl::SleepFor(absl::Seconds(3));
  const OutageCauses waited = Explain(patient.Stop(), outage);
  const OutageCauses failed_fast = Explain(impatient.Stop(), outage);
  const absl::Duration back = std::min(waited.answered_again, failed_fast.answered_again) - outage.listening_again;

  report.Note(absl::StrCat("kill -9 ", killed_pid, "; ", Milliseconds(outage.listening_again - outage.killed),
                           " later process ", upstream.pid(), " listens on the same port."));
  const auto row = [](const char* callers, const OutageCauses& causes) {
    return std::vector<std::string>{callers,
                                    Count(causes.in_flight),
                                    Count(causes.nobody_listened),
                                    Count(causes.not_dialled_yet),
                                    Count(causes.unexplained),
                                    Count(causes.answered_after)};
  };
  report.Table({"failed calls:", "on broken connections", "nobody listened", "before the next dial", "without excuse",
                "answered afterwards"},
               {row("wait for ready", waited), row("fail fast", failed_fast)});
  report.Promise(restarted.ok() && waited.answered_after > 0 && failed_fast.answered_after > 0,
                 absl::StrCat("the pool finds the new process by itself: first answer ",
                              absl::FormatDuration(absl::Trunc(back, absl::Milliseconds(1))), " after its return"));
  report.Promise(waited.nobody_listened == 0 && waited.not_dialled_yet == 0 && waited.unexplained == 0,
                 "no call that waits for ready fails but those on the connections that the kill broke");
  report.Promise(failed_fast.unexplained == 0,
                 "no other call fails but those, and those refused until the pool's back-off found the new process");
}

int Run(bool keep) {
  const absl::Time begun = absl::Now();
  absl::StatusOr<std::unique_ptr<UpstreamProcess>> upstream =
      UpstreamProcess::Start(PathBeside("upstream"), kStreamsPerConnection);
  if (!upstream.ok()) {
    std::fprintf(stderr, "demo: %s\n", upstream.status().ToString().c_str());
    return 2;
  }
  Report report(/*colours=*/isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr);
  std::printf("chanpool demo: upstream is process %d on port %d, with %d streams per connection. About a minute.\n",
              (*upstream)->pid(), (*upstream)->port(), kStreamsPerConnection);
  MoreCallsThanStreams(**upstream, report);
  RotationByAge(**upstream, report);
  DrainUnderLoad(**upstream, report);
  BackendKilled(**upstream, report);
  if (const absl::Status shown = ShowOperators(**upstream, keep, report); !shown.ok()) {
    std::fprintf(stderr, "demo: %s\n", shown.ToString().c_str());
    return 2;
  }
  report.End(absl::Now() - begun);
  return report.broken() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace chanpool::demo

int main(int argc, char** argv) {
  const bool keep = argc == 2 && std::string(argv[1]) == "--keep";
  if (argc > 1 && !keep) {
    std::fprintf(stderr, "usage: demo [--keep]\n  --keep  leave everything running at the end, and say what to try\n");
    return 2;
  }
  return chanpool::demo::Run(keep);
}
