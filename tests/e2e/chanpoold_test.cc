// chanpoold as an operator meets it: starting, sockets, reload by signal, metrics, ending.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "examples/processes/program.h"
#include "tests/e2e/sidecar_under_test.h"

namespace chanpool::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kNobodyAnswers[] = "  - {name: orders, target: \"ipv4:127.0.0.1:1\"}\n";

Finished CheckConfig(const std::string& path) {
  return RunToEnd({BinaryPath("server/chanpoold"), "--config", path, "--check-config"});
}

// --- Before it serves ----------------------------------------------------------------------------------------------

TEST(ChanpooldTest, ChecksAConfigurationWithoutStarting) {
  const TemporaryFolder folder;
  const std::string good = folder.Write("good.yaml", absl::StrCat("version: 1\npools:\n", kNobodyAnswers));
  const Finished ok = CheckConfig(good);
  EXPECT_EQ(ok.exit, 0) << ok.err;
  EXPECT_THAT(ok.out, HasSubstr("ok, 1 pool\n"));
  const std::string bad = folder.Write("bad.yaml",
                                       "version: 1\n"
                                       "pools:\n"
                                       "  - name: orders\n"
                                       "    target: \"ipv4:127.0.0.1:1\"\n"
                                       "    max_conections: 5\n"
                                       "    max_idle: 5\n");
  const Finished wrong = CheckConfig(bad);
  EXPECT_EQ(wrong.exit, 6);
  EXPECT_THAT(wrong.err, HasSubstr(absl::StrCat(bad, ":5:5: ")));
  EXPECT_THAT(wrong.err, HasSubstr("max_connections"));
  EXPECT_THAT(wrong.err, HasSubstr(absl::StrCat(bad, ":6:15: ")));
}

TEST(ChanpooldTest, RefusesToStartOnAWrongConfigurationAndSaysWhere) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("c.yaml", "version: 2\n");
  const Finished run = RunToEnd({BinaryPath("server/chanpoold"), "--config", path});
  EXPECT_EQ(run.exit, 6);
  EXPECT_THAT(run.err, HasSubstr(absl::StrCat(path, ":1:10: ")));
}

TEST(ChanpooldTest, ReadsNothingButRegularFiles) {
  const TemporaryFolder folder;
  const std::string pipe = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, folder.path(), std::string("/dev/zero"), std::string("/none")}) {
    const Finished run = CheckConfig(path);
    EXPECT_EQ(run.exit, 6) << path;
    EXPECT_THAT(run.err, HasSubstr(path));
  }
}

TEST(ChanpooldTest, WithoutAConfigurationListensWherePoolctlLooks) {
  const TemporaryFolder folder;
  // The first place is /run/chanpool, of which there is one on a machine; root would take it.
  std::vector<std::string> as_nobody;
  if (geteuid() == 0) {
    as_nobody = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    ASSERT_EQ(chown(folder.path().c_str(), 65534, 65534), 0);
  }
  const std::vector<std::string> environment = {"XDG_RUNTIME_DIR=" + folder.path()};
  const auto run = [&](std::vector<std::string> arguments) {
    // A copy: the build's folder may be closed to others.
    const std::string copy = folder.path() + arguments[0].substr(arguments[0].rfind('/'));
    std::filesystem::copy_file(arguments[0], copy, std::filesystem::copy_options::skip_existing);
    arguments[0] = copy;
    arguments.insert(arguments.begin(), as_nobody.begin(), as_nobody.end());
    return arguments;
  };
  Program sidecar(run({BinaryPath("server/chanpoold")}), environment);
  ASSERT_TRUE(sidecar.AwaitOutput(" ready")) << sidecar.output();
  EXPECT_THAT(sidecar.output(), HasSubstr(folder.path() + "/chanpool/admin.sock"));
  const Finished list = RunToEnd(run({BinaryPath("client/poolctl"), "get", "pools"}), environment);
  EXPECT_EQ(list.exit, 0) << list.err;
}

