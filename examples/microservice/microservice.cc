// A service as it is in production: two pools to what it depends on, attached to the sidecar so that operators see and
// steer them. `upstream --port=50051` in one terminal, `chanpoold` in another, and
//
//   microservice --orders=ipv4:127.0.0.1:50051 --rate=200
//
// Then: poolctl get pools; poolctl drain processes/shop/pools/orders. The sidecar may come and go: no call notices.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/microservice/flags.h"
#include "examples/microservice/steady_calls.h"
#include "pool/grpc/channel_pool.h"
#include "server/attach/attachment.h"
#include "server/attach/shown_pool.h"

namespace chanpool::microservice {
namespace {

constexpr absl::Duration kStep = absl::Milliseconds(10);
// After a standstill (SIGSTOP, a busy machine) no more than this is made up for.
constexpr absl::Duration kMostToCatchUp = absl::Milliseconds(100);

volatile sig_atomic_t asked_to_end = 0;

absl::StatusOr<std::shared_ptr<ChannelPool>> MakePool(const Flags& flags, const std::string& name,
                                                      const std::string& target) {
  ChannelPoolOptions options;
  options.name = name;
  options.target = target;
  options.pool.max_connections = flags.max_connections;
  options.pool.max_leases_per_connection = flags.max_leases;
  return ChannelPool::Create(std::move(options));
}

std::string Text(const CallCounts& counts, const std::string& prefix) {
  return absl::StrCat(prefix, "ok=", counts.ok, " ", prefix, "failed=", counts.failed, " ", prefix,
                      "refused=", counts.refused);
}

// Until a signal asks for the end.
void Work(const Flags& flags, SteadyCalls& orders, SteadyCalls& payments) {
  absl::Time paid_for = absl::Now();  // Calls up to here have been made.
  absl::Time next_line = paid_for + absl::Seconds(1);
  double owed = 0;
  while (asked_to_end == 0) {
    absl::SleepFor(kStep);
    const absl::Time now = absl::Now();
    owed += flags.rate * absl::ToDoubleSeconds(std::min(now - paid_for, kMostToCatchUp));
    paid_for = now;
    const int calls = static_cast<int>(owed);
    owed -= calls;
    orders.Start(calls);
    payments.Start(calls);
    if (now < next_line) continue;
    next_line = now + absl::Seconds(1);
    if (flags.quiet) continue;
    CallCounts both = orders.counts();
    both.Add(payments.counts());
    std::printf("%s in_flight=%lld\n", Text(both, "").c_str(), static_cast<long long>(both.in_flight));
    std::fflush(stdout);
  }
}

absl::Status Run(const Flags& flags) {
  const absl::StatusOr<std::shared_ptr<ChannelPool>> orders_pool = MakePool(flags, "orders", flags.orders);
  if (!orders_pool.ok()) return orders_pool.status();
  const absl::StatusOr<std::shared_ptr<ChannelPool>> payments_pool = MakePool(flags, "payments", flags.payments);
  if (!payments_pool.ok()) return payments_pool.status();

  // All that it takes for operators to see them.
  AttachOptions attach_options;
  attach_options.name = flags.name;
  attach_options.socket = flags.attach;
  const absl::StatusOr<std::unique_ptr<Attachment>> attachment =
      Attachment::Start(attach_options, {ShownPool("orders", **orders_pool), ShownPool("payments", **payments_pool)});
  if (!attachment.ok()) return attachment.status();

  SteadyCalls::Options calls;
  calls.delay = absl::Milliseconds(flags.delay_ms);
  calls.deadline = absl::Milliseconds(flags.deadline_ms);
  SteadyCalls orders((*orders_pool)->channel(), calls);
  SteadyCalls payments((*payments_pool)->channel(), calls);
  Work(flags, orders, payments);
  orders.AwaitAll();
  payments.AwaitAll();

  CallCounts both = orders.counts();
  both.Add(payments.counts());
  std::string line = absl::StrCat("total ", Text(both, ""), " left_out=", both.left_out, " ",
                                  Text(orders.counts(), "orders."), " ", Text(payments.counts(), "payments."));
  for (const auto& [code, count] : both.by_code) absl::StrAppend(&line, " ", code, "=", count);
  std::printf("%s\n", line.c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace chanpool::microservice

int main(int argc, char** argv) {
  using chanpool::microservice::Flags;
  const absl::StatusOr<Flags> flags = chanpool::microservice::ParseFlags(argc, argv);
  if (!flags.ok()) {
    std::fprintf(stderr, "microservice: %s\n", std::string(flags.status().message()).c_str());
    return 2;
  }
  if (flags->help) {
    std::printf("%s", chanpool::microservice::HelpText().c_str());
    return EXIT_SUCCESS;
  }
  struct sigaction action = {};
  action.sa_handler = [](int) { chanpool::microservice::asked_to_end = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  const absl::Status status = chanpool::microservice::Run(*flags);
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "microservice: %s\n", status.ToString().c_str());
  return EXIT_FAILURE;
}
