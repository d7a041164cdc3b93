#include "server/admin/request_checks.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/admin/pool_name.h"
#include "server/admin/proto_time.h"
#include "server/admin/status_details.h"

namespace chanpool::admin {
namespace {

constexpr size_t kMaxQuotedBytes = 80;
// What a BadRequest can hold; whoever has more wrong than this learns of the rest next time.
constexpr size_t kMaxViolations = 50;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// As server/attach names processes: an application's own name, maybe with -2 behind it.
bool IsProcessName(absl::string_view name) {
  constexpr size_t kMaxBytes = 80;
  return !name.empty() && name.size() <= kMaxBytes && absl::ascii_isalnum(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.';
         });
}

bool IsPoolId(absl::string_view id) { return IsPoolName(id); }
bool IsPoolIdOrAll(absl::string_view id) { return id == "-" || IsPoolName(id); }

bool IsOperationId(absl::string_view id) {
  constexpr size_t kMaxDigits = 19;
  return !id.empty() && id.size() <= kMaxDigits && id[0] != '0' &&
         std::all_of(id.begin(), id.end(), [](char c) { return absl::ascii_isdigit(c); });
}

}  // namespace

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxQuotedBytes)),
                      text.size() > kMaxQuotedBytes ? "..." : "", "\"");
}

void RequestChecks::Wrong(absl::string_view field, absl::string_view why) {
  if (violations_.size() < kMaxViolations) violations_.emplace_back(field, why);
}

void RequestChecks::Wrong(absl::string_view field, absl::string_view why, absl::string_view reason) {
  reason_ = std::string(reason);
  Wrong(field, why);
}

ResourceName RequestChecks::Name(absl::string_view field, absl::string_view name, absl::string_view collection,
                                 bool (*is_id)(absl::string_view)) {
  ResourceName result;
  absl::string_view rest = name;
  bool valid = true;
  if (absl::ConsumePrefix(&rest, "processes/")) {
    const absl::string_view process = rest.substr(0, rest.find('/'));
    valid = IsProcessName(process) && process.size() < rest.size();
    result.process = std::string(process);
    rest.remove_prefix(std::min(rest.size(), process.size() + 1));
  }
  if (!valid || !absl::ConsumePrefix(&rest, absl::StrCat(collection, "/")) || !is_id(rest)) {
    const std::string one = collection == "pools" ? "pools/{pool}" : "operations/{number}";
    Wrong(field, absl::StrCat(Quoted(name), " is no such name; give ", one, " or processes/{process}/", one,
                              collection == "pools" ? ", where {pool} is lower-case letters, digits and hyphens" : ""));
    return {};
  }
  result.id = std::string(rest);
  return result;
}

ResourceName RequestChecks::PoolName(absl::string_view field, absl::string_view name) {
  return Name(field, name, "pools", IsPoolId);
}

ResourceName RequestChecks::PoolParent(absl::string_view field, absl::string_view name) {
  return Name(field, name, "pools", IsPoolIdOrAll);
}

ResourceName RequestChecks::OperationName(absl::string_view field, absl::string_view name) {
  return Name(field, name, "operations", IsOperationId);
}

void RequestChecks::Reason(absl::string_view field, absl::string_view reason) {
  if (reason.size() > kMaxReasonBytes) {
    Wrong(field, absl::StrCat("it has ", reason.size(), " bytes; give at most ", kMaxReasonBytes));
  }
  if (std::any_of(reason.begin(), reason.end(), IsControl)) {
    Wrong(field, "it has control characters; give one line of plain text");
  }
}

absl::Duration RequestChecks::DurationIn(absl::string_view field, const google::protobuf::Duration& duration,
                                         absl::Duration least, absl::Duration most) {
  const absl::StatusOr<absl::Duration> value = FromProto(duration);
  if (!value.ok()) {
    Wrong(field, value.status().message());
    return absl::ZeroDuration();
  }
  if (*value < least || *value > most) {
    Wrong(field, absl::StrCat(DurationText(*value), " is out of range; give ", DurationText(least), " to ",
                              DurationText(most)));
    return absl::ZeroDuration();
  }
  return *value;
}

absl::Status RequestChecks::ToStatus() const {
  if (ok()) return absl::OkStatus();
  std::string message = absl::StrCat(violations_[0].first, ": ", violations_[0].second);
  if (violations_.size() > 1) absl::StrAppend(&message, " (and ", violations_.size() - 1, " more)");
  ErrorBuilder error(absl::StatusCode::kInvalidArgument, reason_, message);
  for (const auto& [field, why] : violations_) error.Field(field, why);
  return error.Build();
}

}  // namespace chanpool::admin