TEST(ChanpooldTest, EndsWithTheCodeThatItsHelpNames) {
  const std::string chanpoold = BinaryPath("server/chanpoold");
  EXPECT_EQ(RunToEnd({chanpoold, "--nonsense"}).exit, 2);
  EXPECT_EQ(RunToEnd({chanpoold, "--check-config"}).exit, 2);
  EXPECT_EQ(RunToEnd({chanpoold, "--config", "/none"}).exit, 6);
  const Finished help = RunToEnd({chanpoold, "--help"});
  EXPECT_EQ(help.exit, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--config"), HasSubstr("SIGHUP"), HasSubstr("Exit codes")));
  EXPECT_EQ(RunToEnd({chanpoold, "--version"}).exit, 0);
}

// --- The socket ----------------------------------------------------------------------------------------------------

TEST(ChanpooldTest, ASecondOneDoesNotTakeTheSocketOfTheFirst) {
  SidecarUnderTest first;
  const Finished second = RunToEnd({BinaryPath("server/chanpoold"), "--config", first.config_path()});
  EXPECT_EQ(second.exit, 1);
  EXPECT_THAT(second.err, HasSubstr(absl::StrCat("served by process ", first.program().pid())));
  EXPECT_EQ(first.Grpcurl("GetInstance", "{}").exit, 0) << "the first still answers";
}

TEST(ChanpooldTest, TakesOverTheSocketOfOneThatWasKilled) {
  SidecarUnderTest sidecar;
  sidecar.program().Signal(SIGKILL);
  ASSERT_EQ(sidecar.program().AwaitExit(), 137);
  ASSERT_TRUE(std::filesystem::exists(sidecar.admin_socket())) << "it had no time to remove it";
  sidecar.Start();
  EXPECT_EQ(sidecar.Grpcurl("GetInstance", "{}").exit, 0);
}

TEST(ChanpooldTest, DoesNotFollowASymbolicLinkToSomebodysSocket) {
  SidecarUnderTest sidecar;
  const TemporaryFolder folder;
  std::filesystem::create_symlink(sidecar.admin_socket(), folder.path() + "/admin.sock");
  const std::string config = folder.Write(
      "c.yaml", absl::StrCat("version: 1\nadmin: {listeners: [{uds: {path: ", folder.path(), "/admin.sock}}]}\n"));
  const Finished run = RunToEnd({BinaryPath("server/chanpoold"), "--config", config});
  EXPECT_EQ(run.exit, 1);
  EXPECT_THAT(run.err, HasSubstr("a symbolic link"));
  EXPECT_EQ(sidecar.Grpcurl("GetInstance", "{}").exit, 0);
}

TEST(ChanpooldTest, ItsSocketIsForItsUserAlone) {
  const SidecarUnderTest sidecar;
  struct stat facts;
  ASSERT_EQ(stat(sidecar.admin_socket().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

// Who may connect, by the file's mode, and has no role still gets an answer.
TEST(ChanpooldTest, AUserWithoutARoleIsDeniedEverything) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root, to be somebody else";
  const TemporaryFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0711), 0);
  const std::string socket = folder.path() + "/admin.sock";
  const std::string config = folder.Write(
      "c.yaml", absl::StrCat("version: 1\nadmin: {listeners: [{uds: {path: ", socket, ", mode: \"0666\"}}]}\n"));
  Program sidecar({BinaryPath("server/chanpoold"), "--config", config});
  ASSERT_TRUE(sidecar.AwaitOutput(" ready")) << sidecar.output();
  const std::string grpcurl = folder.path() + "/grpcurl";
  std::filesystem::copy_file(Tool("grpcurl"), grpcurl);
  const auto& service = *chanpool::admin::v1::GetPoolRequest::descriptor()->file()->FindServiceByName("PoolAdmin");
  for (int i = 0; i < service.method_count(); ++i) {
    const std::string& method = service.method(i)->name();
    const Finished call =
        RunToEnd({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", grpcurl, "-plaintext",
                  "-unix", "-d", "{}", socket, absl::StrCat("chanpool.admin.v1.PoolAdmin/", method)});
    EXPECT_EQ(call.exit, 71) << method << ": " << call.out << call.err;
    EXPECT_THAT(call.err, HasSubstr("\"ROLE_REQUIRED\"")) << method;
  }
}

// --- Reload --------------------------------------------------------------------------------------------------------

TEST(ChanpooldTest, SighupReadsTheFileAgain) {
  SidecarUnderTest sidecar;
  sidecar.WriteConfig("  - {name: orders, target: \"ipv4:127.0.0.1:1\", max_connections: 33}\n");
  const size_t from = sidecar.program().output().size();
  sidecar.program().Signal(SIGHUP);
  ASSERT_TRUE(sidecar.program().AwaitOutput("generation 2", from)) << sidecar.program().output();
  EXPECT_THAT(sidecar.Grpcurl("GetPool", R"({"name": "pools/orders"})").out, HasSubstr("\"maxConnections\": 33"));
}

TEST(ChanpooldTest, ABrokenFileChangesNothingAndSaysWhereItIsBroken) {
  SidecarUnderTest sidecar;
  sidecar.WriteConfig("  - {name: orders, target: \"ipv4:127.0.0.1:1\", max_conections: 33}\n  - {name: Two}\n");
  const Finished reload = sidecar.Poolctl({"reload"});
  EXPECT_EQ(reload.exit, 6) << reload.out << reload.err;
  EXPECT_THAT(reload.err, HasSubstr(absl::StrCat(sidecar.config_path(), ":9:")));
  EXPECT_THAT(reload.err, HasSubstr("max_connections"));
  EXPECT_THAT(reload.err, HasSubstr(absl::StrCat(sidecar.config_path(), ":10:"))) << "all errors at once";
  const Finished instance = sidecar.Grpcurl("GetInstance", "{}");
  EXPECT_THAT(instance.out, AllOf(HasSubstr("\"configGeneration\": \"1\""), HasSubstr("\"configDrift\": true")));
  EXPECT_THAT(sidecar.Http("/metrics"), HasSubstr("chanpool_config_last_reload_successful 0"));
  sidecar.WriteConfig(kNobodyAnswers);
  EXPECT_EQ(sidecar.Poolctl({"reload"}).exit, 0);
  EXPECT_THAT(sidecar.Grpcurl("GetInstance", "{}").out, Not(HasSubstr("\"configDrift\": true")));
}

TEST(ChanpooldTest, TheSameFileAgainIsNoNewGeneration) {
  SidecarUnderTest sidecar;
  EXPECT_EQ(sidecar.Poolctl({"reload"}).exit, 0);
  EXPECT_THAT(sidecar.Grpcurl("GetInstance", "{}").out, HasSubstr("\"configGeneration\": \"1\""));
}

TEST(ChanpooldTest, WhatTakesARestartIsRefusedAndTheRestIsNotApplied) {
  SidecarUnderTest sidecar;
  std::string text;
  {
    std::ifstream file(sidecar.config_path());
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  text = std::regex_replace(text, std::regex("admin.sock"), "other.sock");
  text = std::regex_replace(text, std::regex("name: orders"), "name: renamed");
  std::ofstream(sidecar.config_path(), std::ios::trunc) << text;
  const Finished reload = sidecar.Grpcurl("ReloadConfig", "{}");
  EXPECT_EQ(reload.exit, 73) << reload.out << reload.err;
  EXPECT_THAT(reload.err, AllOf(HasSubstr("\"FIELD_REQUIRES_RESTART\""), HasSubstr("admin.listeners[0].uds.path")));
  EXPECT_THAT(sidecar.Poolctl({"get", "pools", "-o", "name"}).out, HasSubstr("pools/orders"));
}

TEST(ChanpooldTest, AStormOfSighupsIsSurvivedAndTheLastFileHolds) {
  SidecarUnderTest sidecar;
  for (int i = 0; i < 500; ++i) {
    if (i % 50 == 0) {
      sidecar.WriteConfig(
          absl::StrCat("  - {name: orders, target: \"ipv4:127.0.0.1:1\", max_connections: ", 20 + i / 50, "}\n"));
    }
    sidecar.program().Signal(SIGHUP);
  }
  sidecar.WriteConfig("  - {name: orders, target: \"ipv4:127.0.0.1:1\", max_connections: 77}\n");
  sidecar.program().Signal(SIGHUP);
  Finished pool;
  for (int i = 0; i < 100; ++i) {
    pool = sidecar.Grpcurl("GetPool", R"({"name": "pools/orders"})");
    if (pool.out.find("\"maxConnections\": 77") != std::string::npos) break;
  }
  EXPECT_THAT(pool.out, HasSubstr("\"maxConnections\": 77"));
}

TEST(ChanpooldTest, WhatAnOperatorDidSurvivesAReload) {
  SidecarUnderTest sidecar(absl::StrCat(kNobodyAnswers, "  - {name: payments, target: \"ipv4:127.0.0.1:1\"}\n"));
  ASSERT_EQ(sidecar.Poolctl({"set", "orders", "max_connections=21"}).exit, 0);
  ASSERT_EQ(sidecar.Poolctl({"drain", "payments"}).exit, 0);
  sidecar.WriteConfig(
      "  - {name: orders, target: \"ipv4:127.0.0.1:1\", max_connections: 15, max_waiters: 7}\n"
      "  - {name: payments, target: \"ipv4:127.0.0.1:1\", max_waiters: 7}\n");
  ASSERT_EQ(sidecar.Poolctl({"reload"}).exit, 0);
  const Finished orders = sidecar.Grpcurl("GetPool", R"({"name": "pools/orders"})");
  EXPECT_THAT(orders.out, AllOf(HasSubstr("\"maxConnections\": 21"), HasSubstr("\"maxWaiters\": 7"),
                                HasSubstr("\"ownerValue\": \"15\"")));
  EXPECT_THAT(sidecar.Grpcurl("GetPool", R"({"name": "pools/payments"})").out,
              AllOf(HasSubstr("\"ADMIN_STATE_DRAINED\""), HasSubstr("\"maxWaiters\": 7")));
}

// --- Metrics and probes --------------------------------------------------------------------------------------------

TEST(ChanpooldTest, PromtoolFindsNothingWrongWithTheMetrics) {
  const SidecarUnderTest sidecar;
  const std::string answer = sidecar.Http("/metrics");
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  const size_t body = answer.find("\r\n\r\n");
  ASSERT_NE(body, std::string::npos);
  const TemporaryFolder folder;
  const std::string metrics = folder.Write("metrics", answer.substr(body + 4));
  const Finished lint = RunToEnd({"/bin/sh", "-c", absl::StrCat(Tool("promtool"), " check metrics < ", metrics)});
  EXPECT_EQ(lint.exit, 0) << lint.out << lint.err;
  EXPECT_EQ(lint.err + lint.out, "");
  EXPECT_THAT(answer, HasSubstr("chanpool_connections_max{process=\"chanpoold\",pool=\"orders\"} 10"));
}

TEST(ChanpooldTest, SaysWhetherItLivesAndWhetherItIsReady) {
  const SidecarUnderTest sidecar;
  EXPECT_THAT(sidecar.Http("/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(sidecar.Http("/readyz"), HasSubstr("200 OK"));
  EXPECT_THAT(sidecar.Http("/nonsense"), AllOf(HasSubstr("404"), HasSubstr("/metrics")));
}

// --- The end -------------------------------------------------------------------------------------------------------

TEST(ChanpooldTest, SigtermEndsItWithSuccessAndLeavesNoSocket) {
  SidecarUnderTest sidecar;
  sidecar.program().Signal(SIGTERM);
  EXPECT_EQ(sidecar.program().AwaitExit(), 0) << sidecar.program().output();
  EXPECT_FALSE(std::filesystem::exists(sidecar.admin_socket()));
  EXPECT_FALSE(std::filesystem::exists(sidecar.attach_socket()));
}

TEST(ChanpooldTest, SignalsInAnyOrderEndItAllTheSame) {
  SidecarUnderTest sidecar;
  for (const int signal : {SIGHUP, SIGHUP, SIGTERM, SIGHUP}) sidecar.program().Signal(signal);
  EXPECT_EQ(sidecar.program().AwaitExit(), 0) << sidecar.program().output();
}

TEST(ChanpooldTest, AWatchEndsWithUnavailableWhenTheProcessEnds) {
  SidecarUnderTest sidecar;
  Program watch({Tool("grpcurl"), "-plaintext", "-unix", "-d", "{}", sidecar.admin_socket(),
                 "chanpool.admin.v1.PoolAdmin/WatchEvents"});
  ASSERT_TRUE(watch.AwaitOutput("\"hello\"")) << watch.output();
  sidecar.program().Signal(SIGTERM);
  EXPECT_EQ(watch.AwaitExit(), 64 + 14) << watch.output();
  EXPECT_THAT(watch.output(), HasSubstr("\"SHUTTING_DOWN\"")) << "a dropped connection ends with 78 as well";
  EXPECT_EQ(sidecar.program().AwaitExit(), 0);
}

}  // namespace
}  // namespace chanpool::testing
