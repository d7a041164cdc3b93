#include "tests/tidy/rules.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace chanpool::tidy {
namespace {

// Libraries that only some folders may see stand in the table below under these names.
constexpr char kGrpc[] = "gRPC";
constexpr char kProtobuf[] = "Protobuf";

// Which folder may include what stands in which others; its own it always may. Arrows point down: an entry names only
// folders below it. "pool/" means every folder in pool.
const std::map<std::string, std::vector<std::string>>& Arrows() {
  static const auto* arrows = new std::map<std::string, std::vector<std::string>>{
      {"pool/core", {}},
      {"pool/testing", {"pool/core"}},
      {"pool/http1", {"pool/core"}},
      {"pool/http2", {"pool/core"}},
      {"pool/websocket", {"pool/core"}},
      {"pool/grpc", {"pool/core", kGrpc}},
      {"proto", {kGrpc, kProtobuf}},
      {"server", {"server/", "pool/core", "proto", kProtobuf}},  // The program's main alone.
      {"server/socket", {"pool/core"}},
      {"server/admin", {"pool/core", "proto", kGrpc, kProtobuf}},
      {"server/attach", {"server/admin", "server/config", "server/socket", "pool/", "proto", kGrpc, kProtobuf}},
      {"server/config", {"server/admin", "pool/", "proto", kGrpc, kProtobuf}},
      {"server/proxy", {"pool/", "proto", kGrpc, kProtobuf}},
      {"server/web", {"server/admin", "pool/", "proto", kGrpc, kProtobuf}},
      {"server/alert", {"server/admin", "pool/", "proto", kGrpc, kProtobuf}},
      {"server/sidecar", {"server/", "pool/", "proto", kGrpc, kProtobuf}},
      {"client/admin", {"proto", kGrpc, kProtobuf}},
      {"client/cli", {"client/admin", "proto", kProtobuf}},
      {"examples", {"pool/", "server/admin", "server/attach", "client/admin", "proto", kGrpc, kProtobuf}},
      {"bazel", {kGrpc}},
      // Bench is test code too: it may use the tests' servers, and the demo's load.
      {"bench", {"pool/", "server/", "client/", "proto", "examples", "tests", kGrpc, kProtobuf}},
      {"tests", {"pool/", "server/", "client/", "proto", "bench", "examples", kGrpc, kProtobuf}},
  };
  return *arrows;
}

// A name that may appear only in some places.
struct Ban {
  std::string rule;
  std::regex name;
  std::string instead;
  std::vector<std::string> allowed;  // Beginnings of paths.
};

// Real time: the clock itself, its fake, and programs whose subject is the real world.
const std::vector<std::string>& RealTime() {
  static const auto* paths = new std::vector<std::string>{
      "pool/core/clock.", "pool/testing/fake_clock.", "examples/", "bench/", "tests/e2e/", "tests/fault/",
      "tests/fakes/"};
  return *paths;
}

const std::vector<Ban>& Bans() {
  static const auto* bans = new std::vector<Ban>{
      {"clock", std::regex(R"(\b(absl::Now|(steady|system|high_resolution)_clock(?!::(time_point|duration)))\b)"),
       "ask the Clock that was handed in (pool/core/clock.h); in tests FakeClock", RealTime()},
      {"sleep", std::regex(R"(\b(absl::SleepFor|sleep_for|sleep_until|(u|nano)?sleep(?=\s*\())\b)"),
       "park with Clock::Park (pool/core/clock.h); in tests wait for a condition, then FakeClock::Advance", RealTime()},
      {"condition", std::regex(R"(\bstd::condition_variable(_any)?\b)"),
       "give each waiter a Wakeup of its own and Clock::Park (pool/core/clock.h)", RealTime()},
      {"exception",
       std::regex(R"(\b(throw\b|catch(?=\s*\()))"),
       "return absl::Status or absl::StatusOr",
       // yaml-cpp reports bad YAML, and CLI11 a wrong command line, by exceptions only.
       {"server/config/yaml_tree.cc", "client/cli/command_line."}},
  };
  return *bans;
}

bool IsHeader(absl::string_view path) { return absl::EndsWith(path, ".h"); }
bool IsSource(absl::string_view path) { return absl::EndsWith(path, ".cc") || IsHeader(path); }

bool StartsWithAny(absl::string_view path, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [path](const std::string& beginning) { return absl::StartsWith(path, beginning); });
}

