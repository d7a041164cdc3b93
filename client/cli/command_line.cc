#include "client/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/nearest.h"
#include "client/cli/units.h"

namespace chanpool::cli {
namespace {

std::vector<std::string> Split(const std::string& words) { return absl::StrSplit(words, ' '); }

// The word sequences that are offered for a command: its own and its aliases.
std::vector<std::vector<std::string>> Paths(const Command& command) {
  std::vector<std::vector<std::string>> paths = {Split(command.words)};
  for (const std::string& alias : command.aliases) paths.push_back(Split(alias));
  return paths;
}

// Words that people bring from other tools, where no letter's change leads to ours.
std::string SeeAlso(const std::string& word) {
  static const auto* words = new std::map<std::string, std::string>{{"pause", "drain"},
                                                                    {"disable", "drain"},
                                                                    {"suspend", "drain"},
                                                                    {"enable", "undrain"},
                                                                    {"unpause", "undrain"},
                                                                    {"kill", "drain"},
                                                                    {"list", "get"},
                                                                    {"ls", "get"},
                                                                    {"watch", "top"},
                                                                    {"logs", "events"},
                                                                    {"metrics", "stats and top"}};
  const auto found = words->find(word);
  return found == words->end() ? "" : absl::StrCat("; see ", found->second);
}

const Flag* FindFlag(const std::vector<Flag>& flags, absl::string_view name) {
  const auto found = std::find_if(flags.begin(), flags.end(), [name](const Flag& flag) {
    return flag.name == name || (flag.letter != 0 && name == absl::string_view(&flag.letter, 1));
  });
  return found == flags.end() ? nullptr : &*found;
}

// Words before the first that no command continues with, and which of `args` they are. Global flags may stand between.
struct LeadingWords {
  std::vector<std::string> words;
  std::vector<size_t> indices;
};

LeadingWords FindLeadingWords(const std::vector<std::string>& args) {
  LeadingWords leading;
  for (size_t i = 0; i < args.size() && leading.words.size() < 2; ++i) {
    const absl::string_view arg = args[i];
    if (arg == "--") break;
    if (!absl::StartsWith(arg, "-") || arg == "-") {
      leading.words.push_back(args[i]);
      leading.indices.push_back(i);
      continue;
    }
    const absl::string_view name = absl::StripPrefix(absl::StripPrefix(arg, "-"), "-");
    const Flag* const flag = FindFlag(GlobalFlags(), name);
    if (flag != nullptr && !flag->value.empty()) ++i;  // Its value is the next word.
  }
  return leading;
}

// What may follow `words`, to suggest from.
std::vector<std::string> NextWords(const std::vector<std::string>& words) {
  std::set<std::string> next;
  for (const Command& command : Commands()) {
    for (const std::vector<std::string>& path : Paths(command)) {
      if (path.size() > words.size() && std::equal(words.begin(), words.end(), path.begin())) {
        next.insert(path[words.size()]);
      }
    }
  }
  return {next.begin(), next.end()};
}

std::string FlagNames(const Flag& flag) {
  return absl::StrCat(flag.letter == 0 ? "" : absl::StrCat("-", std::string(1, flag.letter), ","), "--", flag.name);
}

// Whether `value` is one that `flag` takes.
absl::Status CheckValue(const Flag& flag, const std::string& value, const std::string& shown) {
  if (flag.value == "DURATION") {
    const absl::StatusOr<absl::Duration> duration = ParseDuration(value);
    if (!duration.ok()) return UsageError(absl::StrCat(shown, ": ", duration.status().message()));
    if (*duration <= absl::ZeroDuration()) return UsageError(absl::StrCat(shown, ": must be more than zero"));
  } else if (flag.value == "N") {
    uint64_t number = 0;
    if (!absl::SimpleAtoi(value, &number) || absl::StartsWith(value, "+")) {
      return UsageError(absl::StrCat(shown, ": \"", value, "\" is no whole number"));
    }
  } else if (absl::StrContains(flag.value, "|")) {
    const std::vector<std::string> choices = absl::StrSplit(flag.value, '|');
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
      return UsageError(absl::StrCat(shown, ": \"", value, "\" is none of ", absl::StrJoin(choices, ", "),
                                     DidYouMean(value, choices)));
    }
  }
  return absl::OkStatus();
}

// The words after the command's own, by CLI11. The one place where exceptions, which are CLI11's, are seen.
absl::StatusOr<Invocation> ParseFlags(const Command& command, const std::vector<Flag>& flags,
                                      std::vector<std::string> args) {
  CLI::App app;
  app.set_help_flag();  // Help is ours.
  app.allow_extras();   // So that what is wrong is named here, and by its nearest right word.
  std::map<std::string, std::string> values;
  std::map<std::string, CLI::Option*> options;
  Invocation invocation;
  for (const Flag& flag : flags) {
    if (flag.value.empty()) {
      options[flag.name] = app.add_flag(FlagNames(flag))->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      options[flag.name] = app.add_option(FlagNames(flag), values[flag.name])->take_last();
    }
  }
  std::reverse(args.begin(), args.end());  // As CLI11 wants them.
  try {
    app.parse(args);
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string text = error.what();  // "--timeout: 1 required TEXT missing"
    const std::string flag = text.substr(0, text.find(':'));
    return UsageError(absl::StrCat(flag, " needs a value"));
  } catch (const CLI::Error& error) {
    return UsageError(error.what());
  }
  for (const auto& [name, option] : options) {
    if (option->count() == 0) continue;
    const Flag& flag = *FindFlag(flags, name);
    if (!flag.value.empty()) {
      invocation.flags[name] = values[name];
      const absl::Status status = CheckValue(flag, values[name], absl::StrCat("--", name));
      if (!status.ok()) return status;
    } else if (option->as<bool>()) {
      invocation.flags[name] = "true";
    }
  }
  bool only_args = false;
  for (const std::string& rest : app.remaining()) {
    if (rest == "--" && !only_args) {
      only_args = true;
    } else if (absl::StartsWith(rest, "-") && rest != "-" && !only_args) {
      std::vector<std::string> names;
      for (const Flag& flag : flags) names.push_back(absl::StrCat("--", flag.name));
      const std::string typed = rest.substr(0, rest.find('='));
      return UsageError(absl::StrCat("unknown flag ", typed, " for ", command.words, DidYouMean(typed, names)));
    } else {
      invocation.args.push_back(rest);
    }
  }
  return invocation;
}

absl::StatusOr<Format> FormatNamed(const std::string& name, const Command& command) {
  const std::vector<std::string> formats = absl::StrSplit(command.formats, '|');
  if (std::find(formats.begin(), formats.end(), name) == formats.end()) {
    return UsageError(command.formats.empty()
                          ? absl::StrCat(command.words, " has one form of output only, without -o")
                          : absl::StrCat("-o: \"", name, "\" is no format of ", command.words, "; it has ",
                                         absl::StrJoin(formats, ", "), DidYouMean(name, formats)));
  }
  return name == "wide"   ? Format::kWide
         : name == "json" ? Format::kJson
         : name == "yaml" ? Format::kYaml
         : name == "name" ? Format::kName
                          : Format::kTable;
}

absl::string_view Plural(size_t n) { return n == 1 ? "" : "s"; }

// What the flags say, or else their variables.
absl::StatusOr<Settings> MakeSettings(const Command& command, Invocation& invocation, const Environment& environment) {
  Settings settings;
  std::map<std::string, std::string> values;
  for (const Flag& flag : GlobalFlags()) {
    if (invocation.Has(flag.name)) {
      values[flag.name] = invocation.Get(flag.name);
      continue;
    }
    const std::string variable = VariableOf(flag.name);
    const std::string value = environment.variable(variable).value_or("");
    if (value.empty() || flag.name == "help") continue;
    const absl::Status status = CheckValue(flag, value, variable);
    if (!status.ok()) return status;
    if (flag.value.empty() && value != "1" && value != "true" && value != "0" && value != "false") {
      return UsageError(absl::StrCat(variable, ": \"", value, "\" is neither true nor false"));
    }
    if (flag.value.empty() && (value == "0" || value == "false")) continue;
    // A variable holds for every command: a format that this one does not have is not its fault.
    if (flag.name == "output" && !FormatNamed(value, command).ok()) {
      const std::vector<std::string> known = {"table", "wide", "json", "yaml", "name"};
      if (std::find(known.begin(), known.end(), value) != known.end()) continue;
      return UsageError(absl::StrCat(variable, ": \"", value, "\" is none of ", absl::StrJoin(known, ", "),
                                     DidYouMean(value, known)));
    }
    values[flag.name] = value;
  }
  settings.endpoint = values["endpoint"];
  if (!values["output"].empty()) {
    const absl::StatusOr<Format> format = FormatNamed(values["output"], command);
    if (!format.ok()) return format.status();
    settings.format = *format;
  }
  if (!values["timeout"].empty()) settings.timeout = *ParseDuration(values["timeout"]);
  settings.headers = values["no-headers"].empty();
  const std::string colour = values["color"].empty() ? "auto" : values["color"];
  const bool wanted =
      colour == "always" || (colour == "auto" && environment.variable("NO_COLOR").value_or("").empty() &&
                             environment.variable("TERM").value_or("") != "dumb");
  settings.colour = wanted && (colour == "always" || environment.terminal != nullptr);
  settings.talk_colour = wanted && (colour == "always" || environment.talk_columns > 0);
  return settings;
}

}  // namespace

