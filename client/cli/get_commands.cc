// get pools, get connections, get operations, get instance, stats.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/call_text.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/json_text.h"
#include "client/cli/list_pages.h"
#include "client/cli/nearest.h"
#include "client/cli/pool_cells.h"
#include "client/cli/resource_names.h"
#include "client/cli/times_text.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

// A number; "" when the server did not say it.
template <typename Number>
std::string Text(bool has, Number number) {
  return has ? absl::StrCat(number) : "";
}

std::string Of(const std::string& a, const std::string& b) {
  return absl::StrCat(a.empty() ? "-" : a, "/", b.empty() ? "-" : b);
}

template <typename Item>
std::vector<std::string> JsonOfEach(const std::vector<Item>& items) {
  std::vector<std::string> json;
  for (const Item& item : items) json.push_back(ToJson(item));
  return json;
}

// Prints a list in any format but the tables; false if it has to be a table. What is told beside it, if anything, is
// JSON as well: `"name":value`.
template <typename Item>
bool PrintedForPrograms(Session& session, const std::vector<Item>& items, const std::string& beside = "") {
  if (session.ForPeople()) return false;
  if (session.format() == Format::kName) {
    for (const Item& item : items) session.Write(absl::StrCat(Visible(item.name()), "\n"));
    return true;
  }
  std::string json = ItemsJson(JsonOfEach(items));
  if (!beside.empty()) json.insert(json.size() - 1, absl::StrCat(",", beside));
  session.PrintJson(json);
  return true;
}

// A table, or a word to the person if there is nothing in it.
void PrintTable(Session& session, const Table& table, absl::string_view nothing) {
  if (table.empty()) {
    session.Say(nothing);
  } else {
    session.Print(table);
  }
}

constexpr Align kRight = Align::kRight;

absl::StatusOr<std::vector<v1::Pool>> ListPools(AdminClient& client, absl::Duration timeout) {
  return ListAll<v1::Pool>(
      v1::ListPoolsRequest(), [&](const v1::ListPoolsRequest& page) { return client.ListPools(page, timeout); },
      [](v1::ListPoolsResponse& response) { return response.mutable_pools(); });
}

// Those of `pools` that are in `names`, in the order of the list. kNotFound for the first name that is of none.
absl::StatusOr<std::vector<v1::Pool>> Named(const std::vector<v1::Pool>& pools, const std::vector<std::string>& names) {
  std::vector<std::string> there;
  for (const v1::Pool& pool : pools) there.push_back(Visible(ShortName(pool.name())));
  for (const std::string& name : names) {
    const std::string wanted = ShortName(name);
    if (std::find(there.begin(), there.end(), wanted) != there.end()) continue;
    const std::string near = DidYouMean(wanted, there);
    return absl::NotFoundError(
        absl::StrCat("there is no pool \"", wanted, "\"", near.empty() ? "; see poolctl get pools" : near));
  }
  std::vector<v1::Pool> named;
  for (const v1::Pool& pool : pools) {
    if (std::find(names.begin(), names.end(), pool.name()) != names.end()) named.push_back(pool);
  }
  return named;
}

// Of one pool; or of all of the process that answers, "pools/-".
absl::StatusOr<std::vector<v1::Connection>> ListConnections(AdminClient& client, const std::string& parent,
                                                            absl::Duration timeout) {
  v1::ListConnectionsRequest request;
  request.set_parent(parent);
  return ListAll<v1::Connection>(
      request, [&](const v1::ListConnectionsRequest& page) { return client.ListConnections(page, timeout); },
      [](v1::ListConnectionsResponse& response) { return response.mutable_connections(); });
}

// The same. Adds to `resolutions` what is told beside them.
absl::StatusOr<std::vector<v1::Endpoint>> ListEndpoints(AdminClient& client, const std::string& parent,
                                                        absl::Duration timeout,
                                                        std::vector<v1::Resolution>& resolutions) {
  v1::ListEndpointsRequest request;
  request.set_parent(parent);
  return ListAll<v1::Endpoint>(
      request, [&](const v1::ListEndpointsRequest& page) { return client.ListEndpoints(page, timeout); },
      [&](v1::ListEndpointsResponse& response) {
        resolutions.insert(resolutions.end(), response.resolutions().begin(), response.resolutions().end());
        return response.mutable_endpoints();
      });
}

