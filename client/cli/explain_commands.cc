// explain, decisions.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/json_text.h"
#include "client/cli/list_pages.h"
#include "client/cli/pool_cells.h"
#include "client/cli/resource_names.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

// What to type, or whom to ask.
std::string Advice(const v1::Finding& finding, const std::string& pool) {
  if (finding.knob().empty()) return "";
  const std::string what =
      finding.knob() == "Resume" ? absl::StrCat("poolctl undrain ", Visible(pool))
      : finding.value().empty()
          ? absl::StrCat("the application's call of ", Visible(finding.knob()))
          : absl::StrCat("poolctl set ", Visible(pool), " ", Visible(finding.knob()), "=", Visible(finding.value()));
  return absl::StrCat(what, finding.adds().empty() ? "" : ", which adds ", Visible(finding.adds()));
}

std::string SizingText(const v1::SizingAdvice& sizing) {
  std::string text = absl::StrFormat(
      "%d connections = ceil(%.1f in flight / %d); %.1f in flight = %.1f acquires/s (%d in %s) x %s mean hold (of %d)",
      sizing.connections(), sizing.in_flight(), sizing.target(), sizing.in_flight(), sizing.acquires_per_second(),
      sizing.acquired(), Elapsed(FromProto(sizing.over())), Elapsed(FromProto(sizing.mean_hold())), sizing.holds());
  if (sizing.understated()) absl::StrAppend(&text, "; callers waited or were refused, so more was wanted");
  return text;
}

std::string SavingsText(const v1::Savings& savings) {
  std::string text = absl::StrCat(Count(savings.connections(), "dial"), " = ", savings.acquired(), " acquired - ",
                                  savings.opened(), " opened");
  if (!savings.has_time()) return text;
  return absl::StrCat(text, "; ", Elapsed(FromProto(savings.time())), " at ",
                      Elapsed(FromProto(savings.mean_connect())), " each (mean of ", savings.dials(), ")");
}

}  // namespace

absl::StatusOr<int> ExplainPool(Session& session, const Invocation& invocation) {
  const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  v1::ExplainPoolRequest request;
  request.set_name(*name);
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::ExplainPoolResponse> response = (*client)->ExplainPool(request, session.timeout());
  if (!response.ok()) return response.status();
  if (!session.ForPeople()) {
    session.PrintMessage(*response);
    return kExitOk;
  }
  const v1::Explanation& explanation = response->explanation();
  v1::Pool shown;  // For its cells.
  shown.set_health(explanation.health());
  Sheet sheet;
  sheet.Add("Name", {Visible(explanation.name())});
  sheet.Add("Health", HealthCell(shown, session.now(), session.env().zone));
  for (const v1::Finding& finding : explanation.findings()) {
    const bool binds = finding.limit() != "nothing";
    sheet.Add("Limit", {Visible(finding.limit()), binds ? Tone::kWarning : Tone::kGood});
    sheet.Add("", {Visible(finding.evidence())});
    if (finding.has_since_time()) {
      const absl::Time since = FromProto(finding.since_time());
      sheet.Add("", {absl::StrCat("for ", Ago(since, session.now()), ", since ",
                                  Clock(since, session.now(), session.env().zone))});
    }
    sheet.Add("", {Advice(finding, ShortName(*name))});
  }
  if (explanation.has_sizing()) sheet.Add("Sizing", {SizingText(explanation.sizing())});
  if (explanation.savings().connections() > 0) sheet.Add("Saved", {SavingsText(explanation.savings())});
  for (int i = 0; i < explanation.hot_keys_size(); ++i) {
    const v1::HotKey& key = explanation.hot_keys(i);
    sheet.Add(i == 0 ? "Hot keys" : "",
              {absl::StrCat(Visible(key.hash()), ": about ", key.requests() * std::max<uint64_t>(1, key.one_in()),
                            key.error() == 0 ? "" : absl::StrCat(", perhaps ", key.error() * key.one_in(), " fewer"))});
  }
  session.Write(sheet.Text(session.settings().colour));
  return kExitOk;
}

absl::StatusOr<int> Decisions(Session& session, const Invocation& invocation) {
  const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  v1::ListDecisionsRequest request;
  request.set_parent(*name);
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<std::vector<v1::Decision>> decisions = ListAll<v1::Decision>(
      request, [&](const v1::ListDecisionsRequest& page) { return (*client)->ListDecisions(page, session.timeout()); },
      [](v1::ListDecisionsResponse& page) { return page.mutable_decisions(); });
  if (!decisions.ok()) return decisions.status();
  if (!session.ForPeople()) {
    std::vector<std::string> json;
    for (const v1::Decision& decision : *decisions) json.push_back(ToJson(decision));
    session.PrintJson(ItemsJson(json));
    return kExitOk;
  }
  const bool wide = session.format() == Format::kWide;
  std::vector<Column> columns = {{"LAST"}, {"TIMES", Align::kRight}};
  if (wide) columns = {{"SEQ", Align::kRight}, {"FIRST"}, {"LAST"}, {"TIMES", Align::kRight}, {"LIMIT"}};
  columns.push_back({"DECISION", Align::kLeft, /*elastic=*/true});
  Table table(columns);
  const auto clock = [&session](const google::protobuf::Timestamp& time) {
    return Clock(FromProto(time), session.now(), session.env().zone);
  };
  for (const v1::Decision& decision : *decisions) {
    const bool done = decision.limit() == "nothing";
    std::vector<Cell> row = {{clock(decision.last_time())}, {absl::StrCat(decision.count())}};
    if (wide) {
      row = {{absl::StrCat(decision.sequence())},
             {clock(decision.first_time())},
             {clock(decision.last_time())},
             {absl::StrCat(decision.count())},
             {done ? "" : Visible(decision.limit())}};
    }
    row.push_back({Visible(decision.text()), done ? Tone::kPlain : Tone::kWarning});
    table.Add(std::move(row));
  }
  if (table.empty()) {
    session.Say("nothing was decided yet");
  } else {
    session.Print(table);
  }
  return kExitOk;
}

}  // namespace chanpool::cli