const Command* FindCommand(const std::vector<std::string>& words, size_t* used) {
  const Command* found = nullptr;
  *used = 0;
  for (const Command& command : Commands()) {
    std::vector<std::vector<std::string>> paths = Paths(command);
    for (const std::string& path : command.unlisted) paths.push_back(Split(path));
    for (const std::vector<std::string>& path : paths) {
      // The longest: "describe pool" before "describe", whose argument could be called "pool".
      if (path.size() > *used && path.size() <= words.size() && std::equal(path.begin(), path.end(), words.begin())) {
        *used = path.size();
        found = &command;
      }
    }
  }
  return found;
}

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& args, const Environment& environment) {
  CommandLine line;
  std::vector<std::string> rest = args;
  if (rest == std::vector<std::string>{"--version"}) rest = {"version", "--client"};  // As every other program has it.
  LeadingWords leading = FindLeadingWords(rest);
  const bool help_word = !leading.words.empty() && leading.words[0] == "help";
  if (help_word) {
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(leading.indices[0]));
    leading = FindLeadingWords(rest);
  }
  const auto is_help = [](const std::string& arg) { return arg == "--help" || arg == "-h"; };
  line.help = help_word || std::any_of(rest.begin(), std::find(rest.begin(), rest.end(), "--"), is_help);

  size_t used = 0;
  line.command = FindCommand(leading.words, &used);
  if (line.command == nullptr) {
    const std::vector<std::string>& words = leading.words;
    if (words.empty() || (words.size() == 1 && !NextWords(words).empty())) {
      line.help_for = words.empty() ? "" : words[0];
      if (line.help) return line;
      if (words.empty() && rest.empty()) return UsageError("which command? see poolctl --help");
      return UsageError(words.empty() ? std::string("a command is missing; see poolctl --help")
                                      : absl::StrCat(words[0], ": of what? ", absl::StrJoin(NextWords(words), ", ")));
    }
    const std::vector<std::string> first = NextWords({});
    const bool first_is_known = std::find(first.begin(), first.end(), words[0]) != first.end();
    const std::string wrong = first_is_known ? words[1] : words[0];
    const std::vector<std::string> right = first_is_known ? NextWords({words[0]}) : first;
    return UsageError(first_is_known ? absl::StrCat("unknown command ", words[0], " ", wrong, "; ", words[0], " knows ",
                                                    absl::StrJoin(right, ", "), DidYouMean(wrong, right))
                                     : absl::StrCat("unknown command ", wrong,
                                                    SeeAlso(wrong).empty() ? DidYouMean(wrong, right) : SeeAlso(wrong),
                                                    "\nsee poolctl --help"));
  }
  if (line.help) return line;
  for (size_t i = used; i > 0; --i) {
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(leading.indices[i - 1]));
  }
  std::vector<Flag> flags = line.command->flags;
  flags.insert(flags.end(), GlobalFlags().begin(), GlobalFlags().end());
  absl::StatusOr<Invocation> invocation = ParseFlags(*line.command, flags, std::move(rest));
  if (!invocation.ok()) return invocation.status();
  line.invocation = *std::move(invocation);

  const size_t given = line.invocation.args.size();
  const Command& command = *line.command;
  if (given < command.min_args) {
    return UsageError(absl::StrCat(command.words, " ", command.args, ": ",
                                   given == 0 ? "the argument is" : "an argument is", " missing, as in\n  poolctl ",
                                   command.examples[0].command));
  }
  if (given > command.max_args) {
    return UsageError(absl::StrCat(
        "poolctl ", command.words, " takes ",
        command.max_args == 0 ? "no arguments"
                              : absl::StrCat("at most ", command.max_args, " argument", Plural(command.max_args)),
        ", not \"", line.invocation.args[command.max_args], "\""));
  }
  const absl::StatusOr<Settings> settings = MakeSettings(command, line.invocation, environment);
  if (!settings.ok()) return settings.status();
  line.settings = *settings;
  return line;
}

}  // namespace chanpool::cli
