// describe pool.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/options_text.h"
#include "client/cli/pool_cells.h"
#include "client/cli/pool_keys.h"
#include "client/cli/resource_names.h"
#include "client/cli/units.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

// As servers warn of it.
constexpr absl::Duration kSoon = absl::Hours(24 * 14);

std::string SizeText(const v1::Size& size) {
  std::string text = absl::StrCat(size.current(), " of ", size.min(), " to ", size.max());
  const std::pair<const char*, uint32_t> parts[] = {{"active", size.active()},         {"idle", size.idle()},
                                                    {"connecting", size.connecting()}, {"backoff", size.backoff()},
                                                    {"checking", size.checking()},     {"draining", size.draining()}};
  std::string separator = ": ";
  for (const auto& [name, count] : parts) {
    if (count == 0) continue;
    absl::StrAppend(&text, separator, count, " ", name);
    separator = ", ";
  }
  return text;
}

void AddOptions(const v1::Pool& pool, Session& session, Sheet& sheet) {
  for (const OptionText& option : OptionTexts(pool.options())) {
    const v1::Override* const entry = OverrideOf(pool, option.name);
    if (entry == nullptr) {
      sheet.Add(option.name, {option.value});
      continue;
    }
    sheet.Add(option.name, {absl::StrCat(option.value, "  (override; ", OverrideText(*entry, "", session.now()), ")"),
                            Tone::kWarning});
  }
}

void AddCertificate(const v1::Certificate& certificate, absl::Time now, absl::TimeZone zone, Sheet& sheet) {
  std::string text =
      certificate.subject().empty() ? "shows none" : absl::StrCat("shows ", Visible(certificate.subject()));
  Tone tone = Tone::kPlain;
  if (certificate.has_expire_time()) {
    const absl::Time ends = FromProto(certificate.expire_time());
    if (ends - now < kSoon) tone = ends <= now ? Tone::kBad : Tone::kWarning;
    absl::StrAppend(&text, "; ", Visible(certificate.ends_first()),
                    ends <= now ? " expired " : absl::StrCat(" ends in ", Age(ends - now), ", "),
                    absl::FormatTime("%Y-%m-%d %H:%M:%S", ends, zone));
  }
  sheet.Add("TLS", {text, tone});
  if (!certificate.last_error().empty()) {
    sheet.Add("", {absl::StrCat("not in use: ", Visible(certificate.last_error())), Tone::kWarning});
  }
}

}  // namespace

absl::StatusOr<int> DescribePool(Session& session, const Invocation& invocation) {
  v1::GetPoolRequest request;
  const absl::StatusOr<std::string> name = PoolName(invocation.args[0]);
  if (!name.ok()) return UsageError(name.status().message());
  request.set_name(*name);
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetPoolResponse> response = (*client)->GetPool(request, session.timeout());
  if (!response.ok()) return response.status();
  const v1::Pool& pool = response->pool();
  if (session.format() == Format::kName) {
    session.Write(absl::StrCat(Visible(pool.name()), "\n"));
    return kExitOk;
  }
  if (!session.ForPeople()) {
    session.PrintMessage(*response);
    return kExitOk;
  }
  const absl::Time now = session.now();
  const absl::TimeZone zone = session.env().zone;
  Sheet sheet;
  sheet.Add("Name", {Visible(pool.name())});
  sheet.Add("Target", {Visible(pool.target())});
  if (pool.stale()) {
    const absl::Time since = FromProto(pool.snapshot_time());
    sheet.Add("Stale",
              {since <= absl::UnixEpoch() ? "its process does not answer; what follows was known last"
                                          : absl::StrCat("its process does not answer; what follows was so ",
                                                         Ago(since, now), " ago, at ", Clock(since, now, zone)),
               Tone::kBad});
  }
  sheet.Add("State",
            {Name(pool.admin_state()), pool.admin_state() == v1::ADMIN_STATE_ACTIVE ? Tone::kPlain : Tone::kWarning});
  if (!pool.stale()) sheet.Add("Health", HealthCell(pool, now, zone));
  for (int i = 0; i < pool.conditions_size(); ++i) {
    sheet.Add(i == 0 ? "Conditions" : "", {Visible(pool.conditions(i)), Tone::kWarning});
  }
  if (pool.has_size()) sheet.Add("Connections", {SizeText(pool.size())});
  if (pool.has_leases()) {
    sheet.Add("Leases", {absl::StrCat(pool.leases().active(), " of ", pool.leases().capacity())});
  }
  if (pool.has_waiters()) {
    sheet.Add("Waiters", {absl::StrCat(pool.waiters().count(), " of ", pool.waiters().max()),
                          pool.waiters().count() > 0 ? Tone::kWarning : Tone::kPlain});
  }
  if (pool.has_keepalive()) {
    sheet.Add("Keepalive",
              {absl::StrCat("every ", Written(FromProto(pool.keepalive().time())),
                            pool.keepalive().has_timeout()
                                ? absl::StrCat(", timeout ", Written(FromProto(pool.keepalive().timeout())))
                                : "",
                            pool.keepalive().permit_without_calls() ? ", also without calls" : "")});
  }
  if (pool.has_certificate()) AddCertificate(pool.certificate(), now, zone, sheet);
  const absl::Time made = FromProto(pool.create_time());
  if (made > absl::UnixEpoch()) {
    sheet.Add("Made", {absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%S", made, zone), " (", Ago(made, now), " ago)")});
  }
  sheet.Add("Generation", {absl::StrCat(pool.generation())});
  const std::vector<OptionText> channel = ChannelTexts(pool.channel());
  if (!channel.empty()) sheet.Section("Channel");
  for (const OptionText& key : channel) sheet.Add(Visible(key.name), {Visible(key.value)});
  sheet.Section("Options");
  AddOptions(pool, session, sheet);
  session.Write(sheet.Text(session.settings().colour));
  return kExitOk;
}

}  // namespace chanpool::cli
