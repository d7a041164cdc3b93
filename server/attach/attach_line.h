// What is said on an attach socket before gRPC takes over: one line by the application, one by the sidecar.
//
//   chanpool-attach/1 name=shop version=1.0.0 nonce=8f14e45fceea167a        (the application, which dialled)
//   chanpool-attach/1 attached as=shop-2                                    (the sidecar), or
//   chanpool-attach/1 refused: 256 applications are attached already
//
// After "attached" the sidecar speaks HTTP/2 as the client and the application as the server.
#ifndef CHANPOOL_SERVER_ATTACH_ATTACH_LINE_H_
#define CHANPOOL_SERVER_ATTACH_ATTACH_LINE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace chanpool::attach {

// The longest line, with its end.
inline constexpr size_t kMaxLine = 512;

// How an application presents itself.
struct Hello {
  std::string name;     // [a-z]([a-z0-9-]{0,61}[a-z0-9])?
  std::string version;  // Of chanpool: 1 to 64 printable characters, no space.
  std::string nonce;    // 16 to 64 hexadecimal digits: the same each time that one Attachment dials.
};

// All with their end of line.
std::string HelloLine(const Hello& hello);
std::string AttachedLine(absl::string_view as);
std::string RefusedLine(absl::string_view why);  // Cut to fit, control characters replaced.

// `line` without its end. kInvalidArgument says what is wrong with it.
absl::StatusOr<Hello> ParseHello(absl::string_view line);
// What the process is called at the sidecar. kPermissionDenied with the sidecar's reason when it refused;
// kInvalidArgument for anything else.
absl::StatusOr<std::string> ParseAnswer(absl::string_view line);

// The next line of a non-blocking socket, without its end, and not a byte of what follows it: that is gRPC's. Nothing
// when it is not there yet. kUnavailable when the peer is gone, kInvalidArgument when what is there has no end: a line
// comes in one piece.
absl::StatusOr<absl::optional<std::string>> ReadLine(int fd);
// All of it at once or kUnavailable: a fresh socket has room for a line.
absl::Status WriteLine(int fd, absl::string_view line);

}  // namespace chanpool::attach
#endif  // CHANPOOL_SERVER_ATTACH_ATTACH_LINE_H_