// Of the process that answers and of the applications attached to it, of which each pool is asked by its name with
// `list`. An application that is gone does not hide the others: its pools are named on standard error.
template <typename List>
auto OfAll(Session& session, AdminClient& client, List list) -> decltype(list("pools/-")) {
  const absl::StatusOr<std::vector<v1::Pool>> pools = ListPools(client, session.timeout());
  if (!pools.ok()) return pools.status();
  auto all = list("pools/-");
  if (!all.ok()) return all.status();
  std::vector<std::string> left_out;
  for (const v1::Pool& pool : *pools) {
    if (!absl::StartsWith(pool.name(), "processes/")) continue;
    if (!pool.stale()) {
      const auto more = list(pool.name());
      if (more.ok()) {
        all->insert(all->end(), more->begin(), more->end());
        continue;
      }
      // Gone or silent since the list was made, unless it is chanpoold itself.
      const bool gone =
          absl::IsNotFound(more.status()) || absl::IsDeadlineExceeded(more.status()) || IsOfApplication(more.status());
      if (!gone) return more.status();
    }
    left_out.push_back(Visible(ShortName(pool.name())));
  }
  if (!left_out.empty()) {
    session.Say(absl::StrCat("left out, as their application does not answer: ", absl::StrJoin(left_out, ", ")));
  }
  return all;
}

// "orders: DNS orders.prod RESOLVED, 3 addresses, 12s old, asks again in 18s; 40 dials from it, 7 look-ups, 1 failed"
std::string ResolutionText(const v1::Resolution& dns) {
  std::string text =
      absl::StrCat(Visible(ShortName(dns.pool())), ": DNS ", Visible(dns.host()), " ", Name(dns.state()));
  if (dns.has_age()) {
    absl::StrAppend(&text, ", ", dns.addresses(), " addresses", ", ", Age(FromProto(dns.age())), " old of ",
                    Age(FromProto(dns.ttl())));
  }
  if (dns.has_next_in()) absl::StrAppend(&text, ", asks again in ", Age(FromProto(dns.next_in())));
  absl::StrAppend(&text, "; ", Count(dns.hits(), "dial"), " from it, ", Count(dns.misses(), "look-up"), ", ",
                  dns.failures(), " failed");
  if (!dns.last_error().empty()) absl::StrAppend(&text, "; last error: ", Visible(dns.last_error()));
  return text;
}

std::vector<Cell> PoolRow(const v1::Pool& pool, Session& session) {
  const v1::Size& size = pool.size();
  const bool waiting = pool.waiters().count() > 0;
  std::vector<Cell> row = {
      {Visible(ShortName(pool.name()))},
      StateCell(pool),
      HealthCell(pool, session.now(), session.env().zone),
      {Of(Text(size.has_current(), size.current()), Text(size.has_max(), size.max()))},
      {Text(size.has_active(), size.active())},
      {Of(Text(pool.leases().has_active(), pool.leases().active()),
          Text(pool.leases().has_capacity(), pool.leases().capacity()))},
      {Text(pool.waiters().has_count(), pool.waiters().count()), waiting ? Tone::kWarning : Tone::kPlain},
      {Visible(pool.target())},
      {Ago(FromProto(pool.create_time()), session.now())},
  };
  if (session.format() == Format::kWide) {
    std::vector<std::string> overrides;
    for (const v1::Override& entry : pool.overrides()) {
      overrides.push_back(absl::StrCat(absl::StripPrefix(entry.path(), "options."), "=", entry.value()));
    }
    for (const Cell& cell : std::vector<Cell>{
             {Text(size.has_idle(), size.idle())},
             {Text(size.has_connecting(), size.connecting())},
             {Text(size.has_backoff(), size.backoff())},
             {Text(size.has_checking(), size.checking())},
             {Text(size.has_draining(), size.draining())},
             {Text(size.has_min(), size.min())},
             {absl::StrCat(pool.generation())},
             {Visible(absl::StrJoin(overrides, ","))},
             {Visible(absl::StrJoin(pool.conditions(), "; "))},
         }) {
      row.push_back(cell);
    }
  }
  return row;
}

}  // namespace