// "pool/core" for pool/core/deep/a.h, "tests" for tests/core/a.cc, "" for a path of no folder of ours.
std::string FolderOf(absl::string_view path) {
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (parts.size() < 2) return "";
  const std::string one(parts[0]);
  if (one == "pool" || one == "server" || one == "client") {
    return parts.size() < 3 ? one : absl::StrCat(one, "/", parts[1]);
  }
  return Arrows().count(one) > 0 ? one : "";
}

// What an include brings in, in the words of the table; "" for what everyone may include.
std::string Included(absl::string_view header) {
  for (absl::string_view grpc : {"grpc/", "grpcpp/", "grpc++/"}) {
    if (absl::StartsWith(header, grpc)) return kGrpc;
  }
  if (absl::StartsWith(header, "google/protobuf/")) return kProtobuf;
  // Generated from proto/, which is their root.
  for (absl::string_view generated : {"chanpool/", "google/rpc/"}) {
    if (absl::StartsWith(header, generated)) return "proto";
  }
  return FolderOf(header);
}

bool MayInclude(absl::string_view folder, absl::string_view included) {
  const std::vector<std::string>& below = Arrows().at(std::string(folder));
  return std::any_of(below.begin(), below.end(), [included](const std::string& entry) {
    return entry == included || (absl::EndsWith(entry, "/") && absl::StartsWith(included, entry));
  });
}

// `text` with comments and, if so asked, literals turned into spaces. Lines stay where they are.
std::string Blanked(const std::string& text, bool literals) {
  std::string out = text;
  size_t i = 0;
  const auto blank_until = [&out, &i](size_t end, bool blank) {
    for (end = std::min(end, out.size()); i < end; ++i) {
      if (blank && out[i] != '\n') out[i] = ' ';
    }
  };
  const auto after = [&text](absl::string_view what, size_t from) {
    const size_t found = text.find(what.data(), from, what.size());
    return found == std::string::npos ? text.size() : found + what.size();
  };
  while (i < text.size()) {
    const absl::string_view rest = absl::string_view(text).substr(i);
    if (absl::StartsWith(rest, "//")) {
      blank_until(text.find('\n', i), true);
    } else if (absl::StartsWith(rest, "/*")) {
      blank_until(after("*/", i + 2), true);
    } else if (absl::StartsWith(rest, "R\"")) {
      const size_t open = std::min(text.find('(', i), text.size());
      const std::string close = absl::StrCat(")", text.substr(i + 2, open - i - 2), "\"");
      blank_until(after(close, open), literals);
    } else if (text[i] == '"' || (text[i] == '\'' && (i == 0 || !std::isalnum(text[i - 1])))) {  // Not 1'000.
      const char quote = text[i];
      size_t end = i + 1;
      while (end < text.size() && text[end] != quote && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
      blank_until(end + 1, literals);
    } else {
      ++i;
    }
  }
  return out;
}

std::vector<std::string> Lines(const std::string& text) { return absl::StrSplit(text, '\n'); }

void CheckIncludes(const std::string& path, const std::string& text, std::vector<Finding>& findings) {
  static const auto* include = new std::regex(R"(^\s*#\s*include\s*["<]([^">]+)[">])");
  const std::string folder = FolderOf(path);
  if (Arrows().count(folder) == 0) {
    findings.push_back(
        {path, 1, "arrow",
         absl::StrCat("its folder has no row in Arrows() of tests/tidy/rules.cc; add one that says what ",
                      "it may include")});
    return;
  }
  const std::vector<std::string> lines = Lines(Blanked(text, /*literals=*/false));
  for (size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_search(lines[i], match, *include)) continue;
    const std::string included = Included(match[1].str());
    if (included.empty() || included == folder || MayInclude(folder, included)) continue;
    const std::vector<std::string>& below = Arrows().at(folder);
    findings.push_back(
        {path, static_cast<int>(i) + 1, "arrow",
         absl::StrCat(folder, " may not include ", match[1].str(), " (", included, "); it may include ",
                      below.empty() ? "Abseil and the standard library only" : absl::StrJoin(below, ", "),
                      ". Move the code to the folder above, or hand it in through an interface")});
  }
}

