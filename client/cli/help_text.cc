#include "client/cli/help_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

constexpr size_t kColumns = 80;

struct Entry {
  std::string name;
  std::string text;
};

// "  name   text", wrapped at 80 columns with the text in a column of its own.
std::string Entries(const std::vector<Entry>& entries) {
  size_t width = 0;
  for (const Entry& entry : entries) width = std::max(width, Width(entry.name));
  width = std::min<size_t>(width, 30);
  std::string out;
  for (const Entry& entry : entries) {
    std::string line = absl::StrCat("  ", entry.name);
    const size_t text_at = width + 4;
    if (Width(line) + 2 > text_at) {  // Too long a name stands alone.
      absl::StrAppend(&out, line, "\n");
      line.clear();
    }
    line.resize(std::max(line.size(), text_at), ' ');
    bool fresh = true;
    for (const absl::string_view word : absl::StrSplit(entry.text, ' ')) {
      if (!fresh && Width(line) + 1 + Width(word) > kColumns) {
        absl::StrAppend(&out, line, "\n");
        line.assign(text_at, ' ');
        fresh = true;
      }
      absl::StrAppend(&line, fresh ? "" : " ", word);
      fresh = false;
    }
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string FlagName(const Flag& flag) {
  return absl::StrCat(flag.letter == 0 ? "    " : absl::StrCat("-", std::string(1, flag.letter), ", "), "--", flag.name,
                      flag.value.empty() ? "" : " ", flag.value);
}

std::string Usage(const Command& command, const std::string& words) {
  return absl::StrCat("poolctl ", words, command.args.empty() ? "" : " ", command.args,
                      command.flags.empty() ? "" : " [flags]");
}

std::string Examples(const std::vector<Example>& examples) {
  std::string out = "Examples:\n";
  for (const Example& example : examples) {
    absl::StrAppend(&out, "  # ", example.what, "\n  poolctl ", example.command, "\n");
  }
  return out;
}

}  // namespace

std::string HelpOf(const Command& command) {
  std::string out = absl::StrCat("poolctl ", command.words, ": ", command.summary,
                                 "\n\nUsage: ", Usage(command, command.words), "\n");
  if (!command.aliases.empty()) {
    absl::StrAppend(&out, "Also:  poolctl ", absl::StrJoin(command.aliases, ", poolctl "), "\n");
  }
  if (!command.details.empty()) {
    // Written as paragraphs; wrapped as such.
    std::string text = command.details;
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::string line;
    out += "\n";
    for (const absl::string_view word : absl::StrSplit(text, ' ')) {
      if (!line.empty() && Width(line) + 1 + Width(word) > kColumns) {
        absl::StrAppend(&out, line, "\n");
        line.clear();
      }
      absl::StrAppend(&line, line.empty() ? "" : " ", word);
    }
    absl::StrAppend(&out, line, "\n");
  }
  if (command.names == Names::kPools || command.names == Names::kPoolAndSettings ||
      command.names == Names::kPoolAndKeys) {
    out += "\nPOOL is orders or pools/orders; shop/orders for one of the attached application\nshop.\n";
  }
  absl::StrAppend(&out, "\n", Examples(command.examples));
  if (!command.flags.empty()) {
    std::vector<Entry> entries;
    for (const Flag& flag : command.flags) entries.push_back({FlagName(flag), flag.help});
    absl::StrAppend(&out, "\nFlags:\n", Entries(entries));
  }
  std::vector<Entry> entries;
  for (const Flag& flag : GlobalFlags()) {
    if (flag.name == "output") {
      if (command.formats.empty()) continue;
      entries.push_back({absl::StrCat("-o, --output ", command.formats),
                         absl::StrCat(flag.help, " (default ",
                                      std::string(command.formats.substr(0, command.formats.find('|'))), ")")});
    } else {
      entries.push_back({FlagName(flag), flag.help});
    }
  }
  absl::StrAppend(&out, "\nGlobal flags, before or after the command:\n", Entries(entries));
  return out;
}

std::string HelpOfAll(const std::string& first_word) {
  std::string out;
  if (first_word.empty()) {
    out =
        "poolctl sees, tunes and drains the connection pools of chanpoold and of attached\napplications.\n\n"
        "Usage: poolctl COMMAND [flags]\n";
  } else {
    out = absl::StrCat("Usage: poolctl ", first_word, " ... [flags]\n");
  }
  std::vector<std::string> groups;
  for (const Command& command : Commands()) {
    if (std::find(groups.begin(), groups.end(), command.group) == groups.end()) groups.push_back(command.group);
  }
  for (const std::string& group : groups) {
    std::vector<Entry> entries;
    for (const Command& command : Commands()) {
      if (command.group != group) continue;
      std::vector<std::string> names = {command.words};
      if (!first_word.empty()) names.insert(names.end(), command.aliases.begin(), command.aliases.end());
      for (const std::string& words : names) {
        if (!first_word.empty() && !absl::StartsWith(words, first_word + " ")) continue;
        // What `set` takes is too long for a list.
        const std::string args = command.args.size() > 14 ? "POOL ..." : command.args;
        entries.push_back({absl::StrCat(words, args.empty() ? "" : " ", args), command.summary});
      }
    }
    if (!entries.empty()) absl::StrAppend(&out, "\n", group, ":\n", Entries(entries));
  }
  if (!first_word.empty()) {
    absl::StrAppend(&out, "\nFor one of them: poolctl ", first_word, " ... --help\n");
    return out;
  }
  std::vector<Entry> entries;
  for (const Flag& flag : GlobalFlags()) {
    entries.push_back({FlagName(flag), flag.name == "output"
                                           ? "how to print: table, wide, json, yaml or name, as the command has it"
                                           : flag.help});
  }
  absl::StrAppend(&out, "\nGlobal flags, before or after the command:\n", Entries(entries),
                  "Each has a variable: POOLCTL_ENDPOINT, POOLCTL_OUTPUT, POOLCTL_TIMEOUT,\n"
                  "POOLCTL_NO_HEADERS, POOLCTL_COLOR. A flag wins.\n");
  absl::StrAppend(&out, "\n",
                  Examples({{"get pools", "what is there"},
                            {"top", "watch it work"},
                            {"drain orders --deadline 60s", "take a pool out of service"},
                            {"get pools --help", "all about one command, with examples"}}));
  absl::StrAppend(&out,
                  "\nExit codes: 0 ok, 2 usage, 3 cannot connect, 4 denied, 5 not found, 6 invalid,\n"
                  "7 conflict, 8 deadline passed with work left, 10 server error, 130 interrupted.\n");
  return out;
}

}  // namespace chanpool::cli