absl::StatusOr<int> GetPools(Session& session, const Invocation& invocation) {
  std::vector<std::string> names;
  for (const std::string& arg : invocation.args) {
    const absl::StatusOr<std::string> name = PoolName(arg);
    if (!name.ok()) return UsageError(name.status().message());
    names.push_back(*name);
  }
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  absl::StatusOr<std::vector<v1::Pool>> pools = ListPools(**client, session.timeout());
  if (!pools.ok()) return pools.status();
  if (!names.empty()) {
    pools = Named(*pools, names);
    if (!pools.ok()) return pools.status();
  }
  if (PrintedForPrograms(session, *pools)) return kExitOk;
  std::vector<Column> columns = {
      {"NAME"},         {"STATE"},          {"HEALTH"},          {"CONNS", kRight},
      {"BUSY", kRight}, {"LEASES", kRight}, {"WAITERS", kRight}, {"TARGET", Align::kLeft, /*elastic=*/true},
      {"AGE", kRight}};
  if (session.format() == Format::kWide) {
    for (const Column& column : std::vector<Column>{{"IDLE", kRight},
                                                    {"CONNECTING", kRight},
                                                    {"BACKOFF", kRight},
                                                    {"CHECKING", kRight},
                                                    {"DRAINING", kRight},
                                                    {"MIN", kRight},
                                                    {"GEN", kRight},
                                                    {"OVERRIDES"},
                                                    {"CONDITIONS"}}) {
      columns.push_back(column);
    }
  }
  Table table(columns);
  for (const v1::Pool& pool : *pools) table.Add(PoolRow(pool, session));
  PrintTable(session, table, "there are no pools");
  return kExitOk;
}

absl::StatusOr<int> GetConnections(Session& session, const Invocation& invocation) {
  std::string pool;
  if (!invocation.args.empty()) {
    const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
    if (!name.ok()) return UsageError(name.status().message());
    pool = *name;
  }
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const auto list = [&](const std::string& parent) { return ListConnections(**client, parent, session.timeout()); };
  const absl::StatusOr<std::vector<v1::Connection>> connections =
      pool.empty() ? OfAll(session, **client, list) : list(pool);
  if (!connections.ok()) return connections.status();
  if (PrintedForPrograms(session, *connections)) return kExitOk;
  const bool wide = session.format() == Format::kWide;
  std::vector<Column> columns = {
      {"POOL"},        {"ID"}, {"STATE"}, {"LEASES", kRight}, {"PEAK", kRight}, {"AGE", kRight}, {"IN-STATE", kRight},
      {"DRAIN-REASON"}};
  const bool backends = std::any_of(connections->begin(), connections->end(),
                                    [](const v1::Connection& connection) { return !connection.backend().empty(); });
  if (backends) columns.push_back({"BACKEND", Align::kLeft, /*elastic=*/true});
  if (wide) {
    for (const char* title : {"ACQUIRED", "REQUESTS", "ERRORS", "IDLE", "MEAN-HOLD", "CONNECT"}) {
      columns.push_back({title, kRight});
    }
    columns.push_back({"NAME"});
  }
  Table table(columns);
  for (const v1::Connection& connection : *connections) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(connection.name(), "/connections/");
    std::vector<Cell> row = {
        {Visible(ShortName(parts.first))},
        {Visible(parts.second)},
        StateCell(connection),
        {Of(Text(connection.has_leases(), connection.leases()),
            Text(connection.has_max_leases(), connection.max_leases()))},
        {Text(connection.has_peak_leases(), connection.peak_leases())},
        {connection.has_age() ? Age(FromProto(connection.age())) : ""},
        {connection.has_in_state() ? Age(FromProto(connection.in_state())) : ""},
        {Visible(connection.drain_reason())},
    };
    if (backends) row.push_back({Visible(connection.backend())});
    if (wide) {
      row.push_back({Text(connection.has_acquired(), connection.acquired())});
      row.push_back({Text(connection.has_requests(), connection.requests())});
      row.push_back({connection.has_errors() ? ErrorsText(connection.errors(), connection.requests()) : ""});
      row.push_back({connection.has_idle() ? Age(FromProto(connection.idle())) : ""});
      row.push_back({connection.has_mean_hold() ? Elapsed(FromProto(connection.mean_hold())) : ""});
      row.push_back({connection.has_connect_time() ? Elapsed(FromProto(connection.connect_time())) : ""});
      row.push_back({Visible(connection.name())});
    }
    table.Add(std::move(row));
  }
  PrintTable(session, table, "there are no connections");
  return kExitOk;
}

