#include "examples/microservice/flags.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace chanpool::microservice {
namespace {

// One flag: exactly one of the three members it sets is not null.
struct Flag {
  const char* name;
  const char* value;
  const char* help;
  std::string Flags::*text;
  int Flags::*number;
  bool Flags::*yes;
  int least;  // Of a number.
};

const std::vector<Flag>& All() {
  static const auto* all = new std::vector<Flag>{
      {"orders", "TARGET", "where orders are served, as ipv4:127.0.0.1:50051; needed", &Flags::orders, nullptr, nullptr,
       0},
      {"payments", "TARGET", "where payments are served; default: as orders", &Flags::payments, nullptr, nullptr, 0},
      {"name", "NAME", "what operators call this service; default: shop", &Flags::name, nullptr, nullptr, 0},
      {"attach", "PATH", "the sidecar's attach socket; default: $CHANPOOL_ATTACH, then the usual places",
       &Flags::attach, nullptr, nullptr, 0},
      {"rate", "N", "calls a second on each pool; default: 100", nullptr, &Flags::rate, nullptr, 0},
      {"delay_ms", "N", "how long the upstream takes; default: 5", nullptr, &Flags::delay_ms, nullptr, 0},
      {"deadline_ms", "N", "how long a call may take; default: 30000", nullptr, &Flags::deadline_ms, nullptr, 1},
      {"max_connections", "N", "of each pool; default: 4", nullptr, &Flags::max_connections, nullptr, 1},
      {"max_leases", "N", "calls on one connection; default: 100", nullptr, &Flags::max_leases, nullptr, 1},
      {"quiet", "", "print the final line only", nullptr, nullptr, &Flags::quiet, 0},
      {"help", "", "this text", nullptr, nullptr, &Flags::help, 0},
  };
  return *all;
}

// The flag that begins most like `name`.
const Flag& Closest(absl::string_view name) {
  const auto alike = [name](const Flag& flag) {
    const absl::string_view known = flag.name;
    const auto end = std::mismatch(name.begin(), name.end(), known.begin(), known.end()).first;
    return end - name.begin();
  };
  return *std::max_element(All().begin(), All().end(),
                           [&](const Flag& a, const Flag& b) { return alike(a) < alike(b); });
}

absl::Status Set(const Flag& flag, bool has_value, absl::string_view value, Flags& flags) {
  if (flag.yes != nullptr) {
    if (has_value) return absl::InvalidArgumentError(absl::StrCat("--", flag.name, " takes no value"));
    flags.*flag.yes = true;
    return absl::OkStatus();
  }
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag.name, " needs a value: --", flag.name, "=", flag.value));
  }
  if (flag.text != nullptr) {
    flags.*flag.text = std::string(value);
  } else if (!absl::SimpleAtoi(value, &(flags.*flag.number)) || flags.*flag.number < flag.least) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag.name, "=", value, " is no whole number from ", flag.least, " on"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (!absl::ConsumePrefix(&argument, "--")) {
      return absl::InvalidArgumentError(absl::StrCat("\"", argument, "\" is no flag; see --help"));
    }
    const size_t equals = argument.find('=');
    const absl::string_view name = argument.substr(0, equals);
    const bool has_value = equals != absl::string_view::npos;
    const auto flag = std::find_if(All().begin(), All().end(), [name](const Flag& f) { return f.name == name; });
    if (flag == All().end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, " is no flag; did you mean --", Closest(name).name, "? See --help"));
    }
    const absl::Status set = Set(*flag, has_value, has_value ? argument.substr(equals + 1) : "", flags);
    if (!set.ok()) return set;
  }
  if (flags.help) return flags;
  if (flags.orders.empty()) {
    return absl::InvalidArgumentError(
        "--orders=TARGET is missing; start examples/demo:upstream, which prints its port, and pass "
        "--orders=ipv4:127.0.0.1:PORT");
  }
  if (flags.payments.empty()) flags.payments = flags.orders;
  return flags;
}

std::string HelpText() {
  std::string text =
      "microservice --orders=TARGET [flags]\n\n"
      "A service that calls two others through pools, and attaches them to chanpoold, so that poolctl shows them.\n"
      "Each second it prints what became of its calls, and at SIGTERM or SIGINT the whole: ok=... failed=... "
      "refused=...\n\n";
  for (const Flag& flag : All()) {
    const std::string usage = absl::StrCat("--", flag.name, flag.value[0] != '\0' ? "=" : "", flag.value);
    absl::StrAppend(&text, absl::StrFormat("  %-22s %s\n", usage, flag.help));
  }
  return text;
}

}  // namespace chanpool::microservice
