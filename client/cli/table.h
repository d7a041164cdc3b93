// Rows and columns for people: lines up, fits the terminal, has no trailing spaces.
//
//   Table table({{"NAME"}, {"CONNS", Align::kRight}, {"TARGET", Align::kLeft, /*elastic=*/true}});
//   table.Add({{"orders"}, {"8/16"}, {"dns:///orders:50051"}});
//   out << table.Text({.headers = true, .colour = false, .columns = 80});
//
// Cells must be Visible() already: colours are added here, and nothing else may contain an escape.
#ifndef CHANPOOL_CLIENT_CLI_TABLE_H_
#define CHANPOOL_CLIENT_CLI_TABLE_H_

#include <string>
#include <vector>

namespace chanpool::cli {

enum class Align { kLeft, kRight };
enum class Tone { kPlain, kGood, kWarning, kBad, kFaint };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  bool elastic = false;  // Is cut where the lines would be too long.
};

struct Cell {
  std::string text;  // Empty is shown as "-".
  Tone tone = Tone::kPlain;
};

struct Layout {
  bool headers = true;
  bool colour = false;
  int columns = 0;  // Of the terminal; 0: any number.
};

// `text` in the colour of `tone`.
std::string Painted(const std::string& text, Tone tone, bool colour);

// Used by one thread.
class Table {
 public:
  explicit Table(std::vector<Column> columns);

  // As many cells as there are columns.
  void Add(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }

  // Lines that each end in '\n'.
  std::string Text(const Layout& layout) const;

 private:
  std::vector<size_t> Widths(const Layout& layout) const;

  const std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// "Label:  value" lines, for what has too many values for a row.
class Sheet {
 public:
  void Add(std::string label,
           Cell value);             // Left out if the value is empty. An empty label goes on with the one before.
  void Section(std::string title);  // What follows is indented below it.
  std::string Text(bool colour) const;

 private:
  struct Line {
    std::string label;
    Cell value;
    bool indented = false;
    bool section = false;
  };
  std::vector<Line> lines_;
  bool indented_ = false;
};

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_TABLE_H_
