#include "client/cli/visible_text.h"

#include <cstdint>

#include "absl/strings/str_format.h"

namespace chanpool::cli {
namespace {

struct Character {
  uint32_t code = 0;
  size_t bytes = 0;  // 0: not UTF-8.
};

// The first character of `text`, which is not empty. Over-long forms, surrogates and what is above U+10FFFF are none.
Character First(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  uint32_t code = lead & (0xff >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {code, bytes};
}

bool IsHidden(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) ||  // Controls.
         code == 0xad || code == 0x61c || code == 0x180e ||
         (code >= 0x200b && code <= 0x200f) ||                                        // Zero width; left, right.
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||  // Lines; embeddings; isolates.
         code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

std::string Escaped(absl::string_view text, bool keep_lines) {
  std::string out;
  while (!text.empty()) {
    const Character first = First(text);
    if (first.bytes == 0) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (first.code == '\n' && keep_lines) {
      out += '\n';
    } else if (first.code == '\n') {
      out += "\\n";
    } else if (first.code == '\t') {
      out += ' ';
    } else if (!IsHidden(first.code)) {
      out.append(text.data(), first.bytes);
    } else if (first.code < 0x80) {
      absl::StrAppendFormat(&out, "\\x%02x", first.code);
    } else {
      absl::StrAppendFormat(&out, "\\u%04x", first.code);
    }
    text.remove_prefix(first.bytes);
  }
  return out;
}

bool Begins(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) != 0x80; }

}  // namespace

std::string Visible(absl::string_view text) { return Escaped(text, /*keep_lines=*/false); }
std::string VisibleLines(absl::string_view text) { return Escaped(text, /*keep_lines=*/true); }

size_t Width(absl::string_view visible) {
  size_t width = 0;
  for (const char byte : visible) width += Begins(byte) ? 1 : 0;
  return width;
}

std::string Clip(absl::string_view visible, size_t width) {
  if (Width(visible) <= width) return std::string(visible);
  if (width == 0) return "";
  size_t characters = 0;
  size_t end = 0;
  for (; end < visible.size(); ++end) {
    if (Begins(visible[end]) && characters++ == width - 1) break;
  }
  return std::string(visible.substr(0, end)) + "…";
}

}  // namespace chanpool::cli