void CheckBans(const std::string& path, const std::string& text, std::vector<Finding>& findings) {
  const std::vector<std::string> lines = Lines(Blanked(text, /*literals=*/true));
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const Ban& ban : Bans()) {
      std::smatch match;
      if (StartsWithAny(path, ban.allowed) || !std::regex_search(lines[i], match, ban.name)) continue;
      findings.push_back({path, static_cast<int>(i) + 1, ban.rule,
                          absl::StrCat("`", match[0].str(), "` is not used here; ", ban.instead)});
    }
  }
}

void CheckName(const std::string& path, std::vector<Finding>& findings) {
  const std::string file = path.substr(path.rfind('/') + 1);
  const std::vector<std::string> words = absl::StrSplit(file.substr(0, file.rfind('.')), '_');
  for (const char* vague : {"util", "utils", "common", "helper", "helpers", "manager", "impl"}) {
    if (std::find(words.begin(), words.end(), vague) == words.end()) continue;
    findings.push_back(
        {path, 1, "name", absl::StrCat("\"", vague, "\" answers no question; name the file by what it holds")});
  }
}

void CheckOpeningComment(const std::string& path, const std::string& text, std::vector<Finding>& findings) {
  if (!IsHeader(path) || absl::StartsWith(text, "// ")) return;
  findings.push_back({path, 1, "opening",
                      "a header opens with a comment: what it is for, its typical use, the idea one would get wrong"});
}

std::string FolderPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Whether the nearest BUILD.bazel at or above the file names it.
bool IsBuilt(const std::string& path, const Files& files) {
  std::string folder = path;
  do {
    folder = FolderPath(folder);
    const std::string prefix = folder.empty() ? "" : absl::StrCat(folder, "/");
    const auto build = files.find(absl::StrCat(prefix, "BUILD.bazel"));
    if (build == files.end()) continue;
    const std::string name = path.substr(prefix.size());
    for (const std::string& line : Lines(build->second)) {
      const std::string code = line.substr(0, line.find('#'));
      if (absl::StrContains(code, absl::StrCat("\"", name, "\""))) return true;
    }
    return false;
  } while (!folder.empty());
  return false;
}

void CheckBuilt(const std::string& path, const Files& files, std::vector<Finding>& findings) {
  if (IsBuilt(path, files)) return;
  findings.push_back({path, 1, "unbuilt",
                      absl::StrCat("in no target; name it in ", FolderPath(path),
                                   "/BUILD.bazel (a glob does not count), or delete it")});
}

}  // namespace

std::string Finding::ToString() const { return absl::StrCat(path, ":", line, ": ", rule, ": ", message); }

std::vector<Finding> Check(const Files& files) {
  std::vector<Finding> findings;
  for (const auto& [path, text] : files) {
    if (!IsSource(path)) continue;
    CheckIncludes(path, text, findings);
    CheckBans(path, text, findings);
    CheckName(path, findings);
    CheckOpeningComment(path, text, findings);
    CheckBuilt(path, files, findings);
  }
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.path, a.line) < std::tie(b.path, b.line);
  });
  return findings;
}

}  // namespace chanpool::tidy
