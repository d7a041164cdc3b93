// Commands that go on: drain and its progress, events -f, top; and what Ctrl-C does to them.
#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/cli/top_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command_run.h"
#include "tests/client/fake_pool_admin.h"
#include "tests/fakes/eventually.h"

namespace chanpool::cli {
namespace {

using ::chanpool::testing::CommandRun;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::FakePoolAdmin;
using ::chanpool::testing::Signal;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

namespace v1 = ::chanpool::admin::v1;

class StreamsTest : public ::testing::Test {
 protected:
  StreamsTest() { run.variables["POOLCTL_ENDPOINT"] = server.endpoint(); }

  int Poolctl(const std::string& words) { return run.Run(words, server); }

  // The drain as it ends.
  v1::Operation Ended(v1::OperationState state) const {
    v1::Operation end = server.drain;
    end.set_state(state);
    end.mutable_end_time()->set_seconds(end.start_time().seconds() + 31);
    end.mutable_end_time()->set_nanos(200'000'000);
    if (state == v1::OPERATION_STATE_SUCCEEDED) {
      end.mutable_progress()->clear_blockers();
      end.mutable_progress()->set_connections_remaining(0);
      end.mutable_progress()->set_leases_remaining(0);
    }
    return end;
  }

  // Until the command has written it.
  void AwaitTalk(const std::string& text) {
    EXPECT_TRUE(Eventually([&] { return absl::StrContains(run.err(), text); })) << text << " is not in " << run.err();
  }

