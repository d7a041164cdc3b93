#include "server/attach/sidecar_dial.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "chanpool/admin/v1/default_socket.h"
#include "server/socket/unix_listener.h"

namespace chanpool::attach {
namespace {

absl::StatusOr<int> Dial(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", path.size(), " bytes; UNIX sockets allow at most ", sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::UnavailableError(absl::StrCat("cannot make a socket: ", std::strerror(errno)));
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const std::string what = absl::StrCat("cannot connect to ", path, ": ", std::strerror(errno));
    return errno == EACCES || errno == EPERM ? absl::PermissionDeniedError(what) : absl::UnavailableError(what);
  }
  const absl::StatusOr<UnixPeer> server = PeerOf(fd);
  if (!server.ok()) return server.status();
  if (server->uid != 0 && server->uid != geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat(path, " is served by uid ", server->uid, " (pid ", server->pid,
                                                    "); only root and uid ", geteuid(),
                                                    ", as whom this process runs, may steer its pools"));
  }
  std::move(close_fd).Cancel();
  return fd;
}

}  // namespace

std::vector<std::string> SocketsToTry(const std::string& configured) {
  if (!configured.empty()) return {configured};
  const char* const environment = std::getenv("CHANPOOL_ATTACH");
  if (environment != nullptr && environment[0] != '\0') return {environment};
  return admin::DefaultSockets("attach.sock");
}

absl::StatusOr<int> DialFirst(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    struct stat facts;
    if (paths.size() == 1 || stat(path.c_str(), &facts) == 0) return Dial(path);
  }
  return absl::UnavailableError(absl::StrCat("there is no socket ", absl::StrJoin(paths, ", nor ")));
}

absl::Duration RedialPause::Next(double uniform) {
  const absl::Duration pause = pause_ * (0.5 + 0.5 * uniform);
  pause_ = std::min(pause_ * 2, kLongest);
  return pause;
}

}  // namespace chanpool::attach
