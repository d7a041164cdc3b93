#include "client/cli/units.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace chanpool::cli {
namespace {

// The longest google.protobuf.Duration, which the configuration writes "infinite".
constexpr int64_t kInfiniteSeconds = 315'576'000'000;

}  // namespace

std::string Age(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  if (seconds < 120) return absl::StrCat(seconds, "s");
  if (seconds < 120 * 60) return absl::StrCat(seconds / 60, "m");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string Elapsed(absl::Duration elapsed) {
  if (elapsed < absl::ZeroDuration()) elapsed = absl::ZeroDuration();
  // Three digits; what would round up to a thousand goes on in the next unit.
  const double seconds_in_all = absl::ToDoubleSeconds(elapsed);
  if (elapsed == absl::ZeroDuration()) return "0s";
  if (seconds_in_all < 999.5e-6) return absl::StrFormat("%.3gus", seconds_in_all * 1e6);
  if (seconds_in_all < 999.5e-3) return absl::StrFormat("%.3gms", seconds_in_all * 1e3);
  if (seconds_in_all < 59.95) return absl::StrFormat("%.3gs", seconds_in_all);
  const int64_t seconds = absl::ToInt64Seconds(elapsed + absl::Milliseconds(500));
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m", seconds % 60, "s");
  return absl::StrCat(seconds / 3600, "h", seconds / 60 % 60, "m");
}

std::string Written(absl::Duration duration) {
  if (duration >= absl::Seconds(kInfiniteSeconds)) return "infinite";
  if (duration == absl::ZeroDuration()) return "0s";  // As the configuration has it.
  std::string text = absl::FormatDuration(duration);  // "1h0m0s": nobody writes the zeros.
  if (absl::EndsWith(text, "m0s")) text.resize(text.size() - 2);
  if (absl::EndsWith(text, "h0m")) text.resize(text.size() - 2);
  return text;
}

std::string Short(double number) {
  if (number >= 999.5e6) return absl::StrFormat("%.1fG", number / 1e9);
  if (number >= 999.5e3) return absl::StrFormat("%.1fM", number / 1e6);
  if (number >= 999.5) return absl::StrFormat("%.1fk", number / 1e3);
  return absl::StrFormat("%.0f", number);
}

std::string Count(uint64_t n, absl::string_view noun) { return absl::StrCat(n, " ", noun, n == 1 ? "" : "s"); }

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration duration;
  int64_t days = 0;
  constexpr int64_t kMaxDays = 3'650'000;
  if (absl::EndsWith(text, "d") && absl::SimpleAtoi(text.substr(0, text.size() - 1), &days) && days >= 0 &&
      days <= kMaxDays) {
    return absl::Hours(24 * days);
  }
  const bool plain = !text.empty() && absl::ascii_isdigit(static_cast<unsigned char>(text[0])) &&
                     !absl::ascii_isdigit(static_cast<unsigned char>(text.back()));
  if (!plain || !absl::ParseDuration(text, &duration) || duration > absl::Hours(24 * kMaxDays)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no duration; write it with a unit: 250ms, 30s, 5m, 1h30m, 7d"));
  }
  return duration;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace chanpool::cli
