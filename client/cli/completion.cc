#include "client/cli/completion.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/command_line.h"
#include "client/cli/options_text.h"
#include "client/cli/pool_keys.h"
#include "client/cli/resource_names.h"
#include "client/cli/session.h"

namespace chanpool::cli {
namespace {

constexpr absl::Duration kBudget = absl::Milliseconds(300);
constexpr size_t kMaxWords = 1000;  // More nobody chooses from.

// A shell pastes what it gets into a command line: only what needs no quotes is offered.
bool IsPlain(absl::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("-_./=:", std::string(1, static_cast<char>(c)));
  });
}

const Flag* FlagOf(const std::string& word, const std::vector<Flag>& flags) {
  if (!absl::StartsWith(word, "-")) return nullptr;
  for (const Flag& flag : flags) {
    if (word == absl::StrCat("--", flag.name) ||
        (flag.letter != 0 && word == absl::StrCat("-", std::string(1, flag.letter)))) {
      return &flag;
    }
  }
  return nullptr;
}

// What the server knows: names of pools or of operations.
std::vector<std::string> ServerNames(Names names, const std::string& endpoint, Environment& environment) {
  Settings settings;
  settings.endpoint = endpoint.empty() ? environment.variable(VariableOf("endpoint")).value_or("") : endpoint;
  Session session(environment, settings);
  std::vector<std::string> found;
  const absl::StatusOr<AdminClient*> client = session.client();
  if (!client.ok()) return found;
  if (names == Names::kOperations) {
    const auto response = (*client)->ListOperations({}, kBudget);
    if (!response.ok()) return found;
    for (const v1::Operation& operation : response->operations()) found.push_back(operation.name());
  } else {
    const auto response = (*client)->ListPools({}, kBudget);
    if (!response.ok()) return found;
    for (const v1::Pool& pool : response->pools()) found.push_back(ShortName(pool.name()));
  }
  return found;
}

}  // namespace

void Complete(const std::vector<std::string>& args, Environment& environment) {
  std::vector<std::string> words = args;
  if (!words.empty() && words[0] == "--") words.erase(words.begin());
  std::string typing;
  if (!words.empty()) {
    typing = words.back();
    words.pop_back();
  }
  std::vector<std::string> offers;
  std::string prefix;  // Of each offer: "--output=" while its value is being typed.

  // Words without flags and their values; the endpoint, if it is among them.
  std::vector<Flag> flags = GlobalFlags();
  std::vector<std::string> plain;
  std::string endpoint;
  const Flag* open = nullptr;  // A flag that waits for its value.
  const Command* command = nullptr;
  size_t used = 0;
  for (const std::string& word : words) {
    if (open != nullptr) {
      if (open->name == "endpoint") endpoint = word;
      open = nullptr;
      continue;
    }
    if (absl::StartsWith(word, "-")) {
      const std::pair<std::string, std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
      const Flag* const flag = FlagOf(parts.first, flags);
      if (flag != nullptr && flag->name == "endpoint") endpoint = parts.second;
      if (flag != nullptr && !flag->value.empty() && !absl::StrContains(word, "=")) open = flag;
      continue;
    }
    plain.push_back(word);
    if (command == nullptr) {
      command = FindCommand(plain, &used);
      if (command != nullptr) flags.insert(flags.end(), command->flags.begin(), command->flags.end());
    }
  }

  if (command != nullptr) command = FindCommand(plain, &used);  // "describe" may have become "describe pool".

  // Words of a command that may stand next.
  const auto offer_words = [&] {
    for (const Command& each : Commands()) {
      std::vector<std::string> paths = each.aliases;
      paths.push_back(each.words);
      for (const std::string& path : paths) {
        const std::vector<std::string> parts = absl::StrSplit(path, ' ');
        if (parts.size() > plain.size() && std::equal(plain.begin(), plain.end(), parts.begin())) {
          offers.push_back(parts[plain.size()]);
        }
      }
    }
  };

  std::string value = typing;
  const std::pair<std::string, std::string> typed = absl::StrSplit(typing, absl::MaxSplits('=', 1));
  if (open == nullptr && absl::StartsWith(typing, "--") && absl::StrContains(typing, "=")) {
    open = FlagOf(typed.first, flags);
    prefix = typed.first + "=";
    value = typed.second;
  }
  if (open != nullptr) {
    const std::string choices =
        open->name == "output" ? (command == nullptr ? "table|wide|json|yaml|name" : command->formats) : open->value;
    if (absl::StrContains(choices, "|")) offers = absl::StrSplit(choices, '|');
  } else if (absl::StartsWith(typing, "-")) {
    for (const Flag& flag : flags) offers.push_back(absl::StrCat("--", flag.name));
  } else if (command == nullptr) {
    offer_words();
  } else {
    const size_t given = plain.size() - used;
    if (command->names == Names::kShells) offers = {"bash", "zsh", "fish"};
    const bool settings = command->names == Names::kPoolAndSettings;
    if (given > 0 && (settings || command->names == Names::kPoolAndKeys)) {
      offers = settings ? OptionNames() : FirstKeys();
      for (std::string& offer : offers) offer += settings ? "=" : "";
    } else if (command->names != Names::kNone && command->names != Names::kShells && given < command->max_args) {
      offers = ServerNames(command->names, endpoint, environment);
      // Whoever types pools/ gets names in that form.
      if (absl::StartsWith(typing, "pools/")) {
        for (std::string& offer : offers) {
          const absl::StatusOr<std::string> full = PoolName(offer);
          if (full.ok()) offer = *full;
        }
      }
    }
    offer_words();  // "describe" is a command, and goes on with "pool".
  }
  std::set<std::string> sorted;
  for (const std::string& offer : offers) {
    if (absl::StartsWith(offer, value) && IsPlain(offer) && sorted.size() < kMaxWords) sorted.insert(prefix + offer);
  }
  for (const std::string& offer : sorted) *environment.out << offer << "\n";
  environment.out->flush();
}

}  // namespace chanpool::cli
