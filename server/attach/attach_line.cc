#include "server/attach/attach_line.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/admin/pool_name.h"

namespace chanpool::attach {
namespace {

constexpr absl::string_view kProtocol = "chanpool-attach/1 ";
constexpr absl::string_view kAttached = "attached as=";
constexpr absl::string_view kRefused = "refused: ";
constexpr size_t kMaxQuoted = 80;

// `text` as it may stand in a line of a log: no control characters, no more than `at_most` bytes.
std::string Printable(absl::string_view text, size_t at_most) {
  std::string printable(text.substr(0, at_most));
  std::replace_if(
      printable.begin(), printable.end(), [](char c) { return !absl::ascii_isprint(static_cast<unsigned char>(c)); },
      '?');
  return printable;
}

absl::Status BadLine(absl::string_view line, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", Printable(line, kMaxQuoted), "\" ", why, "; a line like \"",
                                                 kProtocol,
                                                 "name=shop version=1.0.0 nonce=8f14e45fceea167a\" was expected"));
}

bool IsVersion(absl::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
}

bool IsNonce(absl::string_view text) {
  return text.size() >= 16 && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c));
         });
}

}  // namespace

std::string HelloLine(const Hello& hello) {
  return absl::StrCat(kProtocol, "name=", hello.name, " version=", hello.version, " nonce=", hello.nonce, "\n");
}

std::string AttachedLine(absl::string_view as) { return absl::StrCat(kProtocol, kAttached, as, "\n"); }

std::string RefusedLine(absl::string_view why) {
  return absl::StrCat(kProtocol, kRefused, Printable(why, kMaxLine - kProtocol.size() - kRefused.size() - 1), "\n");
}

absl::StatusOr<Hello> ParseHello(absl::string_view line) {
  absl::string_view rest = line;
  if (!absl::ConsumePrefix(&rest, kProtocol)) return BadLine(line, absl::StrCat("does not begin with ", kProtocol));
  Hello hello;
  for (absl::string_view field : absl::StrSplit(rest, ' ')) {
    // What a later version may add is passed over.
    if (absl::ConsumePrefix(&field, "name=")) hello.name = std::string(field);
    if (absl::ConsumePrefix(&field, "version=")) hello.version = std::string(field);
    if (absl::ConsumePrefix(&field, "nonce=")) hello.nonce = std::string(field);
  }
  if (!admin::IsPoolName(hello.name)) {
    return BadLine(line, "has no name of lower-case letters, digits and hyphens, at most 63, a letter first");
  }
  if (!IsVersion(hello.version)) return BadLine(line, "has no version of 1 to 64 printable characters");
  if (!IsNonce(hello.nonce)) return BadLine(line, "has no nonce of 16 to 64 hexadecimal digits");
  return hello;
}

absl::StatusOr<std::string> ParseAnswer(absl::string_view line) {
  absl::string_view rest = line;
  if (absl::ConsumePrefix(&rest, kProtocol)) {
    if (absl::ConsumePrefix(&rest, kAttached) && admin::IsPoolName(rest)) return std::string(rest);
    if (absl::ConsumePrefix(&rest, kRefused)) return absl::PermissionDeniedError(Printable(rest, kMaxLine));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("it answers \"", Printable(line, kMaxQuoted), "\", as no chanpoold does"));
}

absl::StatusOr<absl::optional<std::string>> ReadLine(int fd) {
  char bytes[kMaxLine];
  const ssize_t seen = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
  if (seen == 0) return absl::UnavailableError("the other side closed the connection");
  if (seen < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return absl::optional<std::string>();
    return absl::UnavailableError(absl::StrCat("cannot read: ", std::strerror(errno)));
  }
  const void* const end = std::memchr(bytes, '\n', static_cast<size_t>(seen));
  if (end == nullptr) {
    // WriteLine sends a line in one piece, and a UNIX socket keeps it so. Who sends less may wait long for the rest,
    // and poll() would say all the while that there is something to read.
    if (static_cast<size_t>(seen) < sizeof(bytes)) {
      return BadLine(absl::string_view(bytes, static_cast<size_t>(seen)), "is not a whole line");
    }
    return BadLine(absl::string_view(bytes, sizeof(bytes)), absl::StrCat("... goes on after ", kMaxLine, " bytes"));
  }
  const size_t length = static_cast<size_t>(static_cast<const char*>(end) - bytes);
  // Cannot be less than what was seen: nobody else reads.
  recv(fd, bytes, length + 1, MSG_DONTWAIT);
  return absl::optional<std::string>(std::string(bytes, length));
}

absl::Status WriteLine(int fd, absl::string_view line) {
  const ssize_t sent = send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(line.size())) return absl::OkStatus();
  return absl::UnavailableError(sent < 0 ? absl::StrCat("cannot write: ", std::strerror(errno))
                                         : "the connection takes no bytes");
}

}  // namespace chanpool::attach
