// events: what happened, and what happens.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/pool_cells.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

using Next = chanpool::admin::ResponseStream<v1::WatchEventsResponse>::Next;

constexpr uint32_t kDefaultHistory = 20;
constexpr uint32_t kMaxHistory = 10'000;  // What a server keeps.

// Long enough to send what is kept; then a server that leaves out the last events ends the look by itself.
constexpr absl::Duration kLook = absl::Seconds(1);

Tone ToneOf(v1::Severity severity) {
  return severity == v1::SEVERITY_ERROR ? Tone::kBad : severity == v1::SEVERITY_WARNING ? Tone::kWarning : Tone::kPlain;
}

std::string Line(const v1::Event& event, Session& session) {
  const std::string time = absl::FormatTime("%m-%d %H:%M:%S", FromProto(event.time()), session.env().zone);
  const std::string severity = absl::StrFormat("%-7s", Name(event.severity()));
  std::string line = absl::StrCat(time, "  ", Painted(severity, ToneOf(event.severity()), session.settings().colour),
                                  "  ", absl::StrFormat("%-22s", absl::AsciiStrToLower(Name(event.type()))), "  ",
                                  Visible(event.resource()));
  if (!event.message().empty()) absl::StrAppend(&line, ": ", Visible(event.message()));
  if (!event.actor().empty()) absl::StrAppend(&line, " (", Visible(event.actor()), ")");
  return absl::StrCat(line, "\n");
}

absl::StatusOr<v1::WatchEventsRequest> MakeRequest(const Invocation& invocation) {
  v1::WatchEventsRequest request;
  uint32_t history = 0;
  if (!invocation.Has("history")) {
    history = invocation.Has("since-token") ? 0 : kDefaultHistory;
  } else if (invocation.Has("since-token")) {
    return UsageError("--since-token says where to begin, and so does --history; give one of them");
  } else if (!absl::SimpleAtoi(invocation.Get("history"), &history) || history > kMaxHistory) {
    return UsageError(absl::StrCat("--history: at most ", kMaxHistory, " events are kept"));
  }
  request.set_include_history(history);
  request.set_resume_token(invocation.Get("since-token"));
  if (invocation.Has("resource")) request.add_resources(invocation.Get("resource"));
  const std::string severity = invocation.Get("min-severity");
  request.set_min_severity(severity == "info"      ? v1::SEVERITY_INFO
                           : severity == "warning" ? v1::SEVERITY_WARNING
                           : severity == "error"   ? v1::SEVERITY_ERROR
                                                   : v1::SEVERITY_UNSPECIFIED);
  if (!invocation.Has("follow")) *request.mutable_max_duration() = ToProto(kLook);
  return request;
}

// Prints one message, in any format.
void Print(const v1::WatchEventsResponse& response, Session& session) {
  if (session.format() == Format::kName) {
    if (response.has_event()) session.Write(absl::StrCat(Visible(response.event().resource()), "\n"));
  } else if (!session.ForPeople()) {
    session.PrintStreamed(response);
  } else if (response.has_event()) {
    session.Write(Line(response.event(), session));
  } else if (response.has_gap()) {
    session.Say(absl::StrCat("poolctl: ", Count(response.gap().count(), "event"),
                             " missed: this reader is too slow, or they are older than what is kept"));
  }
}

void SayHowToGoOn(Session& session, const std::string& token) {
  if (!token.empty()) {
    session.Say(absl::StrCat("to go on from here: poolctl events -f --since-token ", Visible(token)));
  }
}

}  // namespace

absl::StatusOr<int> Events(Session& session, const Invocation& invocation) {
  const absl::StatusOr<v1::WatchEventsRequest> request = MakeRequest(invocation);
  if (!request.ok()) return request.status();
  const absl::StatusOr<AdminClient*> client = session.answering_client();
  if (!client.ok()) return client.status();
  const bool follow = invocation.Has("follow");
  session.env().interrupts();
  const auto stream = (*client)->WatchEvents(*request, follow ? absl::InfiniteDuration() : session.timeout() + kLook);
  uint64_t head = 0;
  std::string token;
  bool any = false;
  for (;;) {
    if (session.env().interrupts() > 0) {
      SayHowToGoOn(session, token);
      return kExitInterrupted;
    }
    v1::WatchEventsResponse response;
    const Next next = stream->Read(&response, session.env().poll);
    if (next == Next::kNothingYet) continue;
    if (next == Next::kEnd) {
      if (follow) SayHowToGoOn(session, token);
      break;
    }
    if (!response.resume_token().empty()) token = response.resume_token();
    any = any || response.has_event();
    Print(response, session);
    if (response.has_hello()) head = response.hello().head_seq();
    const bool seen_all = response.has_hello()      ? head == 0 || (request->include_history() == 0 && token.empty())
                          : response.has_event()    ? response.event().seq() >= head
                          : response.has_bookmark() ? response.bookmark().seq() >= head
                                                    : false;
    if (!follow && seen_all) break;
    if (!session.env().out->good()) break;  // Nobody reads any more.
  }
  if (!stream->status().ok()) return stream->status();
  if (!any && !follow && session.ForPeople()) session.Say("nothing happened");
  return kExitOk;
}

}  // namespace chanpool::cli