absl::StatusOr<int> GetEndpoints(Session& session, const Invocation& invocation) {
  std::string pool;
  if (!invocation.args.empty()) {
    const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
    if (!name.ok()) return UsageError(name.status().message());
    pool = *name;
  }
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  std::vector<v1::Resolution> resolutions;
  const auto list = [&](const std::string& parent) {
    return ListEndpoints(**client, parent, session.timeout(), resolutions);
  };
  const absl::StatusOr<std::vector<v1::Endpoint>> endpoints =
      pool.empty() ? OfAll(session, **client, list) : list(pool);
  if (!endpoints.ok()) return endpoints.status();
  const std::string look_ups = absl::StrCat("\"resolutions\":[", absl::StrJoin(JsonOfEach(resolutions), ","), "]");
  if (PrintedForPrograms(session, *endpoints, look_ups)) return kExitOk;
  const bool wide = session.format() == Format::kWide;
  std::vector<Column> columns = {{"POOL"}, {"ADDRESS", Align::kLeft, /*elastic=*/true}, {"STATE"}};
  for (const char* title : {"CONNS", "LEASES", "CALLS", "FAILED", "LATENCY", "DIAL-FAIL"}) {
    columns.push_back({title, kRight});
  }
  if (wide) {
    for (const char* title : {"WEIGHT", "EJECTIONS", "FOR"}) columns.push_back({title, kRight});
    columns.push_back({"REASON"});
    columns.push_back({"NAME"});
  }
  Table table(columns);
  for (const v1::Endpoint& endpoint : *endpoints) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(endpoint.name(), "/endpoints/");
    std::vector<Cell> row = {
        {Visible(ShortName(parts.first))},
        {Visible(endpoint.address())},
        StateCell(endpoint),
        {Of(Text(endpoint.has_connections_open(), endpoint.connections_open()),
            Text(endpoint.has_connections(), endpoint.connections()))},
        {Text(endpoint.has_leases(), endpoint.leases())},
        {Text(endpoint.has_calls(), endpoint.calls())},
        {Text(endpoint.has_failures(), endpoint.failures())},
        {endpoint.has_mean_latency() ? Elapsed(FromProto(endpoint.mean_latency())) : ""},
        {Text(endpoint.has_dial_failures(), endpoint.dial_failures())},
    };
    if (wide) {
      row.push_back({Text(endpoint.has_weight(), endpoint.weight())});
      row.push_back({Text(endpoint.has_ejections(), endpoint.ejections())});
      row.push_back({endpoint.has_remaining() ? Age(FromProto(endpoint.remaining())) : ""});
      row.push_back({Visible(endpoint.reason())});
      row.push_back({Visible(endpoint.name())});
    }
    table.Add(std::move(row));
  }
  PrintTable(session, table, "there are no endpoints");
  for (const v1::Resolution& dns : resolutions) session.Write(absl::StrCat(ResolutionText(dns), "\n"));
  return kExitOk;
}

absl::StatusOr<int> GetOperations(Session& session, const Invocation& /*invocation*/) {
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<std::vector<v1::Operation>> operations = ListAll<v1::Operation>(
      v1::ListOperationsRequest(),
      [&](const v1::ListOperationsRequest& page) { return (*client)->ListOperations(page, session.timeout()); },
      [](v1::ListOperationsResponse& response) { return response.mutable_operations(); });
  if (!operations.ok()) return operations.status();
  if (PrintedForPrograms(session, *operations)) return kExitOk;
  PrintTable(session, OperationTable(session, *operations), "nothing runs, and nothing ended within the hour");
  return kExitOk;
}

