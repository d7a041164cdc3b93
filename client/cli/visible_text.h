// Text from elsewhere, made safe for a terminal, and measured as a terminal shows it.
//
//   err << Visible(status.message());          // "\x1b[31m" becomes the six letters \x1b[31m
//
// A server's strings may hold anything: escape sequences that retitle the window, line feeds that forge a second line,
// marks that reverse what is read. None of it gets through.
#ifndef CHANPOOL_CLIENT_CLI_VISIBLE_TEXT_H_
#define CHANPOOL_CLIENT_CLI_VISIBLE_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace chanpool::cli {

// One line: control characters, marks that change the direction or are not seen, and bytes that are no UTF-8 become
// escapes.
std::string Visible(absl::string_view text);
// The same, but lines stay lines.
std::string VisibleLines(absl::string_view text);

// How many columns a Visible text takes: its characters.
size_t Width(absl::string_view visible);
// At most `width` columns of it; what was cut ends in an ellipsis.
std::string Clip(absl::string_view visible, size_t width);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_VISIBLE_TEXT_H_
