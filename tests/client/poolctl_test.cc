// What poolctl does beyond what it prints: exit codes, errors, names, variables, what it asks the server for.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/command_table.h"
#include "client/cli/options_text.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "tests/client/command_run.h"
#include "tests/client/fake_pool_admin.h"

namespace chanpool::cli {
namespace {

namespace v1 = ::chanpool::admin::v1;

using ::chanpool::testing::CommandRun;
using ::chanpool::testing::ErrorWith;
using ::chanpool::testing::FakePoolAdmin;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class PoolctlTest : public ::testing::Test {
 protected:
  PoolctlTest() { run.variables["POOLCTL_ENDPOINT"] = server.endpoint(); }

  int Poolctl(const std::string& words) { return run.Run(words, server); }

  CommandRun run;
  FakePoolAdmin server;  // Last: its threads look at the other.
};

TEST_F(PoolctlTest, SpeaksToTheServerOverTcpToo) {
  EXPECT_EQ(Poolctl("get pools -o name -e " + server.tcp_endpoint()), 0);
  EXPECT_EQ(run.out(), "pools/billing\npools/orders\nprocesses/shop/pools/stock\n");
  EXPECT_EQ(Poolctl("get pools -o name -e tcp:" + server.tcp_endpoint()), 0);  // As get instance prints it.
}

TEST_F(PoolctlTest, FindsTheSocketOfThisMachineByItself) {
  run.variables.clear();
  run.env.default_sockets = {"/nowhere/admin.sock", server.socket()};
  EXPECT_EQ(Poolctl("get pools -o name"), 0);
}

TEST_F(PoolctlTest, SaysWhereItLookedWhenThereIsNoServer) {
  run.variables.clear();
  run.env.default_sockets = {"/nowhere/admin.sock", "/nowhere/either.sock"};
  EXPECT_EQ(Poolctl("get pools"), 3);
  EXPECT_EQ(run.err(),
            "poolctl: found no chanpoold on this machine; looked at\n"
            "  /nowhere/admin.sock: not there\n"
            "  /nowhere/either.sock: not there\n"
            "start chanpoold, or say where it is: -e unix:/path/to/admin.sock or -e host:port\n");
}

TEST_F(PoolctlTest, NamesTheEndpointThatCannotBeReached) {
  EXPECT_EQ(Poolctl("get pools -e unix:/nowhere/admin.sock"), 3);
  EXPECT_EQ(run.err(), "poolctl: cannot connect to unix:/nowhere/admin.sock: No such file or directory\n");
}

TEST_F(PoolctlTest, TakesGlobalFlagsBeforeAndAfterTheCommand) {
  const std::string endpoint = server.endpoint();
  run.variables.clear();
  for (const std::string& words :
       {absl::StrCat("-e ", endpoint, " -o name get pools"), absl::StrCat("get -e ", endpoint, " pools -o name"),
        absl::StrCat("get pools --output=name --endpoint=", endpoint)}) {
    EXPECT_EQ(Poolctl(words), 0) << words << run.err();
    EXPECT_THAT(run.out(), StartsWith("pools/billing\n")) << words;
  }
}

TEST_F(PoolctlTest, ReadsEveryGlobalFlagFromItsVariable) {
  run.variables["POOLCTL_OUTPUT"] = "name";
  EXPECT_EQ(Poolctl("get pools"), 0);
  EXPECT_THAT(run.out(), StartsWith("pools/billing\n"));
  EXPECT_EQ(Poolctl("get pools -o table"), 0);  // A flag wins.
  EXPECT_THAT(run.out(), StartsWith("NAME"));
  EXPECT_EQ(Poolctl("config validate"), 0);  // It has no names, and that is no error of whoever set the variable.

  run.variables["POOLCTL_OUTPUT"] = "table";
  run.variables["POOLCTL_NO_HEADERS"] = "true";
  EXPECT_EQ(Poolctl("get pools"), 0);
  EXPECT_THAT(run.out(), StartsWith("billing"));

  run.variables["POOLCTL_COLOR"] = "always";
  EXPECT_EQ(Poolctl("get pools"), 0);
  EXPECT_THAT(run.out(), HasSubstr("\x1b["));

  run.variables["POOLCTL_TIMEOUT"] = "soon";
  EXPECT_EQ(Poolctl("get pools"), 2);
  EXPECT_THAT(run.err(), HasSubstr("POOLCTL_TIMEOUT: \"soon\" is no duration"));
}

TEST_F(PoolctlTest, PaintsOnTerminalsOnly) {
  EXPECT_EQ(Poolctl("get pools"), 0);
  EXPECT_THAT(run.out(), Not(HasSubstr("\x1b")));
  run.env.terminal = &run.terminal;
  EXPECT_EQ(Poolctl("get pools"), 0);
  EXPECT_THAT(run.out(), HasSubstr("\x1b["));
  run.variables["NO_COLOR"] = "1";
  EXPECT_EQ(Poolctl("get pools"), 0);
  EXPECT_THAT(run.out(), Not(HasSubstr("\x1b")));
}

TEST_F(PoolctlTest, UnderstandsEveryFormOfAPoolsName) {
  for (const std::string form : {"orders", "pools/orders"}) {
    EXPECT_EQ(Poolctl("describe pool " + form), 0) << form;
    EXPECT_EQ(server.last<v1::GetPoolRequest>().name(), "pools/orders");
  }
  for (const std::string form : {"shop/stock", "processes/shop/pools/stock"}) {
    EXPECT_EQ(Poolctl("describe pool " + form), 0) << form;
    EXPECT_EQ(server.last<v1::GetPoolRequest>().name(), "processes/shop/pools/stock");
  }
  for (const std::string form : {"pools/", "a/b/c", "../x", "a%2fb", "pools/../x"}) {
    EXPECT_EQ(Poolctl("describe pool " + form), 2) << form;
    EXPECT_THAT(run.err(), HasSubstr("is no name of a pool; write orders, pools/orders")) << form;
  }
}

TEST_F(PoolctlTest, UnderstandsTheWordsOfPgbouncer) {
  const std::pair<const char*, const char*> twins[] = {
      {"show pools", "get pools"},         {"show connections", "get connections"},
      {"show endpoints", "get endpoints"}, {"show stats", "stats"},
      {"show config", "config view"},      {"show version", "version"},
      {"resume orders", "undrain orders"}, {"reconnect orders --detach", "recycle orders --detach"},
      {"cancel 4", "operation cancel 4"}};
  for (const auto& [alias, words] : twins) {
    EXPECT_EQ(Poolctl(alias), 0) << alias << run.err();
    const std::string shown = run.out();
    EXPECT_EQ(Poolctl(words), 0) << words;
    EXPECT_EQ(shown, run.out()) << alias;
  }
}

TEST_F(PoolctlTest, EveryCodeOfAServersErrorHasItsExitCode) {
  const std::pair<grpc::StatusCode, int> table[] = {
      {grpc::StatusCode::CANCELLED, 10},          {grpc::StatusCode::UNKNOWN, 10},
      {grpc::StatusCode::INVALID_ARGUMENT, 6},    {grpc::StatusCode::DEADLINE_EXCEEDED, 8},
      {grpc::StatusCode::NOT_FOUND, 5},           {grpc::StatusCode::ALREADY_EXISTS, 7},
      {grpc::StatusCode::PERMISSION_DENIED, 4},   {grpc::StatusCode::RESOURCE_EXHAUSTED, 10},
      {grpc::StatusCode::FAILED_PRECONDITION, 7}, {grpc::StatusCode::ABORTED, 7},
      {grpc::StatusCode::OUT_OF_RANGE, 7},        {grpc::StatusCode::UNIMPLEMENTED, 10},
      {grpc::StatusCode::INTERNAL, 10},           {grpc::StatusCode::UNAVAILABLE, 10},
      {grpc::StatusCode::DATA_LOSS, 10},          {grpc::StatusCode::UNAUTHENTICATED, 4}};
  for (const auto& [code, exit_code] : table) {
    server.error = ErrorWith(code, "no", "SOME_REASON");
    for (const std::string words :
         {"get pools", "stats", "top --once", "events", "drain orders", "reload", "version"}) {
      EXPECT_EQ(Poolctl(words), exit_code) << code << " " << words;
      EXPECT_EQ(run.err(), "poolctl: no\n  reason: SOME_REASON\n") << words;
    }
  }
}

TEST_F(PoolctlTest, ShowsAllThatAnErrorSays) {
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("pool.options.max_connections");
  violation->set_description("5000 is more than 4096");
  server.error = ErrorWith(grpc::StatusCode::INVALID_ARGUMENT, "the request has a wrong field", "FIELD_INVALID",
                           {{"limit", "4096"}}, {&bad});
  EXPECT_EQ(Poolctl("set orders max_connections=5000"), 6);
  EXPECT_EQ(run.err(),
            "poolctl: the request has a wrong field\n"
            "  pool.options.max_connections: 5000 is more than 4096\n"
            "  reason: FIELD_INVALID (limit=4096)\n");
  EXPECT_THAT(run.out(), IsEmpty());
}

TEST_F(PoolctlTest, SaysWhatIsWrongWithAFieldOnce) {
  const std::string wrong = "max_connections: 0 is below 1; set at least 1";
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("pool.options.max_connections");
  violation->set_description(wrong);
  server.error = ErrorWith(grpc::StatusCode::INVALID_ARGUMENT, "pool.options.max_connections: " + wrong,
                           "INVALID_REQUEST", {}, {&bad});
  EXPECT_EQ(Poolctl("get pools"), 6);
  EXPECT_EQ(run.err(),
            "poolctl: pool.options.max_connections: 0 is below 1; set at least 1\n"
            "  reason: INVALID_REQUEST\n");

  violation = bad.add_field_violations();
  violation->set_field("ttl");
  violation->set_description("0s is out of range");
  server.error = ErrorWith(grpc::StatusCode::INVALID_ARGUMENT,
                           "pool.options.max_connections: " + wrong + " (and 1 more)", "INVALID_REQUEST", {}, {&bad});
  EXPECT_EQ(Poolctl("get pools"), 6);
  EXPECT_EQ(run.err(),
            "poolctl: 2 errors in what was asked\n"
            "  pool.options.max_connections: 0 is below 1; set at least 1\n"
            "  ttl: 0s is out of range\n"
            "  reason: INVALID_REQUEST\n");
}

TEST_F(PoolctlTest, AnApplicationThatIsGoneIsAConditionThatDoesNotHold) {
  server.error = ErrorWith(grpc::StatusCode::UNAVAILABLE, "processes/shop is gone since 4s", "PROCESS_UNAVAILABLE");
  EXPECT_EQ(Poolctl("drain shop/stock"), 7);
  server.error = ErrorWith(grpc::StatusCode::UNAVAILABLE, "this process is about to end", "SHUTTING_DOWN");
  EXPECT_EQ(Poolctl("drain shop/stock"), 10);
  server.error = grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  EXPECT_EQ(Poolctl("drain shop/stock"), 3);
}

TEST_F(PoolctlTest, NamesTheNearestPool) {
  EXPECT_EQ(Poolctl("describe pool order"), 5);
  EXPECT_EQ(run.err(), "poolctl: there is no pool \"order\"\n  did you mean orders?\n  reason: POOL_NOT_FOUND\n");
  EXPECT_EQ(Poolctl("get pools billing order"), 5);
  EXPECT_EQ(run.err(), "poolctl: there is no pool \"order\"; did you mean orders?\n");
  EXPECT_THAT(run.out(), IsEmpty());
  EXPECT_EQ(Poolctl("get pools somewhere/else"), 5);
  EXPECT_EQ(run.err(), "poolctl: there is no pool \"somewhere/else\"; see poolctl get pools\n");
}

TEST_F(PoolctlTest, ListsThePoolsThatAreNamed) {
  EXPECT_EQ(Poolctl("get pools shop/stock pools/orders -o name"), 0);
  EXPECT_EQ(run.out(), "pools/orders\nprocesses/shop/pools/stock\n");
}

TEST_F(PoolctlTest, TakesTheSingularForThePlural) {
  const std::pair<const char*, const char*> twins[] = {{"get pool", "get pools"},
                                                       {"get pool orders", "get pools orders"},
                                                       {"get connection orders", "get connections orders"},
                                                       {"get operation", "get operations"},
                                                       {"describe orders", "describe pool orders"},
                                                       {"describe pools orders", "describe pool orders"},
                                                       {"--version", "version --client"}};
  for (const auto& [one, many] : twins) {
    EXPECT_EQ(Poolctl(one), 0) << one << run.err();
    const std::string shown = run.out();
    EXPECT_EQ(Poolctl(many), 0) << many;
    EXPECT_EQ(shown, run.out()) << one;
  }
}

// A connection of each of two applications, of which `cart` answers.
void AttachCart(FakePoolAdmin& server) {
  v1::Pool cart = *server.pool("processes/shop/pools/stock");
  cart.set_name("processes/cart/pools/stock");
  cart.set_stale(false);
  server.pools.push_back(cart);
  for (const std::string process : {"shop", "cart"}) {
    v1::Connection connection;
    connection.set_name(absl::StrCat("processes/", process, "/pools/stock/connections/0-1"));
    server.connections.push_back(connection);
  }
}

TEST_F(PoolctlTest, ListsConnectionsOfAttachedApplicationsToo) {
  AttachCart(server);
  EXPECT_EQ(Poolctl("get connections -o name"), 0);
  EXPECT_EQ(run.out(),
            "pools/billing/connections/3-1\npools/orders/connections/1-71\npools/orders/connections/2-74\n"
            "processes/cart/pools/stock/connections/0-1\n");
  EXPECT_EQ(run.err(), "left out, as their application does not answer: shop/stock\n");
}

TEST_F(PoolctlTest, AnApplicationThatEndsWhileItIsAskedHidesNoOtherConnections) {
  AttachCart(server);
  int asked = 0;
  server.on_call = [&](const std::string& method) {
    if (method != "ListConnections" || ++asked < 2) return;
    server.errors[method] = ErrorWith(grpc::StatusCode::UNAVAILABLE, "processes/cart is gone", "PROCESS_UNAVAILABLE");
  };
  EXPECT_EQ(Poolctl("get connections -o name"), 0);
  EXPECT_THAT(run.out(), AllOf(StartsWith("pools/billing/"), Not(HasSubstr("cart"))));
  EXPECT_EQ(run.err(), "left out, as their application does not answer: shop/stock, cart/stock\n");
}

TEST_F(PoolctlTest, SaysSoWhenNothingWasLeftToCancel) {
  EXPECT_EQ(Poolctl("operation cancel 4"), 0);
  EXPECT_EQ(run.err(), "");
  server.drain.set_state(v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(Poolctl("operation cancel 4"), 0);
  EXPECT_EQ(run.err(), "operations/4 had ended already; nothing was cancelled\n");
}

TEST_F(PoolctlTest, ADryUndrainSaysWhatItWouldDo) {
  EXPECT_EQ(Poolctl("undrain orders --dry-run"), 0);
  EXPECT_EQ(run.out(), "orders is not drained; nothing would change\n");
  server.pool("pools/orders")->set_admin_state(v1::ADMIN_STATE_DRAINED);
  EXPECT_EQ(Poolctl("undrain orders --dry-run"), 0);
  EXPECT_EQ(run.out(), "orders would lend again\n");
}

TEST_F(PoolctlTest, ShowsEveryErrorOfABrokenFile) {
  v1::ConfigDiagnostics diagnostics;
  auto* one = diagnostics.add_diagnostics();
  one->set_file("chanpoold.yaml");
  one->set_line(3);
  one->set_column(5);
  one->set_path("pools[0].max_conections");
  one->set_message("unknown key");
  one->set_hint("max_connections");
  diagnostics.add_diagnostics()->set_file("chanpoold.yaml");
  diagnostics.mutable_diagnostics(1)->set_message("version is missing");
  server.error = ErrorWith(grpc::StatusCode::INVALID_ARGUMENT, "the file has 2 errors; nothing changed",
                           "CONFIG_INVALID", {}, {&diagnostics});
  for (const std::string words : {"reload", "reload --dry-run", "config validate"}) {
    EXPECT_EQ(Poolctl(words), 6) << words;
    EXPECT_EQ(run.err(),
              "poolctl: 2 errors in the configuration; nothing has changed\n"
              "  chanpoold.yaml:3:5: pools[0].max_conections: unknown key (max_connections)\n"
              "  chanpoold.yaml: version is missing\n"
              "  reason: CONFIG_INVALID\n");
  }
}

TEST_F(PoolctlTest, TeachesTheRightWord) {
  const std::pair<const char*, const char*> table[] = {
      {"gte pools", "unknown command gte; did you mean get?"},
      {"get poolss", "did you mean pools?"},
      {"pause orders", "unknown command pause; see drain\nsee poolctl --help"},
      {"enable orders", "unknown command enable; see undrain"},
      {"show servers", "show knows config, connections, endpoints, pools, stats, version"},
      {"describe", "poolctl: describe pool POOL: the argument is missing"},
      {"get pools a//b", "is no name of a pool; write orders, pools/orders"},
      {"get", "of what? connections, endpoints, instance, operations, pools"},
      {"frobnicate", "unknown command frobnicate\nsee poolctl --help"},
      {"", "which command? see poolctl --help"},
      {"drain orders --deadlin 60s", "unknown flag --deadlin for drain; did you mean --deadline?"},
      {"drain", "poolctl: drain POOL: the argument is missing, as in\n  poolctl drain orders"},
      {"drain a b", "takes at most 1 argument, not \"b\""},
      {"drain orders --deadline 60", "\"60\" is no duration; write it with a unit: 250ms, 30s"},
      {"drain orders --deadline 0s", "must be more than zero"},
      {"drain orders --deadline", "--deadline needs a value"},
      {"drain orders --cancel-calls", "say when: --deadline 60s"},
      {"get pools -o jsno",
       "\"jsno\" is no format of get pools; it has table, wide, json, yaml, name; did you mean json?"},
      {"top --once -o json", "top has one form of output only"},
      {"get pools --color blue", "\"blue\" is none of auto, always, never"},
      {"set orders max_conections=4", "\"max_conections\" is no option of a pool; did you mean max_connections?"},
      {"set orders max_connections=many", "max_connections: \"many\" is not a whole number"},
      {"set orders keepalive.time=7m",
       "keepalive.time is no option but of how connections are made, which only its owner"},
      {"set orders max_idle=5", "max_idle: \"5\" is not a duration"},
      {"set orders overflow=rejct", "is not one of overcommit, reject; did you mean reject?"},
      {"set orders max_connections", "write max_connections=VALUE, or max_connections- to take an override back"},
      {"set orders max_idle=1m max_idle-", "max_idle is there twice"},
      {"config get orders max_conections", "\"max_conections\" is no key of a pool; did you mean max_connections?"},
      {"config get orders keepalve.time", "\"keepalve.time\" is no key of a pool; did you mean keepalive?"},
      {"config get orders keepalive.tme", "\"keepalive.tme\" is no key of a pool; did you mean keepalive.time?"},
      {"config get orders retry.calls.codes", "retry.calls is a list, say which: retry.calls[0]"},
      {"config get orders retry.calls[x]", "an item of a list is calls[0]"},
      {"config get orders max_idle.x", "max_idle has no keys below it"},
      {"config get orders dns.servers[0]", "servers has no keys below it"},
      {"set orders max_idle- --ttl 5m", "--ttl is for a value that is set"},
      {"events --history many", "\"many\" is no whole number"},
      {"events --min-severity loud", "is none of info, warning, error"},
      {"top", "top needs a terminal"},
      {"completion tcsh", "there is one for bash, zsh and fish"},
      {"operation get pools/orders", "is no name of an operation; write 4, operations/4"},
      {"get pools -e localhost", "\"localhost\" is no endpoint: it has no host or no port; write unix:/path"},
      {"get pools -e /run/x.sock", "a path begins with unix:"},
      {"reload --expected-generation 0", "generations count from 1"},
  };
  for (const auto& [words, lesson] : table) {
    EXPECT_EQ(Poolctl(words), 2) << words << run.out();
    EXPECT_THAT(run.err(), AllOf(StartsWith("poolctl: "), HasSubstr(lesson))) << words;
    EXPECT_THAT(run.out(), IsEmpty()) << words;
  }
}

TEST_F(PoolctlTest, LetsNoControlCharacterOfAServerThrough) {
  const std::string evil =  // What is no UTF-8 does not even get through gRPC.
      "a\x1b[31mb\nFORGED\rd\x07"
      "e\x7f\xc2\x9b"
      "f\xe2\x80\xae"
      "g";
  for (v1::Pool& pool : server.pools) {
    pool.set_target(evil);
    pool.add_conditions(evil);
    if (pool.overrides_size() > 0) pool.mutable_overrides(0)->set_reason(evil);
  }
  server.pools[0].set_name("pools/" + evil);
  for (v1::PoolStats& stats : server.stats) stats.set_last_dial_error(evil);
  for (v1::WatchStatsResponse& tick : server.ticks) tick.mutable_stats(0)->set_name("pools/" + evil);
  for (v1::Connection& connection : server.connections) connection.set_drain_reason(evil);
  for (v1::Operation& operation : server.operations) operation.set_reason(evil);
  for (v1::WatchEventsResponse& event : server.events) {
    if (event.has_event()) event.mutable_event()->set_message(evil);
  }
  server.drain.set_target(evil);
  server.drain.mutable_progress()->mutable_blockers(0)->set_connection(evil);
  server.instance.set_name(evil);
  server.instance.set_listeners(0, evil);
  server.config.set_yaml("version: 1\n# " + evil + "\n");
  server.reload.mutable_changes(0)->set_new_value(evil);
  server.reload.mutable_warnings(0)->set_message(evil);
  v1::Operation end = server.drain;
  end.set_state(v1::OPERATION_STATE_FAILED);
  end.mutable_error()->set_message(evil);
  server.watch = {{end, nullptr}};
  const auto expect_clean = [this](const std::string& words) {
    for (const std::string& text : {run.out(), run.err()}) {
      for (const char c : text) {
        EXPECT_TRUE(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) << words << ": " << text;
      }
      EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b"))) << words;
      // A configuration is text of many lines, whatever they say.
      EXPECT_THAT(text, AnyOf(Not(HasSubstr("\nFORGED")), StartsWith("version: 1\n#"))) << words;
    }
  };
  for (const Command& command : Commands()) {
    const std::string formats = command.formats.empty() ? "table" : command.formats;
    for (const std::string& format : std::vector<std::string>(absl::StrSplit(formats, '|'))) {
      const std::string arguments = command.words == "top"                ? " --once"
                                    : command.words == "completion"       ? " bash"
                                    : command.words == "set"              ? " orders max_idle=5m"
                                    : command.min_args == 0               ? ""
                                    : command.names == Names::kOperations ? " 4"
                                                                          : " orders";
      const std::string words = absl::StrCat(command.words, arguments, command.formats.empty() ? "" : " -o ",
                                             command.formats.empty() ? "" : format);
      Poolctl(words);
      expect_clean(words);
    }
  }
  server.error = ErrorWith(grpc::StatusCode::INTERNAL, evil, evil, {{evil, evil}});
  Poolctl("get pools");
  expect_clean("error");
}

TEST_F(PoolctlTest, AsksForExactlyWhatWasTyped) {
  EXPECT_EQ(Poolctl("drain orders --deadline 60s --cancel-calls --supersede --reason deploy --detach"), 0);
  const auto drain = server.last<v1::DrainPoolRequest>();
  EXPECT_EQ(drain.name(), "pools/orders");
  EXPECT_EQ(drain.deadline().seconds(), 60);
  EXPECT_EQ(drain.on_deadline(), v1::ON_DEADLINE_CANCEL_CALLS);
  EXPECT_TRUE(drain.supersede());
  EXPECT_EQ(drain.reason(), "deploy");
  EXPECT_FALSE(drain.validate_only());

  EXPECT_EQ(Poolctl("reload --dry-run --expected-generation 42"), 0);
  EXPECT_TRUE(server.last<v1::ReloadConfigRequest>().validate_only());
  EXPECT_EQ(server.last<v1::ReloadConfigRequest>().expected_generation(), 42u);

  EXPECT_EQ(Poolctl("set orders max_connections=40 max_idle=infinite options.overflow=reject max_age- --ttl 30m"), 0);
  const auto set = server.last<v1::UpdatePoolRequest>();
  EXPECT_THAT(set.update_mask().paths(),
              ElementsAre("options.max_connections", "options.max_idle", "options.overflow", "options.max_age"));
  EXPECT_EQ(set.pool().options().max_connections(), 40u);
  EXPECT_EQ(set.pool().options().max_idle().seconds(), 315'576'000'000);
  EXPECT_EQ(set.pool().options().overflow(), chanpool::config::v1::OVERFLOW_POLICY_REJECT);
  EXPECT_FALSE(set.pool().options().has_max_age());
  EXPECT_EQ(set.ttl().seconds(), 1800);

  EXPECT_EQ(Poolctl("events --since-token T41 --resource pools/orders --min-severity warning"), 0);
  const auto events = server.last<v1::WatchEventsRequest>();
  EXPECT_EQ(events.resume_token(), "T41");
  EXPECT_EQ(events.include_history(), 0u);
  EXPECT_THAT(events.resources(), ElementsAre("pools/orders"));
  EXPECT_EQ(events.min_severity(), v1::SEVERITY_WARNING);

  EXPECT_EQ(Poolctl("config view --defaults"), 0);
  EXPECT_EQ(server.last<v1::GetConfigRequest>().view(), v1::CONFIG_VIEW_DEFAULTS);
}

TEST_F(PoolctlTest, SetsEveryOptionThatThereIs) {
  chanpool::config::v1::PoolOptions options;
  for (const std::string& name : OptionNames()) {
    bool set = false;
    for (const char* value : {"5m", "1", "reject", "pack"}) set = set || SetOption(name, value, options).ok();
    EXPECT_TRUE(set) << name;
  }
  EXPECT_EQ(OptionTexts(options).size(), OptionNames().size());
  for (const OptionText& option : OptionTexts(options)) EXPECT_THAT(option.value, Not(IsEmpty())) << option.name;
}

// Something in every field, and in those of the messages in it; how many values that makes.
size_t Fill(google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  const auto& reflection = *message.GetReflection();
  size_t values = 0;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    const bool list = field->is_repeated();
    ++values;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        list ? reflection.AddString(&message, field, "s") : reflection.SetString(&message, field, "s");
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        list ? reflection.AddUInt32(&message, field, 7) : reflection.SetUInt32(&message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.SetDouble(&message, field, 0.5);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(&message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        list ? reflection.AddEnumValue(&message, field, 1) : reflection.SetEnumValue(&message, field, 1);
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        auto* const inner = list ? reflection.AddMessage(&message, field) : reflection.MutableMessage(&message, field);
        if (field->message_type()->full_name() == "google.protobuf.Duration") {
          inner->GetReflection()->SetInt64(inner, inner->GetDescriptor()->FindFieldByName("seconds"), 5);
        } else {
          values += Fill(*inner) - 1;
        }
        break;
      }
      default:
        ADD_FAILURE() << field->full_name() << " is of a type that is not shown";
    }
  }
  return values;
}

TEST_F(PoolctlTest, ShowsEveryKeyOfAChannelThatThereIs) {
  chanpool::config::v1::PoolConfig channel;
  const size_t values = Fill(channel);
  EXPECT_EQ(ChannelTexts(channel).size(), values);
  for (const OptionText& key : ChannelTexts(channel)) EXPECT_THAT(key.value, Not(IsEmpty())) << key.name;
}

TEST_F(PoolctlTest, StaysQuietAboutListsThatAreEmpty) {
  server.pools.clear();
  EXPECT_EQ(Poolctl("get pools"), 0);
  EXPECT_EQ(run.out(), "");
  EXPECT_EQ(run.err(), "there are no pools\n");
  EXPECT_EQ(Poolctl("get pools -o json"), 0);
  EXPECT_EQ(run.out(), "{\n  \"items\": []\n}\n");
}

TEST_F(PoolctlTest, SaysSoWhenItsOutputCannotBeWritten) {
  run.env.out->setstate(std::ios::badbit);
  EXPECT_EQ(Poolctl("get pools"), 10);
  EXPECT_EQ(run.err(), "poolctl: cannot write to standard output\n");
}

TEST_F(PoolctlTest, TellsWhoSaysWhatHoldsForAPool) {
  EXPECT_EQ(
      Poolctl("config get orders max_surge max_idle max_age_jitter options.max_connections max_surge --no-headers"), 0);
  EXPECT_EQ(run.out(),
            "max_surge        1    file\n"
            "max_idle         5m   file, defaults\n"
            "max_age_jitter   0.1  built in\n"
            "max_connections  40   override (owner: 32 from file; by uid:1000; ends in 20m; sale)\n");
  EXPECT_EQ(server.last<v1::GetConfigRequest>().view(), v1::CONFIG_VIEW_RUNNING);
  // What is left out in a group has its default; without the group there is none, but for what every channel has.
  EXPECT_EQ(Poolctl("config get orders keepalive tls.ca_file dns.timeout diversity.backend_header --no-headers"), 0);
  EXPECT_EQ(run.out(),
            "keepalive.time                  5m     file\n"
            "keepalive.timeout               20s    file\n"
            "keepalive.permit_without_calls  false  built in\n"
            "tls.ca_file                     -      not set\n"
            "dns.timeout                     5s     built in\n"
            "diversity.backend_header        -      not set\n");
  EXPECT_EQ(Poolctl("config get orders retry.calls[1] --no-headers"), 0);
  EXPECT_THAT(run.out(), HasSubstr("retry.calls[1].max_attempts        1              built in\n"));
  EXPECT_THAT(run.out(), HasSubstr("retry.calls[1].wait_for_ready      true           file\n"));
}

TEST_F(PoolctlTest, TellsWhatAnApplicationChose) {
  EXPECT_EQ(Poolctl("config get shop/stock min_connections max_connections --no-headers"), 0);
  EXPECT_EQ(run.out(), "min_connections  1   built in\nmax_connections  10  built in\n");
  server.pools[2].mutable_options()->set_max_connections(12);
  EXPECT_EQ(Poolctl("config get shop/stock max_connections --no-headers"), 0);
  EXPECT_EQ(run.out(), "max_connections  12  application\n");
  EXPECT_THAT(run.err(), HasSubstr("its process does not answer")) << "it is stale";
}

TEST_F(PoolctlTest, SaysSoOfAPoolThatIsNotInTheFileAnyMore) {
  EXPECT_EQ(Poolctl("config get billing max_connections target --no-headers"), 0);
  EXPECT_THAT(run.out(), HasSubstr("max_connections  4 "));
  for (const absl::string_view line : absl::StrSplit(run.out(), '\n', absl::SkipEmpty())) {
    EXPECT_THAT(std::string(line), EndsWith("an earlier file"));
  }
}

TEST_F(PoolctlTest, ReadsAgainWhatAReloadHasChangedMeanwhile) {
  int asked = 0;
  server.on_get_config = [&] { server.config.set_generation(asked++ == 1 ? 43 : 44); };
  EXPECT_EQ(Poolctl("config get orders max_surge"), 0);
  EXPECT_EQ(asked, 4) << "44, 43, 44, 44";
  server.on_get_config = [&] { server.config.set_generation(server.config.generation() + 1); };
  EXPECT_NE(Poolctl("config get orders max_surge"), 0);
  EXPECT_THAT(run.err(), HasSubstr("reloaded faster than it can be read"));
}

TEST_F(PoolctlTest, CompletesCommandsFlagsValuesAndNames) {
  const std::pair<std::vector<std::string>, std::string> table[] = {
      {{"dr"}, "drain\n"},
      {{"get", "p"}, "pools\n"},
      {{"get", "pools", "-o", "j"}, "json\n"},
      {{"get", "pools", "--output=j"}, "--output=json\n"},
      {{"drain", "o"}, "orders\n"},
      {{"get", "pools", "o"}, "orders\n"},
      {{"describe", "o"}, "orders\n"},
      {{"describe", "p"}, "pool\n"},
      {{"describe", "pool", "o"}, "orders\n"},
      {{"drain", "pools/o"}, "pools/orders\n"},
      {{"set", "orders", "max_id"}, "max_idle=\n"},
      {{"config", "get", "orders", "max_id"}, "max_idle\n"},
      {{"config", "get", "orders", "ke"}, "keepalive\n"},
      {{"drain", "sh"}, "shop/stock\n"},
      {{"drain", "orders", "--dea"}, "--deadline\n"},
      {{"drain", "orders", ""}, ""},
      {{"set", "orders", "max_conn"}, "max_connecting=\nmax_connections=\nmax_connects_per_second=\n"},
      {{"operation", "wait", "op"}, "operations/3\noperations/4\n"},
      {{"completion", "z"}, "zsh\n"},
      {{"nonsense", ""}, ""},
  };
  for (const auto& [words, offers] : table) {
    std::vector<std::string> args = {"__complete", "--"};
    args.insert(args.end(), words.begin(), words.end());
    EXPECT_EQ(run.Run(args), 0);
    EXPECT_EQ(run.out(), offers) << words.back();
    EXPECT_EQ(run.err(), "");
  }
}

TEST_F(PoolctlTest, CompletionIsSilentWithoutAServer) {
  run.variables["POOLCTL_ENDPOINT"] = "unix:/nowhere/admin.sock";
  EXPECT_EQ(run("__complete", "--", "drain", ""), 0);
  EXPECT_EQ(run.out() + run.err(), "");
}

TEST_F(PoolctlTest, OffersNothingThatAShellWouldRun) {
  server.pools[0].set_name("pools/$(reboot)");
  EXPECT_EQ(run("__complete", "--", "drain", ""), 0);
  EXPECT_EQ(run.out(), "orders\nshop/stock\n");
}

}  // namespace
}  // namespace chanpool::cli