Table OperationTable(Session& session, const std::vector<v1::Operation>& operations) {
  const bool wide = session.format() == Format::kWide;
  std::vector<Column> columns = {
      {"NAME"}, {"KIND"}, {"TARGET"}, {"STATE"}, {"CONNS-LEFT", kRight}, {"CALLS-LEFT", kRight}, {"AGE", kRight}};
  if (wide) {
    for (const char* title : {"BY", "DEADLINE", "REASON", "ERROR"}) columns.push_back({title});
  }
  Table table(columns);
  for (const v1::Operation& operation : operations) {
    const v1::Progress& progress = operation.progress();
    std::vector<Cell> row = {
        {Visible(ShortName(operation.name()))},
        {Name(operation.kind())},
        {Visible(ShortName(operation.target()))},
        StateCell(operation),
        {Of(Text(progress.has_connections_remaining(), progress.connections_remaining()),
            Text(progress.has_connections_total(), progress.connections_total()))},
        {Text(progress.has_leases_remaining(), progress.leases_remaining())},
        {Ago(FromProto(operation.start_time()), session.now())},
    };
    if (wide) {
      row.push_back({Visible(operation.requested_by())});
      row.push_back({Clock(FromProto(operation.deadline()), session.now(), session.env().zone)});
      row.push_back({Visible(operation.reason())});
      row.push_back({Visible(operation.error().message())});
    }
    table.Add(std::move(row));
  }
  return table;
}

absl::StatusOr<int> GetInstance(Session& session, const Invocation& /*invocation*/) {
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetInstanceResponse> response = (*client)->GetInstance({}, session.timeout());
  if (!response.ok()) return response.status();
  const v1::Instance& instance = response->instance();
  if (session.format() == Format::kName) {
    session.Write("instance\n");
    return kExitOk;
  }
  if (!session.ForPeople()) {
    session.PrintMessage(*response);
    return kExitOk;
  }
  Sheet sheet;
  const absl::Time start = FromProto(instance.start_time());
  sheet.Add("Name", {Visible(instance.name())});
  sheet.Add("State",
            {Name(instance.state()), instance.state() == v1::INSTANCE_STATE_SERVING ? Tone::kGood : Tone::kWarning});
  sheet.Add("Version", {Visible(absl::StrCat(instance.version(), " (gRPC ", instance.grpc_version(), ")"))});
  sheet.Add("Process", {absl::StrCat(instance.pid())});
  if (start > absl::UnixEpoch()) {
    sheet.Add("Up", {absl::StrCat(Ago(start, session.now()), ", since ",
                                  absl::FormatTime("%Y-%m-%d %H:%M:%S", start, session.env().zone))});
  }
  if (instance.has_pools()) sheet.Add("Pools", {absl::StrCat(instance.pools())});
  const bool file = !instance.config_path().empty();
  sheet.Add("Configuration", {absl::StrCat(file ? Visible(instance.config_path()) : "built in", ", generation ",
                                           instance.config_generation()),
                              Tone::kPlain});
  if (instance.config_drift()) {
    sheet.Add("Drift", {"the file is not what holds; see poolctl reload --dry-run", Tone::kWarning});
  }
  if (instance.has_last_reload()) {
    const v1::Reload& reload = instance.last_reload();
    const std::string ago = Ago(FromProto(reload.time()), session.now());
    sheet.Add("Last reload",
              {absl::StrCat(reload.ok() ? "ok" : "refused", ago.empty() ? "" : absl::StrCat(", ", ago, " ago"),
                            reload.message().empty() ? "" : ": ", Visible(reload.message())),
               reload.ok() ? Tone::kGood : Tone::kBad});
  }
  for (int i = 0; i < instance.listeners_size(); ++i) {
    sheet.Add(i == 0 ? "Listens" : "", {Visible(instance.listeners(i))});
  }
  if (session.format() == Format::kWide) sheet.Add("Instance id", {Visible(instance.instance_id())});
  session.Write(sheet.Text(session.settings().colour));
  if (instance.processes_size() == 0) return kExitOk;
  session.Write("\n");
  Table table({{"PROCESS"},
               {"STATE"},
               {"PID", kRight},
               {"UID", kRight},
               {"VERSION"},
               {"POOLS", kRight},
               {"ATTACHED", kRight},
               {"LAST-SEEN", kRight}});
  for (const v1::AttachedProcess& process : instance.processes()) {
    table.Add({{Visible(absl::StripPrefix(process.name(), "processes/"))},
               {Name(process.state()), process.state() == v1::PROCESS_STATE_LIVE ? Tone::kGood : Tone::kBad},
               {absl::StrCat(process.pid())},
               {absl::StrCat(process.uid())},
               {Visible(process.version())},
               {absl::StrCat(process.pools())},
               {Ago(FromProto(process.attach_time()), session.now())},
               {Ago(FromProto(process.last_seen()), session.now())}});
  }
  session.Print(table);
  return kExitOk;
}

