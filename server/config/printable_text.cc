#include "server/config/printable_text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace chanpool::config {
namespace {

// Marks, overrides and isolates of the bidirectional algorithm, and the byte order mark, which shows nothing.
bool IsInvisible(char32_t value) {
  return value == 0x061c || value == 0x200e || value == 0x200f || (value >= 0x202a && value <= 0x202e) ||
         (value >= 0x2066 && value <= 0x2069) || value == 0xfeff;
}

}  // namespace

CodePoint FirstCodePoint(absl::string_view text) {
  if (text.empty()) return {};
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  // 0xc0, 0xc1 and 0xf5 and above begin nothing.
  const size_t bytes = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 ? 4 : 0;
  if (bytes == 0 || first > 0xf4 || text.size() < bytes) return {};
  char32_t value = first & (0xff >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  if (overlong || surrogate || value > 0x10ffff) return {};
  return {value, bytes};
}

bool IsControl(char32_t value) { return value < 0x20 || (value >= 0x7f && value < 0xa0); }

std::string Printable(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    if (point.bytes == 0) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint8_t>(text[0]));
    } else if (IsControl(point.value)) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint32_t>(point.value));
    } else if (IsInvisible(point.value)) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<uint32_t>(point.value));
    } else {
      out.append(text.data(), point.bytes);
    }
    text.remove_prefix(point.bytes == 0 ? 1 : point.bytes);
  }
  return out;
}

std::string Quoted(absl::string_view text, size_t max_bytes) {
  size_t size = 0;
  while (size < text.size()) {
    const size_t next =
        size + (FirstCodePoint(text.substr(size)).bytes == 0 ? 1 : FirstCodePoint(text.substr(size)).bytes);
    if (next > max_bytes) break;
    size = next;
  }
  return absl::StrCat("\"", Printable(text.substr(0, size)), size < text.size() ? "..." : "", "\"");
}

}  // namespace chanpool::config