  CommandRun run;
  Signal over;
  FakePoolAdmin server;  // Last: its threads look at the others.
};

TEST_F(StreamsTest, WatchesEndInTimeWhenNobodyAnswers) {
  server.on_call = [this](const std::string&) { over.Await(); };
  for (const std::string words : {"top --once", "events", "events -f"}) {
    EXPECT_EQ(Poolctl(words + " --timeout 100ms"), 8) << words;
    EXPECT_THAT(run.err(), HasSubstr("within 100ms")) << words;
  }
  over.Notify();
}

TEST_F(StreamsTest, DrainSaysWhatItWaitsForUntilItIsDone) {
  v1::Operation less = server.drain;
  less.mutable_progress()->set_connections_remaining(1);
  less.mutable_progress()->set_leases_remaining(12);
  less.mutable_progress()->mutable_blockers()->DeleteSubrange(0, 1);
  const auto a_second_later = [this] {
    AwaitTalk("calls 41");
    run.seconds_after_noon = 1;
  };
  v1::Operation least = less;
  least.mutable_progress()->set_leases_remaining(1);
  const auto at_once = [this] { AwaitTalk("calls 12"); };
  server.watch = {{less, a_second_later}, {least, at_once}, {Ended(v1::OPERATION_STATE_SUCCEEDED), nullptr}};
  EXPECT_EQ(Poolctl("drain orders --deadline 60s"), 0);
  EXPECT_EQ(run.out(), "drained in 31.2s, 0 calls cancelled\n");
  // One line for each second at most: for the last change there was none.
  EXPECT_EQ(
      run.err(),
      "orders  DRAINING  12s/60s  connections 3/8 left  calls 41  eta ~7s"
      "  waiting for: connections/1-71 29 calls (12s): /shop.Orders/Watch for 15m, connections/2-74 12 calls (12s)\n"
      "orders  DRAINING  13s/60s  connections 1/8 left  calls 12  eta ~1s"
      "  waiting for: connections/2-74 12 calls (12s)\n");
}

TEST_F(StreamsTest, DrainTellsAProgramTheEndAndNothingElse) {
  server.watch = {{server.drain, nullptr}, {Ended(v1::OPERATION_STATE_SUCCEEDED), nullptr}};
  for (const int columns : {0, 60}) {
    run.env.talk_columns = columns;
    EXPECT_EQ(Poolctl("drain orders -o json"), 0);
    EXPECT_THAT(run.out(), HasSubstr("OPERATION_STATE_SUCCEEDED"));
    EXPECT_EQ(run.err(), "");
  }
}

TEST_F(StreamsTest, DrainRedrawsInPlaceOnATerminal) {
  run.env.talk_columns = 60;
  server.watch = {{server.drain, nullptr}, {Ended(v1::OPERATION_STATE_SUCCEEDED), nullptr}};
  EXPECT_EQ(Poolctl("drain orders"), 0);
  EXPECT_THAT(run.err(), AllOf(HasSubstr("…"), HasSubstr("\x1b[2A\x1b[J")));
  for (const absl::string_view line : absl::StrSplit(run.err(), '\n')) EXPECT_LE(line.size(), 75u) << line;
}

TEST_F(StreamsTest, DrainShowsThatItLivesEveryTenSeconds) {
  const auto step = [this] {
    AwaitTalk("DRAINING  12s/60s");
    run.seconds_after_noon = 9;  // Not yet.
    run.seconds_after_noon = 10;
    AwaitTalk("DRAINING  22s/60s");
    EXPECT_THAT(run.err(), Not(HasSubstr("21s/60s")));
  };
  server.watch = {{Ended(v1::OPERATION_STATE_SUCCEEDED), step}};
  EXPECT_EQ(Poolctl("drain orders --deadline 60s"), 0);
}

TEST_F(StreamsTest, DrainThatRunsOutOfTimeSaysWhatIsLeft) {
  server.watch = {{Ended(v1::OPERATION_STATE_EXPIRED), nullptr}};
  EXPECT_EQ(Poolctl("drain orders --deadline 31s"), 8);
  EXPECT_EQ(run.out(), "");
  EXPECT_THAT(run.err(),
              HasSubstr("poolctl: orders: 41 calls still open on 3 connections after 31.2s: "
                        "connections/1-71 29 calls (12s): /shop.Orders/Watch for 15m, connections/2-74 12 calls (12s)\n"
                        "it stays out of service; to lend again: poolctl undrain orders\n"));
}

TEST_F(StreamsTest, DrainThatAnotherStopsIsAConflict) {
  server.watch = {{Ended(v1::OPERATION_STATE_CANCELLED), nullptr}};
  EXPECT_EQ(Poolctl("drain orders"), 7);
  EXPECT_THAT(run.err(), HasSubstr("operations/4 was cancelled after 31.2s"));
}

TEST_F(StreamsTest, CtrlCDetachesAndSaysHowToComeBack) {
  server.keep_open = true;
  server.watch = {{server.drain, [this] {
                     AwaitTalk("waiting for");
                     run.interrupts = 1;
                   }}};
  EXPECT_EQ(Poolctl("drain orders"), 130);
  EXPECT_THAT(run.err(), HasSubstr("detached; operations/4 goes on\n"
                                   "to look at it:   poolctl operation wait operations/4\n"
                                   "to stop it:      poolctl operation cancel operations/4   (orders lends again)\n"));
  EXPECT_EQ(server.last<v1::CancelOperationRequest>().name(), "");  // Never cancelled silently.
}

TEST_F(StreamsTest, CtrlCWhileADrainIsAskedForStillNamesIt) {
  server.on_call = [this](const std::string& method) {
    if (method == "DrainPool") run.interrupts = 1;
  };
  EXPECT_EQ(Poolctl("drain orders"), 130);
  EXPECT_THAT(run.err(), HasSubstr("detached; operations/4 goes on"));
}

TEST_F(StreamsTest, LosingTheServerIsNotADrainedPool) {
  server.errors["WatchOperation"] = grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  EXPECT_EQ(Poolctl("drain orders"), 3);
  EXPECT_THAT(run.err(), AllOf(HasSubstr("lost sight of operations/4; it may go on"),
                               HasSubstr("poolctl operation wait operations/4"), HasSubstr("Socket closed")));
}

TEST_F(StreamsTest, EventsFollowUntilCtrlCAndNameTheToken) {
  server.keep_open = true;
  run.env.interrupts = [this] { return absl::StrContains(run.out(), "override_set") ? 1 : 0; };
  EXPECT_EQ(Poolctl("events -f"), 130);
  EXPECT_EQ(run.err(), "to go on from here: poolctl events -f --since-token T43\n");
}

TEST_F(StreamsTest, EventsNameTheTokenWhenTheServerEnds) {
  EXPECT_EQ(Poolctl("events -f"), 0);
  EXPECT_EQ(run.err(), "to go on from here: poolctl events -f --since-token T43\n");
}

TEST_F(StreamsTest, EventsWithoutFollowEndAtTheNewest) {
  server.keep_open = true;  // The server would go on.
  EXPECT_EQ(Poolctl("events"), 0);
  const std::string out = run.out();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
}

TEST_F(StreamsTest, TopObeysItsKeys) {
  run.env.terminal = &run.terminal;
  run.variables["POOLCTL_COLOR"] = "never";
  server.keep_open = true;
  run.terminal.keys = {'s', '?', 'p', 'q'};
  EXPECT_EQ(Poolctl("top"), 0);
  EXPECT_FALSE(run.terminal.full_screen);
}

TEST_F(StreamsTest, TopShowsHelpAndOrderWhenAsked) {
  run.env.terminal = &run.terminal;
  run.variables["POOLCTL_COLOR"] = "never";
  server.keep_open = true;
  run.terminal.keys = {'s', '?'};
  run.env.interrupts = [this] { return absl::StrContains(run.out(), "s  sort by") ? 1 : 0; };
  EXPECT_EQ(Poolctl("top"), 130);
  EXPECT_FALSE(run.terminal.full_screen);
  EXPECT_THAT(run.out(), HasSubstr("by leases"));
}

v1::WatchStatsResponse Tick(int64_t second, uint64_t acquired, bool stale = false) {
  v1::WatchStatsResponse tick;
  v1::PoolStats* const stats = tick.add_stats();
  stats->set_name("pools/orders");
  stats->mutable_snapshot_time()->set_seconds(second);
  stats->set_acquired(acquired);
  stats->set_stale(stale);
  return tick;
}

TEST(TopViewTest, KnowsNoRateBeforeTheSecondTick) {
  TopView view;
  view.Update(Tick(100, 5'000'000));
  EXPECT_THAT(view.Frame({}), AllOf(HasSubstr("acquires -"), Not(HasSubstr("/s  waiters"))));
  view.Update(Tick(102, 5'000'600));
  EXPECT_THAT(view.Frame({}), HasSubstr("acquires 300/s"));
}

TEST(TopViewTest, KnowsNoRateWhenACounterRanBackOrNoTimePassed) {
  TopView view;
  view.Update(Tick(100, 500));
  view.Update(Tick(101, 7));  // Another process under that name.
  EXPECT_THAT(view.Frame({}), HasSubstr("acquires -"));
  view.Update(Tick(101, 9));
  EXPECT_THAT(view.Frame({}), HasSubstr("acquires -"));
  view.Update(Tick(102, 10, /*stale=*/true));
  EXPECT_THAT(view.Frame({}), AllOf(HasSubstr("acquires -"), HasSubstr("STALE")));
}

TEST(TopViewTest, NamesATargetThatCannotBeReachedAsTheLimit) {
  TopView view;
  v1::WatchStatsResponse tick = Tick(100, 5);
  tick.mutable_stats(0)->set_waiters(3);
  tick.mutable_stats(0)->set_waiters_max(3);
  view.Update(tick);
  v1::Pool pool;
  pool.set_name("pools/orders");
  pool.set_admin_state(v1::ADMIN_STATE_ACTIVE);
  pool.set_health(v1::HEALTH_UNAVAILABLE);
  view.UpdatePools({pool});
  EXPECT_THAT(view.Frame({}), HasSubstr("max_waiters\n"));
  pool.mutable_size()->set_backoff(1);
  view.UpdatePools({pool});
  EXPECT_THAT(view.Frame({}), HasSubstr("target\n"));
}

TEST(TopViewTest, CountsThePoolsThatDoNotFit) {
  TopView view;
  v1::WatchStatsResponse tick;
  for (int i = 0; i < 30; ++i) tick.add_stats()->set_name("pools/p" + std::to_string(i));
  view.Update(tick);
  TopView::Look look;
  look.rows = 10;
  const std::string frame = view.Frame(look);
  EXPECT_EQ(std::count(frame.begin(), frame.end(), '\n'), 10);
  EXPECT_THAT(frame, HasSubstr("and 23 pools more\n"));
}

}  // namespace
}  // namespace chanpool::cli