namespace {

// What took how long, a line for each; what never happened is left out.
Table TimesTable(const std::vector<v1::PoolStats>& all) {
  std::vector<Column> columns = {{"NAME", Align::kLeft, /*elastic=*/true}, {"WHAT"}};
  for (const char* title : {"COUNT", "MEAN", "P50", "P90", "P99"}) columns.push_back({title, kRight});
  Table table(columns);
  for (const v1::PoolStats& stats : all) {
    const auto add = [&](const std::string& what, const v1::Histogram& histogram) {
      const TimesText times(histogram);
      if (times.mean().empty()) return;
      table.Add({{absl::StrCat(Visible(ShortName(stats.name())), stats.stale() ? " (STALE)" : ""),
                  stats.stale() ? Tone::kBad : Tone::kPlain},
                 {what},
                 {times.count()},
                 {times.mean()},
                 {times.AtMost(0.5)},
                 {times.AtMost(0.9)},
                 {times.AtMost(0.99)}});
    };
    add("acquire, fast", stats.fast_waits());
    const std::map<std::string, v1::Histogram> in_order(stats.slow_waits().begin(), stats.slow_waits().end());
    for (const auto& [outcome, times] : in_order) add(absl::StrCat("acquire, ", Visible(outcome)), times);
    add("hold", stats.holds());
    add("dial", stats.connects());
    add("dial, failed", stats.failed_connects());
  }
  return table;
}

// What became of calls, a line for each method.
Table MethodsTable(const std::vector<v1::PoolStats>& all, bool wide) {
  std::vector<Column> columns = {{"NAME"}, {"METHOD", Align::kLeft, /*elastic=*/true}};
  for (const char* title : {"REQUESTS", "ERRORS", "MEAN", "P50", "P99"}) columns.push_back({title, kRight});
  if (wide) columns.push_back({"CODES"});
  Table table(columns);
  for (const v1::PoolStats& stats : all) {
    for (const v1::MethodStats& method : stats.methods()) {
      const TimesText times(method.times());
      std::vector<Cell> row = {
          {absl::StrCat(Visible(ShortName(stats.name())), stats.stale() ? " (STALE)" : ""),
           stats.stale() ? Tone::kBad : Tone::kPlain},
          {Visible(method.method())},
          {absl::StrCat(method.requests())},
          {ErrorsText(method.errors(), method.requests()), method.errors() > 0 ? Tone::kWarning : Tone::kPlain},
          {times.mean()},
          {times.AtMost(0.5)},
          {times.AtMost(0.99)}};
      if (wide) {
        const std::map<std::string, uint64_t> codes(method.by_code().begin(), method.by_code().end());
        row.push_back({Visible(absl::StrJoin(codes, " ", absl::PairFormatter("=")))});
      }
      table.Add(std::move(row));
    }
  }
  return table;
}

}  // namespace

