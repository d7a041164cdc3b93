#include "client/cli/table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/visible_text.h"

namespace chanpool::cli {
namespace {

constexpr size_t kGap = 2;           // Between columns.
constexpr size_t kLeastElastic = 8;  // Narrower than this says nothing.

std::string Shown(const Cell& cell) { return cell.text.empty() ? "-" : cell.text; }

void TrimEnd(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }

}  // namespace

std::string Painted(const std::string& text, Tone tone, bool colour) {
  if (!colour || tone == Tone::kPlain) return text;
  const char* const code = tone == Tone::kGood ? "32" : tone == Tone::kWarning ? "33" : tone == Tone::kBad ? "31" : "2";
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::Add(std::vector<Cell> row) {
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::vector<size_t> Table::Widths(const Layout& layout) const {
  std::vector<size_t> widths(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (layout.headers) widths[i] = Width(columns_[i].title);
    for (const std::vector<Cell>& row : rows_) widths[i] = std::max(widths[i], Width(Shown(row[i])));
  }
  if (layout.columns <= 0) return widths;
  const auto total = [&widths] { return std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1)); };
  // The widest elastic column gives first, a column at a time, until it fits or nothing can give any more.
  while (total() > static_cast<size_t>(layout.columns)) {
    size_t* widest = nullptr;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].elastic && widths[i] > kLeastElastic && (widest == nullptr || widths[i] > *widest)) {
        widest = &widths[i];
      }
    }
    if (widest == nullptr) break;
    --*widest;
  }
  return widths;
}

std::string Table::Text(const Layout& layout) const {
  const std::vector<size_t> widths = Widths(layout);
  std::string text;
  const auto add_line = [&](const auto& cell_at) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Cell cell = cell_at(i);
      const std::string shown = Clip(Shown(cell), widths[i]);
      const std::string padding(widths[i] - Width(shown), ' ');
      const std::string painted = Painted(shown, cell.tone, layout.colour);
      absl::StrAppend(&line, i == 0 ? "" : std::string(kGap, ' '), columns_[i].align == Align::kRight ? padding : "",
                      painted, columns_[i].align == Align::kRight ? "" : padding);
    }
    TrimEnd(line);
    absl::StrAppend(&text, line, "\n");
  };
  if (layout.headers) add_line([this](size_t i) { return Cell{columns_[i].title}; });
  for (const std::vector<Cell>& row : rows_) add_line([&row](size_t i) { return row[i]; });
  return text;
}

void Sheet::Add(std::string label, Cell value) {
  if (!value.text.empty()) lines_.push_back({std::move(label), std::move(value), indented_, false});
}

void Sheet::Section(std::string title) {
  lines_.push_back({std::move(title), {}, false, true});
  indented_ = true;
}

std::string Sheet::Text(bool colour) const {
  // Each run of lines has its own width, so that a long option name does not push everything to the right.
  std::string text;
  for (size_t begin = 0; begin < lines_.size();) {
    if (lines_[begin].section) {
      absl::StrAppend(&text, lines_[begin].label, ":\n");
      ++begin;
      continue;
    }
    size_t end = begin;
    size_t width = 0;
    for (; end < lines_.size() && !lines_[end].section; ++end) width = std::max(width, Width(lines_[end].label));
    for (; begin < end; ++begin) {
      const Line& line = lines_[begin];
      absl::StrAppend(&text, line.indented ? "  " : "", line.label, line.label.empty() ? " " : ":",
                      std::string(width - Width(line.label) + 2, ' '),
                      Painted(line.value.text, line.value.tone, colour), "\n");
    }
  }
  return text;
}

}  // namespace chanpool::cli
