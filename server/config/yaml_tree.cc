#include "server/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/config/printable_text.h"

namespace chanpool::config {
namespace {

using Kind = YamlNode::Kind;

// Turns yaml-cpp's marks, which count bytes from 0, into places.
class Places {
 public:
  explicit Places(absl::string_view text) : text_(text) {
    lines_.push_back(0);
    characters_.push_back(0);
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') lines_.push_back(i + 1);
      const bool begins_character = (text[i] & 0xc0) != 0x80;
      characters_.push_back(characters_.back() + (begins_character ? 1 : 0));
    }
  }

  Place At(const YAML::Mark& mark) const {
    if (mark.line < 0 || static_cast<size_t>(mark.line) >= lines_.size()) return {};
    const uint32_t column = characters_[ByteOf(mark)] - characters_[lines_[mark.line]];
    return {static_cast<uint32_t>(mark.line) + 1, column + 1};
  }

  // What the text goes on with there.
  absl::string_view Rest(const YAML::Mark& mark) const {
    if (mark.line < 0 || static_cast<size_t>(mark.line) >= lines_.size()) return "";
    return text_.substr(ByteOf(mark));
  }

 private:
  size_t ByteOf(const YAML::Mark& mark) const { return std::min(lines_[mark.line] + mark.column, text_.size()); }

  const absl::string_view text_;
  std::vector<size_t> lines_;         // Where each begins.
  std::vector<uint32_t> characters_;  // How many begin before each byte. Counted once: a line may be all of the file.
};

// What yaml-cpp would misread or let pass: told byte by byte before it sees the text.
bool CheckBytes(absl::string_view text, Diagnostics& errors) {
  if (text.size() > kMaxConfigBytes) {
    errors.Add({}, "", "TOO_LARGE", absl::StrCat("is larger than 1 MiB (", kMaxConfigBytes, " bytes)"));
    return false;
  }
  if (absl::StartsWith(text, "\xef\xbb\xbf")) {
    errors.Add({1, 1}, "", "ENCODING", "begins with a byte order mark", "save it as UTF-8 without one");
    return false;
  }
  Place place = {1, 1};
  for (bool tab_told = false; !text.empty();) {
    const CodePoint point = FirstCodePoint(text);
    if (point.bytes == 0) {
      errors.Add(place, "", "ENCODING", absl::StrFormat("byte 0x%02x is not UTF-8", static_cast<uint8_t>(text[0])),
                 "save the file as UTF-8");
      return false;  // What follows may be of any encoding.
    }
    const bool line_end = text[0] == '\n' || absl::StartsWith(text, "\r\n");
    if (text[0] == '\t') {
      if (!tab_told) errors.Add(place, "", "TAB", "a tab", "indent and separate by spaces; in a text write \\t");
      tab_told = true;
    } else if (IsControl(point.value) && !line_end) {
      errors.Add(place, "", "CONTROL_CHARACTER",
                 absl::StrFormat("control character 0x%02x", static_cast<uint32_t>(point.value)));
    }
    if (text[0] == '\n') {
      place = {place.line + 1, 1};
      tab_told = false;
    } else {
      ++place.column;
    }
    text.remove_prefix(point.bytes);
  }
  return errors.empty();
}

// Grows the tree from the parser's events. Past a limit it only lets them go by: a handler cannot stop the parser.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Places& places, Diagnostics& errors) : places_(places), errors_(errors) {}

  bool has_document() const { return documents_ > 0; }
  bool gave_up() const { return gave_up_; }
  YamlNode& root() { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) {
      if (absl::StartsWith(places_.Rest(mark), "---")) {
        errors_.Add(places_.At(mark), "", "MULTIPLE_DOCUMENTS", "a second document", "one file has one");
      } else {
        errors_.Add(places_.At(mark), "", "SYNTAX", "does not belong to what stands above", "check its indentation");
      }
      gave_up_ = true;
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add(Kind::kNull, mark, "?", anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    if (Add(Kind::kRefused, mark, "?", 0) != nullptr) Refuse(mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode* node = Add(Kind::kScalar, mark, tag, anchor);
    if (node == nullptr) return;
    node->text = value;
    node->plain = tag == "?";
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(Add(Kind::kSequence, mark, tag, anchor), mark);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(Add(Kind::kMap, mark, tag, anchor), mark);
  }
  void OnMapEnd() override { Close(); }

  // Also for an alias that the parser itself refuses.
  void Refuse(const YAML::Mark& mark) { errors_.Add(places_.At(mark), "", "ALIAS", "an alias", "write the value out"); }

 private:
  YamlNode* Add(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (gave_up_) return nullptr;
    if (++nodes_ > kMaxYamlNodes) {
      errors_.Add(places_.At(mark), "", "TOO_MANY_NODES",
                  absl::StrCat("more than ", kMaxYamlNodes, " keys and values"));
      gave_up_ = true;
      return nullptr;
    }
    if (anchor != 0) errors_.Add(places_.At(mark), "", "ANCHOR", "an anchor", "write the value out where it is needed");
    // "?" is a plain scalar, list or map, "!" one in quotes; unless that is what the text says.
    const bool tagged = (tag != "?" && tag != "!" && !tag.empty()) || absl::StartsWith(places_.Rest(mark), "!");
    if (tagged) {
      errors_.Add(places_.At(mark), "", "TAG", "a tag", "the key says the type; remove the tag");
    }
    YamlNode* node = &root_;
    if (!open_.empty()) node = &open_.back()->children.emplace_back();
    node->kind = tagged && kind == Kind::kScalar ? Kind::kRefused : kind;  // Its type is told already.
    node->place = places_.At(mark);
    return node;
  }

  // `open_` stays valid: a list grows only while none of its children is open.
  void Open(YamlNode* node, const YAML::Mark& mark) {
    if (node == nullptr) return;
    open_.push_back(node);
    if (open_.size() <= kMaxYamlDepth) return;
    errors_.Add(places_.At(mark), "", "TOO_DEEP", absl::StrCat("nested more than ", kMaxYamlDepth, " deep"));
    gave_up_ = true;
  }
  void Close() {
    if (!gave_up_) open_.pop_back();
  }

  const Places& places_;
  Diagnostics& errors_;
  YamlNode root_;
  std::vector<YamlNode*> open_;
  size_t nodes_ = 0;
  int documents_ = 0;
  bool gave_up_ = false;
};

}  // namespace

absl::optional<YamlNode> ParseYaml(absl::string_view text, Diagnostics& errors) {
  if (!CheckBytes(text, errors)) return absl::nullopt;
  const Places places(text);
  TreeBuilder builder(places, errors);
  std::istringstream stream{std::string(text)};
  // yaml-cpp throws on bad YAML: the only place where one of its exceptions can arise.
  try {
    YAML::Parser parser(stream);
    while (!builder.gave_up() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (builder.gave_up()) return absl::nullopt;
    if (absl::StartsWith(places.Rest(error.mark), "*")) {
      builder.Refuse(error.mark);
    } else {
      errors.Add(places.At(error.mark), "", "SYNTAX", absl::StrCat("no YAML: ", error.msg));
    }
    return absl::nullopt;
  }
  if (builder.gave_up()) return absl::nullopt;
  if (!builder.has_document() || builder.root().kind == Kind::kNull) {
    errors.Add({}, "", "EMPTY", "is empty", "the least there can be is: version: 1");
    return absl::nullopt;
  }
  return std::move(builder.root());
}

}  // namespace chanpool::config