absl::StatusOr<int> GetStats(Session& session, const Invocation& invocation) {
  v1::GetStatsRequest request;
  for (const std::string& arg : invocation.args) {
    const absl::StatusOr<std::string> pool = PoolName(arg);
    if (!pool.ok()) return UsageError(pool.status().message());
    request.add_pools(*pool);
  }
  if (invocation.Has("times") && invocation.Has("methods")) return UsageError("--times or --methods, not both");
  request.set_include_histograms(invocation.Has("times"));
  request.set_include_methods(invocation.Has("methods"));
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetStatsResponse> response = (*client)->GetStats(request, session.timeout());
  if (!response.ok()) return response.status();
  const std::vector<v1::PoolStats> all(response->stats().begin(), response->stats().end());
  if (PrintedForPrograms(session, all)) return kExitOk;
  if (invocation.Has("times")) {
    PrintTable(session, TimesTable(all), "nothing was timed yet");
    return kExitOk;
  }
  const bool wide = session.format() == Format::kWide;
  if (invocation.Has("methods")) {
    PrintTable(session, MethodsTable(all, wide), "no call has ended yet");
    return kExitOk;
  }
  // Behind a balancer that hides them.
  const bool backends =
      std::any_of(all.begin(), all.end(), [](const v1::PoolStats& stats) { return stats.has_distinct_backends(); });
  std::vector<Column> columns = {{"NAME", Align::kLeft, /*elastic=*/true}};
  for (const char* title : {"CONNS", "LEASES", "WAITERS", "ACQUIRED", "REJECTED", "TIMED-OUT", "DIAL-FAIL"}) {
    columns.push_back({title, kRight});
  }
  if (wide) {
    for (const char* title :
         {"OPENED", "CLOSED", "HITS", "MISSES", "OVERCOMMITTED", "CANCELLED", "UNAVAILABLE", "RELEASED", "LINGERING"}) {
      columns.push_back({title, kRight});
    }
    if (backends) columns.insert(columns.end(), {{"BACKENDS", kRight}, {"REROLLS", kRight}});
    columns.push_back({"LAST-DIAL-ERROR"});
  }
  Table table(columns);
  for (const v1::PoolStats& stats : all) {
    const auto bad_if_any = [](bool has, uint64_t n) {
      return Cell{Text(has, n), n > 0 ? Tone::kWarning : Tone::kPlain};
    };
    std::vector<Cell> row = {
        {absl::StrCat(Visible(ShortName(stats.name())), stats.stale() ? " (STALE)" : ""),
         stats.stale() ? Tone::kBad : Tone::kPlain},
        {Of(Text(stats.has_connections(), stats.connections()),
            Text(stats.has_connections_max(), stats.connections_max()))},
        {Of(Text(stats.has_leases(), stats.leases()), Text(stats.has_lease_capacity(), stats.lease_capacity()))},
        bad_if_any(stats.has_waiters(), stats.waiters()),
        {Text(stats.has_acquired(), stats.acquired())},
        bad_if_any(stats.has_rejected(), stats.rejected()),
        bad_if_any(stats.has_timed_out(), stats.timed_out()),
        bad_if_any(stats.has_dial_failures(), stats.dial_failures()),
    };
    if (wide) {
      for (const Cell& cell :
           std::vector<Cell>{{Text(stats.has_opened(), stats.opened())},
                             {Text(stats.has_closed(), stats.closed())},
                             {Text(stats.has_hits(), stats.hits())},
                             {Text(stats.has_misses(), stats.misses())},
                             {Text(stats.has_overcommitted(), stats.overcommitted())},
                             {Text(stats.has_cancelled(), stats.cancelled())},
                             {Text(stats.has_unavailable(), stats.unavailable())},
                             {Text(stats.has_released(), stats.released())},
                             {Text(stats.has_connections_lingering(), stats.connections_lingering())}}) {
        row.push_back(cell);
      }
      if (backends) {
        row.push_back({Text(stats.has_distinct_backends(), stats.distinct_backends())});
        row.push_back({Text(stats.has_rerolls(), stats.rerolls())});
      }
      row.push_back({Visible(stats.last_dial_error())});
    }
    table.Add(std::move(row));
  }
  PrintTable(session, table, "there are no pools");
  return kExitOk;
}

}  // namespace chanpool::cli
