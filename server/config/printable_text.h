// Text from outside, made fit for a message: no byte of it can move a cursor, turn a line round or pretend to be ours.
//
//   Printable("a\x1b[31m")     // a\x1b[31m, with a backslash, an x, a 1 and a b
//   Quoted(value)              // "\"value\"", cut off where it is long
#ifndef CHANPOOL_SERVER_CONFIG_PRINTABLE_TEXT_H_
#define CHANPOOL_SERVER_CONFIG_PRINTABLE_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace chanpool::config {

// One character of UTF-8. Zero bytes: `text` is empty or does not begin with one.
struct CodePoint {
  char32_t value = 0;
  size_t bytes = 0;
};

// The character that `text` begins with.
CodePoint FirstCodePoint(absl::string_view text);

// Control characters, C1 (U+0080 to U+009F) included.
bool IsControl(char32_t value);

// `text` with what is not UTF-8, control characters, and characters that change the direction of a line, as \x1b or
// \u202e. Does nothing to text that went through it before.
std::string Printable(absl::string_view text);

// Printable, in quotes, at most `max_bytes` of `text` and then three dots.
std::string Quoted(absl::string_view text, size_t max_bytes = 64);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_PRINTABLE_TEXT_H_
